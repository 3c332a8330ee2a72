"""How long accepts take at half the accept rate, open loop, beside what the disk itself takes and
how long the machine stands still meanwhile."""

import json
import subprocess
import tempfile

from load import Events, pace
from receiver import BIN, Pipeline
from rounds import median, run
from row import Row

PROBE_S, BLOCK, PAUSE_MS = 1, 32768, 1


def disk_p99_ms():
    """Appends of the size of a group, each with its flush, where the data folders lie."""
    with tempfile.TemporaryDirectory(prefix="trotline-bench-") as folder:
        run = subprocess.run([str(part) for part in (BIN / "bench-disk", f"{folder}/probe", PROBE_S,
                                                     BLOCK, PAUSE_MS)],
                             stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)["p99_ms"]


class Stalls:
    """For how much of the time a processor stands still: what nobody on it can help. None unless
    this runs as root."""

    def __init__(self, seconds):
        self.process = subprocess.Popen([BIN / "bench-stall", str(seconds)],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def found(self):
        output, _ = self.process.communicate()
        return json.loads(output) if self.process.returncode == 0 else None


def at_rest():
    return Stalls(PROBE_S).found()


def one_round(bench):
    settings = {"log_level": bench.log}
    rate = run(bench).accept / 2
    with Events(int(rate * bench.seconds) + 1, kind=bench.mix) as events, \
            Pipeline(settings) as pipeline:
        before, rest = disk_p99_ms(), at_rest()
        stalls = Stalls(bench.seconds)
        paced, found = pace(pipeline.port, events, rate, bench.seconds)
        stalls = stalls.found()
        pipeline.settle(paced)
        disk = (before + disk_p99_ms()) / 2
    bench.say(f"{rate:,.0f} requests/s: p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms, "
              f"most {found['most_ms']} ms; disk p99 {disk:.2f} ms; "
              f"stalls {stalls}, at rest {rest}")
    return found | {"rate": rate, "disk_p99_ms": disk, "stalls": stalls, "stalls_at_rest": rest}


def still(done):
    def middle(when, what):
        return median(r[when][what] for r in done)

    return Row("latency, processor stood still", middle("stalls", "lost_percent"), "%",
               note=f"longest {middle('stalls', 'most_ms'):.1f} ms; "
                    f"at rest {middle('stalls_at_rest', 'lost_percent'):.1f} %")


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("latency", done)
    yield Row("latency, p99", median(r["p99_ms"] for r in done), "ms", target=5,
              limit=True, note=f"at {median(r['rate'] for r in done):,.0f} events/s, open loop; "
                               f"p50 {median(r['p50_ms'] for r in done):.2f} ms")
    yield Row("latency, p99 over the disk's", median(r["p99_ms"] - r["disk_p99_ms"] for r in done),
              "ms", target=3, limit=True,
              note=f"p99 of a flush {median(r['disk_p99_ms'] for r in done):.2f} ms")
    if done[0]["stalls"]:
        yield still(done)
