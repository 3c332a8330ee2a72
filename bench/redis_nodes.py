"""What knowing of other nodes costs: a pipeline with Redis over one without, in turns; Redis' own CPU and memory
an event; and how long a Redis that has forgotten all is filled again, and what is accepted meanwhile."""

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import time

from load import CONNECTIONS, Events, pace, wrk
from receiver import READY_S, TICKS, Failure, Pipeline, end, free_port, spawn, wait_for
from rounds import enough, median
from row import Row
from seeds import SETTINGS

CALM_RATE = 1000  # events/s at which the latency is looked at
FILL_S = 400


class Redis:
    """A server of its own that keeps nothing on disk."""

    def __enter__(self):
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trotline-bench-"))
        self.process = spawn(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save",
                              "", "--appendonly", "no", "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        wait_for("redis ready", lambda: self.cli("ping") == "PONG", READY_S)
        return self

    def __exit__(self, *_):
        end(self.process)
        shutil.rmtree(self.folder)

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def info(self, name):
        lines = dict(line.split(":", 1) for line in self.cli("info").splitlines() if ":" in line)
        return lines[name].strip()

    def ids(self):
        return int(self.cli("dbsize"))

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def settings(self):
        return {"node": {"number": 1}, "redis": {"urls": [f"redis://127.0.0.1:{self.port}/0"], "timeout": "2s"}}


def load(bench, pipeline, seconds=None):
    with Events(enough(bench), 1, bench.mix) as events:
        return wrk(pipeline.port, events, seconds or bench.seconds, connections=CONNECTIONS)


def calm(bench, pipeline):
    """p50 of the answers at a rate that all machines reach, ms."""
    with Events(CALM_RATE * bench.seconds + 1, kind=bench.mix) as events:
        return pace(pipeline.port, events, CALM_RATE, bench.seconds)[1]["p50_ms"]


def up(pipeline):
    return pipeline.metric("webhook_dedup_redis_up") == 1


def one(bench, with_redis):
    """(accept rate, p50 in ms, CPU of Redis an event in us)"""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Redis()) if with_redis else None
        settings = {"log_level": bench.log} | (server.settings() if server else {})
        pipeline = stack.enter_context(Pipeline(settings))
        if server:
            wait_for("redis up", lambda: up(pipeline), READY_S)
        p50 = calm(bench, pipeline)
        before, known = (server.cpu_s(), server.ids()) if server else (0, 0)
        found = load(bench, pipeline)
        if not server:
            return found.event_rate, p50, 0
        if server.ids() - known < found.events:
            raise Failure(f"{found.events} events accepted, and {server.ids() - known} ids are in Redis")
        return found.event_rate, p50, (server.cpu_s() - before) / found.events * 1e6


def in_turns(bench):
    pairs = []
    for turn in range(bench.rounds):
        order = (True, False) if turn % 2 == 0 else (False, True)
        found = {with_redis: one(bench, with_redis) for with_redis in order}
        pairs.append((found[True], found[False]))
        bench.say(f"accepted {found[True][0]:,.0f} events/s with Redis, {found[False][0]:,.0f} without; p50 "
                  f"{found[True][1]} and {found[False][1]} ms; Redis {found[True][2]:.1f} us of CPU an event")
    return pairs


def refill(bench):
    """(seconds, ids, bytes an id, accept rate meanwhile over that afterwards)"""
    with Redis() as server, Pipeline(SETTINGS | {"log_level": bench.log} | server.settings(),
                                     bench.seeds.remembered(bench.remembered)) as pipeline:
        wait_for("redis up", lambda: up(pipeline), READY_S)
        wait_for("filled", lambda: server.ids() >= bench.remembered, FILL_S, 0.1)
        empty = server.cli("flushall") and int(server.info("used_memory"))
        began = time.monotonic()
        meanwhile = load(bench, pipeline)
        still = server.ids() < bench.remembered
        wait_for("filled again", lambda: server.ids() >= bench.remembered + meanwhile.events, FILL_S, 0.1)
        seconds, ids = time.monotonic() - began, server.ids()
        size = (int(server.info("used_memory")) - empty) / ids
        after = load(bench, pipeline)
    bench.say(f"{ids:,} ids in {seconds:.0f} s, {size:.0f} bytes each; accepted meanwhile {meanwhile.event_rate:,.0f} "
              f"events/s{'' if still else ' (it was over before the load was)'}, afterwards {after.event_rate:,.0f}")
    return seconds, ids, size, meanwhile.event_rate / after.event_rate


def figure(bench):
    pairs = in_turns(bench)
    yield Row("redis: accept over without", median(on[0] / off[0] for on, off in pairs), target=0.85,
              note=f"{median(on[0] for on, _ in pairs):,.0f} over {median(off[0] for _, off in pairs):,.0f} events/s")
    yield Row("redis: p50 added", median(on[1] - off[1] for on, off in pairs), "ms", target=1, limit=True,
              note=f"at {CALM_RATE:,} events/s")
    yield Row("redis: its CPU an event", median(on[2] for on, _ in pairs), "us", target=6, limit=True)
    filled = [refill(bench) for _ in range(bench.rounds)]
    bench.keep("redis", {"turns": pairs, "refill": filled})
    seconds, ids, size, ratio = (median(one[i] for one in filled) for i in range(4))
    yield Row("redis: bytes a remembered event", size, "bytes", target=135, limit=True, note=f"{ids:,.0f} ids")
    yield Row("redis: filled again", seconds / ids * 1e7, "s", target=90, limit=True, note="for 10 million, from one journal")
    yield Row("redis: accept while it is filled", ratio, target=0.7, note="over the rate afterwards")
