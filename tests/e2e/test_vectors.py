"""Captured requests through `trotline verify`: those of the shared folder, where it is there, and
those of our own writing under tests/fixtures. One file a request, with what is expected of it."""

import json
import os
import pathlib
import subprocess

import pytest
from pipeline import BIN

REPOSITORY = pathlib.Path(__file__).parents[2]
SHARED = pathlib.Path(
    os.environ.get("TROTLINE_VECTORS") or REPOSITORY.parent / "shared" / "vectors")
OWN = REPOSITORY / "tests" / "fixtures"
DEADLINE_S = 10

# The bare standards have no provider of their own.
GENERIC = {
    "generic-hmac": "hmac",
    "github": "hmac",
    "stripe": "stripe",
    "standard-webhooks": "standard-webhooks",
}
SCHEMES = {"basic-auth": "basic", "bearer": "bearer", "header": "header", "hmac": "hmac"}
COMPARED = ["email", "event_id", "message_id", "timestamp_ms", "url"]
ADVISORY = ["provider_event", "timestamp", "user_agent", "ip", "machine", "skipped", "reason", "smtp_code",
            "smtp_enhanced", "campaign", "tags", "metadata"]

# Vectors judged wrong: "provider/name" to (what is expected instead, why).
JUDGED = {}
# Vectors whose advisory values are not ours: "provider/name" to (their keys, why).
DIFFERENT = {
    "sparkpost/anymail_injection_event": (["tags"], "rcpt_tags are tags, campaign_id a campaign"),
}


def load(folder):
    paths = sorted(folder.glob("*/*.json")) if folder.is_dir() else []
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in paths]


def listed(value):
    return value if isinstance(value, list) else [value]


def arguments(vector, folder):
    """The command line that says what a source's block would."""
    provider, secret = vector["provider"], vector["secret_or_public_key"]
    scheme = GENERIC.get(provider) or SCHEMES.get(vector["scheme"])
    args = ["--provider", "generic" if provider in GENERIC else provider]
    if scheme:
        args += ["--scheme", scheme]
    if provider == "ses":
        args += certificate(vector, folder)
    elif secret:
        args += [arg for one in listed(secret) for arg in ("--secret", one)]
    for flag, key in [("--header-name", "header_name"), ("--now", "now"),
                      ("--max-age", "tolerance_s")]:
        if vector.get(key) is not None:
            args += [flag, str(vector[key])]
    return args


def certificate(vector, folder):
    args = [arg for arn in vector.get("topic_allowlist") or [] for arg in ("--topic", arn)]
    url = vector.get("cert_url")
    if url and "\0" not in url:  # which no command line can say, nor any certificate be under
        path = folder / "certificate.pem"
        path.write_text(vector["secret_or_public_key"])
        args += ["--cert", f"{url}={path}"]
    return args


def verify(path, args):
    run = subprocess.run([BIN / "trotline", "verify", *args, path],
                         capture_output=True, timeout=DEADLINE_S)
    assert run.returncode in (0, 1), run.stderr.decode()
    return run, json.loads(run.stdout)


def expected_type(event):
    """The vectors' common words to ours."""
    if event["type"] in ("system", "unknown"):
        return event["type"]
    if event.get("bounce_class") == "block":
        return "email_blocked"
    return "email_" + event["type"]


def expected_event(event):
    wanted = {key: event.get(key) for key in COMPARED}
    wanted["type"] = expected_type(event)
    blocked = event.get("bounce_class") == "block"
    wanted["bounce_class"] = None if blocked else event.get("bounce_class")
    return wanted


def found_event(event):
    found = {key: event[key] for key in [*COMPARED, "type", "bounce_class"]}
    if found["type"].startswith("system_"):
        found["type"] = "system"
    return found


def check(path, folder, also=()):
    """also: keys compared too, where an expected event has them."""
    vector = json.loads(path.read_bytes())
    name = f"{path.parent.name}/{path.stem}"
    judged = JUDGED.get(name)
    different = DIFFERENT.get(name, ([], None))[0]
    vector.update(judged[0] if judged else {})
    run, answer = verify(path, arguments(vector, folder))
    assert answer["accepted"] == (vector["expect"] == "valid"), answer["reason"]
    nameless = [warning for warning in answer["warnings"] if "no address" in warning]
    assert run.returncode == (0 if answer["accepted"] and not nameless else 1)
    assert all(warning in run.stderr.decode() for warning in answer["warnings"][:10])
    assert (answer["status"] in (200, 202)) == answer["accepted"]
    assert answer["reason"]
    events = [found_event(event) for event in answer["events"]]
    assert events == [expected_event(event) for event in vector["expect_events"]]
    assert answer["bad_events"] == vector.get("bad_events", answer["bad_events"])
    for wanted, event in zip(vector["expect_events"], answer["events"]):
        for key in [key for key in also if key in wanted and key not in different]:
            assert event[key] == wanted[key], key
    keys = [event["dedup_key"] for event in answer["events"]]
    assert all(keys)
    if vector.get("expect_dedup"):
        assert len(set(keys)) == vector["expect_dedup"]["unique"]


if SHARED.is_dir():  # a clone elsewhere has none of them; a skipped test would count as failed
    @pytest.mark.parametrize("path", load(SHARED))
    def test_a_shared_vector_is_taken_as_expected(path, tmp_path):
        check(path, tmp_path, ADVISORY)


@pytest.mark.parametrize("path", load(OWN))
def test_a_fixture_of_our_own_is_taken_as_expected(path, tmp_path):
    check(path, tmp_path, ADVISORY)
