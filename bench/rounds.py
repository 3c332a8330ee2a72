"""What rows are made of: one load on the bare server, and one on a pipeline until all is applied.
What is compared takes turns, so that what else goes on meanwhile on the machine meets both."""

import dataclasses
import statistics

from load import CONNECTIONS, Events, wrk
from receiver import Base, Pipeline

BATCHED = 4             # events of batches for each request of the bare server: more than enough
BATCH_CONNECTIONS = 32  # what lies in so many batches is accepted well within the answer_timeout


@dataclasses.dataclass
class Run:
    accept: float    # events/s
    through: float   # events/s, until the last is applied
    cpu_us: dict     # microseconds of CPU an event, by stage


@dataclasses.dataclass
class Round(Run):
    base: float      # requests/s of the bare server


def median(values):
    return statistics.median(values)


def bare_rate(bench, seconds=None):
    """Requests a second of the bare server, which forgets: so it is sent the same over and over."""
    with Base() as base:
        rate = wrk(base.port, bench.singles, seconds or bench.seconds, again=True).rate
    bench.base_rate = max(bench.base_rate, rate)
    return rate


def enough(bench, batch=1):
    """Requests that last for a run, by the highest rate of the bare server so far."""
    return int(bench.seconds * bench.base_rate * (1 if batch == 1 else BATCHED / batch)) + 1000


def run(bench, settings=None, folder=None, batch=1, kind=None, key=""):
    """One load on a pipeline, until all is applied. folder: of a pipeline that has been seeded."""
    settings = {"log_level": bench.log} | (settings or {})
    with Events(enough(bench, batch), batch, kind or bench.mix, key) as events, \
            Pipeline(settings, folder) as pipeline:
        before = pipeline.cpu_s()
        load = wrk(pipeline.port, events, bench.seconds,
                   connections=CONNECTIONS if batch == 1 else BATCH_CONNECTIONS)
        applied = pipeline.settle(load)
        after = pipeline.cpu_s()
        through = applied / (pipeline.last_applied_s() - load.began_s)
    cpu_us = {stage: (after[stage] - before[stage]) / applied * 1e6 for stage in after}
    return Run(load.event_rate, through, cpu_us)


def one_round(bench, batch):
    base = bare_rate(bench)
    found = run(bench, batch=batch)
    bench.say(f"bare {base:,.0f} requests/s; accepted {found.accept:,.0f}, "
              f"applied {found.through:,.0f} events/s")
    return Round(**dataclasses.asdict(found), base=base)


def rounds(bench, batch=1):
    return [one_round(bench, batch) for _ in range(bench.rounds)]
