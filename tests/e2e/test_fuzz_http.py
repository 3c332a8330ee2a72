"""Whatever bytes come over a connection: ingress and admin answer as HTTP has it, no more and no less
than docs/http.md says, take nothing without a proof, run nothing of a body as a request, lose no good
request beside it, and are afterwards as they were before.

FUZZ_SEED says what is sent (a new one each time, told when it breaks), FUZZ_CASE the only one to send,
FUZZ_SECONDS for how long."""

import json
import os
import random
import socket
import struct
import threading
import time

import pytest

import http_inputs
from http_reader import Reader, answers_of
from pipeline import DEADLINE_S, event, sign, wait_for

SEED = os.environ.get("FUZZ_SEED") or str(random.randrange(10**9))
SECONDS = float(os.environ.get("FUZZ_SECONDS") or 60)
ONLY = os.environ.get("FUZZ_CASE")
SENDERS, RATE, GOOD_RATE = 16, 150, 20  # a second
QUIET_S, LATE_S, TIMEOUT_S = 0.03, 40, 5
MORE_KIB, MORE_FILES = 48 << 10, 16  # stores are opened when they are asked
RESET = struct.pack("ii", 1, 0)
OPEN_PAGES = (b"/healthz", b"/readyz", b"/health", b"/metrics")
SETTINGS = {
    "sources": http_inputs.SOURCES,
    "limits": {"request_timeout": f"{TIMEOUT_S}s", "idle_timeout": f"{TIMEOUT_S}s", "answer_timeout": "20s"}}


class Case:
    """One connection and all that is said on it."""

    def __init__(self, fuzz, n):
        self.fuzz, self.name = fuzz, f"{SEED}.{n}"
        self.maker = http_inputs.Maker(self.name)
        self.admin = self.maker.rng.random() < 0.1
        self.data = self.maker.bytes()
        self.pieces, self.pause = self.maker.pieces(self.data)
        self.reader = Reader(self.data)
        self.requests = self.reader.requests
        self.least, self.most = self.reader.count()
        self.leaves = self.maker.rng.choice(
            ["at once"] * 4 + ["when answered"] * 35 + ["at last"] * (not self.admin))
        self.resets = self.maker.rng.random() < 0.5
        self.told, self.closed, self.slow = b"", "", False

    def send(self, sock):
        began = time.monotonic()
        for piece in self.pieces:
            sock.sendall(piece)
            if self.pause:
                time.sleep(self.pause)
        self.slow = time.monotonic() - began > TIMEOUT_S / 2  # the machine is busy: it may be cut off

    def patience(self):
        """How long the next byte may take; 0: enough has come."""
        answers, whole = answers_of(self.told, self.reader.begun)
        if len(answers) < self.least and not (answers and answers[-1].closes):
            return LATE_S
        if self.reader.tail == "bad" or (answers and answers[-1].closes) or self.leaves == "at last":
            return LATE_S
        return QUIET_S if whole else LATE_S

    def receive(self, sock):
        while not self.closed:
            patience = self.patience()
            sock.settimeout(patience)
            try:
                part = sock.recv(65536)
            except socket.timeout:
                self.closed = "quiet" if patience == QUIET_S else "late"
            else:
                self.told += part
                self.closed = "" if part else "closed"

    def talk(self):
        port = self.fuzz.pipeline.admin_port if self.admin else self.fuzz.pipeline.port
        with socket.create_connection(("127.0.0.1", port), timeout=LATE_S) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.send(sock)
                if self.leaves != "at once":
                    self.receive(sock)
            except ConnectionError:
                self.closed = "reset"
            if self.resets:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    # ---- what is right

    def check(self):
        answers, whole = answers_of(self.told, self.reader.begun)
        assert self.closed != "late" or self.slow, "neither answered nor closed"
        assert len(answers) <= self.most, f"{len(answers)} answers, {self.most} at most"
        assert whole or self.closed in ("", "reset"), "half an answer"
        assert not any(answer.closes for answer in answers[:-1]), "an answer behind the last one"
        if self.closed in ("quiet", "closed") and not self.slow and not (answers and answers[-1].closes):
            assert len(answers) >= self.least, f"{len(answers)} answers, {self.least} at least"
        for at, answer in enumerate(answers):
            if at < len(self.requests) and (self.requests[at].sure or answer.status < 400):
                self.check_one(self.requests[at], answer)
            else:
                assert answer.status >= 400, f"{answer.status} for what is no request"

    def check_one(self, request, answer):
        if answer.status >= 300:
            return
        if request.method in (b"GET", b"HEAD"):
            assert not self.admin or self.is_open(request.target), "a page without a token"
            return
        assert request.method == b"POST" and not self.admin, f"{answer.status} for {request.method}"
        assert proven(request), f"{answer.status} without a proof"
        self.fuzz.taken.update(ids_taken(json.loads(answer.body)))

    @staticmethod
    def is_open(target):
        return any(target.split(b"?")[0].rstrip(b"/").endswith(page) for page in OPEN_PAGES)

    def ids_sent(self):
        """Of the events that may be taken."""
        for request in self.reader.begun:
            if request.method == b"POST" and proven(request):
                yield from ids_in(request.body)

    def run(self):
        self.fuzz.may_take.update(self.ids_sent())
        self.talk()
        self.check()

    def told_of(self, fault):
        return (f"{fault}\nFUZZ_SEED={SEED} FUZZ_CASE={self.name.split('.')[1]} "
                f"{'admin' if self.admin else ''} left {self.leaves}, {self.closed}\n"
                f"sent {self.data[:3000]!r}\ntold {self.told[:2000]!r}")


def proven(request):
    """Hex digits are those of either case, which a flipped bit may change."""
    prefix, digits = sign(request.body).encode().split(b"=")
    return any(value.partition(b"=")[0] == prefix and value.partition(b"=")[2].lower() == digits
               for value in request.all(b"x-signature"))


def ids_in(body):
    try:
        value = json.loads(body)
    except ValueError:
        return
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and isinstance(one.get("event_id"), str):
            yield one["event_id"]


def ids_taken(value):
    """Of an answer 2xx, of one event or of a batch; of what was known it says so."""
    results = value["batch_result"]["results"] if "batch_result" in value else [value]
    return {one["event_id"] for one in results if one["status"] in ("accepted", "queued")}


def usage(stage):
    """(KiB resident, descriptors: those of another build are root's to see)"""
    folder = f"/proc/{stage.pid()}"
    with open(f"{folder}/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS:")]
    try:
        return int(line.split()[1]), len(os.listdir(f"{folder}/fd"))
    except PermissionError:
        return int(line.split()[1]), 0


class Fuzz:
    def __init__(self, pipeline):
        self.pipeline, self.faults, self.stop = pipeline, [], threading.Event()
        self.taken, self.may_take, self.good, self.refused = set(), set(), [], []
        self.began, self.turn, self.lock = time.monotonic(), 0, threading.Lock()

    def next_case(self):
        """Its number, when its time has come."""
        with self.lock:
            n, self.turn = self.turn, self.turn + 1
        self.stop.wait(max(0, self.began + n / RATE - time.monotonic()))
        return n

    def send_cases(self):
        while not self.stop.is_set():
            try:
                self.run_case(self.next_case())
            except Exception as fault:  # of a thread's none would be seen
                self.faults.append(str(fault))
                self.stop.set()

    def run_case(self, n):
        case = Case(self, n)
        try:
            case.run()
        except Exception as fault:
            raise AssertionError(case.told_of(repr(fault))) from fault

    def send_good(self):
        with self.pipeline.client() as client:
            while not self.stop.wait(1 / GOOD_RATE):
                ev = event()
                self.may_take.add(ev["event_id"])
                answer = client.post(ev)
                (self.good if answer.status == 202 else self.refused).append((ev["event_id"], answer))

    def run(self, seconds):
        threads = [threading.Thread(target=work) for work in [self.send_good] + [self.send_cases] * SENDERS]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stop.wait(0.5):
            if not all(stage.runs() for stage in self.pipeline.stages.values()):
                self.faults.append(f"FUZZ_SEED={SEED}: a process ended")
                break
        self.stop.set()
        for thread in threads:
            thread.join()
        assert not self.faults, self.faults[0]


def wait_as_before(pipeline, before):
    def more():
        return {str(stage): (now, was) for stage, was in before.items() for now in [usage(stage)]
                if now[0] > was[0] + MORE_KIB or now[1] > was[1] + MORE_FILES}
    try:
        wait_for("memory and descriptors as before", lambda: not more())
    except AssertionError as fault:
        raise AssertionError(f"{fault}: {more()}") from None


@pytest.fixture
def fuzz(start, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough\n")
    token.chmod(0o600)

    def prepare(pipeline):
        for stage in pipeline.stages.values():  # what it keeps of freed memory is no use here
            stage.env = {"ASAN_OPTIONS": pipeline.environment(stage.name)["ASAN_OPTIONS"] + ":quarantine_size_mb=4"}
    return Fuzz(start(prepare=prepare, admin=True, settings=SETTINGS | {"admin": {"token_file": str(token)}}))


@pytest.mark.timeout(SECONDS + 240)
def test_whatever_comes_is_answered_as_http_and_harms_nothing(fuzz):
    if ONLY:
        return fuzz.run_case(int(ONLY))
    pipeline = fuzz.pipeline
    print(f"FUZZ_SEED={SEED}")
    fuzz.run(SECONDS / 6)
    before = {stage: usage(stage) for stage in pipeline.stages.values()}
    fuzz.stop.clear()
    fuzz.run(SECONDS * 5 / 6)
    print(f"{fuzz.turn} cases, {len(fuzz.good)} good requests, {len(fuzz.taken)} of the cases' events taken")
    assert not fuzz.refused, f"FUZZ_SEED={SEED}: a good request was refused: {fuzz.refused[0]}"
    assert len(fuzz.good) > SECONDS and fuzz.taken
    taken = fuzz.taken | {event_id for event_id, _ in fuzz.good}
    wait_for("accepted are applied", lambda: taken <= set(pipeline.unknown_ids()), DEADLINE_S)
    assert not set(pipeline.unknown_ids()) - fuzz.may_take, f"FUZZ_SEED={SEED}: events that nobody sent"
    wait_as_before(pipeline, before)
    assert pipeline.health().status == 200

