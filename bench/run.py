"""Measures Trotline against a bare web server and the usual stack: see docs/performance.md.

usage: run.py, by `make bench`. ONLY=accept,batch runs some figures; QUICK=1 is one short round
instead of three; LOG=warn and MIX=email_delivered change what is run.
"""

import os
import sys
import time

import accept
import batch
import forward
import growth
import kept
import latency
import memory
import picture
import postgres
import redis_nodes
import results
import rounds
import row
import scale
import start
import usual
from load import Events
from receiver import Failure
from seeds import Seeds

FIGURES = {"accept": accept, "batch": batch, "usual": usual, "latency": latency, "memory": memory,
           "start": start, "growth": growth, "scale": scale, "history": kept, "forward": forward,
           "postgres": postgres, "redis": redis_nodes}


class Bench:
    """What this run was asked for, and what it has found."""

    def __init__(self, environment):
        self.quick = environment.get("QUICK", "") not in ("", "0")
        self.log = environment.get("LOG") or "info"
        self.mix = environment.get("MIX") or "mix"
        self.only = [name for name in environment.get("ONLY", "").split(",") if name]
        self.rounds = 1 if self.quick else 3
        self.seconds = 2 if self.quick else 5
        self.remembered = 1000000 if self.quick else 10000000
        self.waiting = 100000 if self.quick else 1000000
        self.whole = not self.only and not self.quick
        self.base_rate = 0  # requests/s of the bare server at its best so far
        self.kept = {}

    def keep(self, name, value):
        self.kept[name] = value

    def say(self, text):
        print(f"  {text}", flush=True)

    def figures(self):
        """Through is measured with accept."""
        wanted = ["accept" if name == "through" else name for name in self.only or FIGURES]
        unknown = [name for name in wanted if name not in FIGURES]
        if unknown:
            raise Failure(f"no figure {unknown[0]}; there are through, {', '.join(FIGURES)}")
        return dict.fromkeys(wanted)

    def run(self):
        rows = []
        with Events(20000) as self.singles, Seeds(self.say) as self.seeds:
            rounds.bare_rate(self, 1)
            for name in self.figures():
                print(f"{name}:", flush=True)
                rows += FIGURES[name].figure(self)
        return rows


def main():
    bench = Bench(os.environ)
    begun = time.monotonic()
    rows = bench.run()
    took_s = time.monotonic() - begun
    results.write(bench, rows, took_s)
    if bench.whole:
        picture.main()
    print()
    row.print_table(rows)
    print(f"\nlog_level {bench.log}, events {bench.mix}, {bench.rounds} rounds of "
          f"{bench.seconds} s, {took_s:.0f} s in all; more in bench/results.json")
    return 1 if any(r.met is False for r in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"bench: {failure}")
