"""Two nodes, each with a folder of its own, on one PostgreSQL and one Redis. Senders go to the next node when
one cuts them off or says 503, as a balancer does for them.

A node is killed whole: every process of it at the same instant. NODES_SEED repeats a run.
"""

import os
import random
import shutil
import time

import lmdb
import msgpack
import pytest
from pipeline import event, new_id, post_all, wait_for
from storm import HANDLERS, Load
from verbs import good, run

pytestmark = pytest.mark.plain

EVENTS = int(os.environ.get("NODES_EVENTS", 8000))
KILLS = int(os.environ.get("NODES_KILLS", 6))
SEED = int(os.environ.get("NODES_SEED", random.randrange(10**6)))
SOURCE = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"], "max_age": "1h",
          "max_future": "1h"}


@pytest.fixture
def nodes(start, postgres_server, redis_server):
    """nodes(n) gives so many, on one database and one Redis; settings of all of them."""
    def make(count=2, prepare=None, **settings):
        database, number = postgres_server.database(), redis_server.number()
        return [start(prepare=prepare and prepare[at], handlers=HANDLERS, database=database, settings={
            "node": {"name": "abc"[at], "number": at + 1}, "redis": {"urls": [redis_server.url(number)]},
            "journal": {"lease": "1s"}, "retry": {"delay": "200ms"}, "limits": {"answer_timeout": "10s"},
            "sources": [SOURCE]} | settings) for at in range(count)]
    return make


def kill_whole(node):
    for stage in node.stages.values():
        stage.process.kill()
    for stage in node.stages.values():
        stage.process.wait()


def wait_empty(*nodes):
    wait_for("nothing is on its way", lambda: all(node.metric("webhook_queue_size") == 0 for node in nodes), 90)


def check_all(load, *nodes, lost=()):
    """What was accepted is applied once, whoever accepted it, and what is dead is dead once."""
    wait_empty(*nodes)
    rows = nodes[0].rows
    load.check_rows(rows, lost)
    load.check_counters(rows, lost)
    applied = sum(len(set(load.ids(kind)) - set(lost)) for kind in set(map(load.type_of, range(load.events)))
                  if kind != "unusable")
    assert rows("SELECT count(*) FROM known_ids") == [(applied,)]


def test_nodes_that_are_killed_at_random_instants(nodes):
    print("NODES_SEED", SEED)
    chance, both = random.Random(SEED), nodes()
    load = Load([node.port for node in both], EVENTS, pace_s=0.02)
    try:
        for at in sorted(chance.randrange(EVENTS * 9 // 10) for _ in range(KILLS)):
            load.wait_progress(at)
            node = chance.choice(both)
            kill_whole(node)
            time.sleep(chance.random() / 2)  # it is away for so long
            node.start()
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    assert tally["cut"] > 0, "no kill has cut a connection: the test has shown nothing"
    check_all(load, *both)


def open_ids(folder):
    """Of the events in a journal that have no end, read without any code of ours: a time, then the frame."""
    with lmdb.open(str(folder / "journal"), max_dbs=16, readonly=True, lock=False) as env:
        with env.begin() as txn:
            rows = txn.cursor(env.open_db(b"events", txn, create=False))
            return {msgpack.unpackb(row[8:])["id"] for _, row in rows}


def test_a_node_that_is_gone_with_its_disk(nodes, tmp_path):
    """What is lost is what it had accepted and not applied, and nothing else; from a copy of its disk that comes
    back, under its own identity."""
    both = nodes()
    gone, left = both
    load = Load([node.port for node in both], EVENTS, pace_s=0.02)
    try:
        load.wait_progress(EVENTS // 3)
        for name in ("handler-clicked", "handler-unknown"):
            gone[name].kill()
        load.wait_progress(EVENTS * 2 // 3)
        kill_whole(gone)
        shutil.move(gone.data, tmp_path / "copy")
        load.finish()
    finally:
        load.stop()
    wait_empty(left)
    applied = {row[0] for query in load.queries() for row in left.rows(query)}
    unended = open_ids(tmp_path / "copy") - set(load.ids("unusable"))
    lost = unended - applied
    assert lost, "the test has shown nothing"
    check_all(load, left, lost=lost)

    print(good(left, "adopt", tmp_path / "copy"))
    check_all(load, left)
    print(run(left, "adopt", tmp_path / "copy"))
    check_all(load, left)


def test_an_event_that_goes_to_both_nodes_at_once_is_applied_once(nodes):
    """Redis or not: a trip to the other node is never the reason for a second effect."""
    both = nodes()
    ids = [new_id() for _ in range(500)]
    for node in both:
        with node.client() as client:
            for part in range(0, len(ids), 100):
                client.post_batch([event(event_id=one) for one in ids[part:part + 100]])
    wait_empty(*both)
    assert sorted(both[0].unknown_ids()) == sorted(ids)


def test_a_node_whose_clock_is_ten_minutes_ahead(nodes, clock_library):
    """Freshness is judged by each node's clock; what is remembered, for how long and whose, is not."""
    def set_ahead(node):
        (node.folder / "clock").write_text("600")
        for stage in node.stages.values():
            stage.env = {"LD_PRELOAD": str(clock_library), "CLOCK_FILE": str(node.folder / "clock")}

    both = nodes(prepare=[None, set_ahead])
    load = Load([node.port for node in both], EVENTS // 2)
    try:
        load.finish()
    finally:
        load.stop()
    again = [load.event(index) for index in range(100)]
    for node in both:
        with node.client() as client:
            result = client.post_batch(again).json()["batch_result"]
            assert result["duplicate_count"] + result["queued_count"] == 100
    check_all(load, *both)
