"""Names: what stands in no table judges nobody and is seen; mail to nobody is told at once; an act that
is told in two events has one key; a key that the world knows proves a trial and nothing else. Each rule
goes over all providers."""

import base64
import json
import re
import subprocess
import time

import pytest
from pipeline import BIN, REPO, Pipeline, close_all, event, wait_for
from senders import BLOCKS, CERT_URL, KEYED, PROVIDERS, SECRET, TOPIC, Senders
from signing import PUBLISHED, Signer
from test_vectors import listed

NOW_S = int(time.time())  # certificates are made now, and good from the day before on
ISO = time.strftime("%Y-%m-%dT%H:%M:%S.250Z", time.gmtime(NOW_S))
ADDRESS = "ann.names@example.com"
KINDS_MAX = 16
NATIVE = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}


def postal(name, who, number):
    return {"event": name, "timestamp": NOW_S, "uuid": f"u-{number}",
            "payload": {"message": {"id": 1, "to": who}}}


# Provider: (its name of an open, an event of a name, an address and a number that tells it apart).
EVENTS = {
    "sendgrid": ("open", lambda name, who, number: [
        {"event": name, "email": who, "timestamp": NOW_S, "sg_event_id": f"s-{number}"}]),
    "mailgun": ("opened", lambda name, who, number: {
        "event": name, "id": f"g-{number}", "timestamp": NOW_S, "recipient": who}),
    "postmark": ("Open", lambda name, who, number: {
        "RecordType": name, "MessageID": f"p-{number}", "Recipient": who, "ReceivedAt": ISO}),
    "ses": ("Open", lambda name, who, number: {
        "eventType": name, "open": {"timestamp": ISO},
        "mail": {"messageId": f"a-{number}", "destination": [who] if who else []}}),
    "sparkpost": ("open", lambda name, who, number: [{"msys": {"track_event": {
        "type": name, "event_id": f"k-{number}", "timestamp": str(NOW_S + number), "rcpt_to": who,
        "transmission_id": "t"}}}]),
    "mandrill": ("open", lambda name, who, number: {
        "event": name, "ts": NOW_S, "_id": f"d-{number}", "msg": {"email": who}}),
    "mailjet": ("open", lambda name, who, number: {
        "event": name, "time": NOW_S, "MessageID": 2**60 + number, "email": who}),
    "brevo": ("opened", lambda name, who, number: {
        "event": name, "ts_epoch": NOW_S * 1000 + number, "message-id": "<b@example.com>", "email": who}),
    "resend": ("email.opened", lambda name, who, number: {
        "type": name, "created_at": ISO, "data": {"email_id": f"r-{number}", "to": [who]}}),
    "mailersend": ("activity.opened", lambda name, who, number: {
        "type": name, "created_at": ISO, "data": {"id": f"m-{number}", "recipient": who}}),
    "postal": ("MessageLoaded", postal),
}
assert set(EVENTS) == set(PROVIDERS)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(Senders(tmp_path_factory.mktemp("keys")))


def verify(signer, provider, body, **more):
    """The exit status, the answer and what people are told."""
    headers, body = signer.request(provider, json.dumps(body).encode(), NOW_S, **more)
    block = signer.block(provider)
    args = ["--provider", provider, "--now", str(NOW_S)]
    args += [arg for secret in listed(block.get("secrets") or []) for arg in ("--secret", secret)]
    args += ["--url", block["url"]] if "url" in block else []
    if provider == "ses":
        args += ["--topic", TOPIC, "--cert", f"{CERT_URL}={signer.senders.keys['ses']}"]
    request = json.dumps({"headers": headers, "body_b64": base64.b64encode(body).decode()})
    done = subprocess.run([BIN / "trotline", "verify", *args, "-"], input=request,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def read(signer, provider, name, who=ADDRESS, number=1):
    status, answer, told = verify(signer, provider, EVENTS[provider][1](name, who, number))
    assert answer["accepted"], answer
    [one] = answer["events"]
    return status, one, answer["warnings"], told


# ---- names and addresses


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_name_in_no_table_is_kept_and_seen_and_judges_nothing(signer, provider):
    status, one, warnings, told = read(signer, provider, "Tele\nported")
    assert status == 0 and one["type"] == "unknown" and one["bounce_class"] is None
    assert one["unknown_kind"] == one["provider_event"] == "Tele\nported"
    assert len(warnings) == 1 and "Tele?ported stands in no table" in warnings[0]
    assert warnings[0] in told


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_name_in_a_table_is_no_warning(signer, provider):
    status, one, warnings, told = read(signer, provider, EVENTS[provider][0])
    assert (status, warnings, told) == (0, [], "")
    assert one["type"] == "email_opened" and one["unknown_kind"] is None and one["email"] == ADDRESS


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("who", [None, "nobody"])
def test_mail_to_nobody_is_told_and_ends_with_1(signer, provider, who):
    status, one, warnings, told = read(signer, provider, EVENTS[provider][0], who)
    assert status == 1 and one["type"] == "email_opened" and one["email"] is None
    assert len(warnings) == 1 and "no address" in warnings[0] and warnings[0] in told


@pytest.mark.parametrize("provider, body, kind", [
    ("postmark", {"RecordType": "Bounce", "Type": "Quantum", "ID": 1, "Email": ADDRESS}, "Bounce/Quantum"),
    ("ses", {"eventType": "Bounce", "mail": {"messageId": "a", "destination": [ADDRESS]}, "bounce": {
        "bounceType": "Quantum", "bouncedRecipients": [{"emailAddress": ADDRESS}]}}, "Bounce/Quantum"),
    ("sparkpost", [{"msys": {"message_event": {"type": "bounce", "event_id": "k", "bounce_class": "999",
                                               "rcpt_to": ADDRESS}}}], "bounce/999"),
    ("resend", {"type": "email.bounced", "created_at": ISO, "data": {
        "email_id": "r", "to": [ADDRESS], "bounce": {"type": "Quantum"}}}, "email.bounced/Quantum"),
    ("sendgrid", [{"event": "bounce", "type": "quantum", "email": ADDRESS, "sg_event_id": "s"}],
     "bounce/quantum"),
])
def test_a_word_in_no_table_is_seen_behind_its_event(signer, provider, body, kind):
    status, answer, _ = verify(signer, provider, body)
    [one] = answer["events"]
    assert status == 0 and one["unknown_kind"] == kind
    assert (one["type"], one["bounce_class"]) == ("email_bounced", "undetermined")


# ---- one act, one key


TWICE = [("mailersend", "activity.opened", "activity.opened_unique"),
         ("mailersend", "activity.clicked", "activity.clicked_unique"),
         ("sparkpost", "open", "initial_open"), ("sparkpost", "amp_open", "amp_initial_open"),
         ("brevo", "opened", "unique_opened"), ("brevo", "proxy_open", "unique_proxy_open")]


@pytest.mark.parametrize("provider, every, first", TWICE)
def test_an_act_told_in_two_events_has_one_key_and_the_next_another(signer, provider, every, first):
    told = [read(signer, provider, name)[1] for name in (every, first)]
    later = read(signer, provider, every, number=60)[1]
    assert told[0]["type"] == told[1]["type"]
    assert told[0]["dedup_key"] == told[1]["dedup_key"] != later["dedup_key"]


def test_a_complaint_told_as_a_record_and_as_a_bounce_has_one_key(signer):
    keys = set()
    for record in ("SpamComplaint", "Bounce"):
        [one] = verify(signer, "postmark", {"RecordType": record, "Type": "SpamComplaint", "ID": 7,
                                            "Email": ADDRESS, "MessageID": "p"})[1]["events"]
        assert one["type"] == "email_complained"
        keys.add(one["dedup_key"])
    [other] = verify(signer, "postmark", {"RecordType": "Bounce", "Type": "HardBounce", "ID": 7,
                                          "Email": ADDRESS, "MessageID": "p"})[1]["events"]
    assert len(keys) == 1 and other["dedup_key"] not in keys


@pytest.mark.parametrize("provider", PROVIDERS)
def test_two_acts_have_two_keys(signer, provider):
    keys = {read(signer, provider, EVENTS[provider][0], number=number)[1]["dedup_key"]
            for number in (1, 60)}
    assert len(keys) == 2


def of_several(provider, name, people):
    if provider == "resend":
        return {"type": name, "created_at": ISO, "data": {"email_id": "r", "to": people}}
    return {"eventType": name, "mail": {"messageId": "a", "destination": people}, "bounce": {
        "bounceType": "Permanent", "bouncedRecipients": []}}


@pytest.mark.parametrize("provider, name, kind", [
    ("ses", "Open", "email_opened"), ("ses", "Click", "email_clicked"), ("ses", "Bounce", "unknown"),
    ("ses", "Complaint", "unknown"), ("ses", "Subscription", "unknown"),
    ("resend", "email.opened", "email_opened"), ("resend", "email.clicked", "email_clicked"),
    ("resend", "email.bounced", "unknown"), ("resend", "email.complained", "unknown")])
def test_what_one_of_several_did_is_nobodys(signer, provider, name, kind):
    status, answer, told = verify(signer, provider, of_several(provider, name, [ADDRESS, "b@example.com"]))
    [one] = answer["events"]
    assert (status, told) == (0, "")
    assert (one["type"], one["email"], one["anonymous"]) == (kind, None, True)
    assert one["bounce_class"] is None
    [alone] = verify(signer, provider, of_several(provider, name, [ADDRESS]))[1]["events"]
    assert alone["email"] == ADDRESS and not alone["anonymous"]


# ---- keys that the world knows


PINGS = {"mailersend": {"type": "webhook.test", "created_at": ISO}, "mandrill": []}
KNOWN = re.findall(r'^\t\{"(.+?)", ', (REPO / "providers/known_keys.c").read_text(), re.M)


@pytest.mark.parametrize("provider", PINGS)
def test_a_published_key_proves_the_trial_and_makes_no_event_of_it(signer, provider):
    status, answer, _ = verify(signer, provider, PINGS[provider], published=True)
    assert (status, answer["status"], answer["events"], answer["bad_events"]) == (0, 200, [], 0)


@pytest.mark.parametrize("provider, body", [
    ("mailersend", EVENTS["mailersend"][1]("activity.opened", ADDRESS, 1)),
    ("mailersend", [PINGS["mailersend"]]), ("mailersend", {"type": "webhook.tests"}),
    ("mailersend", PINGS["mailersend"] | {"filler": "x" * 5000}),
    ("mandrill", [EVENTS["mandrill"][1]("open", ADDRESS, 1)]), ("mandrill", [{}])], ids=str)
def test_a_published_key_proves_nothing_else(signer, provider, body):
    status, answer, _ = verify(signer, provider, body, published=True)
    assert (status, answer["accepted"], answer["step"]) == (1, False, "signature")


def test_the_published_keys_are_in_the_table():
    assert set(PUBLISHED.values()) <= set(KNOWN) and len(KNOWN) == len(set(KNOWN)) > len(PUBLISHED)


@pytest.mark.parametrize("source", [*BLOCKS, *KEYED, "trotline"])
@pytest.mark.parametrize("secret", KNOWN)
def test_check_refuses_a_known_key_as_a_secret_of_anybody(tmp_path, source, secret):
    provider, block = BLOCKS.get(source) or (KEYED.get(source, "trotline"), {})
    config = tmp_path / "trotline.yaml"
    config.write_text(json.dumps({"listen": "127.0.0.1:18080", "sources": [
        {"name": "known", "provider": provider, **block, "secrets": [SECRET, secret]}]}))
    done = subprocess.run([BIN / "trotline", "check", "-c", config], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 100
    assert "anybody can sign with it" in done.stderr and secret not in done.stderr


# ---- in the pipeline


def post(signer, pipeline, source, body):
    headers, body = signer.request(source, json.dumps(body).encode(), raw=True)
    with pipeline.client() as client:
        answer = client.request("POST", f"/webhooks/{source}", body, headers)
    assert answer.status == 200, answer


def kinds(pipeline, provider):
    """Kind to count, of a provider."""
    lines = re.findall(r'^webhook_unknown_kinds_total\{provider="(\w+)",kind="(.*)"\} (\d+)',
                       pipeline.get("/metrics").body.decode(), re.M)
    return {kind: int(count) for name, kind, count in lines if name == provider}


def log_lines(pipeline, *parts):
    return [line for line in pipeline["validator"].log().splitlines() if all(p in line for p in parts)]


@pytest.fixture(scope="module")
def running(signer):
    pipeline = Pipeline(handlers=("unknown", "opened", "clicked", "bounced"), settings={
        "sources": [NATIVE, *(signer.block(name, raw=True) for name in PROVIDERS)]})
    yield pipeline.start()
    close_all([pipeline])


def test_kinds_are_counted_for_each_provider_and_bounded(signer, running):
    for provider in PROVIDERS:
        for _, number in [(0, 1), (1, 2)]:
            post(signer, running, provider, EVENTS[provider][1]("Teleported", ADDRESS, number))
        wait_for(f"the kind of {provider}", lambda: kinds(running, provider).get("Teleported") == 2)
        assert len(log_lines(running, "unknown kind", f"provider={provider}", "Teleported")) == 1
    for number in range(40):
        post(signer, running, "mailjet", EVENTS["mailjet"][1](f"name {number}" + "x" * 99, ADDRESS, number))
    wait_for("all of them", lambda: sum(kinds(running, "mailjet").values()) == 42)
    found = kinds(running, "mailjet")
    assert len(found) == KINDS_MAX + 1 and found["other"] == 42 - 2 - (KINDS_MAX - 1)
    assert max(map(len, found)) <= 64
    assert len(log_lines(running, "unknown kind", "provider=mailjet")) == KINDS_MAX + 1


def test_a_type_that_no_handler_takes_is_a_kind_too(running):
    assert running.post(event() | {"event_type": "email_teleported"}).status == 202
    wait_for("the type", lambda: kinds(running, "trotline").get("email_teleported") == 1)


def test_mail_to_nobody_is_an_alert_a_figure_and_a_line_of_the_log(signer, running):
    assert "without an address" not in json.dumps(running.health().json())
    for number in (1, 2, 3):
        post(signer, running, "mailersend", EVENTS["mailersend"][1]("activity.opened", None, number))
    wait_for("the figure", lambda: running.metric("webhook_no_address_total", 'source="mailersend"') == 3)
    assert running.metric("webhook_no_address_total") == 3
    wait_for("the alert", lambda: any(
        alert.startswith("source mailersend: an event without an address")
        for alert in running.health().json()["alerts"]))
    assert running.health().json()["status"] == "degraded"
    assert len(log_lines(running, "no address", "source=mailersend")) == 1


def test_an_open_of_one_of_several_is_stored_for_nobody(signer, running):
    people = ["several.a@example.com", "several.b@example.com"]
    for provider, name in (("ses", "Open"), ("resend", "email.clicked")):
        post(signer, running, provider, of_several(provider, name, people))
    stored = "SELECT kind, email, message_id FROM engagements WHERE kind LIKE 'anonymous%' ORDER BY kind"
    wait_for("both", lambda: running.rows(stored) == [
        ("anonymous_click", "", "r"), ("anonymous_open", "", "a")])
    assert running.rows("SELECT * FROM recipients WHERE email LIKE 'several%' OR email = ''") == []
    assert running.rows("SELECT * FROM interests WHERE user = ''") == []


def test_a_trial_with_a_published_key_leaves_nothing(start, signer):
    pipeline = start(handlers=("opened",), settings={
        "sources": [NATIVE, *(signer.block(name) for name in PINGS)]})
    with pipeline.client() as client:
        for provider, body in PINGS.items():
            headers, text = signer.request(provider, json.dumps(body).encode(), published=True)
            assert client.request("POST", f"/webhooks/{provider}", text, headers).status == 200
        assert client.post(event("email_opened")).status == 202
    pipeline.wait_settled(1)
