"""Each provider over real HTTP: its own requests, down to the rows in the database; the answers that
it understands; and what one bad event must not do to the others."""

import base64
import hashlib
import hmac
import json
import signal
import time

import pytest
from pipeline import REPO, event, new_id, wait_for
from senders import PASSWORD, SECRET, TOPIC, WHSEC, BLOCKS, KEYED, PROVIDERS, Senders

HANDLERS = ("accepted", "bounced", "clicked", "complained", "delivered", "opened", "received",
            "rejected", "subscribed", "unsubscribed", "unknown")
BASIC = {"Authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode()}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def senders(tmp_path_factory):
    return Senders(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def running(senders):
    """One pipeline with a source of every provider and standard."""
    from pipeline import Pipeline, close_all
    native = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}
    pipeline = Pipeline(handlers=HANDLERS, settings={"sources": [native, *senders.sources()]})
    yield pipeline.start()
    close_all([pipeline])


def send(senders, pipeline, source, word, *more, check=True):
    return senders.send(source, word, *more, signed=source != "ses", config=pipeline.config,
                        check=check)


def post(pipeline, source, body, headers):
    with pipeline.client() as client:
        return client.request("POST", f"/webhooks/{source}",
                              body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


def status_of(pipeline, email):
    rows = pipeline.rows("SELECT status FROM messages WHERE email = ?", email)
    return [row[0] for row in rows]


# ---- down to the rows


@pytest.mark.parametrize("source", [*BLOCKS, *KEYED])
def test_what_a_sender_tells_ends_in_the_database(senders, running, source):
    for word, status in (("delivered", "delivered"), ("bounced", "bounced")):
        email = f"{source}-{word}@example.com"
        done = send(senders, running, source, word, "--email", email)
        native = source.startswith("g-")
        assert done.stdout.startswith("200 ") or native, done.stdout
        wait_for(f"{email} {status}", lambda: status_of(running, email) == [status])
    hard = running.rows("SELECT reason FROM suppressions WHERE email = ?",
                        f"{source}-bounced@example.com")
    assert hard == [("hard_bounce",)]


@pytest.mark.parametrize("source", PROVIDERS)
def test_a_provider_is_answered_exactly_200_and_shortly(senders, running, source):
    for _ in range(2):
        done = send(senders, running, source, "opened" if source != "mailjet" else "open",
                    "--json", "--id", f"twice-{source}")
        answer = json.loads(done.stdout)
        assert answer["status"] == 200 and len(json.dumps(answer["body"])) < 64


# ---- who is refused, and how


@pytest.mark.parametrize("source, status", [(name, 406 if name == "mailgun" else 401)
                                            for name in PROVIDERS if name != "ses"])
def test_without_proof_the_answer_is_the_one_that_stops_the_provider(running, source, status):
    answer = post(running, source, [{}] if source == "sendgrid" else {}, JSON)
    assert answer.status == status, answer
    basic = BLOCKS.get(source, ("", {}))[1].get("secrets") == [PASSWORD]
    assert (answer.headers.get("www-authenticate", "").startswith("Basic")) == basic
    assert "retry-after" not in answer.headers


def test_a_standard_that_asks_for_a_password_says_so(running):
    assert "www-authenticate" in post(running, "g-basic", {}, JSON).headers
    assert "www-authenticate" not in post(running, "g-stripe", {}, JSON).headers


def test_a_foreign_topic_is_refused_for_good(running):
    answer = post(running, "ses", {"eventType": "Send"}, {
        "x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC + "-foreign"})
    assert answer.status == 403, answer


def test_our_own_trouble_is_told_so_that_the_sender_comes_again(start, senders):
    """No validator answers: 503 with Retry-After, and 429 for Brevo, which drops an event on 503."""
    sources = [block for block in senders.sources() if block["name"] in ("brevo", "mailgun", "postmark")]
    pipeline = start(handlers=(), without=("validator",),
                     settings={"sources": sources, "limits": {"answer_timeout": "300ms"}})
    for source, status in (("brevo", 429), ("mailgun", 503), ("postmark", 503)):
        answer = post(pipeline, source, {}, JSON | BASIC)
        assert answer.status == status, answer
        assert int(answer.headers["retry-after"]) > 0


def test_a_certificate_that_is_not_to_be_had_is_our_trouble(senders, running):
    """SNS never repeats a message that was answered with a 4xx."""
    done = senders.send("ses", "Bounce", "--email", "jo@example.com", config=running.config, check=False)
    assert done.stdout.startswith("503 "), done.stdout


# ---- batches


def sns(pipeline, message, message_id):
    return post(pipeline, "ses", message, {
        "x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC,
        "x-amz-sns-message-id": message_id})


def test_an_sns_message_for_several_recipients_is_several_events(running):
    people = [f"several-{i}@example.com" for i in range(3)]
    message = {"eventType": "Bounce", "mail": {"messageId": "sns-several", "destination": people},
               "bounce": {"bounceType": "Permanent", "feedbackId": "feedback-several",
                          "timestamp": "2026-05-04T10:20:29.123Z",
                          "bouncedRecipients": [{"emailAddress": one} for one in people]}}
    for _ in range(2):
        assert sns(running, message, "several").status == 200
    rows = "SELECT email, status FROM messages WHERE message_id = 'sns-several' ORDER BY email"
    wait_for("three rows", lambda: running.rows(rows) == [(one, "bounced") for one in people])
    assert len(running.rows("SELECT * FROM compliance_log WHERE email LIKE 'several-%'")) == 3


def test_one_bad_event_never_sinks_its_batch(running):
    good = {"event": "open", "time": int(time.time()), "MessageID": 2**60 + 1,
            "email": "batch-good@example.com"}
    answer = post(running, "mailjet", [17, {}, good, None, {"event": 5}, "text"], JSON | BASIC)
    assert answer.status == 200, answer
    wait_for("the good one", lambda: status_of(running, good["email"]) == ["opened"])
    [row] = running.rows("SELECT message_id FROM messages WHERE email = ?", good["email"])
    assert row == (str(2**60 + 1),), "a number beyond 2^53, whole"


def test_the_same_event_twice_in_a_batch_counts_once(running):
    one = {"msys": {"track_event": {
        "type": "open", "event_id": "spark-1", "timestamp": str(int(time.time())),
        "raw_rcpt_to": "batch-twice@example.com", "transmission_id": "t-1"}}}
    other = json.loads(json.dumps(one))
    other["msys"]["track_event"] |= {"event_id": "spark-2", "timestamp": str(int(time.time()) - 9)}
    for batch in ([one, one, other], [other, one]):
        assert post(running, "sparkpost", batch, JSON | BASIC).status == 200
    opened = "SELECT opened FROM recipients WHERE email = 'batch-twice@example.com'"
    wait_for("two opens", lambda: running.rows(opened) == [(2,)])
    running.wait_unknown([native_fence(running)])
    assert running.rows(opened) == [(2,)]


def native_fence(pipeline):
    """An event that is applied after all that came before it."""
    fence = event()
    assert pipeline.post(fence).status == 202
    return fence["event_id"]


def test_a_batch_may_be_larger_than_one_event(running):
    """limits.batch_size holds for a provider's one path: Mandrill's batches are megabytes."""
    one = {"event": "open", "time": int(time.time()), "email": "large@example.com", "url": "x" * 2000}
    batch = [one | {"MessageID": 2**60 + i} for i in range(800)]
    assert len(json.dumps(batch)) > 1 << 20
    assert post(running, "mailjet", batch, JSON | BASIC).status == 200
    wait_for("all of them", lambda: running.rows(
        "SELECT opened FROM recipients WHERE email = 'large@example.com'") == [(800,)])


def test_an_event_that_no_route_could_carry_goes_without_its_raw_object(running):
    """Postmark may put the whole bounced mail into it; what is answered 200 must not be lost."""
    bounce = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 70001, "MessageID": "with-content",
              "Email": "with-content@example.com", "BouncedAt": "2026-05-04T10:20:29Z",
              "Content": "x" * (5 << 20)}
    assert post(running, "postmark", bounce, JSON | BASIC).status == 200
    wait_for("the bounce", lambda: status_of(running, bounce["Email"]) == ["bounced"])


def test_an_event_too_large_even_so_goes_without_what_makes_it_large(running):
    bounce = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 70002, "MessageID": "large-metadata",
              "Email": "large-metadata@example.com", "BouncedAt": "2026-05-04T10:20:29Z",
              "Metadata": {"order": "x" * (4 << 20)}, "Description": "y" * (4 << 20)}
    assert post(running, "postmark", bounce, JSON | BASIC).status == 200
    wait_for("the bounce", lambda: status_of(running, bounce["Email"]) == ["bounced"])


def test_what_is_no_event_at_all_but_signed_is_taken(running):
    """SparkPost's ping when a webhook is made."""
    assert post(running, "sparkpost", [{"msys": {}}], JSON | BASIC).status == 200
    assert post(running, "sparkpost", b"{", JSON | BASIC).status == 400


def test_mailgun_as_an_old_form_is_taken_too(running):
    now, token = str(int(time.time())), new_id()
    mac = hmac.new(SECRET.encode(), (now + token).encode(), hashlib.sha256).hexdigest()
    form = (f"event=delivered&recipient=form%40example.com&Message-Id=%3Cform-1%40example.com%3E"
            f"&timestamp={now}&token={token}&signature={mac}").encode()
    answer = post(running, "mailgun", form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200, answer
    wait_for("the form's event", lambda: status_of(running, "form@example.com") == ["delivered"])


def test_machines_open_without_a_score(running):
    for name, key in (("proxy_open", "machine"), ("opened", "person")):
        event_of = {"event": name, "email": f"{key}@example.com", "message-id": f"<{key}@example.com>",
                    "ts_epoch": int(time.time() * 1000)}
        assert post(running, "brevo", event_of, JSON | BASIC).status == 200
    wait_for("the person", lambda: running.rows(
        "SELECT score, opened FROM recipients WHERE email = 'person@example.com'") == [(10, 1)])
    wait_for("the machine", lambda: status_of(running, "machine@example.com"))
    scored = running.rows("SELECT score FROM recipients WHERE email = 'machine@example.com'")
    assert scored in ([], [(0,)])


def test_what_became_of_mail_that_came_in_is_skipped(start):
    """Else a route that fails would suppress our own address."""
    came_in, bounced = (json.loads((REPO / f"tests/fixtures/postal/{name}.json").read_text())
                        for name in ("incoming_is_skipped", "bounced_is_the_original"))
    keys = [one["secret_or_public_key"] for one in (came_in, bounced)]
    pipeline = start(handlers=("bounced",), settings={
        "sources": [{"name": "postal", "provider": "postal", "secrets": keys}]})
    for one in (came_in, bounced):
        assert post(pipeline, "postal", one["body"].encode(), one["headers"]).status == 200
    wait_for("the bounce", lambda: status_of(pipeline, "ann@example.com") == ["bounced"])
    assert pipeline.rows("SELECT email FROM suppressions") == [("ann@example.com",)]


# ---- secrets


def resend(pipeline, secret, event_id):
    body = json.dumps({"type": "email.delivered", "created_at": "2026-05-04T10:20:29.123Z",
                       "data": {"email_id": event_id, "to": [f"{event_id}@example.com"]}}).encode()
    now = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event_id}.{now}.".encode() + body, hashlib.sha256).digest()
    return post(pipeline, "resend", body, {
        "svix-id": event_id, "svix-timestamp": now,
        "svix-signature": "v1," + base64.b64encode(mac).decode()})


def test_a_secret_is_changed_without_a_stop(start):
    new = "whsec_" + base64.b64encode(b"another-secret-for-resend").decode()

    def sources(*secrets):
        return {"sources": [{"name": "resend", "provider": "resend", "secrets": list(secrets)}]}

    def reload(*secrets):
        pipeline.write_config(sources(*secrets))
        seen = pipeline["validator"].log().count("configuration reloaded")
        pipeline["validator"].signal(signal.SIGHUP)
        wait_for("reload", lambda:
                 pipeline["validator"].log().count("configuration reloaded") > seen)

    pipeline = start(handlers=("delivered",), settings=sources(WHSEC))
    assert [resend(pipeline, WHSEC, "r1").status, resend(pipeline, new, "r2").status] == [200, 401]
    reload(WHSEC, new)
    assert [resend(pipeline, WHSEC, "r3").status, resend(pipeline, new, "r2").status] == [200, 200]
    reload(new)
    assert [resend(pipeline, WHSEC, "r4").status, resend(pipeline, new, "r5").status] == [401, 200]
    wait_for("what was let in", lambda: sorted(
        row[0] for row in pipeline.rows("SELECT message_id FROM messages")) == ["r1", "r2", "r3", "r5"])
