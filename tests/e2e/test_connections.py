"""Who holds connections: descriptors run short, one address holds all that it can get, and a
configuration changes while a request is under way."""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import time

import pytest

from pipeline import ALL_HANDLERS, BIN, Client, DEADLINE_S, SECRET, event, read_answer, request_bytes, wait_for
from verbs import good, run

pytestmark = pytest.mark.plain


@pytest.fixture(scope="module", autouse=True)
def many_files():
    """A descriptor for each connection of these tests."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def rewrite(pipeline, change):
    config = json.loads(pipeline.config.read_text())
    change(config)
    pipeline.config.write_text(json.dumps(config, indent=1))


def close(socks):
    for sock in socks:
        sock.close()


def crowd(pipeline, count, first=b"", source="127.0.0.1"):
    """So many connections at least that were asked for, each of which has sent some bytes."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.settimeout(DEADLINE_S)
        sock.bind((source, 0))
        try:
            sock.connect(("127.0.0.1", pipeline.port))
            sock.sendall(first)
        except OSError:
            pass  # turned away
        socks.append(sock)
    return socks


# ---- descriptors


def limited(soft, hard):
    """A pipeline whose ingress may have so many descriptors."""
    def prepare(pipeline):
        pipeline["ingress"].wrapper = ("prlimit", f"--nofile={soft}:{hard}")
    return prepare


def crowd_out(pipeline, count):
    """Strangers take what the stages leave that go, then these come back, and a command: all of them
    connect to ingress. Then the strangers go."""
    others = [stage for name, stage in pipeline.stages.items() if name[0] != "ingress"]
    for stage in others:
        stage.kill()
    socks = crowd(pipeline, count)
    for stage in others:
        stage.launch()
    for stage in others:
        wait_for(f"{stage} ready", stage.is_ready)
    run(pipeline, "status")
    assert pipeline["ingress"].runs(), pipeline["ingress"].log()[-2000:]
    close(socks)
    wait_for("a POST is taken", lambda: pipeline.post(event()).status == 202, 5)


@pytest.mark.parametrize("files", [4096, 1024, 256])
def test_connections_leave_the_pipeline_its_own_descriptors(start, files):
    one = start(prepare=limited(files, files))
    crowd_out(one, files + 200)
    assert one["ingress"].has_logged("few descriptors", f"limit is {files} descriptors")


@pytest.mark.parametrize("hard", [256, 8192])
def test_many_processes_need_more_descriptors_of_their_own(start, hard):
    handlers = ALL_HANDLERS[:8]
    counts = {"validator": 6, "router": 2} | {f"handler-{name}": 4 for name in handlers}
    one = start(handlers=handlers, counts=counts, admin=True, prepare=limited(256, hard), settings={
        "handlers": [{"name": name, "processes": 4} for name in handlers],
        "limits": {"connections": 500}})
    assert len(one.stages) >= 44
    crowd_out(one, 600)


def test_check_says_how_many_connections_there_can_be(start):
    one = start(settings={"limits": {"connections": 900}})
    told = {}
    for files in (4096, 1024, 256, 64):
        done = subprocess.run(
            ["prlimit", f"--nofile={files}:{files}", str(BIN / "trotline"), "check", "--json", "-c", str(one.config)],
            env=os.environ | {"TROTLINE_SECRET": SECRET}, capture_output=True, text=True, check=True)
        told[files] = json.loads(done.stdout)["connections"]
        assert ("limits.connections" in done.stderr) == (files < 4096), done.stderr
    assert told[4096] == 900 > told[1024] > told[256] > 0 == told[64]


# ---- a configuration changes while a body is under way


def half_a_request(pipeline, path, body):
    """All of a signed request but its last byte."""
    sock = pipeline.connect()
    sock.sendall(request_bytes(body, path)[:-1])
    return sock


def finish(sock, body):
    sock.sendall(body[-1:])
    answer = read_answer(sock)
    sock.close()
    return answer


def begun(pipeline, path, body, count):
    """Requests under way, of which ingress has seen the headers."""
    socks = [half_a_request(pipeline, path, body) for _ in range(count)]
    wait_for("all have begun", lambda: pipeline.metric("webhook_http_connections") >= count)
    pipeline.get("/webhooks/health")
    return socks


def source_named(name):
    return {"name": name, "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}


@pytest.mark.parametrize("path, method", [("/webhooks/later", 404), ("/webhooks/later/batch", 404)])
def test_a_source_added_meanwhile_is_none_for_a_request_under_way(start, path, method):
    one = start()
    body = json.dumps(event()).encode()
    socks = begun(one, path, body, 5)
    rewrite(one, lambda config: config["sources"].append(source_named("later")))
    good(one, "reload")
    assert [finish(sock, body).status for sock in socks] == [method] * 5
    assert one["ingress"].runs()
    with one.client() as client:
        assert client.post_bytes(body, "/webhooks/later").status == 202


def test_a_source_removed_meanwhile_still_takes_what_was_under_way(start):
    one = start(settings={"sources": [source_named("email"), source_named("gone"), source_named("last")]})
    bodies = {name: json.dumps(event()).encode() for name in ("gone", "last")}
    socks = {name: half_a_request(one, f"/webhooks/{name}", body) for name, body in bodies.items()}
    one.get("/webhooks/health")

    def change(config):
        config["sources"] = [source_named("last"), source_named("email")]

    rewrite(one, change)
    good(one, "reload")
    for name, sock in socks.items():
        assert finish(sock, bodies[name]).status == 202
    one.wait_unknown([json.loads(body)["event_id"] for body in bodies.values()])
    with one.client() as client:
        assert client.post_bytes(bodies["gone"], "/webhooks/gone").status == 404


def test_a_source_of_another_provider_meanwhile_does_no_harm(start):
    one = start(settings={"sources": [source_named("email"), source_named("other")]})
    body = json.dumps(event()).encode()
    socks = begun(one, "/webhooks/other", body, 3)
    rewrite(one, lambda config: config["sources"].__setitem__(
        1, {"name": "other", "provider": "mailgun", "secrets": [SECRET]}))
    good(one, "reload")
    for sock in socks:
        assert finish(sock, body).status in (400, 401, 406, 202)
    assert one.post(event()).status == 202


# ---- one address holds all that it can get


HALF = {
    "nothing": b"",
    "half a request line": b"GET /webhooks/he",
    "half a head": b"POST /webhooks/email HTTP/1.1\r\nHost: x\r\nX-A: b\r\n",
    "half a body": b"POST /webhooks/email HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "a whole request": b"GET /webhooks/email HTTP/1.1\r\nHost: x\r\n\r\n",
    "answers never read": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 400,
}


def ask(pipeline, request, source="127.0.0.1", timeout_s=5):
    """One request on a connection of its own, from an address; its answer within the time."""
    with socket.socket() as sock:
        sock.settimeout(timeout_s)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", pipeline.port))
        sock.sendall(request)
        return read_answer(sock)


def get(pipeline, path, **how):
    return ask(pipeline, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), **how)


def post(pipeline, **how):
    return ask(pipeline, request_bytes(json.dumps(event()).encode()), **how)


def begin(start, **options):
    """A pipeline that says that all is well."""
    one = start(handlers=ALL_HANDLERS, **options)
    wait_for("it is healthy", lambda: one.health().status == 200 and get(one, "/readyz").status == 200)
    return one


def is_served(pipeline, source, seconds=5):
    """A POST from that address is taken within the time; what is refused is sent again."""
    end = time.monotonic() + seconds
    wait_for(f"a POST from {source} is taken", lambda: post(
        pipeline, source=source, timeout_s=max(0.1, end - time.monotonic())).status == 202, seconds)


def is_open(sock):
    """The server has not closed it."""
    sock.setblocking(False)
    try:
        return sock.recv(1 << 16) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def open_ones(socks):
    return [sock for sock in socks if is_open(sock)]


def test_thousands_of_idle_connections_of_one_address_keep_nobody_out_and_are_told(start):
    one = begin(start, admin=True)
    with Client(one.admin_port) as client:
        wait_for("ready", lambda: client.get("/readyz").status == 200)
    socks = crowd(one, 4300)
    is_served(one, "127.0.0.2")
    is_served(one, "127.0.0.1")
    health = get(one, "/webhooks/health", source="127.0.0.2")
    assert health.status == 200
    wait_for("an alert", lambda: any(
        "out of connections" in alert for alert in get(one, "/webhooks/health").json()["alerts"]), 5)
    assert one["ingress"].has_logged("level=warn", "out of connections", "most=127.0.0.1", "holds=1024")
    for port in (one.port, one.admin_port):  # admin hears of it with the next figures
        with Client(port) as client:
            wait_for("readyz tells", lambda: "out of connections" in client.get("/readyz").json().get("warning", ""), 5)
            assert client.get("/readyz").status == 200
    assert len(open_ones(socks)) <= 1024
    assert len([line for line in one["ingress"].log().splitlines() if "out of connections" in line]) < 10
    close(socks)


@pytest.mark.parametrize("kind", HALF)
def test_whatever_one_address_sends_others_are_served(start, kind):
    one = begin(start, settings={"limits": {"connections": 200}})
    socks = crowd(one, 400, HALF[kind])
    is_served(one, "127.0.0.2")
    is_served(one, "127.0.0.1")
    assert get(one, "/webhooks/health", source="127.0.0.3").status in (200, 503)
    close(socks)


@pytest.mark.parametrize("kind", HALF)
def test_whatever_many_addresses_send_others_are_served(start, kind):
    one = begin(start, settings={"limits": {"connections": 200}})
    socks = [sock for i in range(8) for sock in crowd(one, 40, HALF[kind], f"127.0.1.{i + 1}")]
    is_served(one, "127.0.0.2")
    assert get(one, "/readyz", source="127.0.0.3").status in (200, 503)
    close(socks)


def test_a_get_now_and_then_on_each_connection_keeps_nobody_out(start):
    one = begin(start, settings={"limits": {"connections": 200}})
    socks = crowd(one, 300)
    for _ in range(3):
        for sock in socks:
            try:
                sock.sendall(HALF["a whole request"])
            except OSError:
                pass
        is_served(one, "127.0.0.2", 2)
    close(socks)


def test_below_its_share_no_connection_is_closed(start):
    one = begin(start, settings={"limits": {"connections": 200}})
    socks = crowd(one, 63, HALF["a whole request"])
    for sock in socks:
        assert read_answer(sock).status == 200
    pages = set()  # each tells of the requests for those before it, and is made four times a second at most
    wait_for("ingress has looked at them some times", lambda: pages.add(
        get(one, "/metrics", source="127.0.0.2").body) or len(pages) > 2, 5)
    for sock in socks:
        sock.sendall(request_bytes(json.dumps(event()).encode()))
    assert [read_answer(sock).status for sock in socks] == [202] * len(socks)
    assert not one["ingress"].has_logged("out of connections")
    close(socks)


def test_near_the_limit_answers_close_their_connection(start):
    one = begin(start, settings={"limits": {"connections": 20, "connections_per_address": 20}})
    assert "connection" not in get(one, "/readyz").headers
    socks = crowd(one, 19)
    answer = wait_for("the limit is near", lambda: [
        answer for answer in [get(one, "/readyz")] if answer.headers.get("connection")], 5)[0]
    assert answer.headers["connection"] == "close"
    close(socks)


def test_the_longest_idle_connection_of_an_address_gives_way_at_its_share(start):
    one = start(settings={"limits": {"connections_per_address": 5}})
    socks = [one.connect() for _ in range(5)]
    for sock in socks[1:] + socks[:1]:
        sock.sendall(HALF["a whole request"])
        assert read_answer(sock).status == 200
    late = one.connect()
    late.sendall(HALF["a whole request"])
    assert read_answer(late).status == 200
    wait_for("the longest idle is closed", lambda: not is_open(socks[1]), 5)
    assert [is_open(sock) for sock in socks] == [True, False, True, True, True]
    close([*socks, late])


def fill(pipeline, most):
    """POSTs that nobody answers, one by one, until one is refused: those, and that one's answer."""
    held = []
    for _ in range(most):
        sock = crowd(pipeline, 1, request_bytes(json.dumps(event()).encode()))[0]
        if select.select([sock], [], [], 0.3)[0]:
            answer = read_answer(sock)
            sock.close()
            return open_ones(held), answer
        held.append(sock)
    raise AssertionError(f"{most} are held")


def test_probes_are_answered_while_all_places_are_in_use(start):
    one = begin(start, without=("watcher",), settings={
        "limits": {"connections": 12, "answer_timeout": "20s", "request_timeout": "20s"}})
    one["validator"].signal(signal.SIGSTOP)
    socks, refused = fill(one, 40)
    assert len(socks) == 12
    assert refused.status == 503 and b"Too many connections" in refused.body
    assert refused.headers["connection"] == "close" and refused.headers["retry-after"]
    for path in ("/webhooks/health", "/metrics", "/readyz"):
        assert get(one, path).status in (200, 503) and get(one, path).headers["connection"] == "close"
    ready = wait_for("not ready", lambda: [a for a in [get(one, "/readyz")] if a.status == 503], 5)[0]
    assert "out of connections" in ready.json()["error"] or "validator" in ready.json()["error"]
    idle = crowd(one, 30)
    assert get(one, "/webhooks/health").status in (200, 503)
    one["validator"].signal(signal.SIGCONT)
    for sock in socks:
        sock.settimeout(DEADLINE_S)
    assert [read_answer(sock).status for sock in socks] == [202] * 12
    close([*socks, *idle])
    is_served(one, "127.0.0.1")


@pytest.mark.parametrize("first", [b"GET /web", b"POST /webhooks/email HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\nG"])
def test_a_head_that_dribbles_is_ended(start, first):
    one = start(settings={"limits": {"head_timeout": "1s"}})
    sock = one.connect()
    sock.sendall(first)
    began = time.monotonic()

    def dribbles():
        try:
            sock.sendall(b"x")
        except OSError:
            return False
        return is_open(sock)

    wait_for("the connection is closed", lambda: not dribbles(), 4)
    assert 0.8 < time.monotonic() - began < 3
    sock.close()


def test_answers_that_are_never_read_end_their_connection(start):
    one = start(settings={"limits": {"request_timeout": "1s", "idle_timeout": "1h"}})
    socks = crowd(one, 5, HALF["a whole request"].replace(b"/webhooks/email", b"/metrics") * 3000)
    wait_for("all are closed", lambda: one.metric(
        "webhook_http_connections_ended_total", 'cause="answer"') == 5, 10)
    close(socks)


def test_an_ipv6_address_has_its_share_too(start):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")

    def prepare(pipeline):
        rewrite(pipeline, lambda config: config.__setitem__("listen", f"[::1]:{pipeline.port}"))

    one = start(prepare=prepare, settings={"limits": {"connections_per_address": 5}})

    def connect():
        return socket.create_connection(("::1", one.port), timeout=5)

    socks = [connect() for _ in range(8)]
    last = connect()
    last.sendall(request_bytes(json.dumps(event()).encode()))
    assert read_answer(last).status == 202
    wait_for("its share is left", lambda: len(open_ones(socks)) == 4, 5)
    assert one["ingress"].has_logged("out of connections", "most=::/64")
    close([*socks, last])


# ---- behind a proxy


def proxied(header, value, body=None):
    return request_bytes(json.dumps(event()).encode() if body is None else body, extra=[f"{header}: {value}"])


@pytest.mark.parametrize("word, header, client, other", [
    ("x-forwarded-for", "X-Forwarded-For", "{}, 192.0.2.7", "192.0.2.8"),
    ("x-forwarded-for", "x-forwarded-for", "2001:db8::{}", "2001:db8:1::1"),
    ("forwarded", "Forwarded", "for=10.9.9.{}, for=192.0.2.7;proto=https", 'for="[2001:db8:1::1]:80"')])
def test_behind_a_trusted_proxy_its_header_counts(start, word, header, client, other):
    one = start(without=("watcher",), settings={
        "trusted_proxies": ["127.0.0.0/30", "::1"], "proxy_header": word,
        "limits": {"connections_per_address": 3, "answer_timeout": "20s"}})
    idle = crowd(one, 20)  # the proxy itself may have as many as it likes
    one["validator"].signal(signal.SIGSTOP)
    held = crowd(one, 3)
    for i, sock in enumerate(held):
        sock.sendall(proxied(header, client.format(i + 1)))
    wait_for("all have begun", lambda: one.metric("webhook_http_connections") >= 24)
    refused = wait_for("the client has its share", lambda: [
        answer for answer in [try_ask(one, proxied(header, client.format(9)))] if answer], 5)[0]
    assert refused.status == 503 and b"Too many connections" in refused.body
    fine = crowd(one, 1, proxied(header, other))
    one["validator"].signal(signal.SIGCONT)
    assert [read_answer(sock).status for sock in [*held, *fine]] == [202] * 4
    assert len(open_ones(idle)) == 20
    assert ask(one, proxied(header, client.format(9))).status == 202
    close([*idle, *held, *fine])


def try_ask(pipeline, request):
    """The answer, or None where there is none at once."""
    try:
        return ask(pipeline, request, timeout_s=0.5)
    except OSError:
        return None


def test_a_header_of_an_untrusted_one_counts_nothing(start):
    one = start(settings={"trusted_proxies": ["127.0.0.9"], "limits": {"connections_per_address": 3}})
    socks = []
    for i in range(6):
        sock = crowd(one, 1)[0]
        sock.sendall(proxied("X-Forwarded-For", f"192.0.2.{i}"))
        assert read_answer(sock).status == 202
        socks.append(sock)
    wait_for("its share is left", lambda: len(open_ones(socks)) == 3, 5)
    close(socks)


@pytest.mark.parametrize("proxy", ["10.0.0.0/33", "example.com", "127.0.0.1:80", ""])
def test_a_proxy_that_is_no_network_is_refused(start, proxy):
    one = start()
    rewrite(one, lambda config: config.__setitem__("trusted_proxies", [proxy]))
    done = run(one, "check")
    assert done.returncode == 100 and "trusted_proxies[0]" in done.stderr


# ---- the other listener, and what load balancers ask


def test_half_requests_do_not_shut_admin(start):
    one = start(admin=True)
    with Client(one.admin_port) as client:
        wait_for("ready", lambda: client.get("/readyz").status == 200)
    socks = []
    for _ in range(100):
        sock = socket.create_connection(("127.0.0.1", one.admin_port), timeout=5)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x")
        socks.append(sock)
    for path in ("/healthz", "/readyz", "/metrics"):
        with Client(one.admin_port, timeout_s=5) as client:
            assert client.get(path).status == 200
    assert run(one, "status").returncode == 0
    close(socks)


def test_readyz_on_the_public_listener_tells_a_drain_at_once(start):
    one = start(without=("watcher",), settings={"limits": {"answer_timeout": "20s"}})
    wait_for("ready", lambda: get(one, "/readyz").status == 200)
    keeps = [one.connect() for _ in range(3)]
    one["validator"].signal(signal.SIGSTOP)
    held = crowd(one, 1, request_bytes(json.dumps(event()).encode()))
    wait_for("it is under way", lambda: one.metric("webhook_http_connections") >= 4)
    one["ingress"].signal(signal.SIGTERM)
    wait_for("it drains", lambda: one["ingress"].has_logged("draining"))
    keeps[0].sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert read_answer(keeps[0]).status == 503
    assert get(one, "/readyz").status == 503
    one["validator"].signal(signal.SIGCONT)
    assert read_answer(held[0]).status == 202
    close([*keeps, *held])
