"""What is not done at once: tried again in time, given up in time, and never lost meanwhile."""

import collections
import multiprocessing
import os
import sqlite3
import subprocess
import threading
import time

import msgpack
import pytest
import zmq

from pipeline import BIN, event, post_all, verdict_on, wait_for
from verbs import good, letters, lines, run, told

MINE = [{"name": "mine", "types": ["mine_a", "mine_b"], "processes": 0}]


def settings(retry=None, **more):
    """Exact times, so that they can be checked."""
    return {"handlers": MINE, "retry": {"jitter_percent": 0} | (retry or {})} | more


class Clock:
    """A handler's answers, with the time of each delivery by event id."""

    def __init__(self, answer):
        self.answer, self.at = answer, collections.defaultdict(list)

    def __call__(self, ev):
        self.at[ev["id"]].append(time.monotonic())
        return self.answer(ev)

    def gaps(self, event_id):
        times = self.at[event_id]
        return [later - earlier for earlier, later in zip(times, times[1:])]


def near(gaps, expected):
    """Not early, and late by less than the machine's own pace."""
    return len(gaps) == len(expected) and all(
        want - 0.02 <= gap < want + 0.6 for gap, want in zip(gaps, expected))


# ---- tries


def test_retry_twice_then_done(start):
    pipeline = start(settings=settings({"delay": "300ms"}))
    clock = Clock(lambda ev: "done" if ev["attempt"] == 2 else ("retry", "not yet"))
    hook = pipeline.hook("mine", clock)
    ev = event("mine_a")
    pipeline.post(ev)
    wait_for("success", lambda: told(pipeline, ev["event_id"])["status"] == "success")
    assert [delivered["attempt"] for delivered in hook.events] == [0, 1, 2]
    assert near(clock.gaps(ev["event_id"]), [0.3, 0.6]), clock.gaps(ev["event_id"])
    assert letters(pipeline) == []


def test_what_comes_after_ready_is_not_taken_for_lost(start):
    """At a start all that the journal holds is sent again, but nothing that has come since."""
    pipeline = start(handlers=(), without=("retrier",), settings=settings(journal={"lease": "30s"}))
    hook = pipeline.hook("mine", lambda ev: "done" if ev["type"] == "mine_a" else None)

    def all_are_connected():
        post_all(pipeline, [event("mine_a")])
        return hook.events

    wait_for("the handler gets what is posted", all_are_connected)
    pipeline.add("retrier")
    ids = post_all(pipeline, [event("mine_b") for _ in range(100)])
    wait_for("the retrier has looked into the journal",
             lambda: pipeline.metric("webhook_queue_size") == len(ids))
    wait_for("all are delivered", lambda: set(ids) <= {ev["id"] for ev in hook.events})
    seen = collections.Counter(ev["id"] for ev in hook.events)
    assert [seen[one] for one in ids] == [1] * len(ids)


def test_nothing_is_sent_while_no_router_is_there(start):
    """Nor is it said, and counted, over and over that it was."""
    pipeline = start(without=("router",))
    ids = post_all(pipeline, [event() for _ in range(50)])
    wait_for("the retrier has looked", lambda: pipeline.metric("webhook_queue_size") == len(ids))
    assert pipeline.metric("webhook_resent_total") == 0
    pipeline.add("router")
    pipeline.wait_unknown(ids)


def test_always_retry_ends_in_the_dead_letters_after_all_tries_in_time(start):
    pipeline = start(settings=settings({
        "delay": "200ms", "max_delay": "700ms", "attempts": 4,
        "types": [{"type": "mine_b", "delay": "100ms", "attempts": 2}]}))
    clock = Clock(lambda ev: ("retry", f"no luck at try {ev['attempt']}"))
    pipeline.hook("mine", clock)
    first, second = event("mine_a"), event("mine_b")
    post_all(pipeline, [first, second])
    wait_for("two letters", lambda: len(letters(pipeline)) == 2)
    by_id = {letter["event_id"]: letter for letter in letters(pipeline)}
    for ev, gaps, tries in ((first, [0.2, 0.4, 0.7, 0.7], 4), (second, [0.1, 0.2], 2)):
        letter = by_id[ev["event_id"]]
        assert near(clock.gaps(ev["event_id"]), gaps), clock.gaps(ev["event_id"])
        assert letter["retry_count"] == tries
        assert letter["cause"] == "out_of_tries" and letter["handler"] == "mine"
        assert letter["error_reason"] == f"no luck at try {tries}"
        assert not letter["non_retryable"] and not letter["requires_manual_review"]
    time.sleep(1)
    assert len(clock.at[first["event_id"]]) == 5, "none is tried after its end"


def test_the_status_of_an_event_on_its_way(start):
    pipeline = start(settings=settings({"delay": "3s"}, journal={"lease": "30s"}))
    ev = event("mine_a")
    event_id = ev["event_id"]
    pipeline.post(ev)
    assert told(pipeline, event_id)["status"] == "pending"
    answers = iter([("retry", "not yet"), None])
    pipeline.hook("mine", lambda ev: next(answers))
    wait_for("retry", lambda: told(pipeline, event_id)["status"] == "retry")
    answer = told(pipeline, event_id)
    assert (answer["retry_count"], answer["error"], answer["handler"]) == (1, "not yet", "mine")
    assert answer["next_retry_at"] > answer["last_tried_at"] > answer["received_at"]
    wait_for("processing", lambda: told(pipeline, event_id)["status"] == "processing")
    assert told(pipeline, event_id)["next_retry_at"] is None


# ---- handlers that die


def work_until_poisoned(run_folder, poison, handled):
    """A handler that ends when it meets the poison, as one that crashes."""
    context = zmq.Context()
    events, verdicts = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    events.connect(f"ipc://{run_folder}/route-mine.0")
    verdicts.connect(f"ipc://{run_folder}/verdicts")
    while True:
        ev = msgpack.unpackb(events.recv(), raw=False)
        if ev["id"] == poison:
            os._exit(1)
        handled.append(ev["id"])
        verdicts.send(verdict_on([ev], "mine", "done"))


class Crasher:
    """That handler, started again whenever it ends."""

    def __init__(self, pipeline, poison):
        self.context = multiprocessing.get_context("fork")
        self.handled = self.context.Manager().list()
        self.args = (pipeline.data / "run", poison, self.handled)
        self.deaths, self.stopping = 0, False
        self.thread = threading.Thread(target=self.supervise, daemon=True)
        self.thread.start()

    def supervise(self):
        while not self.stopping:
            self.process = self.context.Process(target=work_until_poisoned, args=self.args, daemon=True)
            self.process.start()
            self.process.join()
            self.deaths += not self.stopping

    def stop(self):
        self.stopping = True
        self.process.kill()
        self.thread.join()


def test_an_event_that_kills_its_handler_is_given_up_after_three_and_the_others_are_handled(start):
    pipeline = start(settings=settings(journal={"lease": "500ms"}))
    poison = event("mine_a", "poison")
    others = [event("mine_a") for _ in range(60)]
    crasher = Crasher(pipeline, "poison")
    try:
        ids = post_all(pipeline, others[:30] + [poison] + others[30:])
        wait_for("the letter", lambda: letters(pipeline), 60)
        wait_for("the others", lambda: set(crasher.handled) == set(ids) - {"poison"}, 60)
        wait_for("nothing is left", lambda: pipeline.metric("webhook_queue_size") == 0)
    finally:
        crasher.stop()
    (letter,) = letters(pipeline)
    assert letter["event_id"] == "poison" and letter["cause"] == "handlers_lost"
    assert "went away three times" in letter["error_reason"]
    assert letter["requires_manual_review"] and not letter["non_retryable"]
    assert 3 <= crasher.deaths <= 5, "it was not tried for ever"


# ---- trouble that passes


def test_a_state_database_that_is_locked_for_ten_seconds_loses_nothing(start):
    pipeline = start(handlers=("opened", "delivered", "unknown"), settings={
        "retry": {"delay": "200ms", "max_delay": "1s", "attempts": 3}})
    pipeline.post(event())
    pipeline.wait_settled(1)
    outsider = sqlite3.connect(pipeline.data / "state.db", isolation_level=None)
    outsider.execute("BEGIN IMMEDIATE")
    began, ids = time.monotonic(), []
    kinds = ("email_opened", "email_delivered", "custom_thing")
    while time.monotonic() - began < 10:
        ids += post_all(pipeline, [
            event(kinds[n % 3], email=f"p{n}@example.com", message_id=f"m{len(ids) + n}")
            for n in range(60)])
        time.sleep(0.2)
    assert pipeline.rows("SELECT count(*) FROM applied") == [(1,)]
    outsider.execute("ROLLBACK")
    outsider.close()
    pipeline.wait_settled(1 + len(ids))
    assert letters(pipeline) == []
    assert pipeline.rows("SELECT count(*) FROM applied") == [(1 + len(ids),)]
    assert len(pipeline.rows("SELECT event_id FROM messages WHERE status = 'delivered'")) == len(ids) / 3
    assert len(pipeline.rows("SELECT event_id FROM engagements")) == len(ids) / 3
    assert len(pipeline.unknown_ids()) == 1 + len(ids) / 3


# ---- the schedule


def test_ten_thousand_scheduled_events_outlive_the_whole_pipeline(start):
    pipeline = start(settings=settings(
        {"delay": "1h", "max_delay": "1h"}, limits={"answer_timeout": "20s"}))
    go_on = threading.Event()
    hook = pipeline.hook("mine", lambda ev: "done" if go_on.is_set() else ("retry", "not yet"))
    ids = post_all(pipeline, [event("mine_a") for _ in range(10_000)])
    wait_for("all are scheduled", lambda: pipeline.metric("webhook_scheduled_events") == len(ids), 60)
    pipeline.stop()
    assert len(lines(pipeline, "retry")) == len(ids), "they are listed while it is down"
    pipeline.start()
    wait_for("all are scheduled still", lambda: pipeline.metric("webhook_scheduled_events") == len(ids))
    assert pipeline.metric("webhook_queue_size") == len(ids)
    delivered = len(hook.events)
    go_on.set()
    time.sleep(1)
    assert len(hook.events) == delivered, "no restart fires what is not due"
    assert good(pipeline, "retry", "--now", "--all") == f"{len(ids)} events are due now\n"
    wait_for("all are handled", lambda: pipeline.metric("webhook_queue_size") == 0, 60)
    handled = collections.Counter(ev["id"] for ev in hook.events[delivered:])
    assert handled.keys() == set(ids)
    assert letters(pipeline) == []


def test_thousands_that_are_due_together_are_not_sent_at_once(start):
    """As many are under way as the handler has shown to take, however many are due."""
    pipeline = start(settings=settings({"delay": "1500ms"}, journal={"lease": "60s"}))
    hook = pipeline.hook("mine", lambda ev: ("retry", "not yet") if ev["attempt"] == 0 else None)
    post_all(pipeline, [event("mine_a") for _ in range(3000)])
    wait_for("all are scheduled", lambda: pipeline.metric("webhook_scheduled_events") == 3000)
    wait_for("all are due", lambda: pipeline.metric("webhook_scheduled_events") == 0)
    time.sleep(1)
    again = [ev for ev in hook.events if ev["attempt"] == 1]
    assert 0 < len(again) <= 2048, len(again)


# ---- the verb


@pytest.fixture(scope="module")
def scheduled():
    """Five events of two types that wait for an hour; a second try is good."""
    from pipeline import Pipeline
    pipeline = Pipeline(settings=settings({"delay": "1h", "max_delay": "1h", "attempts": 7}))
    pipeline.start()
    pipeline.hook("mine", lambda ev: "done" if ev["attempt"] else ("retry", "not yet"))
    post_all(pipeline, [event("mine_a", f"a{n}") for n in range(3)]
             + [event("mine_b", f"b{n}") for n in range(2)])
    wait_for("all are scheduled", lambda: pipeline.metric("webhook_scheduled_events") == 5)
    yield pipeline
    pipeline.close()


def test_retry_lists_what_waits_and_why(scheduled):
    rows = lines(scheduled, "retry", "list")
    assert {row["event_id"] for row in rows} == {"a0", "a1", "a2", "b0", "b1"}
    for row in rows:
        assert row["status"] == "scheduled" and row["retry_count"] == 1
        assert (row["error"], row["handler"], row["source"]) == ("not yet", "mine", "email")
        assert row["next_retry_at"] > row["last_tried_at"]
    assert [row["next_retry_at"] for row in rows] == sorted(row["next_retry_at"] for row in rows)
    assert {row["event_id"] for row in lines(scheduled, "retry", "--type", "mine_b")} == {"b0", "b1"}
    assert len(lines(scheduled, "retry", "--limit", 2)) == 2
    assert lines(scheduled, "retry", "--source", "other") == []
    text = good(scheduled, "retry")
    assert text.splitlines()[0].split() == ["NEXT", "TRY", "(UTC)", "TRIES", "TYPE", "EVENT", "ID", "REASON"]
    assert len(text.splitlines()) == 6 and "not yet" in text


def test_retry_now_takes_one_event_or_all(scheduled):
    assert good(scheduled, "retry", "--now", "a1") == "1 event is due now\n"
    wait_for("it is done", lambda: told(scheduled, "a1")["status"] == "success")
    assert told(scheduled, "a0")["status"] == "retry"
    again = run(scheduled, "retry", "--now", "a1")
    assert again.returncode == 1 and "does not wait for a retry" in again.stderr
    missing = run(scheduled, "retry", "--now", "never")
    assert missing.returncode == 1 and "never: not found" in missing.stderr
    assert lines(scheduled, "retry", "--now", "--all") == [{"hastened": 4}]
    wait_for("all are done", lambda: scheduled.metric("webhook_queue_size") == 0)
    nothing = run(scheduled, "retry")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "no event waits" in nothing.stderr


def test_output_that_finds_no_room_is_no_success(scheduled):
    env = scheduled.environment("validator")
    for args in (["dlq", "stats"], ["check"], ["status"], ["fsck", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BIN / "trotline", args[0], "-c", scheduled.config, *args[1:]],
                                  env=env, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "No space left on device" in done.stderr, args


def test_retry_refuses_what_makes_no_sense(scheduled):
    assert run(scheduled, "retry", "show").returncode == 2
    assert run(scheduled, "retry", "list", "--now", "x").returncode == 2
    for narrower in (("--type", "mine_b"), ("--source", "email"), ("--limit", 1)):
        done = run(scheduled, "retry", "--now", "--all", *narrower)
        assert done.returncode == 2 and "--all without exception" in done.stderr
