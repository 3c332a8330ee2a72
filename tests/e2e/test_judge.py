"""One judge: what a running server says of a native request, `trotline verify` says too: the same
status, the same reason. Every form of a timestamp, every fault of a field and of the proof, alone and
in a batch."""

import base64
import json
import subprocess
import time

import pytest
from pipeline import BIN, SECRET, event, new_id, read_answer, sign, wait_for

OTHER = "another-secret-of-nobody-here-00"


def text(form, offset_s=0):
    return lambda now: time.strftime(form, time.gmtime(now + offset_s))


# Name: (what stands there for the time `now`, is it read). docs/events.md has the table.
TIMES = {
    "seconds": (lambda now: now, True),
    "seconds as a float": (lambda now: now + 0.25, True),
    "seconds as text": (str, True),
    "seconds with a fraction as text": (lambda now: f"{now}.5", True),
    "ms": (lambda now: now * 1000, True),
    "ms as a float": (lambda now: now * 1000 + 0.5, True),
    "ms as text": (lambda now: str(now * 1000), True),
    "ms with a fraction as text": (lambda now: f"{now * 1000}.5", False),
    "microseconds": (lambda now: now * 10**6, False),
    "nanoseconds": (lambda now: now * 10**9, False),
    "text with an exponent": (lambda now: f"{now / 10**9}e9", False),
    "text with a comma": (lambda now: f"{now},5", False),
    "text with a sign": (lambda now: f"+{now}", False),
    "text with a space": (lambda now: f" {now}", False),
    "hexadecimal": (hex, False),
    "zero": (lambda now: 0, False),
    "negative": (lambda now: -now, False),
    "huge": (lambda now: 1e300, False),
    "beyond the years": (lambda now: 253402300800000, False),
    "true": (lambda now: True, False),
    "null": (lambda now: None, False),
    "a list": (lambda now: [now], False),
    "an object": (lambda now: {"s": now}, False),
    "T and Z": (text("%Y-%m-%dT%H:%M:%SZ"), True),
    "t and z": (text("%Y-%m-%dt%H:%M:%Sz"), True),
    "a space and Z": (text("%Y-%m-%d %H:%M:%SZ"), True),
    "an underscore": (text("%Y-%m-%d_%H:%M:%SZ"), False),
    "no zone": (text("%Y-%m-%dT%H:%M:%S"), True),
    "a space and no zone": (text("%Y-%m-%d %H:%M:%S"), True),
    "+00:00": (text("%Y-%m-%dT%H:%M:%S+00:00"), True),
    "-00:00": (text("%Y-%m-%dT%H:%M:%S-00:00"), True),
    "+0000": (text("%Y-%m-%dT%H:%M:%S+0000"), True),
    "+00": (text("%Y-%m-%dT%H:%M:%S+00"), True),
    "+02:00": (text("%Y-%m-%dT%H:%M:%S+02:00", 7200), True),
    "+0530": (text("%Y-%m-%dT%H:%M:%S+0530", 19800), True),
    "-0530": (text("%Y-%m-%dT%H:%M:%S-0530", -19800), True),
    "a space and +0000": (text("%Y-%m-%d %H:%M:%S +0000"), True),
    "+2": (text("%Y-%m-%dT%H:%M:%S+2", 7200), False),
    "+24:00": (text("%Y-%m-%dT%H:%M:%S+24:00"), False),
    "+01:60": (text("%Y-%m-%dT%H:%M:%S+01:60"), False),
    " UTC": (text("%Y-%m-%d %H:%M:%S UTC"), True),
    " GMT": (text("%Y-%m-%dT%H:%M:%S GMT"), True),
    " CET": (text("%Y-%m-%d %H:%M:%S CET"), False),
    "a point": (text("%Y-%m-%dT%H:%M:%S.123Z"), True),
    "a comma": (text("%Y-%m-%dT%H:%M:%S,123Z"), True),
    "nanosecond digits": (text("%Y-%m-%dT%H:%M:%S.123456789Z"), True),
    "a point and no digit": (text("%Y-%m-%dT%H:%M:%S.Z"), False),
    "a leap second": (lambda now: time.strftime("%Y-%m-%dT%H:%M:60Z", time.gmtime(now - 60)), True),
    "a 61st second": (lambda now: time.strftime("%Y-%m-%dT%H:%M:61Z", time.gmtime(now)), False),
    "no seconds": (text("%Y-%m-%dT%H:%MZ"), False),
    "a date alone": (text("%Y-%m-%d"), False),
    "a date and T": (text("%Y-%m-%dT"), False),
    "no hyphens": (text("%Y%m%dT%H%M%SZ"), False),
    "a mail's date": (text("%a, %d %b %Y %H:%M:%S GMT"), False),
    "no calendar's day": (lambda now: "2026-02-30T00:00:00Z", False),
    "more behind it": (text("%Y-%m-%dT%H:%M:%SZ and so on"), False),
    "a NUL behind it": (lambda now: text("%Y-%m-%dT%H:%M:%SZ")(now) + "\0", False),
    "empty": (lambda now: "", False),
    "a word": (lambda now: "soon", False),
    "a time ago": (lambda now: "2h", False),
}

LONG = "x" * 600
MISSING = "Missing required fields"
# Name: (what to change, the fields that are named). DROP leaves a field out.
DROP = object()
FIELDS = {f"{name} {what}": ({name: value}, [name])
          for name in ("event_type", "event_id", "timestamp", "data")
          for what, value in {"missing": DROP, "null": None, "true": True, "a list": [],
                              "empty": "", "upper case": DROP}.items()}
FIELDS |= {
    "type is a number": ({"event_type": 7}, ["event_type"]),
    "type is an object": ({"event_type": {}}, ["event_type"]),
    "type of 129 bytes": ({"event_type": "x" * 129}, ["event_type"]),
    "type of 128 bytes": ({"event_type": "x" * 128}, []),
    "type is unknown": ({"event_type": "email_teleported"}, []),
    "type has a NUL": ({"event_type": "a\0b"}, []),
    "id is a number": ({"event_id": 7}, ["event_id"]),
    "id of 513 bytes": ({"event_id": new_id() + "x" * (513 - 36)}, ["event_id"]),
    "id of 512 bytes": ({"event_id": new_id() + "x" * (512 - 36)}, []),
    "timestamp is an object": ({"timestamp": {}}, ["timestamp"]),
    "data is a text": ({"data": "{}"}, ["data"]),
    "data is a number": ({"data": 1}, ["data"]),
    "data is empty": ({"data": {}}, []),
    "data is deep": ({"data": {"a": {"b": [{"c": {}}]}}}, []),
    "two missing": ({"event_id": DROP, "data": DROP}, ["event_id", "data"]),
    "all missing": ({"event_type": DROP, "event_id": DROP, "timestamp": DROP, "data": DROP},
                    ["event_type", "event_id", "timestamp", "data"]),
    "others beside them": ({"more": 1, "envelope": {}}, []),
    "address is a number": ({"data": {"email": 7}}, []),
    "address of 600 bytes": ({"data": {"email": LONG}}, []),
}

AGES = {"too old": (-3600, "Event too old"), "far too old": (-10**9, "Event too old"),
        "from the future": (3600, "Event from the future"), "old enough": (-500, None),
        "a little ahead": (200, None)}


def good(body):
    return sign(body)


# Name: (the headers that prove it, are they good).
PROOFS = {
    "right": (lambda body: [("X-Signature", good(body))], True),
    "no header": (lambda body: [], False),
    "empty": (lambda body: [("X-Signature", "")], False),
    "another header": (lambda body: [("X-Signatur", good(body))], False),
    "a provider's header": (lambda body: [("X-Hub-Signature-256", good(body))], False),
    "name in lower case": (lambda body: [("x-signature", good(body))], True),
    "name in upper case": (lambda body: [("X-SIGNATURE", good(body))], True),
    "twice the same": (lambda body: [("X-Signature", good(body))] * 2, False),
    "right and wrong": (lambda body: [("X-Signature", good(body)), ("x-signature", "no")], False),
    "wrong and right": (lambda body: [("X-Signature", "no"), ("X-Signature", good(body))], False),
    "of another secret": (lambda body: [("X-Signature", sign(body, OTHER))], False),
    "of another body": (lambda body: [("X-Signature", good(body + b" "))], False),
    "no prefix": (lambda body: [("X-Signature", good(body)[7:])], False),
    "prefix in upper case": (lambda body: [("X-Signature", "SHA256=" + good(body)[7:])], False),
    "prefix of another": (lambda body: [("X-Signature", "sha1=" + good(body)[7:])], False),
    "prefix alone": (lambda body: [("X-Signature", "sha256=")], False),
    "prefix cut": (lambda body: [("X-Signature", "sha256")], False),
    "prefix and a space": (lambda body: [("X-Signature", "sha256= " + good(body)[7:])], False),
    "digits in upper case": (
        lambda body: [("X-Signature", "sha256=" + good(body)[7:].upper())], True),
    "a digit too few": (lambda body: [("X-Signature", good(body)[:-1])], False),
    "a digit too many": (lambda body: [("X-Signature", good(body) + "0")], False),
    "no hex digit": (lambda body: [("X-Signature", good(body)[:-1] + "g")], False),
    "a wrong digit": (
        lambda body: [("X-Signature", good(body)[:-1] + "10"[good(body)[-1] == "1"])], False),
    "spaces around": (lambda body: [("X-Signature", f" {good(body)} ")], True),
    "base64": (lambda body: [
        ("X-Signature", "sha256=" + base64.b64encode(bytes.fromhex(good(body)[7:])).decode())],
        False),
}

BODIES = [b"", b" ", b"{", b"nonsense", b"[]", b"3", b'"text"', b"null", b"{}{}", b'{"a":1,"a":2}',
          b'{"a":"\xff"}', b'{"a":99999999999999999999}', b'{"a":"\\ud800"}', b'{"a":01}',
          b"[" * 30 + b"]" * 30]


def post(pipeline, body, headers, path):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
             *(f"{name}: {value}" for name, value in headers)]
    with pipeline.connect() as sock:
        sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return read_answer(sock)


def verify(body, headers, path):
    request = {"headers": [list(pair) for pair in headers], "url": f"http://localhost{path}",
               "body_b64": base64.b64encode(body).decode()}
    run = subprocess.run(
        [BIN / "trotline", "verify", "--provider", "trotline", "--secret", SECRET, "--max-age", "600",
         "--now", str(int(time.time())), "-"], input=json.dumps(request), capture_output=True,
        text=True, timeout=30)
    assert run.returncode in (0, 1), run.stderr
    found = json.loads(run.stdout)
    assert run.returncode == (0 if found["accepted"] else 1)
    return found


def reason_of(answer):
    """What the server tells the sender, in one text."""
    told = answer.json()
    fields = ": " + ", ".join(told["fields"]) if "fields" in told else ""
    return told["error"] + fields


def judge(pipeline, body, headers=None, batch=False):
    """The server's answer, which is verify's too."""
    path = "/webhooks/email/batch" if batch else "/webhooks/email"
    headers = [("X-Signature", sign(body))] if headers is None else headers
    answer, found = post(pipeline, body, headers, path), verify(body, headers, path)
    assert found["status"] == answer.status, (found, answer)
    assert found["accepted"] == (answer.status == 202)
    if found["step"] == "signature":
        assert answer.json() == {"error": "Invalid signature"}
        wait_for("the cause in the log", lambda: pipeline["validator"].has_logged(
            "as=signature", found["reason"][:200]))
    elif found["step"] == "malformed":
        assert answer.json() == {"error": "Invalid JSON"}
        assert found["reason"] == answer.headers["x-error-detail"]
    elif not found["accepted"]:
        assert found["step"] == "event" and found["reason"] == reason_of(answer)
    elif batch:
        results = answer.json()["batch_result"]["results"]
        assert [(r["error"], r.get("fields")) for r in results] == [
            (e["error"], e["fields"]) for e in found["events"]]
    return answer


def alone_and_in_a_batch(pipeline, value, error, fields=None):
    """error: what is expected, None for nothing."""
    answer = judge(pipeline, json.dumps(value).encode())
    assert answer.status == (400 if error else 202), answer
    if error:
        assert answer.json() == {"error": error} | ({"fields": fields} if fields else {})
    again = value | ({"event_id": value["event_id"][:-1] + "~"}
                     if not error and "event_id" in value else {})
    [_, result, _] = judge(pipeline, json.dumps([event(), again, event()]).encode(),
                           batch=True).json()["batch_result"]["results"]
    assert result["status"] == ("invalid" if error else "queued") and result["error"] == error
    assert result.get("fields") == fields


@pytest.mark.parametrize("name", TIMES)
def test_a_form_of_time_is_read_by_both_or_by_neither(shared, name):
    form, is_read = TIMES[name]
    value = event() | {"timestamp": form(int(time.time()))}
    alone_and_in_a_batch(shared, value, None if is_read else MISSING,
                         None if is_read else ["timestamp"])


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_good_for_both_or_for_neither(shared, name):
    changes, fields = FIELDS[name]
    value = {key: item for key, item in (event() | changes).items() if item is not DROP}
    if name.endswith("upper case"):
        value |= {key.upper(): event()[key] for key in changes}
    alone_and_in_a_batch(shared, value, MISSING if fields else None, fields or None)


@pytest.mark.parametrize("name", AGES)
def test_an_age_is_good_for_both_or_for_neither(shared, name):
    offset_s, error = AGES[name]
    alone_and_in_a_batch(shared, event(timestamp=int(time.time()) + offset_s), error)


@pytest.mark.parametrize("batch", [False, True], ids=["alone", "batch"])
@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_is_good_for_both_or_for_neither(shared, name, batch):
    proof, is_good = PROOFS[name]
    body = json.dumps([event()] if batch else event()).encode()
    assert judge(shared, body, proof(body), batch).status == (202 if is_good else 401)


@pytest.mark.parametrize("body", BODIES, ids=repr)
def test_what_is_no_event_is_told_alike(shared, body):
    assert judge(shared, body).status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"3", b"null", b"[1,", b"[}"], ids=repr)
def test_what_is_no_batch_is_told_alike(shared, body):
    assert judge(shared, body, batch=True).status == 400


def test_a_batch_of_everything_is_judged_alike(shared):
    parts = [json.dumps(event()), "7", "null", "[]", '{"a":1,"a":2}', '{"a":"\\x"}',
             json.dumps(event(timestamp=1)), json.dumps(event() | {"timestamp": None}),
             json.dumps(event(timestamp=int(time.time()) + 9999)), "{}"]
    answer = judge(shared, f"[{','.join(parts)}]".encode(), batch=True)
    errors = [result["error"] for result in answer.json()["batch_result"]["results"]]
    assert errors == [None, "Invalid JSON", "Invalid JSON", "Invalid JSON", "Invalid JSON",
                      "Invalid JSON", "Event too old", MISSING, "Event from the future", MISSING]
    assert judge(shared, b"[]", batch=True).status == 202
