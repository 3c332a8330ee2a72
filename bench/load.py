"""The load: pre-signed events in memory, and wrk, which sends them."""

import dataclasses
import json
import os
import socket
import subprocess
import time

from receiver import BIN, ENVIRONMENT, REPO, Failure

CONNECTIONS = 256
POST_S = 60


class Events:
    """Requests of unique signed events, all of one size, in a file that is memory only."""

    def __init__(self, requests, batch=1, kind="mix", key=""):
        self.batch, self.requests = batch, requests
        self.fd = os.memfd_create("bench-events")
        made = subprocess.run([BIN / "bench-events", str(requests), str(batch), kind],
                              stdout=self.fd, stderr=subprocess.PIPE,
                              env=ENVIRONMENT | {"SENDGRID_KEY": str(key)}, check=True)
        self.size = int(made.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


@dataclasses.dataclass
class Load:
    """What came of one run of wrk."""
    requests: int    # with a good answer
    events: int      # in them
    seconds: float
    began_s: float   # seconds since 1970
    in_flight: int   # events at most that were under way at its end
    rate: float      # requests a second

    @property
    def event_rate(self):
        return self.events / self.seconds


def wrk(port, events, seconds, again=False, connections=CONNECTIONS):
    """Sends events for so long: one thread, keep-alive. Fails unless every answer was good. again:
    the same events over and over, for a receiver that remembers nothing."""
    environment = ENVIRONMENT | {
        "BENCH_EVENTS": f"/proc/self/fd/{events.fd}", "BENCH_SIZE": str(events.size),
        "BENCH_AGAIN": "1" if again else "0"}
    began_s = time.time()
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
         "-s", REPO / "bench/post.lua", f"http://127.0.0.1:{port}"],
        env=environment, pass_fds=[events.fd], stdout=subprocess.PIPE, text=True, check=True,
        timeout=seconds + 60)
    found = json.loads(run.stdout.splitlines()[-1])
    if found["bad"] or found["broken"] or found["late"]:
        raise Failure(f"answers that are not good: {found}")
    if found["missing"]:
        raise Failure(f"{events.requests} requests are not enough for {seconds} s: {found}")
    answers = found["answers"]
    return Load(answers, answers * events.batch, found["seconds"], began_s,
                connections * events.batch, answers / found["seconds"])


def post_one(port):
    """Sends one event until it is accepted: a receiver that has just begun may answer 503."""
    began_s = time.time()
    with Events(1) as events:
        message = os.pread(events.fd, events.size, 0)
    while True:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(message)
            status = int(connection.recv(4096).split()[1])
        if status != 503:
            break
        if time.time() > began_s + POST_S:
            raise Failure(f"no event accepted within {POST_S} s")
    if status not in (200, 202):
        raise Failure(f"an event was answered {status}")
    return Load(1, 1, time.time() - began_s, began_s, 0, 0)


def pace(port, events, rate, seconds):
    """Sends events at that rate, whether or not answers come. Returns load and latencies."""
    began_s = time.time()
    run = subprocess.run(
        [BIN / "bench-pace", str(port), str(rate), str(seconds), str(events.size)],
        stdin=events.fd, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    found = json.loads(run.stdout)
    if found["good"] != found["sent"]:
        raise Failure(f"answers that are not good: {found}")
    return Load(found["good"], found["good"], seconds, began_s, 0, found["good"] / seconds), found
