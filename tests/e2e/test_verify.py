"""`trotline verify` as a program: what it prints, and how it ends."""

import base64
import hashlib
import hmac
import json
import subprocess

import pytest
from pipeline import BIN

SECRET = "fixture-secret-of-verify"
EVENT = {"event_type": "email_clicked", "event_id": "v1", "timestamp": 1777890030.456,
         "data": {"email": "ann@example.com", "url": "https://example.com/a", "tags": ["spring"]}}
KEYS = {"type", "bounce_class", "email", "event_id", "message_id", "timestamp", "timestamp_ms",
        "url", "user_agent", "ip", "reason", "smtp_code", "smtp_enhanced", "tags", "metadata",
        "dedup_key", "explained"}


def digits(body, secret=SECRET):
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def request(body=None, header=None, **more):
    body = json.dumps(EVENT) if body is None else body
    return {"headers": {"X-Signature": header or "sha256=" + digits(body)}, "body": body, **more}


def verify(given, *args, provider="generic", secret=SECRET):
    flags = ["--provider", provider, *(("--secret", secret) if secret else ()), *args]
    text = given if isinstance(given, str) else json.dumps(given)
    return subprocess.run([BIN / "trotline", "verify", *flags, "-"], input=text,
                          capture_output=True, text=True, timeout=10)


def answer(run):
    assert run.stdout.count("\n") == 1
    return json.loads(run.stdout)


def test_an_accepted_request_is_one_object_with_every_key():
    run = verify(request())
    assert run.returncode == 0 and run.stderr == ""
    got = answer(run)
    assert got["accepted"] is True and got["status"] == 200 and got["bad_events"] == 0
    (event,) = got["events"]
    assert KEYS <= event.keys()
    assert event["timestamp"] == "2026-05-04T10:20:30.456Z"
    assert event["timestamp_ms"] == 1777890030456
    assert event["tags"] == ["spring"] and event["metadata"] is None


def test_a_refused_request_names_the_step_and_what_was_expected():
    run = verify(request(header="sha1=" + "0" * 40))
    assert run.returncode == 1
    got = answer(run)
    assert got["accepted"] is False and got["status"] == 401 and got["events"] == []
    assert got["step"] == "signature"
    assert "X-Signature" in got["reason"] and "sha256=" in got["reason"]
    assert got["reason"] in run.stderr


@pytest.mark.parametrize("more, words", [
    ({"bounce_type": "hard"}, "hard: the provider's own word for the receiver's answer; suppresses the address for good"),
    ({"smtp_code": 550, "reason": "550 5.1.1 no"},
     "hard: the receiver says that there is no such address; suppresses the address for good"),
    ({"bounce_type": "soft"}, "soft: the provider's own word; counts 1 of 5"),
    ({"reason": "too old"}, "soft: given up after soft failures; counts 1 of 5"),
    ({"smtp_code": 552, "reason": "552 5.2.2 full", "bounce_type": "hard"},
     "soft: the mailbox is full; counts 1 of 5"),
    ({"reason": "550 5.7.1 no", "bounce_type": "hard"},
     "block: refused for policy, reputation or content; says nothing of the address, and counts towards nothing"),
    ({"bounce_type": "undetermined"},
     "undetermined: the provider does not know why; kept, and counts towards nothing"),
], ids=lambda one: one if isinstance(one, str) else "")
def test_a_decision_is_explained_in_words_and_in_the_json(more, words):
    bounce = EVENT | {"event_type": "email_bounced", "data": {"email": "ann@example.com"} | more}
    run = verify(request(json.dumps(bounce)))
    assert run.returncode == 0 and run.stderr == f"trotline verify: event 1: {words}\n"
    assert answer(run)["events"][0]["explained"] == words


def test_what_is_no_failure_is_explained_in_the_json():
    run = verify(request())
    assert run.stderr == ""
    assert answer(run)["events"][0]["explained"] == "clicked: its own name; scores 25"


def test_no_answer_holds_a_secret_or_the_right_signature():
    run = verify(request(header="sha256=" + "0" * 64))
    assert run.returncode == 1
    for text in (SECRET, digits(json.dumps(EVENT))):
        assert text not in run.stdout + run.stderr


def test_a_body_may_be_any_bytes():
    body = b"\x00\xff\r\n"
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    run = verify({"headers": {"x-signature": "sha256=" + mac},
                  "body_b64": base64.b64encode(body).decode(), "body": None})
    assert run.returncode == 0
    assert answer(run)["events"] == []


def test_headers_may_be_pairs_and_a_value_a_list():
    body = json.dumps(EVENT)
    good = "sha256=" + digits(body)
    assert verify({"headers": [["X-Signature", good]], "body": body}).returncode == 0
    assert verify({"headers": {"X-Signature": [good]}, "body": body}).returncode == 0
    assert verify({"headers": {"X-Signature": [good, good]}, "body": body}).returncode == 1


def stripe(t, body="{}"):
    mac = hmac.new(SECRET.encode(), f"{t}.{body}".encode(), hashlib.sha256).hexdigest()
    return {"headers": {"Stripe-Signature": f"t={t},v1={mac}"}, "body": body}


def test_now_replaces_the_clock_and_max_age_the_window():
    args = ["--scheme", "stripe"]
    assert answer(verify(stripe(1777890030), *args))["step"] == "stale"
    assert verify(stripe(1777890030), *args, "--now", "1777890330").returncode == 0
    assert verify(stripe(1777890030), *args, "--now", "1777890331").returncode == 1
    assert verify(stripe(1777890030), *args, "--now", "1777890331", "--max-age",
                  "301").returncode == 0


def mailgun(t, token="0123456789abcdef"):
    mac = hmac.new(SECRET.encode(), f"{t}{token}".encode(), hashlib.sha256).hexdigest()
    block = {"timestamp": str(t), "token": token, "signature": mac}
    body = json.dumps({"signature": block, "event-data": {
        "event": "opened", "id": "1", "recipient": "ann@example.com"}})
    return {"headers": {"Content-Type": "application/json"}, "body": body}


def test_signatures_past_the_sixteenth_are_refused_with_that_reason():
    right = digits("1777890030.{}")
    header = "t=1777890030" + ",v1=" + ",v1=".join(["0" * 64] * 16 + [right])
    run = verify({"headers": {"Stripe-Signature": header}, "body": "{}"},
                 "--scheme", "stripe", "--now", "1777890030")
    assert answer(run)["status"] == 401
    assert answer(run)["reason"].startswith("the first 16 v1 are tried, 1 were not: ")

    key = base64.b64encode(SECRET.encode()).decode()
    right = base64.b64encode(bytes.fromhex(digits("id.1777890030.{}"))).decode()
    wrong = base64.b64encode(bytes(32)).decode()
    headers = {"webhook-id": "id", "webhook-timestamp": "1777890030"}
    for before, status in ((15, 200), (16, 401)):
        headers["webhook-signature"] = " ".join([f"v1,{wrong}"] * before + [f"v1,{right}"])
        run = verify({"headers": headers, "body": "{}"}, "--scheme", "standard-webhooks",
                     "--now", "1777890030", secret="whsec_" + key)
        assert answer(run)["status"] == status
    assert answer(run)["reason"].startswith("of each version the first 16 are tried, 1 were not: ")


def test_how_long_a_provider_tries_is_measured_from_now_only():
    run = verify(mailgun(1600000000), provider="mailgun")
    assert run.returncode == 0 and "age" in answer(run)["reason"]
    run = verify(mailgun(1600000000), "--now", "1600032400", provider="mailgun")
    assert run.returncode == 1 and answer(run)["status"] == 406


@pytest.mark.parametrize("given, args", [
    ("not JSON", ()),
    ("[]", ()),
    ({"headers": {}}, ()),
    ({"headers": 7, "body": ""}, ()),
    ({"headers": {"a": 7}, "body": ""}, ()),
    ({"headers": {}, "body_b64": "%"}, ()),
    (request(), ("--now", "soon")),
    (request(), ("--scheme", "rot13")),
    (request(), ("--scheme", "basic")),
    (request(), ("--cert", "https://example.com/a.pem")),
    (request(), ("--cert", "https://example.com/a.pem=/does/not/exist")),
    (request(), ("--max-age", "-1")),
    (request(), ("--no-such-flag",)),
], ids=str)
def test_wrong_use_ends_with_2_and_prints_no_verdict(given, args):
    run = verify(given, *args)
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith("trotline verify: ")


def test_a_provider_and_a_secret_are_needed():
    assert verify(request(), provider="nobody").returncode == 2
    assert verify(request(), secret=None).returncode == 2
    run = subprocess.run([BIN / "trotline", "verify", "-"], input="{}", capture_output=True,
                         text=True, timeout=10)
    assert run.returncode == 2
