"""`trotline send --provider`: what it makes, the validator's own check takes, event by event."""

import json
import re
import stat

import pytest
from pipeline import REPO
from senders import BLOCKS, KEYED, PROVIDERS, Senders, events_of, run

SAMPLES = (REPO / "cli/samples.c").read_text()
SOURCES = [*BLOCKS, *KEYED]


def provider_of(source):
    return KEYED.get(source) or BLOCKS[source][0]


def body_of(sent):
    return json.loads(sent.stdout)["body"]


@pytest.fixture(scope="module")
def senders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("senders")
    return Senders(folder).write(folder / "trotline.yaml")


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_sent_is_taken_as_what_it_is(senders, source, tmp_path):
    for name, kind, bounce_class in events_of(provider_of(source)):
        path = tmp_path / "request.json"
        path.write_text(senders.send(source, name, "--print", "--email", "ann@example.com").stdout)
        answer = senders.verify(source, path)
        assert answer["accepted"], (name, answer["reason"])
        assert answer["bad_events"] == 0
        [event] = answer["events"]
        assert (event["type"], event["bounce_class"]) == (kind, bounce_class), name
        assert event["timestamp_ms"] or kind == "email_received" or name == "blacklist", name
        if kind.startswith("email_"):
            assert event["email"] == "ann@example.com", name
        if kind == "email_clicked":
            assert event["url"] == "https://www.example.com/offer?id=7"
        if kind in ("email_opened", "email_clicked"):
            assert event["machine"] == ("proxy" in name), name


@pytest.mark.parametrize("source", SOURCES)
def test_a_request_that_was_changed_is_refused(senders, source, tmp_path):
    """All but the providers that sign nothing, or (Mailgun) not the event, must see it."""
    request = json.loads(senders.send(source, "delivered" if source != "ses" else "Delivery",
                                      "--print").stdout)
    path = tmp_path / "request.json"
    for name in request["headers"]:
        if name in ("Content-Type", "X-Postal-Signature", "X-Postal-Signature-KID") \
                or name.startswith("x-amz") or name.endswith("-ID"):
            continue
        headers = dict(request["headers"])
        headers[name] = headers[name][:-3] + ("AA=" if headers[name][-3:] != "AA=" else "BB=")
        path.write_text(json.dumps(request | {"headers": headers}))
        assert not senders.verify(source, path)["accepted"], name
    proved_by_body = provider_of(source) not in ("mailgun", "postmark", "sparkpost", "mailjet", "brevo")
    if proved_by_body and source not in ("g-basic", "g-bearer", "g-header"):
        body = request["body"].replace("someone", "anyone1")
        assert body != request["body"]
        path.write_text(json.dumps(request | {"body": body}))
        assert not senders.verify(source, path)["accepted"]


def test_each_provider_has_its_event_names_of_the_table(senders):
    """What its file maps, `send` can make: names in the provider's table of names."""
    for provider in PROVIDERS:
        source = (REPO / f"providers/{provider}.c").read_text()
        mapped = set(re.findall(r'^\t\{"([\w. ]+)", "(?:email|system)_\w+"', source, re.M))
        assert mapped
        sent = {name for name, _, _ in events_of(provider)}
        bodies = SAMPLES
        aliases = {"complaint", "unsubscribe", "denylist", "whitelist", "allowlist", "safelist",
                   "amp_open", "amp_initial_open", "amp_click", "bounced", "dropped", "failed",
                   "AmazonSnsSubscriptionSucceeded", "activity.survey_", "survey_", "sender_identity.",
                   "maintenance."}
        for name in mapped - sent - aliases:
            assert f'"{name}"' in bodies, f"{provider}: {name}"


def test_an_event_may_be_called_by_our_word(senders):
    for word in ("delivered", "email_delivered"):
        assert '"Delivery"' in body_of(senders.send("postmark", word, "--print"))
    assert '"spamreport"' in body_of(senders.send("sendgrid", "complained", "--print"))


def test_what_cannot_be_made_is_told(senders, tmp_path):
    for source, args, part in [
            ("postmark", ["--event", "nonsense"], "--events lists them"),
            ("sendgrid", ["--event", "open"], "--key FILE"),
            ("postmark", ["--event", "Open", "--provider", "brevo"], "is of provider postmark"),
            ("sendgrid", ["--event", "open", "--key", tmp_path / "none"], "cannot read")]:
        done = run("send", "-c", senders.config, "--source", source, "--print", *args, check=False)
        assert done.returncode == 1 and part in done.stderr, done.stderr
    for args in (["--provider", "nobody"], ["--events"], ["--new-key", "x"],
                 ["--provider", "brevo", "--data", "{}"]):
        assert run("send", *args, check=False).returncode == 2, args
    assert run("send", "--provider", "brevo", "--new-key", tmp_path / "x",
               check=False).returncode == 1


def test_a_new_key_is_the_owners_alone_and_never_over_another(senders, tmp_path):
    path = tmp_path / "key.pem"
    run("send", "--provider", "sendgrid", "--new-key", path)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and "PRIVATE KEY" in text
    assert run("send", "--provider", "postal", "--new-key", path, check=False).returncode == 1
    assert path.read_text() == text
