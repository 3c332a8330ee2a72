"""Dead letters: what they keep, who is told, and every way out of the store."""

import collections
import http.server
import json
import os
import pty
import random
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

from pipeline import BIN, Pipeline, Stage, event, post_all, wait_for
from verbs import good, letters, lines, run, told

MINE = [{"name": "mine", "types": ["mine_a", "mine_b"], "processes": 0}]


def settings(**more):
    return {"handlers": MINE, "retry": {"jitter_percent": 0}} | more


def wait_letters(pipeline, count):
    wait_for(f"{count} letters, none in the journal", lambda: (
        pipeline.metric("webhook_dead_letters") == count
        and pipeline.metric("webhook_queue_size") == 0), 60)


def kill_unknown(pipeline, events):
    """Letters of events that the handler `unknown` would apply: a false one gives them up."""
    hook = pipeline.hook("unknown", lambda ev: ("dead", "the boat has sunk"))
    ids = post_all(pipeline, events)
    wait_letters(pipeline, len(ids))
    hook.close()
    pipeline.hooks.remove(hook)
    return ids


def applied(pipeline):
    """How often each event has been applied, by id."""
    return collections.Counter(pipeline.unknown_ids())


# ---- the record and the look at it


@pytest.fixture(scope="module")
def shop():
    """Six letters of two types and two reasons."""
    pipeline = Pipeline(settings=settings())
    pipeline.start()
    pipeline.hook("mine", lambda ev: ("dead", ev["data"]["why"]))
    post_all(pipeline, [event("mine_a", f"a{n}", why="Hook is bent") for n in range(4)])
    wait_letters(pipeline, 4)
    pipeline.middle = time.time()
    wait_for("a later millisecond", lambda: time.time() > pipeline.middle + 0.001)
    post_all(pipeline, [event("mine_b", f"b{n}", why="line too short") for n in range(2)])
    wait_letters(pipeline, 6)
    yield pipeline
    pipeline.close()


def ids(pipeline, *args):
    return [letter["event_id"] for letter in letters(pipeline, *args)]


def test_a_letter_keeps_the_webhook_as_it_came_and_why_it_died(start):
    pipeline = start(settings=settings())
    pipeline.hook("mine", lambda ev: ("dead", "no such fish"))
    sent = event("mine_a", "fish", timestamp=int(time.time()),
                 email="jo@example.com", big=2**63 - 1, deep={"a": [None, 1.5, "ü"]}, empty="")
    sent["extra"] = {"kept": True}
    pipeline.post(sent)
    wait_letters(pipeline, 1)
    ((letter,),) = (lines(pipeline, "dlq", "show", "fish"),)
    webhook = letter["original_webhook"]
    assert webhook["data"] == sent["data"] | {"envelope": {"extra": {"kept": True}}}
    assert (webhook["event_type"], webhook["event_id"]) == ("mine_a", "fish")
    assert webhook["timestamp"] == time.strftime(
        "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(sent["timestamp"]))
    assert letter["error_reason"] == "no such fish" and letter["handler"] == "mine"
    assert letter["cause"] == "verdict_dead" and letter["retry_count"] == 0
    assert letter["non_retryable"] is True and letter["requires_manual_review"] is True
    assert letter["failed_at"] > letter["received_at"]
    text = good(pipeline, "dlq", "show", letter["letter"])
    assert "no such fish" in text and "9223372036854775807" in text
    answer = told(pipeline, "fish")
    assert answer["status"] == "failed" and answer["letter"] == letter["letter"]


def test_list_is_newest_first_and_filters_narrow_it(shop):
    everything = ids(shop)
    assert set(everything[:2]) == {"b0", "b1"} and set(everything[2:]) == {"a0", "a1", "a2", "a3"}
    assert set(ids(shop, "--type", "mine_b")) == {"b0", "b1"}
    assert set(ids(shop, "--type", "*_a")) == {"a0", "a1", "a2", "a3"}
    assert set(ids(shop, "--reason", "hook IS")) == {"a0", "a1", "a2", "a3"}
    assert set(ids(shop, "--source", "email")) == set(everything)
    assert ids(shop, "--source", "other") == []
    middle = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(shop.middle)) + \
        f".{int(shop.middle * 1000) % 1000:03d}Z"
    assert set(ids(shop, "--since", middle)) == {"b0", "b1"}
    assert set(ids(shop, "--until", middle)) == {"a0", "a1", "a2", "a3"}
    assert ids(shop, "--until", "1h") == []
    assert set(ids(shop, "--since", "1h")) == set(everything)
    assert set(ids(shop, "--since", str(int(shop.middle) - 3600))) == set(everything)
    assert ids(shop, "--limit", 3) == everything[:3]
    assert ids(shop, "a1") == ["a1"] and set(ids(shop, "a1", "b0", "x")) == {"a1", "b0"}


def test_list_on_paper_has_one_line_a_letter(shop):
    text = good(shop, "dlq", "list").splitlines()
    assert len(text) == 7 and text[0].split()[0] == "LETTER"
    assert sum("Hook is bent" in line for line in text) == 4
    nothing = run(shop, "dlq", "list", "--type", "none")
    assert (nothing.returncode, nothing.stdout) == (0, "")


def test_stats_count_by_type_reason_and_source(shop):
    (stats,) = lines(shop, "dlq", "stats")
    assert stats["count"] == 6 and stats["non_retryable"] == 6
    assert stats["by_type"] == [{"event_type": "mine_a", "count": 4}, {"event_type": "mine_b", "count": 2}]
    assert stats["by_reason"][0] == {"error_reason": "Hook is bent", "count": 4}
    assert stats["by_source"] == [{"source": "email", "count": 6}]
    assert 0 < stats["used_bytes"] < stats["limit_bytes"]
    assert "6 dead letters" in good(shop, "dlq", "stats")


def test_export_is_the_whole_record_for_its_owner_only(shop):
    records = [json.loads(line) for line in good(shop, "dlq", "export").splitlines()]
    assert len(records) == 6 and all(record["original_webhook"]["data"] for record in records)
    path = shop.folder / "letters.jsonl"
    done = run(shop, "dlq", "export", "--type", "mine_b", "--output", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["event_id"] for line in path.read_text().splitlines()] == ["b0", "b1"]
    again = run(shop, "dlq", "export", "--output", path)
    assert again.returncode == 1 and "File exists" in again.stderr
    array = json.loads(good(shop, "dlq", "export", "--events", "b0"))
    assert [ev["event_id"] for ev in array] == ["b0"] and "letter" not in array[0]


@pytest.mark.parametrize("args, hint", [
    (["dlq"], "list|show|replay|drop|export|stats is missing"),
    (["dlq", "fly"], '"fly" is none of list, show'),
    (["dlq", "replay"], "replay which letters?"),
    (["dlq", "drop", "--yes"], "drop which letters?"),
    (["dlq", "list", "--since", "soon"], '--since: "soon" is no time'),
    (["dlq", "list", "--dry-run"], "--dry-run goes with"),
    (["dlq", "show"], "show which letters?"),
])
def test_wrong_use_is_2_with_a_hint(shop, args, hint):
    done = run(shop, *args)
    assert (done.returncode, done.stdout) == (2, "") and hint in done.stderr


def test_a_letter_that_is_not_there_is_1(shop):
    for action in ("show", "replay", "drop"):
        done = run(shop, "dlq", action, "nobody")
        assert done.returncode == 1 and "there is no letter nobody" in done.stderr
    for action in ("list", "show", "replay", "drop", "export"):
        done = run(shop, "dlq", action, "nobody", "--json")
        assert done.returncode == 1 and "there is no letter nobody" in done.stderr


def test_without_a_store_there_are_none(start):
    pipeline = start(without=("dlq", "retrier"))
    assert letters(pipeline) == []
    assert lines(pipeline, "dlq", "stats")[0]["count"] == 0


# ---- drop


def test_drop_counts_asks_and_leaves_word(start):
    pipeline = start(settings=settings())
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    events = post_all(pipeline, [event("mine_a") for _ in range(5)])
    wait_letters(pipeline, 5)
    assert good(pipeline, "dlq", "drop", "--all", "--dry-run") == "would drop 5 letters\n"
    unasked = run(pipeline, "dlq", "drop", "--all")
    assert unasked.returncode == 1 and "5 letters are meant; nothing is done without --yes" in unasked.stderr
    assert len(letters(pipeline)) == 5
    assert good(pipeline, "dlq", "drop", events[0]) == "dropped 1 letter\n"
    assert good(pipeline, "dlq", "drop", "--type", "mine_a", "--limit", 2, "--yes") == "dropped 2 letters\n"
    assert len(letters(pipeline)) == 2
    answer = told(pipeline, events[0])
    assert answer["status"] == "failed" and answer["letter"] is None
    assert answer["error"] == "dropped by an operator; before that: no luck"
    (end,) = lines(pipeline, "dlq", "drop", "--all", "--yes")
    assert end["dropped"] == 2 and letters(pipeline) == []


def answer_on_a_terminal(pipeline, answer, *args):
    """Runs a verb on a terminal of its own; its exit code and all that it wrote there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(BIN / "trotline", ["trotline", args[0], "-c", str(pipeline.config), *args[1:]],
                  pipeline.environment("cli"))
    os.write(terminal, answer.encode() + b"\n")
    text = b""
    try:
        while part := os.read(terminal, 4096):
            text += part
    except OSError:  # the end of a terminal
        pass
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text.decode()


def test_a_person_is_asked_and_taken_at_their_word(start):
    pipeline = start(settings=settings())
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    post_all(pipeline, [event("mine_a") for _ in range(3)])
    wait_letters(pipeline, 3)
    status, text = answer_on_a_terminal(pipeline, "n", "dlq", "drop", "--all")
    assert status == 1 and "drop 3 letters? [y/N]" in text and len(letters(pipeline)) == 3
    status, text = answer_on_a_terminal(pipeline, "y", "dlq", "drop", "--all")
    assert status == 0 and "dropped 3 letters" in text and letters(pipeline) == []


# ---- replay


def test_long_work_shows_how_far_it_is_on_a_terminal_only(start):
    pipeline = start(settings=settings())
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    post_all(pipeline, [event("mine_a") for _ in range(60)])
    wait_letters(pipeline, 60)
    status, text = answer_on_a_terminal(
        pipeline, "", "dlq", "replay", "--all", "--yes", "--rate", "60")
    assert status == 0 and "of 60" in text and "replayed 60 letters" in text
    wait_for("all are dead again", lambda: len(letters(pipeline)) == 60)
    quiet = run(pipeline, "dlq", "replay", "--all", "--yes")
    assert (quiet.stdout, quiet.stderr) == ("replayed 60 letters\n", "")


def test_replay_after_the_cause_is_mended_applies_each_event_once(start):
    pipeline = start(handlers=())
    ids = kill_unknown(pipeline, [event() for _ in range(200)])
    assert good(pipeline, "dlq", "replay", "--all", "--dry-run") == "would replay 200 letters\n"
    pipeline.add("handler-unknown")
    began = time.monotonic()
    assert good(pipeline, "dlq", "replay", "--all", "--yes", "--rate", 400) == "replayed 200 letters\n"
    assert time.monotonic() - began > 0.3, "within the rate"
    wait_for("all applied", lambda: set(pipeline.unknown_ids()) == set(ids))
    wait_letters(pipeline, 0)
    assert set(applied(pipeline).values()) == {1}
    assert all(told(pipeline, event_id)["status"] == "success" for event_id in ids[:3])
    nothing = run(pipeline, "dlq", "replay", "--all", "--yes")
    assert (nothing.returncode, nothing.stdout) == (0, "")


def test_replay_is_heard_at_once_and_gives_all_tries_again(start):
    """The retrier would find the events by itself only within a minute."""
    pipeline = start(settings=settings(retry={"delay": "50ms", "attempts": 2, "jitter_percent": 0}))
    mended = threading.Event()
    hook = pipeline.hook("mine", lambda ev: (
        "done" if mended.is_set() and ev["attempt"] == 1 else ("retry", "not yet")))
    post_all(pipeline, [event("mine_a", "a")])
    wait_letters(pipeline, 1)
    assert len(hook.events) == 3
    mended.set()
    assert lines(pipeline, "dlq", "replay", "a")[0]["replayed"] == 1
    wait_for("success", lambda: told(pipeline, "a")["status"] == "success", 10)
    assert [ev["attempt"] for ev in hook.events[3:]] == [0, 1]


def test_a_letter_that_dies_again_is_a_letter_again(start):
    pipeline = start(settings=settings())
    hook = pipeline.hook("mine", lambda ev: ("dead", f"death {len(hook.events)}"))
    post_all(pipeline, [event("mine_a", "a")])
    wait_letters(pipeline, 1)
    for death in range(2, 6):
        good(pipeline, "dlq", "replay", "a")
        wait_for("dead again", lambda: [
            letter["error_reason"] for letter in letters(pipeline)] == [f"death {death}"])
    assert len(hook.events) == 5


def test_replay_with_the_pipeline_down_is_handled_once_it_is_up(start):
    pipeline = start(handlers=())
    ids = kill_unknown(pipeline, [event() for _ in range(30)])
    pipeline.stop()
    done = run(pipeline, "dlq", "replay", "--all", "--yes")
    assert (done.returncode, done.stdout) == (0, "replayed 30 letters\n")
    assert "the pipeline is down; they are handled once it is up" in done.stderr
    assert told(pipeline, ids[0])["status"] == "pending"
    pipeline.start()
    pipeline.add("handler-unknown")
    wait_for("all applied", lambda: set(pipeline.unknown_ids()) == set(ids))
    wait_letters(pipeline, 0)
    assert set(applied(pipeline).values()) == {1}


def start_replay(pipeline):
    return subprocess.Popen(
        [BIN / "trotline", "dlq", "-c", str(pipeline.config), "replay", "--all", "--yes", "--rate", "5000"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_replays_that_are_killed_or_run_twice_lose_nothing_and_repeat_nothing(start):
    pipeline = start(handlers=())
    ids = kill_unknown(pipeline, [event() for _ in range(3000)])
    pipeline.add("handler-unknown")
    for _ in range(12):
        both = [start_replay(pipeline), start_replay(pipeline)]
        time.sleep(random.uniform(0.01, 0.08))  # killed at any instant
        both[0].send_signal(signal.SIGKILL)
        for replay in both[random.randrange(2):]:
            replay.send_signal(signal.SIGKILL)
        for replay in both:
            replay.communicate()
    assert run(pipeline, "dlq", "replay", "--all", "--yes", "--rate", "100000").returncode == 0
    wait_for("all applied", lambda: set(pipeline.unknown_ids()) == set(ids), 90)
    wait_letters(pipeline, 0)
    assert set(applied(pipeline).values()) == {1}
    assert pipeline.rows("SELECT count(*) FROM applied") == [(len(ids),)]


def test_letters_of_another_journal_go_back_by_the_front_door(start):
    pipeline = start(handlers=())
    ids = kill_unknown(pipeline, [event() for _ in range(3)])
    pipeline.stop()
    shutil.rmtree(pipeline.data / "journal")
    pipeline.start()
    pipeline.add("handler-unknown")
    own = event()
    pipeline.post(own)
    pipeline.wait_unknown([own["event_id"]])
    refused = run(pipeline, "dlq", "replay", "--all", "--yes")
    assert (refused.returncode, refused.stdout) == (1, "replayed 0 letters\n")
    assert "3 letters belong to another journal" in refused.stderr
    assert "trotline send --batch" in refused.stderr
    path = pipeline.folder / "again.json"
    good(pipeline, "dlq", "export", "--all", "--events", "--output", path)
    assert good(pipeline, "send", "--batch", path).startswith("202 ")
    pipeline.wait_unknown(ids)
    good(pipeline, "dlq", "drop", "--all", "--yes")
    assert told(pipeline, ids[0])["status"] == "success"
    assert set(applied(pipeline).values()) == {1}


def test_an_event_that_is_put_back_before_its_burial_is_settled_is_handled(start):
    """The retrier still takes it for one that is on its way to the dlq."""
    pipeline = start(handlers=(), without=("watcher",), settings={"journal": {"lease": "3s"}})
    hook = pipeline.hook("unknown", lambda ev: ("dead", "the boat has sunk"))
    post_all(pipeline, [event("custom_thing", "before")])
    wait_letters(pipeline, 1)
    good(pipeline, "dlq", "drop", "before")
    pipeline["dlq"].signal(signal.SIGSTOP)
    post_all(pipeline, [event("custom_thing", "a")])
    wait_for("it is given up", lambda: told(pipeline, "a")["status"] == "failed")
    wait_for("and handed over", lambda: pipeline["retrier"].has_logged("msg=bury", "seq=2"))
    pipeline["retrier"].signal(signal.SIGSTOP)
    pipeline["dlq"].signal(signal.SIGCONT)
    wait_for("its letter", lambda: letters(pipeline))
    hook.close()
    pipeline.add("handler-unknown")
    good(pipeline, "dlq", "replay", "a")
    pipeline["retrier"].signal(signal.SIGCONT)
    wait_for("it is applied", lambda: pipeline.unknown_ids() == ["a"])
    assert letters(pipeline) == []


# ---- bounds


def test_a_full_store_leaves_letters_in_the_journal_says_so_and_takes_them_later(start):
    pipeline = start(settings=settings(dlq={"max_size": "1MiB"}, journal={"lease": "1s"}))
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    ids = post_all(pipeline, [event("mine_a", fill="x" * 40_000) for _ in range(40)], batch=20)

    def refused():
        return pipeline.metric("webhook_errors_total", "dead_letters")
    wait_for("the store is full", refused)
    wait_for("health says so", lambda: any(
        "dead letter" in alert and "used" in alert for alert in pipeline.health().json()["alerts"]))
    wait_for("all that find room are stored", lambda: pipeline.metric("webhook_queue_size") ==
             40 - len(letters(pipeline)))
    assert 10 < len(letters(pipeline)) < 40
    waiting = set(ids) - {letter["event_id"] for letter in letters(pipeline)}
    assert told(pipeline, waiting.pop())["status"] == "failed"
    quick = event()
    pipeline.post(quick)
    pipeline.wait_unknown([quick["event_id"]])
    count = refused()
    wait_for("they are offered again", lambda: refused() > count)
    dropped = 0

    def emptied():
        nonlocal dropped
        if letters(pipeline):
            dropped += lines(pipeline, "dlq", "drop", "--all", "--yes")[0]["dropped"]
        return not pipeline.metric("webhook_queue_size")
    wait_for("all have found room", emptied)
    assert dropped + len(letters(pipeline)) == 40
    wait_for("health is well", lambda: pipeline.metric("webhook_dead_letters_used_bytes") <
             pipeline.metric("webhook_dead_letters_limit_bytes") / 2 or not good(
                 pipeline, "dlq", "drop", "--all", "--yes"))


def test_a_full_store_is_raised_by_a_reload(start):
    small = settings(dlq={"max_size": "1MiB"}, journal={"lease": "1s"})
    pipeline = start(settings=small)
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    post_all(pipeline, [event("mine_a", fill="x" * 40_000) for _ in range(30)], batch=15)
    wait_for("the store is full", lambda: pipeline["dlq"].has_logged("no room for dead letters"))
    wait_for("some wait in the journal", lambda: pipeline.metric("webhook_queue_size") > 0)
    pipeline.write_config(small | {"dlq": {"max_size": "8MiB"}})
    pipeline["dlq"].signal(signal.SIGHUP)
    wait_letters(pipeline, 30)
    assert pipeline["dlq"].has_logged("room for dead letters again")


def test_the_file_shrinks_when_the_stage_starts(start):
    pipeline = start(settings=settings(dlq={"max_size": "64MiB"}, limits={"answer_timeout": "20s"}))
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    for _ in range(4):
        post_all(pipeline, [event("mine_a", fill="x" * 100_000) for _ in range(80)], batch=80)
    wait_letters(pipeline, 320)
    data = pipeline.data / "dlq/data.mdb"
    assert data.stat().st_size > 30_000_000
    kept = letters(pipeline, "--limit", 1)[0]
    assert lines(pipeline, "dlq", "drop", "--all", "--limit", 319, "--yes")[0]["dropped"] == 319
    assert letters(pipeline) == [kept]
    pipeline["dlq"].stop()
    pipeline["dlq"].start()
    assert data.stat().st_size < 10_000_000
    assert letters(pipeline) == [kept]
    assert pipeline["dlq"].has_logged("store compacted")


# ---- notices


class Operator(http.server.BaseHTTPRequestHandler):
    """Takes notices as POSTs."""

    def do_POST(self):
        self.server.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def operator():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Operator)
    server.taken, server.daemon_threads = [], True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def notices(pipeline):
    path = pipeline.folder / "notices"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_operators_are_told_at_once_and_then_once_an_interval(start, operator):
    pipeline = start(settings=settings(notify={
        "command": "cat >> notices.tmp; cat notices.tmp > \"$TROTLINE_NOTICES\"",
        "url": f"http://127.0.0.1:{operator.server_port}/hook", "interval": "2s"}), without=("dlq",))
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    stage = pipeline.stages["dlq", 0] = Stage(pipeline, "dlq")
    stage.env = {"TROTLINE_NOTICES": str(pipeline.folder / "notices")}
    cwd = os.getcwd()
    os.chdir(pipeline.folder)
    try:
        stage.start()
    finally:
        os.chdir(cwd)
    began = time.monotonic()
    post_all(pipeline, [event("mine_a", "first")])
    wait_for("the first notice", lambda: notices(pipeline) and operator.taken)
    assert time.monotonic() - began < 1.5
    assert notices(pipeline) == operator.taken
    (first,) = operator.taken
    assert first["count"] == 1 and first["kind"] == "dead_letters"
    assert first["last"]["event_id"] == "first"
    assert first["by_reason"] == [{"error_reason": "no luck", "count": 1}]
    for n in range(10):
        post_all(pipeline, [event("mine_b") for _ in range(3)])
        time.sleep(0.1)  # a sender's pace
    wait_for("a summary", lambda: sum(notice["count"] for notice in operator.taken) == 31, 10)
    took = time.monotonic() - began
    assert len(operator.taken) <= max(3, 2 + took / 2), "one an interval"
    assert took > 1.9
    wait_for("counted", lambda: pipeline.metric(
        "webhook_notices_total", 'way="url",status="sent"') == len(operator.taken))


def test_notifiers_that_fail_or_hang_hold_nothing_up(start):
    pipeline = start(settings=settings(notify={
        "command": "sleep 600", "url": "http://127.0.0.1:1/hook", "interval": "1s"}))
    pipeline.hook("mine", lambda ev: ("dead", "no luck"))
    for _ in range(5):
        post_all(pipeline, [event("mine_a") for _ in range(40)])
    began = time.monotonic()
    wait_letters(pipeline, 200)
    assert time.monotonic() - began < 10
    wait_for("the failure is logged", lambda: pipeline["dlq"].has_logged("operators not told", "way=url"))
    wait_for("and counted", lambda: pipeline.metric(
        "webhook_notices_total", 'way="url",status="failed"') >= 1)
    wait_for("and alerted", lambda: any(
        alert.startswith("notices: ") for alert in pipeline.health().json()["alerts"]))
    began = time.monotonic()
    pipeline["dlq"].stop()
    assert time.monotonic() - began < 5, "the hanging command is cut off"


def test_a_store_that_is_removed_under_the_dlq_is_named_and_a_new_one_taken(start):
    pipeline = start(handlers=("opened",), settings=settings())
    pipeline.hook("unknown", lambda ev: ("dead", "the boat has sunk"))
    for _ in range(3):
        pipeline.post(event())
    wait_letters(pipeline, 3)
    for path in (pipeline.data / "dlq").iterdir():
        path.unlink()
    last = pipeline.post(event()) and post_all(pipeline, [event()])[0]
    wait_for("the alert", lambda: any(
        alert.startswith("dlq was replaced") for alert in pipeline.health().json()["alerts"]))
    wait_letters(pipeline, 2)
    assert last in [letter["event_id"] for letter in letters(pipeline)]
    assert pipeline["dlq"].has_logged("store opened anew", "store=dlq")
