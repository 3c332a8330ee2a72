"""The admin listener: its pages, who may ask, what it never does, and that nobody needs it."""

import contextlib
import json
import re
import socket
import stat
import time
import urllib.parse

import pytest
from pipeline import Client, Pipeline, event, free_port, new_id, read_answer, wait_for

TOKEN = "a-token-of-thirty-two-characters"


@pytest.fixture(scope="module")
def pipeline():
    """Handlers `unknown` and `opened` run; `clicked` is a hook that gives every event up."""
    one = Pipeline(handlers=("unknown", "opened"), admin=True)
    one.start()
    one.hook("clicked", lambda ev: ("dead", f"no luck with {ev['id']}"))
    yield one
    one.close()


@pytest.fixture
def admin(pipeline):
    with pipeline.admin() as client:
        yield client


def accepted(pipeline, **what):
    body = event(**what)
    assert pipeline.post(body).status == 202
    return body["event_id"]


def letter(pipeline, admin):
    """The id of an event that has become a dead letter."""
    event_id = accepted(pipeline, kind="email_clicked", email="ann@example.com")
    wait_for("the letter", lambda: admin.get(f"/dlq/{event_id}").status == 200)
    return event_id


# ---- about the pipeline


def test_the_process_lives_and_the_pipeline_takes_posts(pipeline, admin):
    assert admin.get("/healthz").json() == {"status": "live"}
    wait_for("ready", lambda: admin.get("/readyz").status == 200)
    assert admin.request("HEAD", "/healthz").body == b""


def test_health_and_metrics_are_those_of_the_public_listener(pipeline, admin):
    wait_for("all heard", lambda: admin.get("/health").json()["status"] != "critical")
    ours, theirs = admin.get("/health").json(), pipeline.health().json()
    assert ours.keys() == theirs.keys()
    text = admin.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    for stage in ("ingress", "validator", "router", "retrier", "dlq", "admin", "handler-unknown"):
        line = f'webhook_stage_processes{{stage="{stage}"}} 1\n'
        wait_for(f"{stage} is heard", lambda: line in admin.get("/metrics").body.decode())


def test_not_ready_without_a_validator(start):
    one = start(admin=True)
    with one.admin() as admin:
        wait_for("ready", lambda: admin.get("/readyz").status == 200)
        one["validator"].kill()
        wait_for("not ready", lambda: admin.get("/readyz").status == 503)
        answer = admin.get("/readyz")
        assert answer.json() == {"error": "stage validator has no live process"}
        assert "retry-after" in answer.headers
        assert admin.get("/healthz").status == 200
        one["validator"].start()
        wait_for("ready again", lambda: admin.get("/readyz").status == 200)


# ---- about one event


def test_the_fate_of_an_event(pipeline, admin):
    event_id = accepted(pipeline, email="ann@example.com")
    wait_for("success", lambda: admin.get(f"/events/{event_id}").json().get("status") == "success")
    told = admin.get(f"/events/{event_id}?source=email").json()
    assert (told["event_id"], told["source"], told["retry_count"]) == (event_id, "email", 0)
    assert admin.get(f"/events/{event_id}?source=other").status == 404
    assert admin.get(f"/events/{event_id}?sauce=email").status == 400
    unknown = admin.get("/events/never-sent")
    assert unknown.status == 404 and "error" in unknown.json()


def test_an_event_id_may_hold_what_a_url_must_quote(pipeline, admin):
    event_id = accepted(pipeline, event_id="a/b c?d%#\u00e4" + new_id())
    quoted = "".join(f"%{byte:02X}" for byte in event_id.encode())
    wait_for("found", lambda: admin.get(f"/events/{quoted}").status == 200)
    assert admin.get(f"/events/{quoted}").json()["event_id"] == event_id


def test_the_fate_of_a_batch(pipeline, admin):
    with pipeline.client() as client:
        answer = client.post_batch([event(), event(), {"event_type": "x"}]).json()["batch_result"]
    batch = f"/batches/{answer['batch_id']}"
    wait_for("applied", lambda: admin.get(batch).json()["successful"] == 2)
    assert admin.get(batch).json()["failed"] == 1
    assert admin.get("/batches/00000000-0000-8000-8000-000000000000").status == 404


# ---- dead letters


def test_a_dead_letter_is_listed_shown_and_dropped(pipeline, admin):
    event_id = letter(pipeline, admin)
    listed = admin.get("/dlq?type=email_clicked&limit=1000").json()
    assert event_id in [one["event_id"] for one in listed["dead_letters"]]
    assert listed["complete"] is True and listed["matching"] == len(listed["dead_letters"])
    shown = admin.get(f"/dlq/{event_id}").json()
    assert shown["error_reason"] == f"no luck with {event_id}"
    assert shown["original_webhook"]["event_id"] == event_id
    assert admin.get(f"/dlq/{shown['letter']}").json() == shown
    assert admin.request("DELETE", f"/dlq/{event_id}").json() == {"dropped": 1}
    assert admin.get(f"/dlq/{event_id}").status == 404
    assert admin.request("DELETE", f"/dlq/{event_id}").status == 404


def test_filters_narrow_and_wrong_ones_are_refused(pipeline, admin):
    event_id = letter(pipeline, admin)
    assert admin.get(f"/dlq?reason={event_id}").json()["matching"] == 1
    for nothing in ("type=email_opened", "source=other", "reason=nothing-like-it", "until=2020-01-01"):
        assert admin.get(f"/dlq?{nothing}").json()["matching"] == 0
    assert admin.get(f"/dlq?since=1h&reason={event_id}").json()["matching"] == 1
    for wrong in ("tpye=x", "limit=0", "limit=x", "limit=1001", "since=soon", "dry_run=1"):
        answer = admin.get(f"/dlq?{wrong}")
        assert answer.status == 400 and "error" in answer.json()
    assert admin.request("DELETE", f"/dlq/{event_id}").status == 200


def test_a_replayed_letter_is_handled_again(start):
    one = start(admin=True)
    mended = set()

    def decide(ev):
        return "done" if ev["id"] in mended else ("dead", "not yet")

    one.hook("clicked", decide)
    with one.admin() as admin:
        ids = [letter(one, admin) for _ in range(3)]
        assert admin.request("POST", f"/dlq/{ids[0]}/replay").json() == {"replayed": 1}
        wait_for("dead again", lambda: admin.get(f"/dlq/{ids[0]}").status == 200)
        mended.update(ids)
        dry = admin.request("POST", "/dlq/replay?dry_run=1").json()
        assert (dry["matching"], dry["replayed"]) == (3, 0)
        assert admin.request("POST", "/dlq/replay?type=email_opened").json()["replayed"] == 0
        done = admin.request("POST", "/dlq/replay?type=email_clicked").json()
        assert (done["matching"], done["replayed"], done["complete"]) == (3, 3, True)
        for event_id in ids:
            wait_for("success", lambda: (
                admin.get(f"/events/{event_id}").json()["status"] == "success"))
        assert admin.get("/dlq").json()["matching"] == 0
        assert admin.request("POST", f"/dlq/{ids[0]}/replay").status == 404


def test_many_letters_are_replayed_at_a_bounded_rate_while_other_pages_go_on(start):
    one = start(admin=True, settings={"limits": {"batch_events": 2000}})
    mended = []
    one.hook("clicked", lambda ev: "done" if mended else ("dead", "not yet"))
    with one.admin() as admin, one.admin() as other, one.client() as client:
        many = [event(kind="email_clicked", email="ann@example.com") for _ in range(600)]
        assert client.post_batch(many).status == 202
        wait_for("600 letters", lambda: admin.get("/dlq?limit=1").json()["matching"] == 600, 60)
        mended.append(True)
        admin.connection.request("POST", "/dlq/replay", None, admin.always)
        started = time.monotonic()
        assert other.get("/healthz").status == 200
        assert other.request("POST", "/dlq/replay").status == 409
        answer = json.loads(admin.connection.getresponse().read())
        assert answer["replayed"] == 600
        assert time.monotonic() - started > 600 / 64 * 0.05 / 2
        wait_for("none left", lambda: other.get("/dlq").json()["matching"] == 0)


def test_a_filter_in_a_body_does_not_replay_everything(pipeline, admin):
    event_id = letter(pipeline, admin)
    answer = admin.request("POST", "/dlq/replay", json.dumps({"type": "email_opened"}))
    assert answer.status == 400
    assert admin.get(f"/dlq/{event_id}").status == 200


# ---- addresses


def test_a_suppressed_address_says_why(pipeline, admin):
    assert admin.get("/suppressions/jo@example.com").json()["suppressed"] is False
    pipeline.add("handler-complained")
    accepted(pipeline, kind="email_complained", email="Jo@Example.com", message_id="m1")
    wait_for("suppressed", lambda: admin.get("/suppressions/jo@example.com").json()["suppressed"])
    told = admin.get("/suppressions/JO@example.com").json()
    assert (told["email"], told["reason"], told["until"]) == ("jo@example.com", "complaint", None)


@pytest.mark.parametrize("address", [
    "' OR 1=1--@x", "x", "@", "a@", "@b", "a@b,c@d", "a" * 400 + "@example.com", "jo@exa mple.com", "\n"])
def test_what_is_no_address_is_the_askers_fault(pipeline, admin, address):
    answer = admin.get("/suppressions/" + urllib.parse.quote(address, safe=""))
    assert answer.status == 400 and "error" in answer.json()


# ---- what is wrong is said


ODD = ["x", "a" * 600, "a" * 5000, "%00", "%ff%fe", "..%2f..%2fetc%2fpasswd", "0123456789abcdef-1",
       "0123456789abcdef-18446744073709551616", "18446744073709551616", "-1", "%22", "{}", "%zz", "%0a"]


@pytest.mark.parametrize("method, path", [
    ("GET", "/events/{}"), ("GET", "/events/x?source={}"), ("GET", "/batches/{}"), ("GET", "/dlq/{}"),
    ("DELETE", "/dlq/{}"), ("POST", "/dlq/{}/replay"), ("GET", "/suppressions/{}"), ("GET", "/dlq?type={}"),
    ("GET", "/dlq?source={}"), ("GET", "/dlq?reason={}"), ("GET", "/dlq?since={}"), ("GET", "/dlq?limit={}"),
    ("GET", "/history?message={}"), ("GET", "/history?cursor={}"), ("GET", "/messages/{}"), ("GET", "/stats?by={}"),
    ("GET", "/dlq?{}"), ("POST", "/dlq/replay?dry_run=1&type={}"), ("POST", "/dlq/replay?dry_run=1&until={}")])
def test_no_question_is_our_fault(admin, method, path):
    for odd in ODD:
        assert admin.request(method, path.format(odd)).status < 500, path.format(odd)


@pytest.mark.parametrize("method, path", [
    ("GET", "/webhooks/email/batch/{}"), ("GET", "/webhooks/{}"), ("POST", "/webhooks/{}/batch"),
    ("POST", "/webhooks/email?{}"), ("GET", "/webhooks/health?{}"), ("GET", "/{}")])
def test_no_strangers_question_is_our_fault(pipeline, method, path):
    with pipeline.client() as client:
        for odd in ODD:
            assert client.request(method, path.format(odd)).status < 500, path.format(odd)


@pytest.mark.parametrize("method, path, status, allow", [
    ("GET", "/", 404, None),
    ("GET", "/webhooks/email", 404, None),
    ("GET", "/events/", 404, None),
    ("GET", "/dlq/", 404, None),
    ("POST", "/healthz", 405, "GET, HEAD"),
    ("DELETE", "/events/x", 405, "GET, HEAD"),
    ("PUT", "/dlq", 405, "GET, HEAD, POST"),
    ("GET", "/events", 405, "POST"),
    ("GET", "/dlq/replay", 405, "POST"),
    ("DELETE", "/dlq/replay", 405, "POST"),
    ("PUT", "/dlq/x", 405, "GET, HEAD, DELETE"),
    ("GET", "/dlq/x/replay", 405, "POST"),
])
def test_wrong_paths_and_methods(admin, method, path, status, allow):
    answer = admin.request(method, path)
    assert answer.status == status
    assert "error" in answer.json()
    assert answer.headers.get("allow") == allow


def test_a_large_body_is_refused(admin):
    assert admin.request("POST", "/dlq/replay", b"x" * 100_000).status == 413


@pytest.mark.parametrize("headers, status", [
    ({"Origin": "https://www.example.com"}, 403), ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Host": "rebound.example.com"}, 403), ({"Host": "rebound.example.com:80"}, 403),
    ({"Sec-Fetch-Site": "none"}, 200), ({"Host": "localhost:1"}, 200), ({"Host": "[::1]:1"}, 200)])
def test_no_web_page_can_ask_behind_the_operators_back(admin, headers, status):
    """The token does not help it, and neither does a page that is open."""
    for path in ("/health", "/dlq"):
        answer = admin.request("GET", path, None, headers)
        assert (answer.status, "error" in answer.json()) == (status, status == 403)
    if status == 403:
        assert admin.request("POST", "/dlq/replay", None, headers).status == 403


@pytest.mark.parametrize("lines", [
    "GET /health HTTP/1.1", "GET /health HTTP/1.0",
    "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
    "GET /health HTTP/1.0\r\nHost: localhost\r\nHost: other"])
def test_one_host_must_be_named(pipeline, lines):
    with socket.create_connection(("127.0.0.1", pipeline.admin_port), timeout=10) as sock:
        sock.sendall(f"{lines}\r\n\r\n".encode())
        answer = read_answer(sock)
    assert (answer.status, answer.json()) == (400, {"error": "Bad Host"})


def test_a_request_that_drips_in_is_cut(pipeline):
    with socket.create_connection(("127.0.0.1", pipeline.admin_port), timeout=0.2) as sock:
        sock.sendall(b"POST /dlq/replay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n")
        started = time.monotonic()

        def cut():
            with contextlib.suppress(TimeoutError):
                try:
                    sock.sendall(b"x")
                    return sock.recv(1) == b""
                except ConnectionError:
                    return True
            return False

        wait_for("the end", cut)
        assert 9 < time.monotonic() - started < 15


# ---- the token


def with_token(folder, mode=0o600, text=TOKEN + "\n"):
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def guarded(start, tmp_path):
    port = free_port()
    path = with_token(tmp_path)
    one = start(admin=True, settings={
        "admin": {"listen": f"0.0.0.0:{port}", "token_file": str(path)}})
    one.admin_port = port
    return one


def test_a_token_is_needed_for_every_page(guarded):
    with Client(guarded.admin_port) as admin:
        for path in ("/healthz", "/metrics", "/nothing"):
            answer = admin.get(path)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        for wrong in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
            assert admin.request("GET", "/healthz", None, {"Authorization": wrong}).status == 401
        right = {"Authorization": f"Bearer {TOKEN}", "Host": "admin.example.com"}
        assert admin.request("GET", "/healthz", None, right).status == 200
    assert TOKEN not in guarded["admin"].log()


def test_a_reload_takes_a_new_token(guarded, tmp_path):
    new = "another-token-of-many-characters"
    with_token(tmp_path, text=new)
    with Client(guarded.admin_port) as admin:
        def status(token):
            return admin.request("GET", "/healthz", None, {"Authorization": f"Bearer {token}"}).status

        assert status(TOKEN) == 200
        guarded["admin"].signal(1)
        wait_for("the new token", lambda: status(new) == 200)
        assert status(TOKEN) == 401
        with_token(tmp_path, text="short")
        guarded["admin"].signal(1)
        wait_for("refused", lambda: guarded["admin"].has_logged("configuration refused", "token"))
        assert status(new) == 200


NOT_SHOWN = ["/node", "/events/x", "/batches/x", "/dlq", "/dlq/x", "/suppressions/jo@example.com", "/history", "/messages/x",
             "/stats", "/nothing"]
SHOWN = ["/healthz", "/readyz", "/metrics", "/health", "/webhooks/health"]


def status_of(pipeline, path, token=None, method="GET"):
    with pipeline.admin(token=token) as client:
        return client.request(method, path).status


def test_on_loopback_too_a_token_is_needed_but_for_what_is_public(pipeline):
    wait_for("ready", lambda: status_of(pipeline, "/readyz") == 200)
    assert [status_of(pipeline, path) for path in SHOWN] == [200] * len(SHOWN)
    assert [status_of(pipeline, path) for path in NOT_SHOWN] == [401] * len(NOT_SHOWN)
    assert [status_of(pipeline, path, method=method) for method, path in (
        ("POST", "/dlq/replay"), ("POST", "/dlq/x/replay"), ("DELETE", "/dlq/x"))] == [401] * 3
    assert 401 not in [status_of(pipeline, path, pipeline.admin_token()) for path in NOT_SHOWN]


def test_the_token_is_made_private_and_kept(start):
    one = start(handlers=(), admin=True)
    path = one.data / "admin.token"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", path.read_text())
    before = one.admin_token()
    one["admin"].restart()
    assert one.admin_token() == before and status_of(one, "/dlq", before) == 200
    assert [file.name for file in one.data.iterdir() if "token" in file.name] == ["admin.token"]
    assert before not in one["admin"].log()


def test_a_reload_takes_the_token_that_stands_in_its_file_now(start):
    one = start(handlers=(), admin=True)
    before, path = one.admin_token(), one.data / "admin.token"
    path.write_text(TOKEN)
    one["admin"].signal(1)
    wait_for("the new one", lambda: status_of(one, "/dlq", TOKEN) == 200)
    assert status_of(one, "/dlq", before) == 401
    path.unlink()
    one["admin"].signal(1)
    wait_for("a fresh one", path.exists)
    wait_for("it counts", lambda: status_of(one, "/dlq", one.admin_token()) == 200)
    assert status_of(one, "/dlq", TOKEN) == 401
    kept = one.admin_token()
    path.rename(one.folder / "elsewhere")
    path.symlink_to(one.folder / "elsewhere")
    one["admin"].signal(1)
    wait_for("a link is refused", lambda: one["admin"].has_logged("configuration refused"))
    assert status_of(one, "/dlq", kept) == 200
    path.unlink()


def test_wrong_tokens_are_slowed_down_and_the_right_one_is_not(start):
    one = start(handlers=(), admin=True)
    statuses = [status_of(one, "/dlq", "wrong" * 8) for _ in range(40)]
    assert statuses.count(401) >= 5 and statuses.count(429) >= 25 and len(set(statuses)) == 2
    with one.admin(token="wrong" * 8) as client:
        answer = client.get("/dlq")
    assert answer.status == 429 and 0 < int(answer.headers["retry-after"]) <= 60
    assert "error" in answer.json()
    assert status_of(one, "/dlq", one.admin_token()) == 200
    assert status_of(one, "/metrics") == 200


def refusals(stage):
    """How many refused requests the log tells of, and in how many lines."""
    lines = [line for line in stage.log().splitlines() if "refused" in line and "more=" in line]
    told = sum(int(re.search(r"more=(\d+)", line)[1]) + ("msg=\"request refused\"" in line)
               for line in lines)
    return told, len(lines)


def test_the_log_tells_who_was_refused_at_a_bounded_rate(start):
    one = start(handlers=(), admin=True)
    began = time.monotonic()
    with one.admin(token="wrong" * 8) as client:
        client.get("/dlq/first")
        for _ in range(300):
            client.get("/dlq")
        assert client.request("GET", "/health", None, {"Host": "rebound.example.com"}).status == 403
    wait_for("all are told", lambda: refusals(one["admin"])[0] == 302)
    assert refusals(one["admin"])[1] <= time.monotonic() - began + 2
    assert one["admin"].has_logged("level=warn", "request refused", "status=401", "peer=127.0.0.1:",
                                   "target=/dlq/first")


@pytest.mark.parametrize("request_line, status", [
    ("GET /dlq HTTP/1.1\r\nHost: localhost", 401),
    ("GET /dlq HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer no", 401),
    ("GET /health HTTP/1.1\r\nHost: rebound.example.com", 403),
    ("GET /health HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site", 403),
    ("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
    ("GET /health HTTP/1.1", 400), ("GET /health HTTP/1.0", 400)])
def test_each_kind_of_refusal_leaves_a_line(start, request_line, status):
    one = start(handlers=(), without=("router", "validator", "ingress", "retrier", "dlq"), admin=True)
    with socket.create_connection(("127.0.0.1", one.admin_port), timeout=10) as sock:
        sock.sendall(f"{request_line}\r\n\r\n".encode())
        assert read_answer(sock).status == status
    wait_for("it is told", lambda: one["admin"].has_logged(
        "request refused", f"status={status}", "peer=127.0.0.1:"))


def test_every_change_is_told_with_who_asked_and_for_what(start):
    one = start(admin=True)
    one.hook("clicked", lambda ev: ("dead", "never"))
    with one.admin() as admin:
        ids = [letter(one, admin) for _ in range(3)]
        assert admin.request("POST", "/dlq/replay?type=email_clicked&dry_run=1").status == 200
        assert "changed by an operator" not in one["admin"].log()
        assert admin.request("DELETE", f"/dlq/{ids[0]}").status == 200
        assert admin.request("POST", f"/dlq/{ids[1]}/replay").status == 200
        assert admin.request("POST", "/dlq/replay?type=email_clicked&limit=7").status == 200
        peer = "peer=127.0.0.1:%d " % admin.connection.sock.getsockname()[1]
    for action, target in (("drop", f"target=/dlq/{ids[0]}"), ("replay", f"target=/dlq/{ids[1]}/replay"),
                           ('"replay of many"', 'target="/dlq/replay?type=email_clicked&limit=7"')):
        assert one["admin"].has_logged("changed by an operator", f"action={action} ", peer, target, "letters=")


@pytest.mark.parametrize("mode, text, cause", [
    (0o644, TOKEN, "chmod 600"),
    (0o600, "short", "fewer than 16"),
    (0o600, "", "fewer than 16"),
])
def test_a_bad_token_file_ends_the_listener_only(start, tmp_path, mode, text, cause):
    path = with_token(tmp_path, mode, text)
    one = start(without=("admin",), settings={"admin": {
        "listen": f"127.0.0.1:{free_port()}", "token_file": str(path)}})
    stage = one.stages["admin", 0] = type(one["ingress"])(one, "admin")
    stage.launch()
    assert stage.process.wait(30) == 111
    assert cause in stage.log()
    assert one.post(event()).status == 202
    del one.stages["admin", 0]


def test_a_taken_port_ends_the_listener_and_nothing_else(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = start(settings={"admin": {"listen": f"127.0.0.1:{port}"}}, without=("admin",))
        stage = one.stages["admin", 0] = type(one["ingress"])(one, "admin")
        stage.launch()
        assert stage.process.wait(30) == 111
        assert "Address already in use" in stage.log().splitlines()[-1]
        assert one.post(event()).status == 202
        wait_for("health says so", lambda: any(
            alert.startswith("admin is down") for alert in one.health().json()["alerts"]))
    stage.start()
    wait_for("no more", lambda: not any(
        alert.startswith("admin is down") for alert in one.health().json()["alerts"]))


def test_a_kill_of_the_listener_costs_no_event(start):
    one = start(admin=True)
    with one.client() as client:
        ids = []
        for i in range(60):
            body = event()
            assert client.post(body).status == 202
            ids.append(body["event_id"])
            if i % 20 == 10:
                one["admin"].restart()
    one.wait_unknown(ids)
