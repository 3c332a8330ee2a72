"""A node is gone and its data_dir is here: what it had not done with becomes another node's, once, whatever is
killed."""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from forwarding import destinations, few, with_destinations
from forwarding import letters as destination_letters
from pipeline import BIN, event, post_all, wait_for
from verbs import good, letters, lines, run, told

MINE = [{"name": "mine", "types": ["mine_dead", "mine_later", "mine_waits"], "processes": 0}]
SLOW = {"delay": "1h", "max_delay": "1h", "jitter_percent": 0}


def settings(*applications):
    return with_destinations(*applications, handlers=MINE, retry=SLOW)


def decide(ev):
    return {"mine_dead": ("dead", "the boat has sunk"), "mine_later": ("retry", "no wind")}.get(ev["type"])


def kill(pipeline):
    """The whole node, in an instant."""
    for stage in pipeline.stages.values():
        if stage.runs():
            stage.process.send_signal(signal.SIGKILL)
    for stage in pipeline.stages.values():
        stage.process.wait()


def adopt(pipeline, folder, *more):
    done = run(pipeline, "adopt", folder, "--json", *more)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def journal_of(pipeline, event_id):
    return told(pipeline, event_id)["journal"]


def nothing(found):
    """It had nothing more to take."""
    return not any(value for name, value in found.items()
                   if name not in ("folder", "journal", "dry_run", "again", "strangers"))


def journal_is_empty(pipeline):
    return lambda: pipeline.metric("webhook_queue_size") == 0


@pytest.fixture
def sunk(application, start):
    """A node that died with some of everything: what destination `late` has not had, dead letters, what waits for its
    next try, what its handler had not had. (node, its events' ids by kind, the destinations)"""
    early, late = application("early"), application("late")
    late.go()
    node = start(settings=settings(early, late))
    hook = node.hook("mine", decide)
    ids = {"applied": post_all(node, few(30)),
           "dead": post_all(node, few(4, why="x") and [event("mine_dead", email="d@example.com") for _ in range(4)]),
           "later": post_all(node, [event("mine_later", email="l@example.com") for _ in range(5)])}
    wait_for("letters", lambda: len(letters(node)) == 4)
    wait_for("scheduled", lambda: all(told(node, one)["status"] == "retry" for one in ids["later"]))
    ids["waits"] = post_all(node, [event("mine_waits", email="w@example.com") for _ in range(6)])
    node.wait_unknown(ids["applied"])
    early.wait([one for all_ids in ids.values() for one in all_ids])
    wait_for("settled", lambda: destinations(node)["early"]["lag"]["events"] == 0)
    node.journal = journal_of(node, ids["waits"][0])
    hook.close()
    node.hooks.remove(hook)
    kill(node)
    return node, ids, early, late


def everything(ids):
    return sorted(one for all_ids in ids.values() for one in all_ids)


def test_what_a_dead_node_had_not_done_with_becomes_the_other_ones(sunk, start):
    node, ids, early, late = sunk
    other = start(settings=settings(early, late))
    own = post_all(other, few(3))
    early.wait(own)
    late.come()
    late.wait(own)
    before = adopt(other, node.data, "--dry-run")
    assert before["dry_run"] and before["open"] == 11 and before["scheduled"] == 5, before
    assert before["letters"] == 4 and before["owed"] == 45 and before["journal"] == node.journal
    assert not (node.data / "adopted").exists(), "a look changes nothing"
    found = adopt(other, node.data)
    assert {name: found[name] for name in ("open", "scheduled", "letters", "owed")} == {
        name: before[name] for name in ("open", "scheduled", "letters", "owed")}, found

    # What `late` had not had it has, once, under the dead node's identity; `early` has nothing twice.
    late.wait(everything(ids))
    wait_for("letters", lambda: len(letters(other)) == 4)
    assert collections.Counter(late.event_ids()) == collections.Counter(everything(ids) + own)
    assert collections.Counter(early.event_ids()) == collections.Counter(everything(ids) + own)
    first = {request.event_ids()[0]: request.id for request in early.taken()}
    for request in late.taken():
        (event_id,) = request.event_ids()
        assert request.id == first[event_id] or event_id in own
        assert "trotline_for" not in request.body.decode()

    # Dead letters can be replayed, what waits is tried again, what nobody had had goes on.
    assert sorted(one["event_id"] for one in letters(other)) == sorted(ids["dead"])
    assert all(one["error_reason"] == "the boat has sunk" for one in letters(other))
    said = told(other, ids["later"][0])
    assert said["status"] == "retry" and said["retry_count"] == 1 and said["error"] == "no wind"
    assert said["origin"].startswith(node.journal + "-"), said
    for name in (said["origin"], "evt_" + said["origin"].replace("-", "_")):
        assert told(other, name)["name"] == said["name"], "it is found by the name that it had"
    assert f"came from   {said['origin']}" in good(other, "event", ids["later"][0])
    hook = other.hook("mine", lambda ev: "done")
    good(other, "dlq", "replay", "--all", "--yes")
    good(other, "retry", "--now", "--all")
    wait_for("all tried", lambda: len(hook.events) >= 15)
    wait_for("all done", journal_is_empty(other))
    assert collections.Counter(ev["id"] for ev in hook.events) == collections.Counter(
        ids["dead"] + ids["later"] + ids["waits"])
    assert {ev["origin"].split("-")[0] for ev in hook.events} == {node.journal}
    assert letters(other) == []
    assert sorted(other.unknown_ids()) == sorted(own), "what had been applied there is not applied again"

    # Once more changes nothing.
    assert nothing(adopt(other, node.data)) and adopt(other, node.data)["again"]
    done = run(other, "fsck")
    assert done.returncode == 0 and "ended-but-not-applied" not in done.stdout, done.stdout + done.stderr


def test_a_folder_that_was_adopted_is_never_worked_on_again(sunk, start, folder):
    node, _, early, late = sunk
    other = start(settings=settings(early, late))
    adopt(other, node.data)
    for name in ("up", "check"):
        done = run(node, name)
        assert done.returncode == 100 and "adopted" in done.stderr, done
    for stage in node.stages.values():
        stage.launch()
        assert stage.process.wait(30) == 100, stage
        assert "adopted" in stage.log_since_start()
    (node.data / "adopted").unlink()
    for name in ("validator", "retrier"):
        node[name].launch()
        assert node[name].process.wait(30) == 100 and "adopted" in node[name].log_since_start(), name
    assert run(node, "up").returncode == 100

    third = start(settings=settings(early, late))
    done = run(third, "adopt", node.data)
    assert done.returncode == 1 and "was adopted by the node with journal" in done.stderr


def test_a_node_that_runs_is_not_adopted(application, start):
    app = application()
    one, other = (start(settings=settings(app)) for _ in range(2))
    ids = post_all(one, few(3))
    for folder, word in ((one.data, "runs over"), (other.data, "own data_dir"), (other.data / "nowhere", "No such")):
        done = run(other, "adopt", folder)
        assert done.returncode == 1 and word in done.stderr, done
    one.wait_unknown(ids + post_all(one, few(2)))
    for name in ("ingress", "validator"):
        one[name].stop()
    done = run(other, "adopt", one.data)
    assert done.returncode == 1 and "runs over" in done.stderr, "some of it runs"
    assert not (one.data / "adopted").exists()


def test_it_works_while_the_pipeline_is_down(sunk, start):
    node, ids, early, late = sunk
    other = start(settings=settings(early, late))
    other.wait_unknown(post_all(other, few(1)))
    late.come()
    other.stop()
    assert adopt(other, node.data)["open"] == 11
    other.start()
    late.wait(everything(ids))
    wait_for("letters", lambda: len(letters(other)) == 4)
    assert len(late.event_ids()) == len(set(late.event_ids()))


@pytest.mark.parametrize("runs", [True, False])
def test_killed_at_any_instant_and_run_again_nothing_is_lost_and_nothing_twice(application, start, runs):
    """Hundreds of events in several groups; adopt is killed again and again until it ends by itself."""
    early, late = application("early"), application("late")
    late.go()
    node = start(settings=settings(early, late))
    hook = node.hook("mine", decide)
    dead = post_all(node, [event("mine_dead", email="d@example.com") for _ in range(600)])
    wait_for("letters", lambda: node.metric("webhook_dead_letters") == 600)
    hook.close()
    node.hooks.remove(hook)
    applied = post_all(node, few(700))
    waits = post_all(node, [event("mine_waits", email="w@example.com") for _ in range(900)])
    node.wait_unknown(applied)
    early.wait(dead + applied + waits)
    wait_for("settled", lambda: destinations(node)["early"]["lag"]["events"] == 0)
    kill(node)

    other = start(settings=settings(early, late))
    other.wait_unknown(post_all(other, few(1)))
    if not runs:
        other.stop()
    chance, kills, ended = random.Random(18), 0, False
    env = other.environment("validator")
    while not ended:
        process = subprocess.Popen([BIN / "trotline", "adopt", "-c", other.config, node.data], env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(chance.uniform(0.001, 0.012) * (1 + kills / 15))
            assert process.returncode == 0, process.stderr.read()
            ended = True
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        process.stderr.close()
    print(f"{kills} kills")
    assert kills > 5
    assert nothing(adopt(other, node.data))
    late.come()
    if not runs:
        other.start()
    hook = other.hook("mine", lambda ev: "done")
    late.wait(dead + applied + waits, 90)
    wait_for("letters", lambda: other.metric("webhook_dead_letters") == 600 and journal_is_empty(other)(), 90)
    assert sorted(ev["id"] for ev in hook.events) == sorted(waits)
    assert sorted(one["event_id"] for one in letters(other, "--limit", "2000")) == sorted(dead)
    for app in (early, late):
        counted = collections.Counter(app.event_ids())
        assert all(counted[one] == 1 for one in dead + applied + waits), app.name
    assert run(other, "fsck").returncode == 0


def test_dead_letters_of_destinations_come_along(application, start):
    app = application("app", 422, retry=["10ms"])
    node = start(settings=settings(app))
    ids = post_all(node, few(5))
    wait_for("dead", lambda: len(destination_letters(node, "app")) == 5)
    before = destination_letters(node, "app")
    kill(node)
    app.decide = 200
    other = start(settings=settings(app))
    app.wait(post_all(other, few(1)))
    assert adopt(other, node.data)["destination_letters"] == 5
    assert nothing(adopt(other, node.data))
    assert {one["id"] for one in destination_letters(other, "app")} == {one["id"] for one in before}
    good(other, "forward", "dlq", "replay", "app", "--yes")
    app.wait(ids)
    assert destination_letters(other, "app") == []


def test_what_was_sent_again_on_two_nodes_comes_along_from_both(application, start):
    """Their numbers are the same."""
    app = application("app", 422, retry=["10ms"])
    nodes, ids = [start(settings=settings(app)) for _ in range(2)], []
    for node in nodes:
        ids += post_all(node, few(3))
        wait_for("dead", lambda: len(destination_letters(node, "app")) == 3)
        kill(node)
        good(node, "forward", "dlq", "replay", "app", "--yes")
        assert destination_letters(node, "app") == []
    app.decide = 200
    other = start(settings=settings(app))
    ids += post_all(other, few(1))
    app.wait(ids[-1:])
    other["forward"].stop()
    for node in nodes:
        adopt(other, node.data)
    other["forward"].start()
    app.wait(ids)


def test_a_copy_of_what_this_node_has_accepted_itself_is_left_there(application, start):
    """The same id came to both nodes: the sender meant one event."""
    app = application()
    node, other = (start(settings=settings(app), handlers=()) for _ in range(2))
    both = few(3)
    post_all(node, both)
    alone = post_all(node, few(2))
    app.wait(alone + [one["event_id"] for one in both])
    kill(node)
    post_all(other, both)
    found = adopt(other, node.data)
    assert found["known"] == 3 and found["open"] == 2, found


def test_what_does_not_fit_waits_for_room_and_is_said_so_where_nobody_makes_any(start):
    """Three times as much as half of this node's journal."""
    node = start(handlers=())
    ids = post_all(node, [event(email="w@example.com", text="x" * 6000) for _ in range(4000)], batch=500)
    kill(node)
    other = start(settings={"journal": {"lease": "2s", "max_size": "16MiB"}})
    own = post_all(other, few(1))
    other.wait_unknown(own)
    other.stop()
    done = run(other, "adopt", node.data)
    assert done.returncode == 1 and "start the pipeline, and run it again" in done.stderr, done
    other.start()
    done = run(other, "adopt", node.data)
    assert done.returncode == 0, done.stderr
    wait_for("all applied", lambda: len(other.unknown_ids()) >= 4001, 90)
    assert sorted(other.unknown_ids()) == sorted(ids + own)
    assert nothing(adopt(other, node.data))
