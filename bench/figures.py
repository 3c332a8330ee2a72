"""The figures: each a function that measures and gives back rows of the table."""

import dataclasses
import statistics

from load import Events, wrk
from receiver import Base, Pipeline


@dataclasses.dataclass
class Row:
    figure: str
    reached: float
    unit: str = ""
    target: float | None = None
    most: bool = False  # the target is a limit: less is better
    note: str = ""

    @property
    def met(self):
        if self.target is None:
            return None
        return self.reached <= self.target if self.most else self.reached >= self.target


def median(values):
    return statistics.median(values)


def base_rate(bench):
    """Requests a second, for sizing what the others need."""
    with Base() as base, Events(20000) as events:
        return wrk(base.port, events, 1, again=True).rate


@dataclasses.dataclass
class Round:
    """Base and pipeline, one after the other under the same load."""
    base: float        # requests/s
    accept: float      # events/s
    through: float
    cpu: dict          # microseconds an event, by stage


def one_round(bench, settings, batch=1, mix=None):
    count = int(bench.seconds * bench.base_rate / (1 if batch == 1 else batch / 2)) + 1000
    with Events(count, batch, mix or bench.mix) as events:
        with Base() as base:
            bare = wrk(base.port, bench.singles, bench.seconds, again=True)
        with Pipeline(settings) as pipeline:
            before = pipeline.cpu_s()
            load = wrk(pipeline.port, events, bench.seconds)
            applied = pipeline.settle(load)
            after = pipeline.cpu_s()
            through = applied / (pipeline.last_applied_s() - load.began_s)
    cpu = {stage: (after[stage] - before[stage]) / applied * 1e6 for stage in after}
    bench.say(f"base {bare.rate:,.0f}/s, accepted {load.event_rate:,.0f}/s, "
              f"through {through:,.0f}/s, {applied} events applied")
    return Round(bare.rate, load.event_rate, through, cpu)


def rounds(bench, settings=None, **options):
    settings = {"log_level": bench.log} | (settings or {})
    return [one_round(bench, settings, **options) for _ in range(bench.rounds)]


def accept(bench):
    """Accepted, and applied, events a second over what the bare server answers."""
    done = rounds(bench)
    bench.keep("accept", [dataclasses.asdict(r) for r in done])
    yield Row("accept ratio", median(r.accept / r.base for r in done), target=0.40)
    yield Row("through ratio", median(r.through / r.base for r in done), target=0.20)


FIGURES = {"accept": accept, "through": accept}
