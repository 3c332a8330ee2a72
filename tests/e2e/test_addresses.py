"""One reader of addresses: whoever sends, whatever an address is dressed in, it is the bare one that
counts; and what is no one address is told, and never suppressed as it stands."""

import json

import pytest

from pipeline import event, new_id, wait_for
from senders import PROVIDERS, Senders, run
from verbs import letters

DRESSED = [" jo@example.com", "jo@example.com\t", "<jo@example.com>", "Jo Doe <jo@example.com>",
           '"Doe, Jo" <jo@example.com>', "mailto:jo@example.com", "Jo <mailto:jo@example.com>\n",
           "\u00a0jo@example.com\u200b"]
NONE = {
    "jo@example.com,al@example.com": "it holds more than one",
    "Jo <jo@example.com>, Al <al@example.com>": "it holds more than one",
    "jo@@example.com": "it has more than one @",
    "jo.example.com": "it has no @",
    "jo doe@example.com": "it has white space in it",
    "jo@[192.0.2.1]": "it has a bracket in it",
    "jo@example..com": "a label of its domain is empty",
    "@example.com": "it has nothing before the @",
}


@pytest.fixture(scope="module")
def senders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("addresses")
    return Senders(folder).write(folder / "trotline.yaml")


def printed(senders, source, email):
    """A rightly signed request for it."""
    return json.loads(senders.send(source, "bounced", "--email", email, "--print").stdout)


def verified(senders, source, email, folder):
    path = folder / "request.json"
    path.write_text(json.dumps(printed(senders, source, email)))
    found = senders.verify(source, path)
    assert found["accepted"], found["reason"]
    (one,) = found["events"]
    return one


@pytest.mark.parametrize("source", [*PROVIDERS, "g-hmac"])
def test_every_sender_s_address_is_the_bare_one(senders, source, tmp_path):
    for dressed in DRESSED:
        one = verified(senders, source, dressed, tmp_path)
        assert (one["email"], one["email_error"]) == ("jo@example.com", None), dressed


@pytest.mark.parametrize("source", [*PROVIDERS, "g-hmac"])
def test_every_sender_is_told_why_it_is_no_address(senders, source, tmp_path):
    for written, why in NONE.items():
        one = verified(senders, source, written, tmp_path)
        assert one["email"] is None, written
        assert one["email_error"].endswith(why), written


def test_the_native_format_is_read_alike(tmp_path):
    def found(email):
        path = tmp_path / "request.json"
        path.write_text(json.dumps({"body": json.dumps(event("email_bounced", email=email)),
                                    "headers": {"X-Webhook-Token": "s3cret-s3cret-s3cret"}}))
        answer = run("verify", "--provider", "generic", "--scheme", "header", "--secret",
                     "s3cret-s3cret-s3cret", path, check=False)
        return json.loads(answer.stdout)["events"][0]

    for dressed in DRESSED:
        assert found(dressed)["email"] == "jo@example.com"
    for written, why in NONE.items():
        assert found(written)["email_error"].endswith(why), written


def test_a_bounce_suppresses_the_bare_address_or_is_a_dead_letter_with_the_reason(start):
    pipeline = start(handlers=("bounced",))
    for dressed in DRESSED:
        pipeline.post(event("email_bounced", email=dressed, message_id="m", bounce_type="hard"))
    bad = {new_id(): (written, why) for written, why in NONE.items()}
    for ident, (written, _) in bad.items():
        answer = pipeline.post(event("email_bounced", event_id=ident, email=written, message_id="m",
                                     bounce_type="hard"))
        assert answer.status == 202
    wait_for("all have an end", lambda: len(pipeline.rows("SELECT 1 FROM applied")) == len(DRESSED)
             and len(letters(pipeline)) == len(bad))
    assert [row[0] for row in pipeline.rows("SELECT email FROM suppressions")] == ["jo@example.com"]
    assert {row["event_id"]: row["error_reason"] for row in letters(pipeline)} == {
        ident: f"data.email is no e-mail address: {why}" for ident, (_, why) in bad.items()}
