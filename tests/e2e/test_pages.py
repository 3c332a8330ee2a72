"""The pages that the public listener shows: what strangers learn from them, and what they cost."""

import json
import multiprocessing
import socket
import time

import pytest
from pipeline import Pipeline, event, wait_for


@pytest.fixture(scope="module")
def pipeline():
    """With as much amiss as one health answer can say."""
    one = Pipeline(handlers=("opened",), without=("dlq",), admin=True, settings={
        "health": {"disk_free_percent": 100, "queue_size": 1, "oldest_age": "1s"}})
    one.start()
    yield one
    one.close()


def test_strangers_are_told_no_path_of_this_machine(pipeline):
    with pipeline.client() as client:
        assert client.post_batch([event() for _ in range(5)]).status == 202
    with pipeline.admin(token=None) as admin:
        wait_for("operators are told paths", lambda: f"{pipeline.data}/log" in admin.get("/health").body.decode())
    wait_for("all is said", lambda: len(pipeline.health().json()["alerts"]) >= 4)
    for path in ("/webhooks/health", "/metrics"):
        answer = pipeline.get(path)
        for secret in (str(pipeline.folder), str(pipeline.data), "/tmp", "/home"):
            assert secret not in answer.body.decode() and secret not in repr(answer.headers)
    assert "see its log in data_dir/log" in pipeline.health().body.decode()


def test_both_pages_can_be_taken_off_the_public_listener_by_a_reload(start):
    one = start(handlers=(), admin=True)
    pages = ("/metrics", "/webhooks/health", "/metrics/", "/webhooks/health/")
    wait_for("they are there", lambda: [one.get(path).status for path in pages] == [200] * 4)

    def reload(**settings):
        one.write_config(settings)
        one["ingress"].signal(1)
    reload(public_pages=False)
    wait_for("they are gone", lambda: [one.get(path).status for path in pages] == [404] * 4)
    assert one.post(event()).status == 202 and one.get("/webhooks/email").status == 200
    with one.admin(token=None) as admin:
        wait_for("operators have them", lambda: [admin.get(path).status for path in (
            "/metrics", "/health", "/webhooks/health")] == [200] * 3)
    reload()
    wait_for("they are back", lambda: one.get("/metrics").status == 200)


def test_a_page_is_made_four_times_a_second_at_most(start):
    """Which is seen by a figure that grows with each request."""
    one = start(handlers=(), admin=True)
    for get in (one.client, lambda: one.admin(token=None)):
        with get() as client:
            began, pages = time.monotonic(), set()
            while time.monotonic() - began < 2:
                pages.add(client.get("/metrics").body)
            assert 4 <= len(pages) <= 4 * (time.monotonic() - began) + 2


def read_pages(port, path, per_s, stop, count):
    """GETs in a process of their own, some at once on each connection."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    socks = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(4)]
    began = time.monotonic()
    while not stop.is_set():
        for sock in socks:
            sock.sendall(request * 10)
        for sock in socks:
            left = b""
            for _ in range(10):
                while b"\r\n\r\n" not in left:
                    left += sock.recv(1 << 18)
                head, _, left = left.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
                while len(left) < length:
                    left += sock.recv(1 << 18)
                left = left[length:]
                count.value += 1
        time.sleep(max(0.0, count.value / per_s - (time.monotonic() - began)))


def posts_a_second(client, seconds):
    began, n = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        assert client.post(event()).status == 202
        n += 1
    return n / (time.monotonic() - began)


@pytest.mark.plain
@pytest.mark.parametrize("path", ["/metrics", "/webhooks/health"])
def test_whoever_reads_pages_all_the_time_slows_posts_little(start, path):
    """Two measurements in turns, three times; the best of each counts, for others use this machine too."""
    one = start()
    alone, beside = [], []
    with one.client() as client:
        posts_a_second(client, 0.5)
        for _ in range(3):
            alone.append(posts_a_second(client, 1))
            stop, count = multiprocessing.Event(), multiprocessing.Value("L", 0)
            reader = multiprocessing.Process(target=read_pages, args=(one.port, path, 2750, stop, count))
            reader.start()
            wait_for("it reads", lambda: count.value > 100)
            read, began = count.value, time.monotonic()
            beside.append(posts_a_second(client, 1))
            rate = (count.value - read) / (time.monotonic() - began)
            stop.set()
            reader.join(30)
            assert reader.exitcode == 0
    print(json.dumps({"alone": alone, "beside": beside, "pages": rate}))
    assert max(beside) > max(alone) / 4
