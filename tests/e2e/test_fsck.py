"""trotline fsck on stores that are well, that were in use when everything was killed, and that somebody
has damaged; while the pipeline runs, and while it does not."""

import json
import random
import struct
import threading
import time

import lmdb
import msgpack
import pytest
from pipeline import DEADLINE_S, event, wait_for
from verbs import run, told

KINDS = ("custom_thing", "email_opened", "email_clicked", "email_replied")


def fsck(pipeline, *args):
    """The summary, and whether fsck was content."""
    done = run(pipeline, "fsck", "--json", *args)
    assert done.returncode in (0, 1), done
    assert done.stderr == "", done.stderr
    told = json.loads(done.stdout)
    assert told["good"] is (done.returncode == 0)
    return told


def busy(start, **options):
    """A pipeline whose events meet every fate: applied, tried again, given up."""
    one = start(handlers=("unknown", "opened"), settings={
        "journal": {"lease": "1s"}, "retry": {"delay": "100ms", "max_delay": "200ms", "attempts": 3},
        **options})
    one.hook("clicked", lambda ev: ("dead", "no luck") if hash(ev["id"]) % 3 else "done")
    one.hook("replied", lambda ev: ("retry", "later") if random.random() < 0.7 else "done")
    return one


class Load:
    """Batches of mixed events, for as long as they are taken."""

    def __init__(self, pipeline):
        self.pipeline, self.accepted, self.stopping = pipeline, [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        with self.pipeline.client() as client:
            while not self.stopping.is_set():
                batch = [event(kind=random.choice(KINDS), email="ann@example.com", message_id="m",
                               url="https://example.com/") for _ in range(20)]
                try:
                    answer = client.post_batch(batch)
                except ConnectionError:
                    time.sleep(0.01)
                    continue
                if answer.status == 202:
                    self.accepted += [one["event_id"] for one in batch]

    def stop(self):
        self.stopping.set()
        self.thread.join(DEADLINE_S)


def test_a_pipeline_at_work_is_good_at_every_moment(start):
    one = busy(start)
    load = Load(one)
    try:
        for _ in range(8):
            assert fsck(one)["faults_left"] == 0
    finally:
        load.stop()
    assert len(load.accepted) > 200


@pytest.mark.parametrize("round", range(3))
def test_a_crash_of_everything_leaves_every_event_in_one_state(start, round):
    one = busy(start)
    load = Load(one)
    wait_for("some load", lambda: len(load.accepted) > 300 * (round + 1))
    for stage in one.stages.values():
        stage.process.kill()
    for stage in one.stages.values():
        stage.process.wait()
    load.stop()
    summary = fsck(one)
    assert summary["faults_left"] == 0, summary
    assert summary["remembered"] >= len(load.accepted)
    for stage in one.stages.values():
        stage.start()
    # In this order: the figures come together, and are 0 before they come.
    wait_for("all settled", lambda: one.metric("webhook_remembered_events") >= len(
        load.accepted) and one.metric("webhook_queue_size") == 0, 60)
    summary = fsck(one)
    assert summary["faults_left"] == 0, summary
    assert summary["accepted"] == summary["scheduled"] == summary["given_up"] == 0


def test_what_built_in_handlers_have_ended_is_applied_or_a_letter(start):
    one = start(handlers=("unknown", "bounced"))
    with one.client() as client:
        good = [event() for _ in range(50)]
        bad = [event(kind="email_bounced", nobody="here") for _ in range(5)]
        assert client.post_batch(good + bad).status == 202
    one.wait_settled(55)
    summary = fsck(one)
    assert (summary["applied"], summary["dead_letters"], summary["found"]) == (50, 5, {})


# ---- damage


class Journal:
    """The journal's tables, for damage; while it is open, nobody else of this process may have it."""

    def __init__(self, pipeline):
        self.env = lmdb.open(str(pipeline.data / "journal"), max_dbs=8, map_size=2 << 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.env.close()

    def table(self, name):
        numbers = name in ("events", "tries", "seen", "batches")
        return self.env.open_db(name.encode(), integerkey=numbers, create=False)

    def keys(self, name):
        table = self.table(name)
        with self.env.begin() as txn:
            return [key for key, _ in txn.cursor(table)]

    def put(self, name, number, value):
        table = self.table(name)
        with self.env.begin(write=True) as txn:
            txn.put(struct.pack("=Q", number), value, db=table)

    def empty(self, name):
        """By position: the order of `due` is not the binding's."""
        table = self.table(name)
        with self.env.begin(write=True) as txn:
            cursor = txn.cursor(table)
            count = 0
            while cursor.first():
                cursor.delete()
                count += 1
        return count


def scheduled(start, **options):
    """Stopped, with ten events that wait for a retry in an hour."""
    one = start(settings={"retry": {"delay": "1h", "max_delay": "1h"}}, **options)
    hook = one.hook("opened", lambda ev: ("retry", "not now"))
    ids = []
    with one.client() as client:
        for _ in range(10):
            body = event(kind="email_opened", email="ann@example.com")
            assert client.post(body).status == 202
            ids.append(body["event_id"])
    wait_for("ten scheduled", lambda: one.metric("webhook_scheduled_events") == 10)
    hook.close()
    one.hooks.remove(hook)
    return one, ids


def test_damage_is_named_and_mended(start):
    one, ids = scheduled(start)
    one.stop()
    with Journal(one) as journal:
        assert journal.empty("due") == 10
        journal.put("tries", 4242, journal_try())
        journal.put("batches", 1, b"garbage")
    done = run(one, "fsck")
    assert done.returncode == 1
    assert "FAULT never-due 1: after 1 tries\n      the event waits for a time that never" in done.stdout
    assert "FAULT try-without-event 4242\n" in done.stdout
    assert "`trotline fsck --repair -c " in done.stdout
    summary = fsck(one)
    assert summary["found"] == {"never-due": 10, "try-without-event": 1, "unreadable-batch": 1}
    assert summary["scheduled"] == 10 and summary["mended"] == {}
    summary = fsck(one, "--repair")
    assert summary["mended"] == {"never-due": 10, "try-without-event": 1}
    assert summary["faults_left"] == 1
    assert fsck(one)["found"] == {"unreadable-batch": 1}
    with Journal(one) as journal:
        assert len(journal.keys("due")) == 10
        assert len(journal.keys("tries")) == 10
    for stage in one.stages.values():
        stage.start()
    assert {told(one, event_id)["status"] for event_id in ids} == {"retry"}


def journal_try():
    return msgpack.packb({"v": 1, "attempts": 1, "due": 0, "lost": 0, "dead": 0, "at": 1,
                          "reason": "x", "handler": "x"})


def test_a_repair_beside_a_running_pipeline_brings_its_events_back(start):
    one, ids = scheduled(start)
    with Journal(one) as journal:
        journal.empty("due")
    assert fsck(one)["found"] == {"never-due": 10}
    assert fsck(one, "--repair")["faults_left"] == 0
    assert fsck(one)["found"] == {}
    one.add("handler-opened")
    assert run(one, "retry", "--now", "--all").returncode == 0
    wait_for("applied", lambda: {told(one, i)["status"] for i in ids} == {"success"})


def test_a_lost_index_is_no_fault_and_a_wrong_one_is(start):
    one = start()
    with one.client() as client:
        bodies = [event() for _ in range(30)]
        assert client.post_batch(bodies).status == 202
    one.wait_settled(30)
    index = one.data / "journal" / "dedup.idx"
    size = index.stat().st_size
    with open(index, "r+b") as file:
        file.seek(4096)
        file.write(b"\0" * (size - 4096))
    assert fsck(one)["found"] == {"not-in-index": 30}
    assert fsck(one, "--repair")["faults_left"] == 0
    assert not index.exists()
    assert fsck(one)["found"] == {"no-index": 1}
    answer = one.post(bodies[7])
    assert (answer.status, answer.json()["reason"]) == (200, "duplicate")
    assert fsck(one)["found"] == {}


def test_a_database_of_another_time_is_told(start):
    """The journal is put back to an older copy: its next numbers are those of applied events."""
    one = start()
    one.post(event())
    one.wait_settled(1)
    one.stop()
    older = (one.data / "journal" / "data.mdb").read_bytes()
    for stage in one.stages.values():
        stage.start()
    one.post(event())
    one.wait_settled(2)
    one.stop()
    (one.data / "journal" / "data.mdb").write_bytes(older)
    summary = fsck(one)
    assert summary["found"] == {"state-database-ahead": 1, "no-index": 1} or (
        summary["found"] == {"state-database-ahead": 1})
    assert fsck(one, "--repair")["faults_left"] == 1


def test_a_file_cut_short_is_told_without_a_crash(start):
    one, _ = scheduled(start)
    one.stop()
    path = one.data / "journal" / "data.mdb"
    whole = path.read_bytes()
    for part in (len(whole) // 2, 8192, 4096, 100, 0):
        path.write_bytes(whole[:part])
        done = run(one, "fsck")
        assert done.returncode == 1, (part, done)
        assert "trotline fsck: " in done.stderr
    path.write_bytes(whole)
    assert fsck(one)["found"] == {}


def test_without_a_journal_it_says_so_and_makes_none(tmp_path, start):
    one = start()
    one.stop()
    (one.folder / "trotline.yaml").write_text(
        (one.folder / "trotline.yaml").read_text().replace("./d", str(tmp_path / "elsewhere")))
    for args in ((), ("--repair",)):
        done = run(one, "fsck", *args)
        assert done.returncode == 1
        assert "was never started: there is no journal" in done.stderr
    assert not (tmp_path / "elsewhere" / "journal").exists()
