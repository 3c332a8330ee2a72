"""Forwarding to an application: events/s over a bare libcurl client that sends as much at once to the same receiver,
in batches over one by one, what it costs those who accept and apply, how long an event is on its way, and memory."""

import datetime
import json
import pathlib
import shutil
import subprocess
import tempfile

from load import Events, pace
from receiver import BIN, SETTLE_S, Failure, Pipeline, end, free_port, listens, spawn, wait_for
from rounds import median, run
from row import Row

AT_ONCE, BATCH, OWED = 32, 100, 100_000
RATE, WARM_S = 500, 1
HISTORY = {"history": {"keep": "3650d"}}


class Sink:
    """An application that says `status` to all, and what came to it."""

    def __init__(self, status=200, log=None):
        self.port, self.status, self.log = free_port(), status, log

    def __enter__(self):
        log = [self.log] if self.log else []
        self.process = spawn_asked([BIN / "bench-sink", self.port, self.status, *log])
        wait_for("sink listens", lambda: listens(self.port), 10)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        end(self.process)

    def told(self):
        self.process.stdin.write(b"?")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hooks"


def spawn_asked(command):
    return spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def destination(folder, url, name="app", **more):
    return {"name": name, "url": url, "secrets_file": f"{folder}/secrets-{name}", "network": ["loopback"],
            "from": "start", "concurrency": AT_ONCE} | more


class Past:
    """A folder with so many events or some more in its history and nothing else; each run finds it as it was."""

    def __init__(self, bench, events):
        self.bench, self.events = bench, events

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trotline-bench-"))
        (self.folder / "data").mkdir(mode=0o700)
        made = subprocess.run([BIN / "bench-history", self.folder / "data/history", str(self.events)],
                              capture_output=True, text=True, check=True)
        self.events = json.loads(made.stdout)["events"]
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def again(self):
        for path in (self.folder / "data").iterdir():
            if path.name != "history":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.folder / "data/history/pins", ignore_errors=True)  # whose places are kept there
        return self.folder


def bare_rate(sink, requests, size):
    done = subprocess.run([BIN / "bench-bare_client", sink.url, str(requests), str(AT_ONCE), str(size)],
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def drained(past, **more):
    """Events/s of a destination that begins at the start, and bytes of a body."""
    folder = past.again()
    with Sink() as sink:
        settings = HISTORY | {"log_level": past.bench.log, "forward": [destination(folder, sink.url, **more)]}
        with Pipeline(settings, folder):
            wait_for("all that is in the history sent", lambda: sink.told()["events"] >= past.events, SETTLE_S, 0.1)
            told = sink.told()
    if told["events"] > past.events:
        raise Failure(f"{past.events} events, but {told['events']} came")
    return told["events"] * 1e6 / (told["last_us"] - told["first_us"]), told["bytes"] / told["requests"]


def one_round(past):
    single, size = drained(past)
    with Sink() as sink:
        bare = bare_rate(sink, past.events, int(size))
    batched, _ = drained(past, batch={"events": BATCH, "wait": "1s"})
    past.bench.say(f"bare {bare:,.0f} requests/s; one by one {single:,.0f}, in batches {batched:,.0f} events/s")
    return {"bare": bare, "single": single, "batched": batched, "bytes": size}


def beside(bench):
    """A pair of a run with a destination and one with history alone, in turns."""
    with tempfile.TemporaryDirectory(prefix="trotline-bench-") as folder, Sink() as sink:
        forward = {"forward": [destination(folder, sink.url) | {"from": "now"}]}
        with_it = run(bench, HISTORY | forward)
        taken = sink.told()
        without = run(bench, HISTORY)
    bench.say(f"{with_it.accept:,.0f} over {without.accept:,.0f} events/s accepted, {taken['events']:,} forwarded")
    return with_it, without


def milliseconds(line):
    came_us, received = line.split()
    accepted = datetime.datetime.fromisoformat(received.replace("Z", "+00:00"))
    return int(came_us) / 1000, accepted.timestamp() * 1000


def on_its_way(bench):
    """(p50, p99) in ms from accepted to received; the first second is warm-up."""
    seconds = 2 * bench.seconds
    with tempfile.TemporaryDirectory(prefix="trotline-bench-") as folder:
        log = pathlib.Path(folder) / "log"
        with Sink(log=log) as sink, Events(RATE * seconds + 1, kind=bench.mix) as events:
            settings = HISTORY | {"log_level": bench.log,
                                  "forward": [destination(folder, sink.url) | {"from": "now"}]}
            with Pipeline(settings) as pipeline:
                pace(pipeline.port, events, RATE, seconds)
                wait_for("all received", lambda: sink.told()["events"] >= RATE * seconds, SETTLE_S, 0.1)
        times = [milliseconds(line) for line in log.read_text().splitlines()]
    warm = min(accepted for _, accepted in times) + WARM_S * 1000
    took = sorted(came - accepted for came, accepted in times if accepted >= warm)
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def behind(past):
    """Bytes of the stage: one destination for which as many events wait by themselves as may, and two that are
    not there."""
    folder = past.again()
    owed = min(OWED, past.events // 2)
    with Sink(400) as sink:
        gone = [destination(folder, f"http://127.0.0.1:{free_port()}/hooks", f"gone-{n}") for n in range(2)]
        blames = destination(folder, sink.url, retry=["24h", "24h"])
        settings = HISTORY | {"log_level": past.bench.log, "forward": [blames, *gone]}
        with Pipeline(settings, folder) as pipeline:
            wait_for(f"{owed} events tried", lambda: sink.told()["events"] >= owed, SETTLE_S, 0.2)
            return pipeline.pss()["forward.0"], owed


def figure(bench):
    with Past(bench, 30_000 if bench.quick else 100_000) as past:
        rounds = [one_round(past) for _ in range(bench.rounds)]
    pairs = [beside(bench) for _ in range(bench.rounds)]
    ways = [on_its_way(bench) for _ in range(bench.rounds)]
    with Past(bench, 200_000 if bench.quick else 1_000_000) as past:
        memory, owed = behind(past)
    bench.keep("forward", {"rounds": rounds, "ways_ms": ways})
    yield Row("forward: over a bare client", median(r["single"] / r["bare"] for r in rounds), target=0.60,
              note=f"{median(r['single'] for r in rounds):,.0f} events/s of {rounds[0]['bytes']:.0f} bytes")
    yield Row(f"forward: batches of {BATCH} over singles", median(r["batched"] / r["single"] for r in rounds),
              target=15, note=f"{median(r['batched'] for r in rounds):,.0f} events/s")
    yield Row("forward: accept over history alone", median(on.accept / off.accept for on, off in pairs), target=0.75)
    yield Row("forward: through over history alone", median(on.through / off.through for on, off in pairs),
              target=0.75)
    yield Row("forward: accepted to received, p50", median(p50 for p50, _ in ways), "ms", target=20, limit=True,
              note=f"at {RATE} events/s")
    yield Row("forward: accepted to received, p99", median(p99 for _, p99 in ways), "ms", target=100, limit=True)
    yield Row("forward: memory", memory / 1e6, "MB", target=60, limit=True,
              note=f"3 destinations, {past.events:,} events behind, {owed:,} of one wait by themselves")
