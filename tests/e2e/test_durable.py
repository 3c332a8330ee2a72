"""A 2xx means durable: shown on the system calls themselves, and on a disk that fails on demand."""

import concurrent.futures
import errno
import json
import pathlib
import re
import subprocess

import pytest

from pipeline import DEADLINE_S, event, wait_for
from senders import BLOCKS
from signing import mailersend
from verbs import run

pytestmark = pytest.mark.plain
HERE = pathlib.Path(__file__).parent


# ---- the order of system calls


CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$")
UNFINISHED = " <unfinished ...>"
WRITES = ("pwrite64", "pwritev", "writev", "write")
SENDS = ("sendto", "sendmsg", "write", "writev")


class Call:
    """One system call: where in the trace it began and ended, and what it said."""

    def __init__(self, at, name, text):
        self.began, self.ended, self.name, self.text = at, at, name, text

    def fd(self):
        return int(re.match(r"\d+", self.text).group())

    def result(self):
        return int(re.search(r"= (-?\d+)[^=]*$", self.text).group(1))


def read_trace(path):
    """All calls, in the order of their beginning; one that another thread's calls interrupted is put
    together again."""
    calls, open_calls = [], {}
    for at, line in enumerate(path.read_text(errors="replace").splitlines()):
        if resumed := RESUMED.match(line):
            call = open_calls.pop((resumed[1], resumed[2]))
            call.ended = at
            call.text += resumed[3]
        elif found := CALL.match(line):
            calls.append(Call(at, found[2], found[3].removesuffix(UNFINISHED)))
            if line.endswith(UNFINISHED):
                open_calls[found[1], found[2]] = calls[-1]
    return calls


def opened(calls, path, flag=""):
    """Descriptor under which a file was opened."""
    return next(call.result() for call in calls if call.name == "openat"
                and path in call.text and flag in call.text and call.result() >= 0)


def connected(calls, path):
    return next(call.fd() for call in calls if call.name == "connect" and path in call.text)


class Order:
    """The trace's four kinds of calls that matter."""

    def __init__(self, calls):
        data, meta = opened(calls, "journal/data.mdb"), opened(calls, "journal/data.mdb", "O_DSYNC")
        answers = connected(calls, "run/answers.0")
        assert data != meta
        self.pages = [c for c in calls if c.name in WRITES and c.fd() == data and c.result() > 0]
        self.flushes = [c for c in calls if c.name == "fdatasync" and c.fd() == data
                        and c.result() == 0]
        self.commits = [c for c in calls if c.name in WRITES and c.fd() == meta and c.result() > 0]
        self.sends = [c for c in calls if c.name in SENDS and c.fd() == answers]
        self.all_sends = [c for c in calls if c.name in ("sendto", "sendmsg")]

    def check(self, event_id):
        """Page written, then flushed, then the commit record written through, then the answer."""
        page = next(c for c in self.pages if event_id in c.text)
        flush = next(c for c in self.flushes if c.began > page.ended)
        commit = next(c for c in self.commits if c.began > flush.ended)
        answer = next(c for c in self.sends if event_id in c.text)
        assert commit.ended < answer.began, f"{event_id}: answered before its commit"
        first = next(c for c in self.all_sends if event_id in c.text)
        assert commit.ended < first.began, f"{event_id}: passed on before its commit"


def trace_validator(pipeline):
    pipeline["validator"].wrapper = (
        "strace", "-f", "-s", "4000000", "-o", str(pipeline.folder / "trace"), "-e",
        "trace=openat,connect,write,writev,pwrite64,pwritev,fdatasync,sendto,sendmsg")


def post_one(pipeline, ev):
    with pipeline.client() as client:
        assert client.post(ev).status == 202
    return ev["event_id"]


def post_some(pipeline):
    """Events one by one, many at once, and a batch; their ids."""
    ids = [post_one(pipeline, event()) for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids += pool.map(lambda ev: post_one(pipeline, ev), [event() for _ in range(150)])
    batch = [event() for _ in range(20)]
    with pipeline.client() as client:
        assert client.post_batch(batch).json()["batch_result"]["queued_count"] == len(batch)
    return ids + [ev["event_id"] for ev in batch]


def test_no_answer_leaves_before_its_commit_is_flushed(start):
    pipeline = start(prepare=trace_validator)
    ids = post_some(pipeline)
    pipeline.wait_unknown(ids)
    pipeline["validator"].stop()
    order = Order(read_trace(pipeline.folder / "trace"))
    for event_id in ids:
        order.check(event_id)
    assert 10 < len(order.commits) < len(ids), "groups were formed"


# ---- a disk that fails


class Disk:
    """Makes one stage's disk fail and be well again."""

    def __init__(self, library, stage_name):
        self.library, self.stage_name, self.file = library, stage_name, None

    def prepare(self, pipeline):
        self.file = pipeline.folder / "fault"
        pipeline[self.stage_name].env = {
            "LD_PRELOAD": str(self.library), "FAULT_FILE": str(self.file)}

    def fail(self, number, let_pass=0):
        """From here on; let_pass calls still succeed."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{number} {let_pass}")
        new.rename(self.file)

    def heal(self):
        self.file.unlink()


def statuses_of(pipeline, events):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda ev: pipeline.post(ev), events))


def taken_again(pipeline, ev):
    """Sent until the answer is no 503."""
    def answer():
        got = pipeline.post(ev)
        return got if got.status != 503 else None
    return wait_for("service again", answer)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("let_pass", [0, 1, 2], ids=["at the pages", "at the flush", "at the commit"])
def test_a_disk_that_fails_is_503_and_never_a_yes(start, fault_library, number, let_pass):
    disk = Disk(fault_library, "validator")
    pipeline = start(prepare=disk.prepare)
    good, bad = [event() for _ in range(20)], [event() for _ in range(40)]
    pid = pipeline["validator"].pid()
    assert {answer.status for answer in statuses_of(pipeline, good)} == {202}

    disk.fail(number, let_pass)
    for answer in statuses_of(pipeline, bad):
        assert answer.status == 503 and "retry-after" in answer.headers, answer
    with pipeline.client() as client:
        assert client.post_batch([event() for _ in range(3)]).status == 503
    assert not {ev["event_id"] for ev in bad} & set(pipeline.unknown_ids())
    disk.heal()

    for ev in bad:
        assert taken_again(pipeline, ev).status == 202, "nothing of the refused ones was kept"
    assert pipeline["validator"].pid() == pid and pipeline["validator"].runs(), "no crash loop"
    pipeline.wait_settled(len(good) + len(bad))
    assert sorted(pipeline.unknown_ids()) == sorted(ev["event_id"] for ev in good + bad)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("let_pass", [0, 1, 2], ids=["at the pages", "at the flush", "at the commit"])
def test_what_is_unread_is_never_a_yes_while_it_cannot_be_flushed(start, fault_library, number, let_pass):
    disk = Disk(fault_library, "validator")
    provider, block = BLOCKS["mailersend"]
    pipeline = start(prepare=disk.prepare, settings={
        "sources": [{"name": "ms", "provider": provider, **block}]})

    def post(n):
        headers, body = mailersend(b'{"kept": %d}' % n, None)
        with pipeline.client() as client:
            return client.request("POST", "/webhooks/ms", body, headers).status

    assert post(0) == 200
    disk.fail(number, let_pass)
    assert [post(n) for n in (1, 2, 3)] == [503] * 3
    disk.heal()
    wait_for("service again", lambda: post(1) == 200)
    items = [json.loads(line) for line in run(pipeline, "unread", "export").stdout.splitlines()]
    assert [json.loads(item["body"])["kept"] for item in items] == [0, 1]


def test_a_validator_that_dies_on_a_failing_disk_leaves_a_good_journal(start, fault_library):
    disk = Disk(fault_library, "validator")
    pipeline = start(prepare=disk.prepare)
    good, bad = [event() for _ in range(20)], [event() for _ in range(5)]
    assert {answer.status for answer in statuses_of(pipeline, good)} == {202}
    disk.fail(errno.EIO, let_pass=1)
    assert {answer.status for answer in statuses_of(pipeline, bad)} == {503}
    pipeline["validator"].kill()
    disk.heal()
    pipeline["validator"].start()
    for ev in bad:
        assert taken_again(pipeline, ev).status == 202
    for ev in good:
        assert pipeline.post(ev).status == 200
    pipeline.wait_settled(len(good) + len(bad))


def test_health_is_well_again_after_a_fault_though_nobody_comes(start, fault_library):
    """A balancer sends nobody while it is 503."""
    disk = Disk(fault_library, "validator")
    pipeline = start(prepare=disk.prepare)
    disk.fail(errno.EIO)
    assert pipeline.post(event()).status == 503
    wait_for("health is 503", lambda: pipeline.health().status == 503)
    disk.heal()
    wait_for("health is 200", lambda: pipeline.health().status == 200, 5)
    assert pipeline.get("/readyz").status == 200
    assert pipeline.post(event()).status == 202


def test_a_disk_that_fails_under_load_loses_nothing(start, fault_library):
    """Faults come and go while eight senders send; each goes on until it has a yes."""
    disk = Disk(fault_library, "validator")
    pipeline = start(prepare=disk.prepare)
    events = [event() for _ in range(800)]
    refused = []

    def send(ev):
        with pipeline.client() as client:
            def answer():
                got = client.post(ev)
                refused.extend([1] if got.status == 503 else [])
                return got if got.status != 503 else None
            assert wait_for("a yes", answer).status in (200, 202)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = [pool.submit(send, ev) for ev in events]
        for turn, (number, let_pass) in enumerate(
                [(errno.EIO, 1), (errno.ENOSPC, 3), (errno.EIO, 0)], 1):
            wait_for("progress", lambda: sum(f.done() for f in done) > turn * 200)
            before = len(refused)
            disk.fail(number, let_pass)
            wait_for("refusals", lambda: len(refused) >= before + 5)
            disk.heal()
        for future in done:
            future.result(DEADLINE_S)
    pipeline.wait_settled(len(events))
    assert sorted(pipeline.unknown_ids()) == sorted(ev["event_id"] for ev in events)


@pytest.mark.parametrize("stage", ["retrier", "handler-unknown"])
def test_a_disk_that_fails_behind_the_journal_is_only_a_delay(start, fault_library, stage):
    disk = Disk(fault_library, stage)
    pipeline = start(prepare=disk.prepare, settings={
        "journal": {"lease": "500ms"}, "retry": {"delay": "100ms", "attempts": 1000}})
    events = [event() for _ in range(30)]
    pipeline.post(event())
    disk.fail(errno.EIO)
    assert {answer.status for answer in statuses_of(pipeline, events)} == {202}
    words = "journal trouble" if stage == "retrier" else "group not applied"
    wait_for("trouble is told", lambda: pipeline[stage].has_logged(words))
    disk.heal()
    pipeline.wait_settled(len(events) + 1)
    assert len(pipeline.unknown_ids()) == len(set(pipeline.unknown_ids())) == len(events) + 1


def test_a_dead_letter_waits_in_the_journal_while_its_store_cannot_be_written(start, fault_library):
    disk = Disk(fault_library, "dlq")
    pipeline = start(prepare=disk.prepare, handlers=("bounced",),
                     settings={"journal": {"lease": "500ms"}})
    disk.fail(errno.ENOSPC)
    assert pipeline.post(event("email_bounced", reason="no address")).status == 202
    wait_for("trouble is told", lambda: pipeline["dlq"].has_logged("they stay in the journal"))
    wait_for("it waits", lambda: pipeline.metric("webhook_queue_size") == 1)
    disk.heal()
    wait_for("it is stored", lambda: pipeline.metric("webhook_dead_letters") == 1)
    pipeline.wait_settled(1)


def test_the_fault_library_is_in_use(start, fault_library):
    """Else the tests above would show nothing."""
    disk = Disk(fault_library, "validator")
    pipeline = start(prepare=disk.prepare)
    maps = pathlib.Path(f"/proc/{pipeline['validator'].pid()}/maps").read_text()
    assert "fault_disk.so" in maps
    assert json.loads(pipeline.post(event()).body)["status"] == "accepted"
