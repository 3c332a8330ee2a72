"""What strangers without a secret may cost: memory and time of the front, and nobody else's POSTs."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import threading
import time

import pytest

from pipeline import Pipeline, close_all, event, read_answer, request_bytes, wait_for
from senders import TOPIC

MIB = 1 << 20
TWO = [{"name": name, "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]} for name in ("email", "other")]


def rss(stage, figure="VmRSS"):
    """Bytes that the process holds."""
    text = pathlib.Path(f"/proc/{stage.pid()}/status").read_text(encoding="ascii")
    return int(re.search(rf"{figure}:\s+(\d+)", text)[1]) << 10


def peak(stage):
    """The most that it has held."""
    return rss(stage, "VmHWM")


@contextlib.contextmanager
def connections(pipeline, count):
    socks = [pipeline.connect() for _ in range(count)]
    try:
        yield socks
    finally:
        for sock in socks:
            sock.close()


def head(path="/webhooks/email/batch", length=None, method="POST"):
    """Of a request that nobody signed; without a length its body is chunked."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Signature: sha256=00\r\n{framing}\r\n\r\n".encode()


def unread(pipeline):
    """Bytes that ingress has not read from its connections yet."""
    rows = [line.split() for line in open("/proc/net/tcp", encoding="ascii")][1:]
    return sum(int(row[4].split(":")[1], 16) for row in rows
               if row[1].endswith(f":{pipeline.port:04X}") and row[3] == "01")


def batch(size):
    """A signed batch of one event, of about so many bytes."""
    return request_bytes(json.dumps([event(pad="x" * size)]).encode(), "/webhooks/email/batch")


def send_all(pipeline, requests):
    """The statuses of requests that come at once, each on a connection of its own."""
    with connections(pipeline, len(requests)) as socks:
        for sock, request in zip(socks, requests):
            sock.sendall(request)
        return [read_answer(sock).status for sock in socks]


# ---- G1: memory is for what has come in


@pytest.mark.parametrize("sources", [TWO[:1], TWO], ids=["one source", "two"])
def test_announced_bodies_take_no_memory(start, sources):
    pipeline = start(settings={"sources": sources})
    with connections(pipeline, 31 * len(sources)) as socks:
        for i, sock in enumerate(socks):
            large = i % 31 < 25
            sock.sendall(head(f"/webhooks/{sources[i // 31]['name']}" + "/batch" * large,
                              10 * MIB if large else MIB) + b"[")
        assert pipeline.post(event()).status == 202
        assert send_all(pipeline, [batch(2 * MIB)] * 3) == [202] * 3


def test_the_slowest_bodies_give_way_and_not_the_newcomers(start):
    """Bodies that stand still hold all memory, with and without a length."""
    pipeline = start(settings={"limits": {"memory": "16MiB", "batch_size": "4MiB", "request_timeout": "60s"}})
    part = b"x" * (MIB + MIB // 2)
    with connections(pipeline, 20) as socks:
        for i, sock in enumerate(socks):
            sock.sendall(head(length=4 * MIB) + part if i % 2 else
                         head() + b"%x\r\n" % (2 * len(part)) + part)
        wait_for("they stand still", lambda: unread(pipeline) == 0)
        assert pipeline.post(event()).status == 202
        for _ in range(3):
            assert send_all(pipeline, [batch(2 * MIB)] * 3) == [202] * 3


def test_small_bodies_that_drip_leave_room_for_others(start):
    pipeline = start(settings={"limits": {"memory": "1MiB", "batch_size": "1MiB", "request_timeout": "60s"}})
    with connections(pipeline, 200) as socks:
        for sock in socks:
            sock.sendall(head(length=16000) + b"x" * 12000)
        for _ in range(3):
            for sock in socks:
                sock.sendall(b"x")
            assert {pipeline.post(event(pad="x" * 8000)).status for _ in range(10)} == {202}


def test_large_bodies_leave_small_ones_a_reserve(start):
    """All large ones are whole but for one byte, and quicker than what comes."""
    pipeline = start(settings={"limits": {"memory": "8MiB", "batch_size": "2MiB", "request_timeout": "60s"}})
    with connections(pipeline, 8) as socks:
        for sock in socks:
            sock.sendall(head(length=2 * MIB) + b"x" * (2 * MIB - 1))
        assert {pipeline.post(event()).status for _ in range(50)} == {202}


@pytest.mark.plain
@pytest.mark.parametrize("path, method, status", [
    ("/webhooks/nobody", "POST", 404), ("/webhooks/email", "PUT", 405), ("/webhooks/email", "GET", 200),
    ("/nowhere", "POST", 404), ("/metrics", "POST", 405)])
def test_a_body_that_nobody_wants_is_not_kept(shared, path, method, status):
    before = rss(shared["ingress"])
    with connections(shared, 40) as socks:
        for sock in socks:
            sock.sendall(head(path, MIB, method) + b"x" * (MIB - 1))
        assert shared.post(event()).status == 202
        assert rss(shared["ingress"]) - before < 16 * MIB
        for sock in socks:
            sock.sendall(b"x")
        assert {read_answer(sock).status for sock in socks} == {status}


# ---- a body that its provider never sends


SENDERS = [
    {"name": "mailgun", "provider": "mailgun", "secrets": ["${TROTLINE_SECRET}"]},
    {"name": "ses", "provider": "ses", "topics": [TOPIC]},
    {"name": "postmark", "provider": "postmark", "secrets": ["trotline:a-password-for-trying-out"]},
]
BODIES = {"mailgun": MIB, "ses": MIB // 2, "postmark": 10 * MIB}


@pytest.fixture(scope="module")
def senders():
    pipeline = Pipeline(settings={"sources": TWO[:1] + SENDERS})
    yield pipeline.start()
    close_all([pipeline])


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_as_large_as_its_provider_sends_it_and_no_larger(senders, name):
    largest = b" " * BODIES[name]
    with senders.client() as client:
        assert client.request("POST", f"/webhooks/{name}", largest).status in (400, 401, 406)
        assert client.request("POST", f"/webhooks/{name}", largest + b" ").status == 413
    with connections(senders, 2) as (eager, chunked):
        eager.sendall(head(f"/webhooks/{name}", BODIES[name] + 1).replace(b"Host:", b"Expect: 100-continue\r\nHost:"))
        assert read_answer(eager).status == 413, "before its body"
        chunked.sendall(head(f"/webhooks/{name}") + b"%x\r\n" % (BODIES[name] + 1) + largest + b" \r\n0\r\n\r\n")
        assert read_answer(chunked).status == 413


@pytest.mark.plain
@pytest.mark.parametrize("name", ["mailgun", "ses"])
def test_what_must_be_read_to_be_proved_costs_little_memory(senders, name):
    """Small values, as many as there is room for."""
    stage, before = senders["validator"], rss(senders["validator"])
    body = b"[" + b"{}," * ((BODIES[name] - 4) // 3) + b"1]"
    with senders.client() as client:
        for _ in range(5):
            assert client.request("POST", f"/webhooks/{name}", body).status in (400, 401, 406)
    assert rss(stage) - before < 96 * MIB
    assert peak(stage) - before < 96 * MIB


# ---- G3, G4: what is under way to validators


class Flood:
    """Requests of nobody, over and over on so many connections, until the block ends."""

    def __init__(self, pipeline, request, count):
        self.pipeline, self.request, self.answers, self.over = pipeline, request, [], threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        while not self.over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException), self.pipeline.connect() as sock:
                while not self.over.is_set():
                    sock.sendall(self.request)
                    self.answers.append(read_answer(sock).status)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def post_each(client, seconds, path="/webhooks/email", pause=0.02):
    """The statuses of a sender's good POSTs, one after the other."""
    statuses, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        statuses.append(client.post(event(), path).status)
        time.sleep(pause)
    return statuses


def without_verdict(pipeline):
    """How many requests were sent to validators, or waited for one, in vain."""
    return pipeline.metric("webhook_errors_total", 'error_type="no_verdict"')


def unsigned(size, path="/webhooks/email/batch", fill=b"{},"):
    return head(path, size) + b"[" + fill * ((size - 3) // len(fill)) + b"1" * ((size - 3) % len(fill) + 1) + b"]"


@pytest.mark.plain
@pytest.mark.parametrize("stopped, validators", [(1, 1), (1, 2), (3, 3)])
def test_what_a_validator_that_stands_still_has_not_taken_is_bounded(start, stopped, validators):
    """Each answer is a 503; what it was about has left the memory, too."""
    pipeline = start(without=("watcher",), counts={"validator": validators}, settings={"limits": {"memory": "128MiB"}})
    for i in range(stopped):
        pipeline["validator", i].signal(signal.SIGSTOP)
    with Flood(pipeline, unsigned(10 * MIB), 24):
        if stopped == validators:
            wait_for("many had no verdict", lambda: without_verdict(pipeline) >= 36, 60)
        else:
            with pipeline.client() as client:
                statuses = post_each(client, 8)
    for i in range(stopped):
        pipeline["validator", i].signal(signal.SIGCONT)
    assert peak(pipeline["ingress"]) < (128 + 128) * MIB
    assert all(peak(pipeline["validator", i]) < 160 * MIB for i in range(validators))
    assert stopped == validators or statuses.count(202) > 0.8 * len(statuses)
    wait_for("service again", lambda: pipeline.post(event()).status == 202, 5)


def test_one_of_two_validators_that_stands_still_costs_no_request(start):
    pipeline = start(without=("watcher",), counts={"validator": 2})
    pipeline["validator", 1].signal(signal.SIGSTOP)
    with pipeline.client() as client:
        statuses = [client.post(event()).status for _ in range(300)]
    pipeline["validator", 1].signal(signal.SIGCONT)
    assert set(statuses) == {202}
    pipeline.wait_settled(300)


def test_a_validator_killed_again_and_again_leaves_no_credit_behind(start):
    pipeline = start(settings={"limits": {"answer_timeout": "20s"}})
    sent = []

    def send():
        with pipeline.client() as client:
            while not over.is_set():
                sent.append(event(pad="x" * 100_000))
                assert client.post(sent[-1]).status in (200, 202)

    over, threads = threading.Event(), [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        before = len(sent)
        wait_for("some are answered", lambda before=before: len(sent) > before + 8)
        pipeline["validator"].restart()
    over.set()
    for thread in threads:
        thread.join()
    assert send_all(pipeline, [batch(9 * MIB)] * 4) == [202] * 4
    pipeline.wait_unknown([one["event_id"] for one in sent])


def flood_of(kind):
    if kind == "mailgun":
        return unsigned(MIB, "/webhooks/mailgun")
    return unsigned(10 * MIB, "/webhooks/flooded/batch")


@pytest.mark.plain
@pytest.mark.parametrize("kind", ["mailgun", "native"])
def test_a_flood_from_one_source_leaves_another_its_posts(start, kind):
    sources = [*TWO[:1], TWO[1] | {"name": "flooded"}, *SENDERS]
    pipeline = start(settings={"sources": sources})
    with pipeline.client() as client:
        with Flood(pipeline, flood_of(kind), 24) as flood:
            wait_for("the flood is there", lambda: len(flood.answers) > 24)
            statuses = post_each(client, 8)
        print(len(flood.answers), "of the flood answered, beside", len(statuses), "good ones")
        assert statuses.count(202) >= 0.8 * len(statuses), statuses
        wait_for("the flood is over", lambda: client.post(event()).status == 202, 5)
        assert set(post_each(client, 1)) == {202}
