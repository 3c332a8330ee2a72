"""From exec to ready with millions of events remembered, and on to the first event's 202: after a
stop, and after a loss of the index, as a reboot is one, which has it built anew."""

import time

from load import post_one
from receiver import Pipeline
from rounds import median
from row import Row
from seeds import SETTINGS


def start(bench, folder=None):
    """Seconds to ready, and to the first 202."""
    begun = time.monotonic()
    with Pipeline(SETTINGS | {"log_level": bench.log}, folder) as pipeline:
        load = post_one(pipeline.port)
        accepted_s = time.monotonic() - begun
        pipeline.settle(load)
        return {"ready": pipeline.ready_s, "accepted": accepted_s}


def one_round(bench):
    folder = bench.seeds.remembered(bench.remembered)
    found = {"none": start(bench), "remembered": start(bench, folder)}
    bench.seeds.lose_index(folder)
    found["rebuilt"] = start(bench, bench.seeds.remembered(bench.remembered))
    bench.say("; ".join(f"{name}: ready {took['ready']:.2f} s, first 202 {took['accepted']:.2f} s"
                        for name, took in found.items()))
    return found


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("start", done)

    def middle(name, what):
        return median(r[name][what] for r in done)

    yield Row("start", middle("remembered", "ready"), "s", target=2, limit=True,
              note=f"{bench.remembered:,} remembered; with none {middle('none', 'ready'):.2f} s")
    yield Row("start, index lost", middle("rebuilt", "accepted"), "s", target=2, limit=True,
              note="as by a reboot; to the first 202, "
                   f"ready said at {middle('rebuilt', 'ready'):.2f} s")
