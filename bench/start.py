"""From exec to ready with millions of events remembered: after a stop, and after a loss of the index,
as a reboot is one, which has it built anew."""

from receiver import Pipeline
from rounds import median
from row import Row
from seeds import SETTINGS


def ready_s(bench, folder):
    with Pipeline(SETTINGS | {"log_level": bench.log}, folder) as pipeline:
        return pipeline.ready_s


def one_round(bench):
    folder = bench.seeds.remembered(bench.remembered)
    found = {"none": ready_s(bench, None), "remembered": ready_s(bench, folder)}
    (folder / "data/journal/dedup.idx").unlink()
    found["rebuilt"] = ready_s(bench, folder)
    bench.say(", ".join(f"{seconds:.2f} s ({name})" for name, seconds in found.items()))
    return found


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("start", done)
    yield Row(f"start: {bench.remembered:,} remembered", median(r["remembered"] for r in done),
              "s", target=2, limit=True, note=f"{median(r['none'] for r in done):.2f} s with none")
    yield Row("start: the same, index rebuilt", median(r["rebuilt"] for r in done), "s",
              target=2, limit=True, note="as after a reboot")
