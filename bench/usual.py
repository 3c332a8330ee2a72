"""Events accepted over those of the usual stack: Flask under gunicorn, with Redis."""

import subprocess

from load import Events, wrk
from receiver import BENCH, READY_S, end, free_port, listens, spawn, wait_for
from rounds import enough, median, run
from row import Row

WORKERS = 4


class Usual:
    """usual_app.py, with a Redis that keeps nothing on disk."""

    def __enter__(self):
        redis, self.port = free_port(), free_port()
        self.processes = [spawn(
            ["redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--loglevel", "warning"], cwd="/", stdout=subprocess.DEVNULL)]
        self.processes.append(spawn(
            ["gunicorn", "--workers", WORKERS, "--bind", f"127.0.0.1:{self.port}",
             "--env", f"REDIS_PORT={redis}", "--chdir", BENCH, "--log-level", "warning",
             "usual_app:app"]))
        wait_for("redis listens", lambda: listens(redis), READY_S)
        wait_for("gunicorn listens", lambda: listens(self.port), READY_S)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            end(process)


def usual_rate(bench):
    with Events(enough(bench), kind=bench.mix) as events, Usual() as usual:
        return wrk(usual.port, events, bench.seconds).event_rate


def one_round(bench):
    found = {"usual": usual_rate(bench), "accept": run(bench).accept}
    bench.say(f"usual stack {found['usual']:,.0f}, accepted {found['accept']:,.0f} events/s")
    return found


def figure(bench):
    done = [one_round(bench) for _ in range(bench.rounds)]
    bench.keep("usual", done)
    yield Row("over the usual stack", median(r["accept"] / r["usual"] for r in done), target=15,
              note=f"{median(r['usual'] for r in done):,.0f} events/s, {WORKERS} workers")
