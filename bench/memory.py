"""Proportional set size of all stages: idle, at the most under full load, and what a remembered
event adds, right after the index was built anew."""

import threading
import time

from load import Events, post_one, wrk
from receiver import Pipeline
from rounds import enough
from row import Row
from seeds import SETTINGS

SETTLED_S, SAMPLE_S = 3, 0.5
MB = 1e6


class Most:
    """The most that a figure reaches while the block runs."""

    def __init__(self, read):
        self.read, self.value = read, read()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(SAMPLE_S):
            self.value = max(self.value, self.read())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def idle(pipeline):
    """After its first event, so that all is open that will be."""
    pipeline.settle(post_one(pipeline.port))
    time.sleep(SETTLED_S)
    stages = pipeline.pss()
    return {"all": sum(stages.values()), "journal": pipeline.pss_of_journal(), "stages": stages}


def under_load(bench, pipeline):
    with Events(enough(bench), kind=bench.mix) as events:
        with Most(lambda: sum(pipeline.pss().values())) as most:
            pipeline.settle(wrk(pipeline.port, events, bench.seconds))
    return {"all": most.value, "journal": pipeline.pss_of_journal()}


def figure(bench):
    settings = SETTINGS | {"log_level": bench.log}
    with Pipeline(settings) as pipeline:
        empty = idle(pipeline)
    with Pipeline(settings) as pipeline:
        loaded = under_load(bench, pipeline)
    folder = bench.seeds.remembered(bench.remembered)
    bench.seeds.lose_index(folder)
    with Pipeline(settings, folder) as pipeline:
        full = idle(pipeline)
    bench.keep("memory", {"idle": empty, "loaded": loaded, "remembered": full})

    def more(part):
        return (full[part] - empty[part]) / bench.remembered

    yield Row("memory, idle", empty["all"] / MB, "MB", target=60, limit=True,
              note=f"{len(empty['stages'])} processes; supervisord not counted")
    yield Row("memory, full load", loaded["all"] / MB, "MB", target=200, limit=True,
              note=f"{loaded['journal'] / MB:.0f} MB of it mapped pages of the journal")
    yield Row("memory, remembered event", more("all"), "bytes", target=16, limit=True,
              note=f"{bench.remembered:,} remembered, index just rebuilt; "
                   f"{more('journal'):.1f} of it mapped pages of the journal")
