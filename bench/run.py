"""Measures Trotline against a bare web server and the usual stack; see docs/performance.md.

usage: run.py        (`make bench` calls it; ONLY=accept,through QUICK=1 LOG=warn MIX=email_delivered)
"""

import os
import sys
import time

import figures
from load import Events
from receiver import Failure


class Bench:
    """The choices of this run, and what was found."""

    def __init__(self, environment):
        self.quick = environment.get("QUICK", "") not in ("", "0")
        self.log = environment.get("LOG") or "info"
        self.mix = environment.get("MIX") or "mix"
        self.only = [name for name in environment.get("ONLY", "").split(",") if name]
        self.rounds = 1 if self.quick else 3
        self.seconds = 3 if self.quick else 5
        self.kept = {}

    def keep(self, name, value):
        self.kept[name] = value

    def say(self, text):
        print(f"  {text}", flush=True)

    def run(self):
        chosen = dict.fromkeys(figures.FIGURES[name] for name in self.only or figures.FIGURES)
        self.base_rate = figures.base_rate(self)
        rows = []
        with Events(20000) as self.singles:
            for figure in chosen:
                print(f"{figure.__name__}:", flush=True)
                rows += figure(self)
        return rows


def main():
    bench = Bench(os.environ)
    begun = time.monotonic()
    rows = bench.run()
    for row in rows:
        print(f"{row.figure:<30} {row.reached:>10.3f} {row.unit:<6} {row.target} {row.met}")
    print(f"log level {bench.log}, events {bench.mix}, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
