"""A process that hangs is ended and started again, whatever stage it is; one that waits is not; who dies
again and again waits longer each time; and what is refused is told with its cause."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from pipeline import (
    ALL_HANDLERS, BIN, DEADLINE_S, PROCESSES, REPO, SECRET, Client, event, free_port, read_answer, request_bytes, wait_for)

TROTLINE = BIN / "trotline"
REPLACED_S = 10


class Up:
    """`trotline up` in a folder of its own."""

    def __init__(self, folder, **more):
        self.folder, self.port = folder, free_port()
        (folder / "trotline.yaml").write_text(json.dumps({
            "listen": f"127.0.0.1:{self.port}", "data_dir": "./d", "admin": {"listen": "off"},
            "sources": [{"name": "email", "secrets": [SECRET]}], **more}))
        with open(folder / "out", "w") as out:
            self.process = subprocess.Popen([TROTLINE, "up"], cwd=folder, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for("ready", lambda: "\nready\n" in (folder / "out").read_text()
                 or self.process.poll() is not None, 60)
        assert self.process.poll() is None, (folder / "out").read_text()

    def pid(self, stage, instance=0):
        """Of the process that says it holds the place, 0: of none."""
        text = (self.folder / f"d/run/{stage}.{instance}.lock").read_text().split()
        return int(text[0]) if text else 0

    def log(self, stage, instance=0):
        return (self.folder / f"d/log/{stage}.{instance}.log").read_text()

    def health(self):
        with Client(self.port) as client:
            return client.get("/webhooks/health").json()

    def alerts(self):
        """None while ingress is away."""
        with contextlib.suppress(ConnectionError):
            return self.health()["alerts"]
        return []

    def alert(self, part, deadline_s=DEADLINE_S):
        return wait_for(f"the alert {part}", lambda: next(
            (one for one in self.alerts() if part in one), None), deadline_s)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0


@pytest.fixture
def up():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
    started = []

    def make(**more):
        started.append(Up(folder, **more))
        return started[-1]

    yield make
    for one in started:
        one.stop()
    shutil.rmtree(folder)


def replaced(up, stage, pid, instance=0):
    return (f"another {stage}", lambda: up.pid(stage, instance) not in (0, pid)
            and up.log(stage, instance).rstrip().splitlines()[-1:] != []
            and f"pid={up.pid(stage, instance)}" in up.log(stage, instance))


STAGES = [name + "opened" * name.endswith("-") for name in PROCESSES]


@pytest.mark.parametrize("stage", STAGES)
def test_a_process_that_stands_still_is_replaced(up, stage):
    one = up(processes={"ingress": 2, "validator": 2}, history={"keep": "1d"})
    pid = one.pid(stage)
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    wait_for(*replaced(one, stage, pid), REPLACED_S)
    print(f"{stage}: {time.monotonic() - began:.1f} s")
    told = one.alert(f"hung: a process of {stage} was silent")
    watcher = re.search(r'"hung process ended" in .*/(\w+)\.0\.log', told)[1]
    assert f"process={stage} process_instance=0 pid={pid} " in one.log(watcher)
    wait_for("all is accepted", lambda: Client(one.port).post(event()).status == 202)


def test_what_hangs_is_called_hung_and_not_dead(up):
    one = up()
    os.kill(one.pid("handler-opened"), signal.SIGSTOP)
    said = set()
    end = time.monotonic() + REPLACED_S
    while time.monotonic() < end:
        said |= {alert for alert in one.alerts() if "opened" in alert}
        time.sleep(0.1)
    assert any("stage handler-opened has 0 of 1 processes that go on: 1 hung" in alert for alert in said), said
    assert not any("start trotline-handler" in alert for alert in said), said


def test_one_that_waits_for_its_disk_is_not_ended(start, tmp_path):
    library, slow = tmp_path / "slow.so", tmp_path / "slow"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, REPO / "tests/e2e/fault_disk.c", "-ldl"], check=True)

    def prepare(pipeline):
        pipeline["validator"].env = {"LD_PRELOAD": str(library), "SLOW_FILE": str(slow)}

    one = start(prepare=prepare, settings={"limits": {"answer_timeout": "30s"}})
    assert one.post(event()).status == 202
    slow.write_text("9000")
    with one.connect() as sock:
        sock.sendall(request_bytes(json.dumps(event()).encode()))
        told = wait_for("it is told", lambda: next((alert for alert in one.health().json()["alerts"]
                                                    if alert.startswith("stage validator")), None))
        assert "has 0 of 1 processes that go on: 1 waiting for the disk" in told
        slow.unlink()
        assert read_answer(sock).status == 202
    assert one["validator"].runs()
    assert "hung process ended" not in one["watcher"].log()


def test_a_watcher_that_stood_still_counts_anew(start):
    one = start()
    retrier = one["retrier"]
    retrier.signal(signal.SIGSTOP)  # which would end the watcher
    one["watcher"].signal(signal.SIGSTOP)
    time.sleep(7)  # longer than anybody may be silent
    one["watcher"].signal(signal.SIGCONT)
    retrier.signal(signal.SIGCONT)
    wait_for("it says so", lambda: one["watcher"].has_logged("stood still"))
    time.sleep(1)  # in which it would end them
    assert all(stage.runs() for stage in one.stages.values())
    assert "hung process ended" not in one["watcher"].log() + retrier.log()


def test_who_dies_again_and_again_waits_longer_each_time(up):
    one = up()
    for deaths in range(1, 5):
        pid = one.pid("router")
        os.kill(pid, signal.SIGKILL)
        wait_for(*replaced(one, "router", pid))
        wait_for("it says how often", lambda deaths=deaths: f"deaths_in_a_row={deaths} " in one.log("router"))
    waits = re.findall(r"deaths_in_a_row=(\d) waits_ms=(\d+)", one.log("router"))
    assert waits == [("1", "0"), ("2", "1000"), ("3", "2000"), ("4", "4000")]
    one.alert("repeated deaths: router has died 4 times in a row")
    assert one.health()["status"] != "healthy"


# ---- what is refused


def test_a_source_of_which_all_is_refused_is_told_with_the_cause(start):
    one = start(handlers=ALL_HANDLERS)
    wait_for("healthy", lambda: one.health().json()["status"] == "healthy")
    with one.client() as client:
        for _ in range(400):
            assert client.post_bytes(b"{}", signature="sha256=00").status == 401
    told = wait_for("it is told", lambda: next((alert for alert in one.health().json()["alerts"]
                                                if alert.startswith("source email: refused:")), None), 25)
    assert told.startswith("source email: refused: signature: 400 of the last 20 s' 400 requests: ")
    assert "`trotline reload`" in told
    assert one.health().json()["status"] == "degraded"


@pytest.mark.parametrize("word, make", [
    ("stale", lambda: event(timestamp=int(time.time()) - 30 * 86400)),
    ("clock wrong", lambda: event(timestamp=int(time.time()) + 86400)),
    ("format changed", lambda: {"kind": "another"}),
])
def test_each_cause_has_its_word(start, word, make):
    one = start()
    with one.client() as client:
        for _ in range(20):
            assert client.post(make()).status == 400
    wait_for(f"{word} is told", lambda: any(alert.startswith(f"source email: refused: {word}: ")
                                            for alert in one.health().json()["alerts"]))


def test_what_is_refused_for_our_own_fault_is_a_warning_a_second_with_its_cause(start):
    one = start(without=("watcher",), settings={"limits": {"answer_timeout": "50ms"}})
    one["validator"].signal(signal.SIGSTOP)
    began = time.monotonic()
    with one.client() as client:
        for _ in range(40):
            assert client.post(event()).status == 503
    seconds = time.monotonic() - began
    one["validator"].signal(signal.SIGCONT)
    lines = [line for line in one["ingress"].log().splitlines() if "unable to take requests" in line]
    assert lines and all("level=warn" in line and 'cause="no verdict in time"' in line for line in lines)
    assert len(lines) <= seconds + 2
    told = wait_for("it is told", lambda: next((alert for alert in one.health().json()["alerts"]
                                                if alert.startswith("errors: ")), None))
    assert "for no verdict in time" in told
    wait_for("posts are taken", lambda: one.post(event()).status == 202)
    wait_for("and health is 200", lambda: one.health().status == 200, 5)
