"""Many connections at once, and all of them ready in the same instant."""

import asyncio
import json
import resource
import select
import signal
import time

import pytest

from pipeline import DEADLINE_S, event, read_answer, request_bytes, wait_for

pytestmark = pytest.mark.plain


@pytest.fixture(scope="module", autouse=True)
def many_files():
    """A descriptor for each connection of these tests."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def post_of(events):
    return [request_bytes(json.dumps(ev).encode()) for ev in events]


# ---- all ready in the same instant


def connect_all(pipeline, count):
    """Connections that the server has accepted: each has had an answer."""
    socks = [pipeline.connect() for _ in range(count)]
    for sock in socks:
        sock.sendall(b"HEAD /webhooks/email HTTP/1.1\r\nHost: x\r\n\r\n")
    for sock in socks:
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    return socks


def ready_in_one_instant(pipeline, socks, requests):
    """The server is stopped while all send, so that it finds every one of them ready at once."""
    pipeline["ingress"].signal(signal.SIGSTOP)
    for sock, request in zip(socks, requests):
        sock.sendall(request)
    pipeline["ingress"].signal(signal.SIGCONT)


def answers_of(socks):
    """All answers, whoever is first, and the seconds until the last one."""
    began, poll, answers = time.monotonic(), select.poll(), {}
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while len(answers) < len(socks):
        for fd, _ in poll.poll(DEADLINE_S * 1000):
            answers[fd] = read_answer(by_fd[fd])
            poll.unregister(fd)
        assert time.monotonic() - began < DEADLINE_S, f"{len(answers)} of {len(socks)} answered"
    return list(answers.values()), time.monotonic() - began


@pytest.mark.parametrize("count", [1, 127, 128, 129, 256, 384, 512, 1000])
def test_connections_that_are_all_ready_in_the_same_instant_are_served(start, count):
    pipeline = start()
    socks = connect_all(pipeline, count)
    ids = []
    for _ in range(3):
        events = [event() for _ in socks]
        ids += [ev["event_id"] for ev in events]
        ready_in_one_instant(pipeline, socks, post_of(events))
        answers, seconds = answers_of(socks)
        assert {answer.status for answer in answers} == {202}
        assert seconds < 2.5, f"a stall: {seconds:.1f} s"
    for sock in socks:
        sock.close()
    pipeline.wait_settled(len(ids))
    assert sorted(pipeline.unknown_ids()) == sorted(ids)


@pytest.mark.parametrize("count", [128, 256, 512])
def test_connections_that_all_come_in_the_same_instant_are_served(start, count):
    """Not only ready to be read: still to be accepted, too."""
    pipeline = start()
    pipeline["ingress"].signal(signal.SIGSTOP)
    socks = [pipeline.connect() for _ in range(count)]
    for sock, request in zip(socks, post_of([event() for _ in socks])):
        sock.sendall(request)
    pipeline["ingress"].signal(signal.SIGCONT)
    answers, seconds = answers_of(socks)
    assert {answer.status for answer in answers} == {202}
    assert seconds < 2.5, f"a stall: {seconds:.1f} s"
    for sock in socks:
        sock.close()


def test_connections_that_all_hang_up_in_the_same_instant_hurt_nobody(start):
    pipeline = start()
    for _ in range(3):
        socks = connect_all(pipeline, 256)
        pipeline["ingress"].signal(signal.SIGSTOP)
        for sock, request in zip(socks, post_of([event() for _ in socks])):
            sock.sendall(request)
            sock.close()
        pipeline["ingress"].signal(signal.SIGCONT)
        assert pipeline.post(event()).status == 202
    wait_for("all connections are forgotten",
             lambda: pipeline.metric("webhook_http_connections") <= 1)


# ---- many at once


async def converse(port, ids, gate):
    """One sender: its events one after the other on one connection. The answers' statuses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await gate()
    statuses = []
    for event_id in ids:
        writer.write(request_bytes(json.dumps(event(event_id=event_id)).encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(head.split()[1]))
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        await reader.readexactly(length)
    writer.close()
    return statuses


class Gate:
    """Opens when all have come."""

    def __init__(self, count):
        self.missing, self.opened = count, asyncio.Event()

    async def __call__(self):
        self.missing -= 1
        if not self.missing:
            self.opened.set()
        await self.opened.wait()


async def converse_all(port, shares):
    gate = Gate(len(shares))
    return await asyncio.gather(*(converse(port, share, gate) for share in shares))


def test_a_thousand_connections_at_once_are_served_without_an_error(start):
    pipeline = start()
    shares = [[f"c{c}_{n}" for n in range(10)] for c in range(1000)]
    began = time.monotonic()
    results = asyncio.run(asyncio.wait_for(converse_all(pipeline.port, shares), 60))
    print(f"10,000 events on 1,000 connections in {time.monotonic() - began:.1f} s")
    assert {status for statuses in results for status in statuses} == {202}
    pipeline.wait_settled(10_000)
    assert sorted(pipeline.unknown_ids()) == sorted(i for share in shares for i in share)


def test_one_connection_more_than_the_limit_waits_or_is_refused_and_hurts_nobody(start):
    pipeline = start(settings={"limits": {"connections": 50}})
    socks = connect_all(pipeline, 40)
    pipeline["ingress"].signal(signal.SIGSTOP)
    for sock, request in zip(socks, post_of([event() for _ in socks])):
        sock.sendall(request)
    more = [pipeline.connect() for _ in range(20)]
    pipeline["ingress"].signal(signal.SIGCONT)
    answers, _ = answers_of(socks)
    assert {answer.status for answer in answers} == {202}
    for sock in socks + more:
        sock.close()
    wait_for("service again", lambda: is_served(pipeline))


def is_served(pipeline):
    try:
        return pipeline.post(event()).status == 202
    except ConnectionError:
        return False


def test_a_flood_of_bodies_stays_within_its_memory(start):
    """Bodies that are under way are bounded in all; what does not fit is 503, and is no harm."""
    pipeline = start(settings={"limits": {"memory": "4MiB", "batch_size": "2MiB"}})
    body = json.dumps(event(pad="x" * 1_000_000)).encode()
    socks = [pipeline.connect() for _ in range(20)]
    for sock in socks:
        sock.sendall(request_bytes(body)[:-1])
    for sock in socks:
        sock.sendall(body[-1:])
    statuses = [read_answer(sock).status for sock in socks]
    for sock in socks:
        sock.close()
    assert set(statuses) <= {200, 202, 503} and 503 in statuses, statuses
    assert {200, 202} & set(statuses)
    assert pipeline.post(event()).status == 202
