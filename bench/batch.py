"""Events accepted in signed batches of 1,000, over the bare server's requests."""

import dataclasses

from row import Row
from rounds import median, rounds

EVENTS = 1000


def figure(bench):
    done = rounds(bench, batch=EVENTS)
    bench.keep("batch", [dataclasses.asdict(r) for r in done])
    yield Row("batch ratio", median(r.accept / r.base for r in done), target=1.0,
              note=f"{median(r.accept for r in done):,.0f} events/s")
