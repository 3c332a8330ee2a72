"""The HTTP contract, row by row, against the running pipeline."""

import hashlib
import hmac
import json
import re
import signal
import subprocess
import time

import pytest

from pipeline import (
    ALL_HANDLERS, SECRET, Answer, Client, event, new_id, read_answer, request_bytes, sign, wait_for)

REQUIRED = ["event_type", "event_id", "timestamp", "data"]
FAMILIES = {
    "webhook_events_total": "counter",
    "webhook_processing_duration_seconds": "histogram",
    "webhook_queue_size": "gauge",
    "webhook_errors_total": "counter",
    "webhook_commit_seconds": "histogram",
    "webhook_group_size": "histogram",
    "webhook_oldest_unprocessed_seconds": "gauge",
}


def expect(answer, status, body):
    """The exact text of the contract's table."""
    assert (answer.status, answer.body.decode()) == (status, body)
    assert answer.headers["content-type"] == "application/json"


def expect_503(answer):
    assert answer.status == 503, answer
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]


# ---- one event


def test_a_new_event_is_accepted_and_applied(shared, client):
    ev = event()
    expect(client.post(ev), 202,
           '{"status":"accepted","event_id":"%s","message":"Event queued for processing"}'
           % ev["event_id"])
    shared.wait_unknown([ev["event_id"]])


def test_the_same_event_again_is_ignored(shared, client):
    ev = event()
    client.post(ev)
    for _ in range(3):
        expect(client.post(ev), 200,
               '{"status":"ignored","reason":"duplicate","event_id":"%s"}' % ev["event_id"])
    shared.wait_unknown([ev["event_id"]])
    assert shared.unknown_ids().count(ev["event_id"]) == 1


def test_an_id_with_quotes_and_control_characters_comes_back_as_valid_json(client):
    ev = event(event_id='a"b\\c/\n\x00\u2028é ' + new_id())
    assert client.post(ev).json()["event_id"] == ev["event_id"]
    assert client.post(ev).json()["status"] == "ignored"


def test_an_event_refused_once_may_come_again(client):
    ev = event(timestamp=int(time.time()) - 3600)
    assert client.post(ev).status == 400
    assert client.post(ev | {"timestamp": int(time.time())}).status == 202


@pytest.mark.parametrize("signature", [
    "", "sha256=", "sha256=" + "0" * 64, "0" * 64, "sha1=" + "0" * 40, "sha256=" + "g" * 64,
    "sha256=" + "0" * 65, "sha256=" + "0" * 63], ids=repr)
def test_a_wrong_signature_is_refused(shared, client, signature):
    ev = event()
    expect(client.post_bytes(json.dumps(ev).encode(), signature=signature), 401,
           '{"error":"Invalid signature"}')
    assert client.post(ev).status == 202  # nothing of the refused one was kept


def test_a_missing_signature_is_refused(client):
    expect(client.request("POST", "/webhooks/email", json.dumps(event()).encode()), 401,
           '{"error":"Invalid signature"}')


def test_a_signature_over_another_body_is_refused(client):
    body = json.dumps(event()).encode()
    expect(client.post_bytes(body, signature=sign(body + b" ")), 401,
           '{"error":"Invalid signature"}')


def test_upper_case_hex_is_good(client):
    body = json.dumps(event()).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().upper()
    assert client.post_bytes(body, signature="sha256=" + digest).status == 202


def test_the_signature_is_checked_before_the_json(client):
    expect(client.post_bytes(b"{", signature="sha256=" + "0" * 64), 401,
           '{"error":"Invalid signature"}')


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"nonsense", b"[]", b"3", b'"text"', b"null", b"true", b'{"a":1}{"b":2}',
    b'{"a":1} x', b"{'a':1}", b'{"a":01}', b'{"a":1,}', b'{"a":NaN}'], ids=repr)
def test_what_is_no_json_object_is_invalid_json(client, body):
    expect(client.post_bytes(body), 400, '{"error":"Invalid JSON"}')


@pytest.mark.parametrize("missing", [
    REQUIRED, ["event_type"], ["event_id"], ["timestamp"], ["data"], ["event_id", "data"]],
    ids="+".join)
def test_missing_fields_are_named(client, missing):
    ev = {key: value for key, value in event().items() if key not in missing}
    expect(client.post(ev), 400,
           '{"error":"Missing required fields","fields":%s}'
           % json.dumps(missing, separators=(",", ":")))


@pytest.mark.parametrize("field,value", [
    ("event_type", 3), ("event_type", None), ("event_type", ""), ("event_type", ["a"]),
    ("event_id", 3), ("event_id", None), ("event_id", ""), ("event_id", {}),
    ("timestamp", None), ("timestamp", "soon"), ("timestamp", -1), ("timestamp", []),
    ("timestamp", True), ("data", None), ("data", []), ("data", "text"), ("data", 1)])
def test_a_field_of_the_wrong_type_counts_as_missing(client, field, value):
    expect(client.post(event() | {field: value}), 400,
           '{"error":"Missing required fields","fields":["%s"]}' % field)


@pytest.mark.parametrize("age_s", [601, 3600, 86400 * 365 * 5])
def test_an_old_event_is_refused(client, age_s):
    expect(client.post(event(timestamp=int(time.time()) - age_s - 1)), 400,
           '{"error":"Event too old"}')


@pytest.mark.parametrize("ahead_s", [330, 86400])
def test_an_event_from_the_future_is_refused(client, ahead_s):
    expect(client.post(event(timestamp=int(time.time()) + ahead_s)), 400,
           '{"error":"Event from the future"}')


@pytest.mark.parametrize("offset_s", [-570, 0, 270])
def test_clocks_may_differ_a_little(client, offset_s):
    assert client.post(event(timestamp=int(time.time()) + offset_s)).status == 202


@pytest.mark.parametrize("form", [
    lambda now: now * 1000, lambda now: now + 0.25,
    lambda now: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
    lambda now: time.strftime("%Y-%m-%dT%H:%M:%S.123+02:00", time.gmtime(now + 7200))],
    ids=["milliseconds", "fraction", "utc", "zone"])
def test_every_form_of_a_timestamp_is_read(client, form):
    assert client.post(event(timestamp=form(int(time.time())))).status == 202


# ---- a batch


def test_a_batch_answers_for_each_of_its_events(shared, client):
    known = event()
    client.post(known)
    good, twice = event(), event()
    old = event(timestamp=1)
    ahead = event(timestamp=int(time.time()) + 9999)
    no_data = event()
    del no_data["data"]
    answer = client.post_batch([good, known, twice, twice, old, ahead, no_data, 7, {}])

    assert answer.status == 202
    value = answer.json()
    assert list(value) == ["status", "batch_result", "processed_at"]
    assert value["status"] == "queued"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value["processed_at"])
    result = value["batch_result"]
    assert list(result) == [
        "batch_id", "queued_count", "duplicate_count", "invalid_count", "results"]
    assert result["batch_id"]
    counts = [result[name] for name in ("queued_count", "duplicate_count", "invalid_count")]
    assert counts == [2, 2, 5]
    missing = "Missing required fields"
    assert [[r["index"], r["event_id"], r["status"], r["error"]] for r in result["results"]] == [
        [0, good["event_id"], "queued", None],
        [1, known["event_id"], "duplicate", None],
        [2, twice["event_id"], "queued", None],
        [3, twice["event_id"], "duplicate", None],
        [4, old["event_id"], "invalid", "Event too old"],
        [5, ahead["event_id"], "invalid", "Event from the future"],
        [6, no_data["event_id"], "invalid", missing],
        [7, None, "invalid", "Invalid JSON"],
        [8, None, "invalid", missing],
    ]
    assert result["results"][6]["fields"] == ["data"]
    wanted = [good["event_id"], known["event_id"], twice["event_id"]]
    shared.wait_unknown(wanted)
    for event_id in wanted:
        assert shared.unknown_ids().count(event_id) == 1


def test_every_batch_has_an_id_of_its_own(client):
    ids = {client.post_batch([event()]).json()["batch_result"]["batch_id"] for _ in range(5)}
    assert len(ids) == 5


def test_an_empty_batch_is_queued(client):
    result = client.post_batch([]).json()["batch_result"]
    assert (result["queued_count"], result["results"]) == (0, [])


@pytest.mark.parametrize("body", [b"{}", b"3", b'"x"', b"[", b"", b"null", b"[1,]"], ids=repr)
def test_a_batch_that_is_no_array_is_refused(client, body):
    expect(client.post_bytes(body, "/webhooks/email/batch"), 400, '{"error":"Invalid JSON"}')


def test_a_batch_with_a_wrong_signature_is_refused(client):
    body = json.dumps([event()]).encode()
    expect(client.post_bytes(body, "/webhooks/email/batch", "sha256=" + "0" * 64), 401,
           '{"error":"Invalid signature"}')


def test_ten_thousand_events_fit_one_batch(start):
    pipeline = start()
    events = [event() for _ in range(10_000)]
    with pipeline.client() as client:
        result = client.post_batch(events).json()["batch_result"]
        assert (result["queued_count"], len(result["results"])) == (10_000, 10_000)
        again = client.post_batch(events).json()["batch_result"]
        assert again["duplicate_count"] == 10_000
    pipeline.wait_settled(10_000)
    assert sorted(pipeline.unknown_ids()) == sorted(ev["event_id"] for ev in events)


# ---- secrets


def test_each_of_several_live_secrets_is_good(start):
    secrets = ["first-secret-0123456789", "second-secret-0123456789", "third-secret-0123456789"]
    pipeline = start(settings={"sources": [
        {"name": "email", "provider": "trotline", "secrets": secrets},
        {"name": "other", "provider": "trotline", "secrets": ["only-other-0123456789"]}]})
    for secret in secrets:
        with pipeline.client(secret=secret) as client:
            assert client.post(event()).status == 202
            assert client.post(event(), "/webhooks/other").status == 401
    with pipeline.client(secret="only-other-0123456789") as client:
        assert client.post(event()).status == 401
        assert client.post(event(), "/webhooks/other").status == 202


def test_two_sources_may_use_the_same_event_id(start):
    pipeline = start(settings={"sources": [
        {"name": name, "provider": "trotline", "secrets": [SECRET]} for name in ("a", "b")]})
    ev = event()
    with pipeline.client() as client:
        assert client.post(ev, "/webhooks/a").status == 202
        assert client.post(ev, "/webhooks/b").status == 202
        assert client.post(ev, "/webhooks/b").status == 200


# ---- other requests


@pytest.mark.parametrize("path", ["/webhooks/email", "/webhooks/email/batch"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_providers_may_probe(client, method, path):
    answer = client.request(method, path)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method,path,allow", [
    ("PUT", "/webhooks/email", "GET, HEAD, POST"),
    ("DELETE", "/webhooks/email", "GET, HEAD, POST"),
    ("PATCH", "/webhooks/email/batch", "GET, HEAD, POST"),
    ("OPTIONS", "/webhooks/email", "GET, HEAD, POST"),
    ("POST", "/webhooks/health", "GET, HEAD"),
    ("DELETE", "/metrics", "GET, HEAD"),
])
def test_another_method_is_not_allowed(client, method, path, allow):
    answer = client.request(method, path, b"{}" if method in ("PUT", "POST", "PATCH") else None)
    assert (answer.status, answer.headers.get("allow")) == (405, allow)


@pytest.mark.parametrize("path", [
    "/", "/webhooks", "/webhooks/", "/webhooks/nobody", "/webhooks/email//", "/webhooks/email/batches",
    "/metrics/x", "/webhooks/EMAIL", "/webhooks/../metrics", "/webhooks/email%00x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_not_found(client, method, path):
    answer = client.request(method, path, b"{}" if method == "POST" else None)
    assert answer.status == 404, answer


def test_a_query_does_not_change_the_path(client):
    assert client.post(event(), "/webhooks/email?tenant=3").status == 202


def padded(size):
    """A signed event of just that many bytes."""
    ev = event(pad="")
    ev["data"]["pad"] = "x" * (size - len(json.dumps(ev)))
    return json.dumps(ev).encode()


def test_an_event_of_the_largest_size_is_taken(client):
    assert client.post_bytes(padded(1 << 20)).status == 202


@pytest.mark.parametrize("path,size", [
    ("/webhooks/email", (1 << 20) + 1), ("/webhooks/email/batch", (10 << 20) + 1)])
def test_too_large_a_body_is_refused(shared, path, size):
    """Although the sender does not read before it has written all of it."""
    with shared.connect() as sock:
        sock.sendall(request_bytes(b" " * size, path))
        assert read_answer(sock).status == 413
        sock.sendall(b"GET /webhooks/email HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(sock).status == 200


@pytest.mark.parametrize("size,extra", [((1 << 20) + 1, ["Expect: 100-continue"]), (1 << 30, [])])
def test_too_large_a_body_is_refused_unread_where_it_need_not_come(shared, size, extra):
    with shared.connect() as sock:
        sock.sendall(request_bytes(b"", length=size, extra=extra))
        assert read_answer(sock).status == 413


@pytest.mark.parametrize("path,size", [
    ("/webhooks/email", (1 << 20) + 1), ("/webhooks/email/batch", (10 << 20) + 1)])
def test_too_large_a_chunked_body_is_refused(shared, path, size):
    head = request_bytes(b"", path).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    with shared.connect() as sock:
        sock.sendall(head + chunk * (size // 65536 + 1) + b"0\r\n\r\n")
        assert read_answer(sock).status == 413


def test_headers_that_are_too_large_are_refused(shared):
    for extra in (["X-Pad: " + "a" * 20000], [f"X-{i}: {'b' * 90}" for i in range(200)]):
        with shared.connect() as sock:
            sock.sendall(request_bytes(json.dumps(event()).encode(), extra=extra))
            assert read_answer(sock).status == 431


def test_headers_below_the_limit_are_good(client):
    body = json.dumps(event()).encode()
    answer = client.request("POST", "/webhooks/email", body,
                            {"X-Signature": sign(body), "X-Pad": "a" * 15000})
    assert answer.status == 202


# ---- 503: ours, said as ours, and nothing half-accepted


def accepted_anew(pipeline, events):
    """Sent again, each is new: nothing of it was kept at the first time."""
    with pipeline.client() as client:
        for ev in events:
            answer = client.post(ev)
            assert answer.status == 202, (ev["event_id"], answer)
    pipeline.wait_unknown([ev["event_id"] for ev in events])
    for ev in events:
        assert pipeline.unknown_ids().count(ev["event_id"]) == 1


def test_without_a_validator_the_answer_is_503_and_nothing_is_kept(start):
    pipeline = start(without=("validator",), settings={"limits": {"answer_timeout": "500ms"}})
    single, in_batch = event(), event()
    with pipeline.client() as client:
        expect_503(client.post(single))
        expect_503(client.post_batch([in_batch]))
    pipeline.add("validator")
    accepted_anew(pipeline, [single, in_batch])


def test_a_request_whose_time_is_over_is_not_stored_later(start):
    pipeline = start(settings={"limits": {"answer_timeout": "600ms"}})
    late = [event() for _ in range(20)]
    pipeline["validator"].signal(signal.SIGSTOP)
    with pipeline.client() as client:
        for ev in late[:3]:
            expect_503(client.post(ev))
    pipeline["validator"].signal(signal.SIGCONT)
    accepted_anew(pipeline, late)


def test_a_request_under_way_outlives_its_validator(start):
    """The validator is killed with the request in its hands; the next one answers it."""
    pipeline = start(without=("watcher",), settings={"limits": {"answer_timeout": "20s"}})
    ev = event()
    pipeline["validator"].signal(signal.SIGSTOP)
    with pipeline.connect() as sock:
        sock.sendall(request_bytes(json.dumps(ev).encode()))
        wait_for("the request is with ingress", lambda: pipeline.metric(
            "webhook_http_connections") >= 2)
        pipeline["validator"].restart()
        assert read_answer(sock).status == 202
    pipeline.wait_unknown([ev["event_id"]])


def test_a_stopping_ingress_finishes_what_it_has_and_refuses_what_is_new(start):
    pipeline = start(without=("watcher",), settings={"limits": {"answer_timeout": "20s"}})
    old, new = event(), event()
    with pipeline.connect() as busy, pipeline.connect() as idle:
        for sock in (busy, idle):
            sock.sendall(b"GET /webhooks/email HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(sock).status == 200
        pipeline["validator"].signal(signal.SIGSTOP)
        busy.sendall(request_bytes(json.dumps(old).encode()))
        wait_for("the request is with ingress", lambda: pipeline.metric(
            "webhook_http_connections") >= 2)
        pipeline["ingress"].signal(signal.SIGTERM)
        wait_for("ingress drains", lambda: pipeline["ingress"].has_logged("msg=draining"))
        idle.sendall(request_bytes(json.dumps(new).encode()))
        answer = read_answer(idle)
        expect_503(answer)
        assert answer.headers["connection"].lower() == "close"
        pipeline["validator"].signal(signal.SIGCONT)
        assert read_answer(busy).status == 202
    assert pipeline["ingress"].process.wait(30) == 0
    pipeline["ingress"].start()
    pipeline.wait_unknown([old["event_id"]])
    accepted_anew(pipeline, [new])


def fill_journal(pipeline):
    """Posts until the journal is full; (accepted, refused)."""
    accepted, refused = [], []
    with pipeline.client() as client:
        while len(refused) < 5:
            ev = event(pad="x" * 4000)
            answer = client.post(ev)
            if answer.status == 202:
                accepted.append(ev)
            else:
                expect_503(answer)
                refused.append(ev)
            assert len(accepted) < 2000, "a journal of 1 MiB never gets full"
    return accepted, refused


def test_a_full_journal_refuses_and_takes_again_when_its_handler_is_back(start):
    pipeline = start(without=("handler-unknown",), settings={"journal": {"max_size": "1MiB"}})
    accepted, refused = fill_journal(pipeline)
    assert len(accepted) > 50
    with pipeline.client() as client:
        assert client.post(accepted[0]).status == 503 or client.post(accepted[0]).status == 200
        expect_503(client.post_batch([event(pad="x" * 4000) for _ in range(50)]))
    wait_for("health tells of the journal", lambda: any(
        "journal" in alert for alert in pipeline.health().json()["alerts"]))
    pipeline.add("handler-unknown")
    pipeline.wait_settled(len(accepted))
    assert sorted(pipeline.unknown_ids()) == sorted(ev["event_id"] for ev in accepted)
    accepted_anew(pipeline, refused)


# ---- health


def status_becomes(pipeline, status):
    def probe():
        answer = pipeline.health()
        return answer if answer.json()["status"] == status else None
    return wait_for(f"health {status}", probe)


def test_health_tells_when_all_is_well(start):
    pipeline = start(handlers=ALL_HANDLERS)
    answer = status_becomes(pipeline, "healthy")
    value = answer.json()
    assert answer.status == 200
    assert list(value) == ["status", "metrics", "alerts"]
    assert list(value["metrics"]) == [
        "total_events", "error_rate_percent", "avg_processing_time_seconds", "current_queue_size"]
    assert value["alerts"] == []
    with pipeline.client() as client:
        for _ in range(7):
            client.post(event())
    wait_for("seven events in all",
             lambda: pipeline.health().json()["metrics"]["total_events"] == 7)
    assert pipeline.health().json()["alerts"] == []


def test_health_is_degraded_without_a_handler_and_critical_without_a_validator(start):
    pipeline = start(handlers=ALL_HANDLERS)
    status_becomes(pipeline, "healthy")
    pipeline["handler-opened"].stop()
    answer = status_becomes(pipeline, "degraded")
    assert answer.status == 200
    assert any("handler-opened" in alert for alert in answer.json()["alerts"])
    pipeline["validator"].stop()
    answer = status_becomes(pipeline, "critical")
    assert answer.status == 503
    assert any("validator" in alert for alert in answer.json()["alerts"])
    pipeline["handler-opened"].start()
    pipeline["validator"].start()
    assert status_becomes(pipeline, "healthy").json()["alerts"] == []


def test_health_is_degraded_while_a_queue_is_long(start):
    pipeline = start(handlers=ALL_HANDLERS, without=("handler-opened",), settings={
        "health": {"queue_size": 10}, "handlers": [{"name": "opened", "processes": 0}]})
    status_becomes(pipeline, "healthy")
    with pipeline.client() as client:
        client.post_batch([event("email_opened", email="ann@example.com") for _ in range(11)])
    answer = status_becomes(pipeline, "degraded")
    assert answer.json()["metrics"]["current_queue_size"] == 11
    assert any("queue" in alert for alert in answer.json()["alerts"])
    pipeline.add("handler-opened")
    status_becomes(pipeline, "healthy")


def test_health_sees_errors(start):
    pipeline = start(handlers=ALL_HANDLERS, settings={"limits": {"answer_timeout": "100ms"}})
    status_becomes(pipeline, "healthy")
    pipeline["validator"].signal(signal.SIGSTOP)
    with pipeline.client() as client:
        expect_503(client.post(event()))
    pipeline["validator"].signal(signal.SIGCONT)
    answer = status_becomes(pipeline, "critical")
    assert answer.json()["metrics"]["error_rate_percent"] > 5
    assert any("errors" in alert for alert in answer.json()["alerts"])


# ---- metrics


def test_metrics_pass_promtool_and_name_no_address(start):
    pipeline = start(handlers=("delivered", "unknown"))
    with pipeline.client() as client:
        known = event("email_delivered", email="ann.secret@example.com", message_id="m1")
        client.post(known)
        client.post(known)
        client.post(event("weird_type_1", email="ann.secret@example.com"))
        client.post(event("weird_type_2"))
        client.post_bytes(b"{")
        client.post_bytes(b"{}", signature="none")
    wait_for("all figures", lambda: (
        pipeline.metric("webhook_processing_duration_seconds_count") == 3
        and pipeline.metric("webhook_unknown_kinds_total") == 2
        and pipeline.metric("webhook_errors_total") >= 2))
    answer = pipeline.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    check = subprocess.run(["promtool", "check", "metrics"], input=answer.body,
                           capture_output=True, timeout=60, check=False)
    assert check.returncode == 0, check.stderr.decode()
    text = answer.body.decode()
    for family, kind in FAMILIES.items():
        assert f"# TYPE {family} {kind}\n" in text
    assert "@" not in text and "secret" not in text
    told = [line for line in text.splitlines() if "weird" in line]
    assert all(line.startswith("webhook_unknown_kinds_total{") for line in told), told


def test_metrics_count_by_type_and_status(start):
    pipeline = start(handlers=("delivered", "unknown"))
    with pipeline.client() as client:
        known = event("email_delivered", email="ann@example.com")
        client.post(known)
        client.post(known)
        client.post_batch([event("weird_a"), event("weird_b"), event(timestamp=1)])
        client.post_bytes(b"{}", signature="none")
    for part, value in {
            'event_type="email_delivered",status="accepted"': 1,
            'event_type="email_delivered",status="duplicate"': 1,
            'event_type="other",status="accepted"': 2}.items():
        wait_for(part, lambda: pipeline.metric("webhook_events_total", part) == value)
    wait_for("errors by kind", lambda: (
        pipeline.metric("webhook_errors_total", "signature") == 1
        and pipeline.metric("webhook_errors_total", "too_old") == 1))


def test_metrics_outlive_a_killed_stage(start):
    """A counter of a process that is gone must not count twice, nor vanish."""
    pipeline = start()
    assert isinstance(pipeline.post(event()), Answer)
    wait_for("one event", lambda: pipeline.metric("webhook_events_total", "accepted") == 1)
    pipeline["validator"].kill()
    assert pipeline.metric("webhook_events_total", "accepted") == 1
    pipeline["validator"].start()
    with Client(pipeline.port) as client:
        assert client.post(event()).status == 202
    wait_for("the new process goes on",
             lambda: pipeline.metric("webhook_events_total", "accepted") == 2)
