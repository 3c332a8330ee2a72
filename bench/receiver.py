"""The receivers that are measured: the bare server and Trotline, each on a port of its own on
loopback. A receiver ends with the `with` block, and with this process however that ends."""

import ctypes
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

REPO = pathlib.Path(__file__).resolve().parents[1]
BIN, BENCH = REPO / "bin", REPO / "bench"
SECRET = "a-secret-of-the-bench-alone"
ENVIRONMENT = os.environ | {"TROTLINE_SECRET": SECRET}
READY_S, STOP_S, SETTLE_S = 60, 60, 180
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What was measured is not true, or could not be measured."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command, **options):
    options = {"stdin": subprocess.DEVNULL} | options
    return subprocess.Popen([str(part) for part in command], env=ENVIRONMENT, preexec_fn=die_with_parent, **options)


# Below the range that the system hands to outgoing connections, so that none takes them.
PORTS = list(range(20000, 32000))
random.shuffle(PORTS)
NEXT_PORT = itertools.cycle(PORTS)


def free_port():
    """Not the same one soon again: what asks for two gets two."""
    while True:
        port = next(NEXT_PORT)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_for(what, condition, deadline_s, pause_s=0.02):
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failure(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)
    return value


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failure(f"{process.args[0]} did not end") from None


def write_config(folder, settings, port, admin_port):
    path = folder / "trotline.yaml"
    path.write_text(json.dumps({
        "listen": f"127.0.0.1:{port}",
        "data_dir": "./data",
        "sources": [{"name": "email", "secrets": ["${TROTLINE_SECRET}"]}],
        "admin": {"listen": f"127.0.0.1:{admin_port}"},
    } | settings, indent=1))
    return path


def proportional_set(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"no Pss of process {pid}")


def proportional_set_of(pid, name):
    """Of it, what is mapped from files of that name."""
    total, within = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the mapping's own line: range, rights, ..., path
            within = line.endswith("/" + name)
        elif within and words[0] == "Pss:":
            total += int(words[1]) * 1024
    return total


class Base:
    """The bare web server."""

    def __enter__(self):
        self.port = free_port()
        self.process = spawn([BIN / "bench-base", self.port])
        wait_for("base listens", lambda: listens(self.port), READY_S)
        return self

    def __exit__(self, *_):
        end(self.process)


class Pipeline:
    """Trotline under supervisord as `trotline up` runs it, in a folder of its own."""

    def __init__(self, settings=None, folder=None):
        self.settings = settings or {}
        self.given = folder
        self.ready_s = None  # from exec to ready

    def __enter__(self):
        self.folder = pathlib.Path(self.given or tempfile.mkdtemp(prefix="trotline-bench-"))
        self.port = free_port()
        self.data = self.folder / "data"
        self.config = write_config(self.folder, self.settings, self.port, free_port())
        self.output = open(self.folder / "up.log", "w+b")
        begun = time.monotonic()
        self.process = spawn([BIN / "trotline", "up", "-c", self.config],
                             stdout=self.output, stderr=subprocess.STDOUT)
        try:
            wait_for("pipeline ready", self.is_ready, READY_S, 0.005)
        except BaseException:
            self.__exit__()
            raise
        self.ready_s = time.monotonic() - begun
        return self

    def is_ready(self):
        text = (self.folder / "up.log").read_text()
        if self.process.poll() is not None:
            raise Failure(f"trotline up ended {self.process.returncode}:\n{text}")
        return any(line.startswith("ready") for line in text.splitlines())

    def __exit__(self, *_):
        try:
            end(self.process)
        finally:
            self.output.close()
            if not self.given:
                shutil.rmtree(self.folder)

    def pids(self):
        """Process id by stage: ingress.0 and so on. A stage's lock holds it."""
        locks = (self.data / "run").glob("*.[0-9]*.lock")
        return {lock.name.removesuffix(".lock"): int(lock.read_text().split()[0]) for lock in locks}

    def cpu_s(self):
        """CPU seconds by stage so far; supervisord, which takes in the logs, is one."""
        pids = self.pids() | {"supervisord": int((self.data / "run/supervisord.pid").read_text())}
        used = {}
        for stage, pid in pids.items():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            name = stage.partition(".")[0]
            used[name] = used.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
        return used

    def pss(self):
        """Bytes by process: what it has to itself, and its share of what it shares."""
        return {stage: proportional_set(pid) for stage, pid in self.pids().items()}

    def pss_of_journal(self):
        """Bytes of it that are pages of the journal's file: the kernel takes them back when it is
        short of memory."""
        return sum(proportional_set_of(pid, "data.mdb") for pid in self.pids().values())

    def metric(self, family, part=""):
        """Sum of a metric's values whose labels contain part."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines
                   if line.split("{")[0].split(" ")[0] == family and part in line)

    def query(self, sql):
        db = sqlite3.connect(f"file:{self.data}/state.db?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(sql).fetchone()
        finally:
            db.close()

    def applied(self):
        return self.query("SELECT count(*) FROM applied")[0]

    def last_applied_s(self):
        """When the last event was applied, seconds since 1970."""
        return self.query("SELECT max(at) FROM applied")[0] / 1000

    def accepted(self):
        """What the pipeline itself says, once it has told all: figures lag up to a second."""
        return int(self.metric("webhook_events_total", 'status="accepted"'))

    def done(self):
        """Events that have come to their end, as the retrier counts them."""
        return self.metric("webhook_processing_duration_seconds_count")

    def settle(self, load, before=0):
        """Waits until all that was accepted is applied; fails unless it is exactly that, and all
        that the client saw accepted. What was under way when the client left may be more."""
        low = before + load.events
        wait_for("accepted events applied", lambda: self.applied() >= low, SETTLE_S, 0.2)
        wait_for("accepted equals applied", lambda: self.accepted() == self.applied(),
                 SETTLE_S, 0.2)
        applied = self.applied() - before
        if not load.events <= applied <= load.events + load.in_flight:
            raise Failure(f"the client saw {load.events} events accepted (and left at most "
                          f"{load.in_flight} under way), but {applied} are applied")
        return applied
