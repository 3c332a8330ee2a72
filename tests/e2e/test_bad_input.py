"""What a sender may get wrong, or mean badly: a clear answer, no crash, nothing lost.

All tests of the first part share one pipeline. Each ends with a good event that is taken, by the
same processes as at the start.
"""

import http.client
import json
import re
import socket
import time

import pytest

from pipeline import Pipeline, close_all, event, new_id, read_answer, request_bytes, sign, wait_for

# As a provider sends it: nested metadata, unicode in every plane, escaped slashes, integers at the
# ends of 64 bits, NUL escapes.
SAMPLE_DATA = r"""{
  "email": "r\u00e9mi@example.com",
  "message_id": "<msg-1@mail.example.com>",
  "url": "https:\/\/shop.example.com\/a?b=1&c=%20",
  "metadata": {
    "list": [1, "two", null, true, {"deep": {"deeper": ["deepest", []]}}, {}],
    "largest": 9223372036854775807, "smallest": -9223372036854775808,
    "unsigned": 18446744073709551615, "id": 9007199254740993,
    "ratio": 0.1, "tiny": 1e-300, "zero": 0, "": "an empty key"
  },
  "text": "na\u00efve \u2603 \ud83d\ude00 \u4f60\u597d \u202e\u0301 \u2028",
  "nul": "before\u0000after", "escapes": "\"\\\/\b\f\n\r\t\u0001\u001f",
  "key with \u0001 and \ud83d\ude00": 1
}"""


@pytest.fixture(scope="module")
def shared():
    """As the common one, but impatient: a sender that has hung up in mid-request is noticed by its
    time-out."""
    pipeline = Pipeline(settings={"limits": {"request_timeout": "1s", "idle_timeout": "1s"}})
    yield pipeline.start()
    close_all([pipeline])


@pytest.fixture(autouse=True)
def unharmed(shared):
    """The same processes run before and after, and take a good event."""
    before = [(stage, stage.process.pid) for stage in shared.stages.values()]
    yield
    assert shared.post(event()).status == 202
    for stage, pid in before:
        assert stage.runs() and stage.process.pid == pid, f"{stage} did not survive"


def raw(shared, data, close=False):
    """The answer to bytes as they are; None when the connection was closed without one."""
    with shared.connect() as sock:
        try:
            sock.sendall(data)
            if close:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed already; there may be an answer all the same
        try:
            return read_answer(sock)
        except (ConnectionError, http.client.HTTPException):
            return None


def text_of(ev, **changes):
    """The event's JSON with a field's value replaced by raw text."""
    parts = {key: json.dumps(value) for key, value in ev.items()} | changes
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in parts.items()) + "}"


# ---- JSON


def kept(shared, ev):
    """The data that the handler unknown has kept of it."""
    (row,) = wait_for("stored", lambda: shared.rows(
        "SELECT data FROM unknown_events WHERE event_id = ?", ev["event_id"]))
    return json.loads(row[0])


def invalid_json(answer):
    assert (answer.status, answer.body) == (400, b'{"error":"Invalid JSON"}'), answer


def test_json_that_is_cut_short_is_invalid_at_every_length(shared, client):
    body = json.dumps(event(name="é", list=[1, 2, {"a": None}])).encode()
    for length in range(len(body)):
        invalid_json(client.post_bytes(body[:length]))
    assert client.post_bytes(body).status == 202


@pytest.mark.parametrize("depth,status", [(10, 202), (30, 400), (2_000, 400), (100_000, 400)])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_bounded(client, depth, status, brackets):
    inner = "[" * depth + "]" * depth if brackets == "[]" else '{"a":' * depth + "1" + "}" * depth
    answer = client.post_bytes(text_of(event(), data='{"x":%s}' % inner).encode())
    assert answer.status == status
    if status == 400:
        invalid_json(answer)


def test_deep_nesting_in_a_batch_is_bounded(client):
    invalid_json(client.post_bytes(b"[" * 50_000 + b"]" * 50_000, "/webhooks/email/batch"))


@pytest.mark.parametrize("text", [
    b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80abc"], ids=repr)
def test_invalid_utf8_is_invalid_json(client, text):
    body = json.dumps(event(name="@@")).encode().replace(b"@@", text)
    invalid_json(client.post_bytes(body))


@pytest.mark.parametrize("text", [r'"\ud80"', r'"\ud800\x"', r'"\u12"', r'"\x41"', '"\t"'])
def test_invalid_escapes_are_invalid_json(client, text):
    invalid_json(client.post_bytes(text_of(event(), data='{"a":%s}' % text).encode()))


@pytest.mark.parametrize("body", [
    '{"event_id":"other",%s', '{"data":{"a":1},%s'])
def test_a_repeated_key_is_invalid_json(client, body):
    invalid_json(client.post_bytes((body % text_of(event())[1:]).encode()))


def test_a_repeated_key_inside_data_is_invalid_json(client):
    invalid_json(client.post_bytes(text_of(event(), data='{"a":1,"b":{"c":1,"c":2}}').encode()))


def test_a_repeated_key_written_as_an_escape_is_invalid_json(client):
    invalid_json(client.post_bytes(text_of(event(), data=r'{"a":1,"\u0061":2}').encode()))


@pytest.mark.parametrize("where", ["front", "middle", "in a string", "end"])
def test_a_nul_in_the_body_is_invalid_json(client, where):
    body = json.dumps(event(name="@@")).encode()
    invalid_json(client.post_bytes({
        "front": b"\0" + body, "middle": body.replace(b": ", b":\0 ", 1),
        "in a string": body.replace(b"@@", b"\0"), "end": body + b"\0"}[where]))


@pytest.mark.parametrize("number", ["0x10", "NaN", "1.", "01", "+1", "Infinity"])
def test_what_is_no_number_is_invalid_json(client, number):
    invalid_json(client.post_bytes(text_of(event(), data='{"n":%s}' % number).encode()))


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1e999"])
def test_a_number_beyond_64_bits_keeps_its_digits(shared, client, number):
    ev = event()
    assert client.post_bytes(text_of(ev, data='{"n":%s}' % number).encode()).status == 202
    assert kept(shared, ev) == {"n": number}


def test_half_a_surrogate_pair_is_the_replacement_character(shared, client):
    ev = event()
    assert client.post_bytes(text_of(ev, data='{"n":"Hi \\ud83d"}').encode()).status == 202
    assert kept(shared, ev) == {"n": "Hi \ufffd"}


def test_a_byte_order_mark_is_passed_over(client):
    answer = client.post_bytes(b"\xef\xbb\xbf" + json.dumps(event()).encode())
    assert answer.status == 202


# ---- fields


@pytest.mark.parametrize("field", ["event_id", "event_type"])
def test_an_id_or_a_type_of_ten_kilobytes_is_refused(client, field):
    answer = client.post(event() | {field: "x" * 10_240})
    assert (answer.status, answer.json()["fields"]) == (400, [field])


def test_an_id_of_ten_kilobytes_in_a_batch_sinks_no_other(client):
    good = event()
    result = client.post_batch([event(event_id="x" * 10_240), good]).json()["batch_result"]
    assert [r["status"] for r in result["results"]] == ["invalid", "queued"]


@pytest.mark.parametrize("timestamp", [
    0, -1, 1e300, 2**63, 2**64 - 1, "", "2026-13-45T99:99:99Z", "2026-01-01", "x" * 5000, 0.0001])
def test_a_senseless_timestamp_is_refused(client, timestamp):
    answer = client.post(event() | {"timestamp": timestamp})
    assert answer.status == 400 and answer.json()["error"] in (
        "Missing required fields", "Event too old", "Event from the future")


def test_a_type_with_strange_characters_is_stored_by_the_unknown_handler(shared, client):
    ev = event('a"b{}\n\x00,=é/../../x' + new_id())
    assert client.post(ev).status == 202
    shared.wait_unknown([ev["event_id"]])
    assert shared.rows("SELECT type FROM unknown_events WHERE event_id = ?", ev["event_id"]) == [
        (ev["event_type"],)]


# ---- HTTP


def test_a_chunked_body_is_read(shared):
    body = json.dumps(event()).encode()
    head = request_bytes(b"", signature=sign(body)).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert raw(shared, head + chunks + b"0\r\n\r\n").status == 202


@pytest.mark.parametrize("chunks", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n", b"ffffffffffffffff\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"],
    ids=repr)
def test_broken_chunks_are_no_event(shared, chunks):
    head = request_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    answer = raw(shared, head + chunks, close=True)
    assert answer is None or 400 <= answer.status < 500, answer


def test_a_body_that_is_cut_off_is_no_event(shared):
    ev = event()
    body = json.dumps(ev).encode()
    answer = raw(shared, request_bytes(body)[:-10], close=True)
    assert answer is None or answer.status == 400
    assert shared.post(ev).status == 202


def test_a_content_length_that_is_too_small_cuts_the_body(shared):
    """The signature is over more than was announced, so this is no event."""
    body = json.dumps(event()).encode()
    assert raw(shared, request_bytes(body, length=len(body) - 5)).status == 401


@pytest.mark.parametrize("length", ["-1", "abc", "99999999999999999999999", "1e3", "0x10", ""], ids=repr)
def test_a_content_length_that_is_no_number_is_refused(shared, length):
    answer = raw(shared, request_bytes(json.dumps(event()).encode(), length=length), close=True)
    assert answer is None or 400 <= answer.status < 500, answer


@pytest.mark.parametrize("extra", [
    "Content-Length: 3", "Content-Length: 0", "Transfer-Encoding: chunked", "transfer-encoding: gzip"])
def test_a_body_whose_end_is_told_twice_is_refused(shared, extra):
    """A proxy may have gone by the other one; what follows would be another's request."""
    ev = event()
    body = json.dumps(ev).encode()
    assert raw(shared, request_bytes(body, extra=[extra])).status == 400
    assert raw(shared, request_bytes(body).replace(b"X-Sig", extra.encode() + b"\r\nX-Sig")).status == 400
    assert shared.post(ev).status == 202


def test_a_body_in_an_unknown_coding_is_refused_at_once(shared):
    request = request_bytes(json.dumps(event()).encode())
    for coding in (b"gzip", b"gzip, chunked", b""):
        odd = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: " + coding, request)
        assert raw(shared, odd).status == 400


def test_two_signatures_are_no_signature(shared):
    body = json.dumps(event()).encode()
    for first, second in ((sign(body), sign(body)), ("sha256=00", sign(body)), (sign(body), "x")):
        answer = raw(shared, request_bytes(body, signature=first, extra=[f"X-Signature: {second}"]))
        assert (answer.status, answer.body) == (401, b'{"error":"Invalid signature"}')


def test_headers_in_no_known_encoding_do_not_hurt(shared):
    body = json.dumps(event()).encode()
    answer = raw(shared, request_bytes(body).replace(b"Host:", b"X-Odd: \xff\xfe\x80\r\nHost:"))
    assert answer.status == 202, answer


@pytest.mark.parametrize("count,status", [(256, 202), (257, 431), (400, 431)])
def test_many_headers_are_bounded(shared, count, status):
    """The signature is among the last three of them."""
    odd = "".join(f"A{i}: b\r\n" for i in range(count - 3)).encode()
    request = request_bytes(json.dumps(event()).encode())
    answer = raw(shared, request.replace(b"Host:", odd + b"Host:"))
    assert answer.status == status, answer


def test_a_request_without_headers_lacks_a_signature(shared):
    answer = raw(shared, b"POST /webhooks/email HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.body) == (401, b'{"error":"Invalid signature"}')


@pytest.mark.parametrize("data", [
    b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\0" * 1000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /webhooks/email HTTP/9.9\r\n\r\n", b"A" * 100_000, b"GET / HTTP/1.1\r\n" + b"X" * 40_000],
    ids=lambda data: repr(data[:12]))
def test_what_is_no_http_gets_no_yes(shared, data):
    answer = raw(shared, data, close=True)
    assert answer is None or answer.status >= 400


def test_requests_one_behind_the_other_are_all_answered(shared):
    events = [event() for _ in range(20)]
    with shared.connect() as sock:
        sock.sendall(b"".join(request_bytes(json.dumps(ev).encode()) for ev in events))
        reader = sock.makefile("rb")
        got = reader.read(1)
        sock.settimeout(30)
        while got.count(b'"status":"accepted"') < len(events):
            piece = reader.read1(65536)
            assert piece, got
            got += piece
    for ev in events:
        assert ev["event_id"].encode() in got


def test_a_client_that_asks_whether_to_go_on_is_told_so(shared):
    body = json.dumps(event()).encode()
    whole = request_bytes(body, extra=["Expect: 100-continue"])
    with shared.connect() as sock:
        sock.sendall(whole[:-len(body)])
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read_answer(sock).status == 202


def test_http_1_0_is_served(shared):
    data = request_bytes(json.dumps(event()).encode()).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert raw(shared, data).status == 202


def test_a_batch_of_10001_events_is_refused_whole(shared, client):
    events = [event(event_id=new_id()) for _ in range(10_001)]
    for ev in events:
        ev["data"] = {}
    answer = client.post_batch(events)
    assert answer.status == 413 and "error" in answer.json()
    assert client.post(events[0]).status == 202


def test_a_sender_that_hangs_up_while_its_event_is_judged_hurts_nobody(shared):
    ids = []
    for _ in range(50):
        ev = event()
        ids.append(ev["event_id"])
        with shared.connect() as sock:
            sock.sendall(request_bytes(json.dumps(ev).encode()))
    with shared.client() as client:
        for event_id in ids:
            assert client.post(event(event_id=event_id)).status in (200, 202)
    shared.wait_unknown(ids)


def test_a_slow_sender_is_cut_off(start):
    """One that sends a byte now and then cannot hold its connection for ever."""
    pipeline = start(settings={"limits": {"request_timeout": "500ms", "idle_timeout": "1s"}})
    with pipeline.connect() as sock:
        head = request_bytes(json.dumps(event()).encode())
        began = time.monotonic()
        sock.settimeout(0.1)
        at = 0

        def is_cut():
            nonlocal at
            try:
                sock.sendall(head[at:at + 1])
                at += 1
                return sock.recv(1000) is not None
            except TimeoutError:
                return False
            except OSError:
                return True
        wait_for("the connection is cut or answered", is_cut, 20)
        assert at < len(head) and time.monotonic() - began < 15
    assert pipeline.post(event()).status == 202


# ---- what is good must come through as it was


def sample():
    body = text_of(event("custom_sample"), data=SAMPLE_DATA).encode()
    return body, json.loads(body)


def test_the_sample_event_reaches_a_handler_unchanged(start):
    pipeline = start(handlers=(), settings={
        "handlers": [{"name": "mine", "types": ["custom_sample"], "processes": 0}]})
    hook = pipeline.hook("mine", lambda ev: "done")
    body, value = sample()
    with pipeline.client() as client:
        assert client.post_bytes(body).status == 202
    wait_for("the handler has it", lambda: hook.events)
    got = hook.events[0]
    assert got["data"] == value["data"]
    assert list(got["data"]) == list(value["data"])
    assert got["data"]["metadata"]["unsigned"] == 2**64 - 1
    assert got["data"]["nul"] == "before\0after"
    assert (got["id"], got["type"]) == (value["event_id"], "custom_sample")
    assert (got["source"], got["attempt"], got["batch"]) == ("email", 0, None)
    assert got["ts"] == value["timestamp"] * 1000
    assert got["email"] == "r\u00e9mi@example.com"
    assert abs(got["received"] - time.time() * 1000) < 60_000


def test_the_sample_event_is_stored_unchanged(shared, client):
    body, value = sample()
    assert client.post_bytes(body).status == 202
    shared.wait_unknown([value["event_id"]])
    (text,), = shared.rows(
        "SELECT data FROM unknown_events WHERE event_id = ?", value["event_id"])
    assert json.loads(text) == value["data"]


def test_the_sample_event_in_a_batch_is_stored_unchanged(shared, client):
    body, value = sample()
    result = client.post_bytes(b"[" + body + b"]", "/webhooks/email/batch").json()["batch_result"]
    assert result["queued_count"] == 1
    shared.wait_unknown([value["event_id"]])
    (text,), = shared.rows(
        "SELECT data FROM unknown_events WHERE event_id = ?", value["event_id"])
    assert json.loads(text) == value["data"]


def test_what_stands_beside_the_four_fields_is_kept(shared, client):
    ev = event(a=1) | {"tenant": "t1", "trace": {"span": [1]}}
    assert client.post(ev).status == 202
    shared.wait_unknown([ev["event_id"]])
    (text,), = shared.rows("SELECT data FROM unknown_events WHERE event_id = ?", ev["event_id"])
    assert json.loads(text) == {"a": 1, "envelope": {"tenant": "t1", "trace": {"span": [1]}}}
