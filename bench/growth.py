"""What a large journal costs: the accept rate with millions remembered, and with a million waiting,
over the rate with neither."""

from rounds import median, run
from row import Row
from seeds import SETTINGS


def accept_rate(bench, folder=None):
    return run(bench, SETTINGS, folder).accept


def one_round(bench):
    rates = {"none": accept_rate(bench),
             "remembered": accept_rate(bench, bench.seeds.remembered(bench.remembered)),
             "waiting": accept_rate(bench, bench.seeds.waiting(bench.waiting))}
    bench.say("accepted " + ", ".join(f"{rate:,.0f} events/s ({name})"
                                      for name, rate in rates.items()))
    return rates


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("growth", done)
    for name, count in ("remembered", bench.remembered), ("waiting", bench.waiting):
        yield Row(f"growth, {count:,} {name}", median(r[name] / r["none"] for r in done),
                  target=0.9,
                  note=f"{median(r[name] for r in done):,.0f} events/s, "
                       f"{median(r['none'] for r in done):,.0f} with none")
