"""History: what is accepted and applied with it over without, in turns; and what its store costs, filled with
events over three days and looked into."""

import json
import pathlib
import subprocess
import tempfile

from receiver import BIN
from rounds import median, run
from row import Row


def in_turns(bench):
    """Pairs of a run with and one without, whose first is now the one, now the other."""
    pairs = []
    for turn in range(bench.rounds + 2):
        keeps = ("30d", "0s") if turn % 2 == 0 else ("0s", "30d")
        found = {keep: run(bench, {"history": {"keep": keep}}) for keep in keeps}
        pairs.append((found["30d"], found["0s"]))
        bench.say(" over ".join(f"{one.accept:,.0f}" for one in pairs[-1]) + " events/s accepted")
    return pairs


def store(bench):
    events = 300_000 if bench.quick else 5_000_000
    with tempfile.TemporaryDirectory(prefix="bench-history-") as folder:
        done = subprocess.run([BIN / "bench-history", pathlib.Path(folder) / "history", str(events)],
                              capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def figure(bench):
    pairs = in_turns(bench)
    yield Row("history: accept over without", median(on.accept / off.accept for on, off in pairs), target=0.90)
    yield Row("history: through over without", median(on.through / off.through for on, off in pairs), target=0.85)
    yield Row("history: CPU an event", median(on.cpu_us["history"] for on, _ in pairs), "us")
    told = store(bench)
    bench.keep("history", told)
    note = f"{told['events']:,} events"
    yield Row("history: a person's page, p99", told["person_p99_ms"], "ms", target=150, limit=True, note=note)
    yield Row("history: a message's page, p99", told["message_p99_ms"], "ms", target=150, limit=True, note=note)
    yield Row("history: memory", told["rss_mb"], "MB", target=40, limit=True, note=note)
    yield Row("history: bytes an event", told["bytes_an_event"], "bytes", note=f"{told['frame_bytes']:.0f} as it came")
    yield Row("history: append, CPU an event", told["append_cpu_us"], "us")
    yield Row("history: seal and merge, CPU an event", told["work_cpu_us"], "us")
