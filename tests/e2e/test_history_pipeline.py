"""History beside the handlers: killed, away, slow, without room, switched off and on. Nothing is refused for it,
nothing of the handlers' is lost, and it has each accepted event once, or says how many it has missed."""

import contextlib
import json
import pathlib
import random
import subprocess
import threading

import pytest
from pipeline import Pipeline, Stage, event, post_all, wait_for
from verbs import run

KEPT = {"history": {"keep": "1d"}, "journal": {"lease": "500ms"}}


def history_ids(pipeline):
    done = run(pipeline, "history", "--json", "--limit", "1000000")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["event_id"] for line in done.stdout.splitlines()]


def wait_kept(pipeline, count, deadline_s=120):
    """So many were accepted, and neither taker waits for any."""
    wait_for(f"{count} events settled by both", lambda: (
        pipeline.metric("webhook_remembered_events") == count and pipeline.metric("webhook_queue_size") == 0
        and pipeline.metric("webhook_history_waiting_events") == 0), deadline_s)


def good(pipeline):
    done = run(pipeline, "fsck")
    assert done.returncode == 0, done.stdout + done.stderr


def alerts(pipeline, start):
    return [one for one in pipeline.health().json()["alerts"] if one.startswith(start)]


def told(pipeline, event_id):
    return json.loads(run(pipeline, "event", event_id, "--json").stdout)


def few(count, size=0):
    return [event(**({"pad": "x" * size} if size else {})) for _ in range(count)]


def test_a_storm_of_kills_leaves_each_event_once_at_either_taker(start):
    """20,000 events while history, retrier, router and validator are killed in turn. A batch whose answer was lost
    is sent again, under the same ids."""
    pipeline = start(settings=KEPT)
    ids, over = [], threading.Event()

    def send():
        for _ in range(40):
            events = few(500)
            while True:
                with contextlib.suppress(ConnectionError), pipeline.client() as client:
                    if client.post_batch(events).status == 202:
                        break
            ids.extend(one["event_id"] for one in events)
        over.set()

    sender = threading.Thread(target=send)
    sender.start()
    chance = random.Random(16)
    while not over.wait(chance.uniform(0.05, 0.4)):
        pipeline[chance.choice(("history", "retrier", "router", "validator"))].restart()
    sender.join()
    wait_kept(pipeline, len(ids))
    assert len(ids) == 20_000
    assert sorted(history_ids(pipeline)) == sorted(ids)
    assert sorted(pipeline.unknown_ids()) == sorted(ids)
    assert pipeline.metric("webhook_dead_letters") == 0
    good(pipeline)


def test_a_full_disk_of_history_alone_heals_and_nothing_is_refused(start):
    """It takes nothing meanwhile, and the journal is not written for it."""
    mounted = []

    def prepare(pipeline):
        folder = pipeline.data / "history"
        folder.mkdir(mode=0o700, parents=True)
        pipeline.data.chmod(0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", folder],
                          stderr=subprocess.DEVNULL, check=False).returncode:
            pytest.skip("cannot mount here")
        mounted.append(folder)

    pipeline = start(prepare=prepare, settings=KEPT)
    try:
        ids = []
        for _ in range(40):
            ids += post_all(pipeline, few(100, 1000))
            pipeline.wait_settled(len(ids))
        wait_for("an alert", lambda: alerts(pipeline, "history full"))
        assert pipeline.metric("webhook_http_requests_total", 'status="5') == 0
        assert told(pipeline, ids[-1])["status"] == "success"
        assert told(pipeline, ids[-1])["history"] == "pending"
        assert subprocess.run(["mount", "-o", "remount,size=64m", mounted[0]], check=False).returncode == 0
        wait_kept(pipeline, len(ids))
        assert sorted(history_ids(pipeline)) == sorted(ids)
        assert sorted(pipeline.unknown_ids()) == sorted(ids)
        wait_for("no alert", lambda: not alerts(pipeline, "history "))
        assert told(pipeline, ids[-1])["history"] == "kept"
        good(pipeline)
    finally:
        pipeline.stop()
        for folder in mounted:
            subprocess.run(["umount", "-l", folder], check=True)


def test_what_waits_for_history_is_told_everywhere(start):
    pipeline = start(settings=KEPT | {"health": {"oldest_age": "1s"}})
    pipeline["history"].kill()
    batch = few(5)
    with pipeline.client() as client:
        batch_id = client.post_batch(batch).json()["batch_result"]["batch_id"]
    pipeline.wait_settled(5)
    one = told(pipeline, batch[0]["event_id"])
    assert (one["status"], one["history"]) == ("success", "pending")
    wait_for("an alert", lambda: alerts(pipeline, "history late: 5 events wait"))
    assert pipeline.metric("webhook_history_lag_seconds") >= 1
    status = json.loads(run(pipeline, "status", "--json").stdout)
    assert status["history_waiting"] == 5 and status["history_lag_seconds"] > 0 and status["history_missed"] == 0
    assert "history   waiting 5 " in run(pipeline, "status").stdout
    asked = json.loads(run(pipeline, "batch", batch_id, "--json").stdout)
    assert (asked["status"], asked["successful"], asked["history_pending"]) == ("completed", 5, 5)
    pipeline["history"].start()
    wait_kept(pipeline, 5)
    assert told(pipeline, batch[0]["event_id"])["history"] == "kept"
    assert json.loads(run(pipeline, "batch", batch_id, "--json").stdout)["history_pending"] == 0
    wait_for("no alert", lambda: not alerts(pipeline, "history late"))


def test_history_that_stays_away_lets_go_before_the_journal_is_full(start):
    """Its handlers' events are taken and applied all the while; what it has missed is counted, logged and told."""
    pipeline = start(settings=KEPT | {"journal": {"max_size": "8MiB", "lease": "500ms"}})
    pipeline["history"].kill()
    ids, most = [], 0
    for _ in range(24):
        ids += post_all(pipeline, few(100, 4000))
        pipeline.wait_settled(len(ids))
        most = max(most, pipeline.metric("webhook_journal_used_bytes"))
    limit = pipeline.metric("webhook_journal_limit_bytes")
    assert 0.75 * limit < most < limit, (most, limit)
    assert pipeline.metric("webhook_http_requests_total", 'status="5') == 0
    wait_for("an alert", lambda: alerts(pipeline, "history missed"))
    assert pipeline["retrier"].has_logged("history missed events", "journal.max_size")
    pipeline["history"].start()
    wait_kept(pipeline, len(ids))
    missed = int(pipeline.metric("webhook_history_missed_total"))
    there = history_ids(pipeline)
    assert 0 < missed < len(ids)
    wait_for("the alert with its number", lambda: alerts(pipeline, f"history missed {missed} events"))
    assert len(there) == len(ids) - missed and set(there) == set(ids[missed:]), "the oldest went"
    assert sorted(pipeline.unknown_ids()) == sorted(ids)
    assert told(pipeline, ids[0])["history"] is None and told(pipeline, ids[0])["status"] == "success"
    good(pipeline)


def test_a_history_that_is_required_misses_nothing(start):
    """Then what waits for it fills the journal, and the sender is told to come again."""
    pipeline = start(settings=KEPT | {
        "history": {"keep": "1d", "required": True}, "journal": {"max_size": "4MiB", "lease": "500ms"}})
    pipeline["history"].kill()
    ids = []
    with pipeline.client() as client:
        for _ in range(2000):
            one = event(pad="x" * 4000)
            answer = client.post(one)
            if answer.status != 202:
                break
            ids.append(one["event_id"])
    assert answer.status == 503
    alert, = wait_for("an alert", lambda: alerts(pipeline, "journal full"))
    assert "bring history back" in alert
    pipeline["history"].start()
    wait_kept(pipeline, len(ids))
    wait_for("a yes", lambda: pipeline.post(event()).status == 202)
    assert set(ids) <= set(history_ids(pipeline))
    assert pipeline.metric("webhook_history_missed_total") == 0


def test_a_journal_that_handlers_fill_costs_history_nothing(start):
    pipeline = start(handlers=("opened",), settings=KEPT | {"journal": {"max_size": "4MiB", "lease": "500ms"}})
    ids = []
    with pipeline.client() as client:
        while client.post(one := event(pad="x" * 4000)).status == 202:
            ids.append(one["event_id"])
    wait_for("all in the history", lambda: pipeline.metric("webhook_history_waiting_events") == 0)
    assert pipeline.metric("webhook_history_missed_total") == 0
    assert sorted(history_ids(pipeline)) == sorted(ids)


def turn(pipeline, keep):
    """The same folder, with history or without, from the next start on."""
    pipeline.stop()
    pipeline.write_config(KEPT | {"history": {"keep": keep}})
    if keep == "0s":
        pipeline.stages.pop(("history", 0), None)
    elif ("history", 0) not in pipeline.stages:
        pipeline.stages = {("history", 0): Stage(pipeline, "history")} | pipeline.stages
    pipeline.start()


def test_off_and_on_again_across_restarts(start):
    pipeline = start(settings=KEPT)
    first = post_all(pipeline, few(10))
    wait_kept(pipeline, 10)
    pipeline["history"].kill()
    lost = post_all(pipeline, few(10))
    pipeline.wait_settled(20)
    turn(pipeline, "0s")
    wait_for("nothing is kept for it", lambda: fsck_sum(pipeline)["settled_but_for_history"] == 0)
    without = post_all(pipeline, few(10))
    pipeline.wait_settled(30)
    assert told(pipeline, without[0])["history"] is None
    turn(pipeline, "1d")
    again = post_all(pipeline, few(10))
    wait_kept(pipeline, 40)
    assert sorted(history_ids(pipeline)) == sorted(first + again), "what was owed to it while it was off is not"
    assert sorted(pipeline.unknown_ids()) == sorted(first + lost + without + again)
    good(pipeline)


def fsck_sum(pipeline):
    return json.loads(run(pipeline, "fsck", "--json").stdout)


# A data folder that commit 5741ee9, the last before history, has left: 50 events `before-done-N` have ended,
# 50 `before-retry-N` have been tried and are scheduled, 50 `before-none-N` were sent and not answered.
FOLDER_BEFORE = pathlib.Path(__file__).parent / "data/folder-before-history.tar.xz"


def test_a_folder_of_the_version_before_is_opened_with_all_that_is_on_its_way():
    """By a configuration that says nothing of history, as one from before does."""
    pipeline = Pipeline(settings={"history": {"keep": "30d"}})
    config = json.loads(pipeline.config.read_text())
    del config["history"]
    pipeline.config.write_text(json.dumps(config))
    pipeline.data.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["tar", "-C", pipeline.data, "-xJf", FOLDER_BEFORE, "--no-same-owner"], check=True)
    try:
        pipeline.start()
        owed = sorted(f"before-{word}-{n}" for word in ("retry", "none") for n in range(50))
        wait_for("all have ended at either taker", lambda: (
            sorted(pipeline.unknown_ids()) == owed and pipeline.metric("webhook_queue_size") == 0
            and pipeline.metric("webhook_history_waiting_events") == 0), 120)
        assert sorted(history_ids(pipeline)) == owed
        good(pipeline)
    finally:
        pipeline.close()
