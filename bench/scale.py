"""A second process of a stage, where that stage is the limit: a validator whose signatures are
dear, the built-in handler of the one type that comes, and a handler that computes for long."""

import contextlib
import json
import pathlib
import subprocess
import tempfile

from load import Events, pace
from receiver import BENCH, BIN, SETTLE_S, Failure, Pipeline, end, spawn, wait_for
from rounds import median, run
from row import Row

KEYS = 8                             # of SendGrid's kind (ECDSA P-256), the last of which signs
SLOW_US, SLOW_RATE, SLOW_S = 1000, 4000, 1  # CPU an event; more events/s than two of them do


def make_key(path):
    """Makes a key of SendGrid's kind. Returns the public one, as a source's secret."""
    made = subprocess.run([BIN / "trotline", "send", "--provider", "sendgrid", "--new-key", path],
                          stdout=subprocess.PIPE, text=True, check=True)
    return made.stdout.strip()


def validators(bench, processes):
    """Events/s accepted, each with a signature that is tried with all keys."""
    with tempfile.TemporaryDirectory(prefix="trotline-bench-") as folder:
        keys = [pathlib.Path(folder) / f"{number}.pem" for number in range(KEYS)]
        source = {"name": "sendgrid", "provider": "sendgrid",
                  "secrets": [make_key(key) for key in keys]}
        return run(bench, {"processes": {"validator": processes}, "sources": [source]},
                   kind="sendgrid", key=keys[-1]).accept


def handlers(bench, processes):
    """Events/s applied, all of one type."""
    return run(bench, {"handlers": [{"name": "delivered", "processes": processes}]},
               kind="email_delivered").through


def slow_handlers(bench, processes):
    """Events/s done by a handler that computes SLOW_US for each."""
    settings = {"log_level": bench.log,
                "handlers": [{"name": "slow", "types": ["bench_slow"], "processes": 0}]}
    with Events(SLOW_RATE * SLOW_S, kind="bench_slow") as events, Pipeline(settings) as pipeline, \
            contextlib.ExitStack() as stack:
        running = [spawn(["/usr/bin/python3", BENCH / "slow_handler.py", pipeline.data, SLOW_US],
                         stdout=subprocess.PIPE) for _ in range(processes)]
        for process in running:
            stack.callback(process.kill)
        load, _ = pace(pipeline.port, events, SLOW_RATE, SLOW_S)
        wait_for("accepted events done", lambda: pipeline.done() >= load.events, SETTLE_S, 0.2)
        for process in running:
            end(process)
        told = [json.loads(process.stdout.read()) for process in running]
    done = sum(t["events"] for t in told)
    if done != load.events:
        raise Failure(f"the client saw {load.events} events accepted, but {done} are done")
    return done / (max(t["last_s"] for t in told) - load.began_s)


STAGES = {f"validator ({KEYS} ECDSA keys)": validators, "handler-delivered": handlers,
          f"handler of {SLOW_US / 1000:g} ms": slow_handlers}


def one_round(bench):
    rates = {}
    for stage, rate in STAGES.items():
        rates[stage] = [rate(bench, processes) for processes in (1, 2)]
        bench.say(f"{stage}: {rates[stage][0]:,.0f} events/s, with a second {rates[stage][1]:,.0f}")
    return rates


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("scale", done)
    for stage in STAGES:
        yield Row(f"second {stage}", median(r[stage][1] / r[stage][0] for r in done), "x",
                  note=f"{median(r[stage][0] for r in done):,.0f} events/s, "
                       f"then {median(r[stage][1] for r in done):,.0f}")
