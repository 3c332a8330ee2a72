"""deploy/fleet as it stands: two nodes under supervisord, nginx before them, PostgreSQL and Redis with TLS and
passwords behind them, each machine a network namespace. Needs root."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess

import pytest
import servers
from pipeline import BIN, REPO, SECRET, Client, wait_for
from storm import Load

pytestmark = pytest.mark.plain

FLEET = REPO / "deploy/fleet"
MACHINES = {"lb": "10.0.0.10", "mx-a": "10.0.0.11", "mx-b": "10.0.0.12", "db": "10.0.0.20"}
EVENTS = int(os.environ.get("FLEET_EVENTS", 6000))
PASSWORD = "four words of a fleet"
CLONE_NEWNET = 0x40000000


class Machines:
    """Network namespaces on one switch, which is one too: nothing of it is seen from outside."""

    def __init__(self):
        self.names = {name: f"tl{os.getpid()}-{name}" for name in ("switch", *MACHINES)}

    def ip(self, *words, inside=None):
        where = ["-n", self.names[inside]] if inside else []
        subprocess.run(["ip", *where, *words], check=True)

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        for name in self.names.values():
            self.ip("netns", "add", name)
        self.ip("link", "add", "bridge0", "type", "bridge", inside="switch")
        self.ip("link", "set", "bridge0", "up", inside="switch")
        for name, address in MACHINES.items():
            self.ip("link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", self.names["switch"],
                    inside=name)
            self.ip("link", "set", name, "master", "bridge0", "up", inside="switch")
            self.ip("addr", "add", f"{address}/24", "dev", "eth0", inside=name)
            self.ip("link", "set", "eth0", "up", inside=name)
            self.ip("link", "set", "lo", "up", inside=name)

    def __exit__(self, *_):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def within(self, name):
        """What makes a command run there."""
        return ["ip", "netns", "exec", self.names[name]]

    def enter(self, name):
        """This process, for good."""
        with open(f"/run/netns/{self.names[name]}") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0

    def pids(self, name):
        told = subprocess.run(["ip", "netns", "pids", self.names[name]], stdout=subprocess.PIPE, text=True, check=True)
        return [int(pid) for pid in told.stdout.split()]


class Node:
    """A machine with a disk, on which its file of deploy/fleet is."""

    def __init__(self, machines, name, folder, authority):
        self.machines, self.name, self.folder = machines, name, folder / name
        self.etc, self.config, self.log = self.folder / "etc", self.folder / "etc/trotline.yaml", self.folder / "log"
        (self.etc / "secrets").mkdir(parents=True)
        self.config.write_text((FLEET / f"{name}.yaml").read_text()
                               .replace("/etc/trotline", str(self.etc)).replace("/var/lib/trotline", str(self.folder / "d")))
        for path, text in {"secrets/email": SECRET, "pgpass": f"*:*:trotline:trotline:{PASSWORD}", "admin.token": "t" * 40,
                           "redis-password": PASSWORD, "ca.pem": authority.ca.read_text()}.items():
            (self.etc / path).write_text(text + "\n")
            (self.etc / path).chmod(0o600)

    def run(self, *words):
        done = subprocess.run([*self.machines.within(self.name), BIN / "trotline", words[0], "-c", self.config, *words[1:]],
                              capture_output=True, text=True)
        return done

    def start(self):
        begun = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.machines.within(self.name), BIN / "trotline", "up", "-c", self.config], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        wait_for(f"{self.name} is ready", lambda: self.is_ready(begun), 60)
        return self

    def is_ready(self, begun):
        text = self.log.read_text(errors="replace")[begun:]
        assert self.process.poll() is None, text[-3000:]
        return "ready" in text

    def kill(self):
        """As when its power goes."""
        while pids := self.machines.pids(self.name):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def status(self):
        return json.loads(self.run("status", "--json").stdout)


def inside(machines, name, function):
    """What it gives, called there; in a process of its own, which alone is there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            machines.enter(name)
            os.write(writing, json.dumps(function()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text, "it has failed there"
    return json.loads(text)


def get(path, address="10.0.0.10", port=80):
    with Client(port, host=address) as client:
        return client.get(path).status


class Fleet:
    def __init__(self, stack, folder):
        self.machines = stack.enter_context(Machines())
        authority = servers.Authority(folder)
        behind = {"wrapper": self.machines.within("db"), "host": MACHINES["db"], "authority": authority,
                  "password": PASSWORD}
        self.postgres = stack.enter_context(servers.postgres(port=5432, **behind))
        self.redis = stack.enter_context(servers.redis(port=6379, **behind))
        self.postgres.psql("CREATE DATABASE trotline")
        self.database = servers.Database(self.postgres, "trotline")
        self.nodes = [Node(self.machines, name, folder, authority).start() for name in ("mx-a", "mx-b")]
        stack.callback(lambda: [node.kill() for node in self.nodes])
        stack.enter_context(servers.nginx((FLEET / "nginx.conf").read_text(), wrapper=self.machines.within("lb"),
                                          host=MACHINES["lb"], port=80))
        asking = subprocess.Popen([*self.machines.within("lb"), FLEET / "readyz"], start_new_session=True)
        stack.callback(lambda: os.killpg(asking.pid, signal.SIGKILL) or asking.wait())

    def load(self):
        return Load([80], EVENTS, pace_s=0.02, host=MACHINES["lb"], enter=lambda: self.machines.enter("lb"))


@pytest.fixture
def fleet(folder):
    folder.chmod(0o711)
    with contextlib.ExitStack() as stack:
        yield Fleet(stack, folder)


def test_a_node_dies_under_load_and_nothing_is_lost(fleet):
    a, b = fleet.nodes
    assert inside(fleet.machines, "lb", lambda: get("/readyz")) == 200
    load = fleet.load()
    try:
        load.wait_progress(EVENTS // 4)
        a.kill()
        load.wait_progress(EVENTS // 2)
        a.start()
        load.wait_progress(EVENTS * 3 // 4)
        b.stop()
        b.start()
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    rows = fleet.database.rows
    applied = EVENTS - len(load.ids("unusable"))
    wait_for("all is applied", lambda: rows("SELECT count(*) FROM known_ids") == [(applied,)], 60)
    load.check_rows(rows)
    load.check_counters(rows)
    assert fleet.database.rows("SELECT count(*) FROM journals") == [(2,)]
