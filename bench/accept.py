"""Single events accepted, and applied, over what the bare server answers; where the CPU went."""

import dataclasses

from row import Row
from rounds import median, rounds

DREAM = "the dream is {}"


def shares(done):
    """CPU an event by stage, the dearest first; what no event passes is left out."""
    stages = {stage: median(r.cpu_us[stage] for r in done) for stage in done[0].cpu_us}
    dear = sorted(stages.items(), key=lambda item: -item[1])
    return [(stage, us) for stage, us in dear if us >= 0.05]


def figure(bench):
    done = rounds(bench)
    bench.keep("accept", [dataclasses.asdict(r) for r in done])
    yield Row("accept ratio", median(r.accept / r.base for r in done), target=0.40,
              note=f"{median(r.accept for r in done):,.0f} events/s; {DREAM.format('0.50')}")
    yield Row("through ratio", median(r.through / r.base for r in done), target=0.20,
              note=f"{median(r.through for r in done):,.0f} events/s; {DREAM.format('0.25')}")
    for stage, us in shares(done):
        yield Row(f"CPU an event: {stage}", us, "us")
