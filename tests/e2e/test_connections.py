"""Who holds connections: descriptors run short, one address holds all that it can get, and a
configuration changes while a request is under way."""

import json
import os
import resource
import socket
import subprocess

import pytest

from pipeline import ALL_HANDLERS, BIN, DEADLINE_S, SECRET, event, read_answer, request_bytes, wait_for
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
