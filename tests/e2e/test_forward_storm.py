"""Destinations under load while stages are killed, an application is away for long, keys are rotated, the disk is
full: nothing is missing at those who live, and twice comes only what may.

FORWARD_AWAY_S=600 has the application away for ten minutes instead of some seconds."""

import collections
import contextlib
import errno
import itertools
import os
import random
import threading
import time

import pytest
from forwarding import destinations, few, letters, with_destinations
from pipeline import event, post_all, wait_for
from receiver import plain, signature
from test_durable import Disk
from verbs import good, run

AWAY_S, RATE = int(os.environ.get("FORWARD_AWAY_S", "6")), 500
TWICE_S = 0.1   # what was answered so long before a kill may come again
LATE_S = 0.4    # what a flush and this process's own turn may add to it on a busy machine


class Load:
    """Events at a steady rate, or as fast as they are taken, in batches that are sent until they are accepted."""

    def __init__(self, pipeline, rate=None, batch=50, most=None):
        self.pipeline, self.rate, self.batch, self.most = pipeline, rate, batch, most
        self.ids, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        begun = time.monotonic()
        for turn in itertools.count():
            if self.over.is_set() or (self.most and len(self.ids) >= self.most):
                self.over.set()
                return
            if self.rate:
                time.sleep(max(0, begun + turn * self.batch / self.rate - time.monotonic()))  # its pace
            self.post([event(email=f"person{n}@example.com") for n in range(self.batch)])

    def post(self, events):
        while True:
            with contextlib.suppress(ConnectionError), self.pipeline.client() as client:
                if client.post_batch(events).status == 202:
                    break
        self.ids += [one["event_id"] for one in events]


def twice(app):
    """{event id: when it was answered yes, each time}, of those that came more than once."""
    times = collections.defaultdict(list)
    for request in app.taken():
        for event_id in request.event_ids():
            times[event_id].append(request.answered)
    return {event_id: sorted(at) for event_id, at in times.items() if len(at) > 1}


def check_twice(app, kills):
    """Each time that it came again, a kill had followed what was answered just before."""
    again = twice(app)
    for event_id, at in again.items():
        for first, second in itertools.pairwise(at):
            assert any(first < kill + LATE_S and kill - first < TWICE_S + LATE_S and second > kill for kill in kills), (
                app.name, event_id, first, second, [kill - first for kill in kills])
    print(f"{app.name}: {len(again)} of {len(app.taken())} twice, {len(kills)} kills of forward")


def test_a_storm_of_kills_leaves_nothing_missing_and_twice_only_what_may(application, start):
    """History, forward and retrier are killed in turn under load; of three destinations one is slow, and one is dead
    until the end."""
    well = application("well")
    slow = application("slow", plain(200, after_s=0.02))
    dead = application("dead")
    dead.go()
    pipeline = start(settings=with_destinations(well, slow, dead))
    kills, chance = [], random.Random(17)
    with Load(pipeline, 800, most=4800) as load:
        while not load.over.wait(chance.uniform(0.1, 0.4)):
            name = chance.choice(("history", "forward", "forward", "retrier"))
            if name == "forward":
                kills.append(time.monotonic())
            pipeline[name].restart()
    assert len(kills) > 3
    for app in (well, slow):
        app.wait(load.ids, 90)
        check_twice(app, kills)
        assert set(app.event_ids()) == set(load.ids)
    assert dead.requests == [] and destinations(pipeline)["dead"]["state"] == "down"
    dead.come()
    good(pipeline, "forward", "enable", "dead")  # it would be probed within a minute
    dead.wait(load.ids)
    assert sorted(dead.event_ids()) == sorted(load.ids), "no kill since: each once"
    pipeline.wait_unknown(load.ids)
    assert sorted(pipeline.unknown_ids()) == sorted(load.ids)
    assert all(letters(pipeline, app.name) == [] for app in (well, slow, dead))
    done = run(pipeline, "fsck")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.plain
@pytest.mark.timeout(AWAY_S * 2 + 300)
def test_a_destination_that_was_away_has_its_backlog_at_once(application, start):
    """While it is away and while it catches up, events come at a steady rate, and another has them at once."""
    other, app = (application(name, keep_bodies=False) for name in ("other", "app"))
    pipeline = start(settings=with_destinations(other, app))
    with Load(pipeline, RATE) as load:
        wait_for("a rate", lambda: len(app.taken()) > 2 * RATE)
        app.go()
        left = time.monotonic()
        while time.monotonic() < left + AWAY_S:
            time.sleep(0.5)  # how long it is away is the test
            assert len(other.requests) >= 0.9 * len(load.ids) - RATE, "the other has them as they come"
        had = len(app.requests)
        missing = len(load.ids) - had
        app.come()
        wait_for("a request", lambda: len(app.requests) > had, 90)
        back = app.requests[had].at
        wait_for("its backlog", lambda: len(app.requests) >= had + missing, AWAY_S * 2 + 90)
        took = app.requests[had + missing - 1].at - back
    for one in (app, other):
        wait_for("the rest", lambda one=one: len(one.requests) >= len(load.ids), AWAY_S + 60)
        one.wait(load.ids, 60)
    print(f"{missing} events in {took:.1f} s: {missing / took:.0f}/s, {missing / took / RATE:.1f} of the rate")
    assert missing / took >= 0.8 * RATE
    assert sorted(app.event_ids()) == sorted(load.ids) == sorted(other.event_ids())


def test_keys_are_rotated_under_load_and_nothing_is_refused(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    with Load(pipeline, 200) as load:
        wait_for("some", lambda: len(app.requests) > 50)
        good(pipeline, "forward", "rotate", "app")
        new = app.secrets_file.read_text().split()[0]
        assert new != app.secret
        wait_for("both sign", lambda: " " in app.requests[-1].headers["webhook-signature"])
        some = len(app.requests)
        wait_for("some more", lambda: len(app.requests) > some + 100)
        app.secrets = [new]
        wait_for("some more", lambda: len(app.requests) > some + 300)
        again = run(pipeline, "forward", "rotate", "app")
        assert again.returncode != 0 and "--force" in again.stdout + again.stderr, "one is on its way out still"
    app.wait(load.ids)
    assert app.refused == 0 and sorted(app.event_ids()) == sorted(load.ids)
    last = app.requests[-1]
    assert signature(new, last.id, last.headers["webhook-timestamp"], last.body) == \
        last.headers["webhook-signature"].split(" ")[0], "the newest first"


def test_a_leaked_key_signs_no_more_at_once(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, few(5)))
    app.secrets = []
    good(pipeline, "forward", "rotate", "app", "--now")
    new = app.secrets_file.read_text().split()[0]

    def signed_by_the_new_one():
        app.wait(post_all(pipeline, few(1)))
        last = app.requests[-1]
        return last.headers["webhook-signature"] == \
            signature(new, last.id, last.headers["webhook-timestamp"], last.body)
    wait_for("the new key alone", signed_by_the_new_one)


@pytest.mark.plain
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("let_pass", [0, 1], ids=["at the pages", "at the flush"])
def test_a_full_disk_of_forward_alone_heals_and_nothing_is_lost(application, start, fault_library, number, let_pass):
    app = application()
    disk = Disk(fault_library, "forward")
    pipeline = start(prepare=disk.prepare, settings=with_destinations(app))
    with Load(pipeline, 300) as load:
        wait_for("some", lambda: len(app.requests) > 100)
        disk.fail(number, let_pass)
        some = len(load.ids)
        wait_for("intake goes on", lambda: len(load.ids) > some + 600)
        disk.heal()
        wait_for("it goes on", lambda: len(app.requests) > some + 300)
    app.wait(load.ids)
    assert app.refused == 0
    assert letters(pipeline, "app") == []


@pytest.mark.plain
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_delays_nothing_and_hurries_nothing(application, start, clock_library, hours):
    """An event waits for its turn, another destination is down and probed, and a third takes all: for each of them
    time goes on as it did."""
    app, down, other = application(retry=["2s", "2s"]), application("down"), application("other")
    app.decide = lambda request: 500 if request.attempt == 1 else 200
    down.decide = 503
    for one in (app, down, other):
        one.secrets = []  # the time that is signed jumps, too

    def prepare(pipeline):
        pipeline["forward"].env = {"LD_PRELOAD": str(clock_library), "CLOCK_FILE": str(pipeline.folder / "clock")}

    pipeline = start(prepare=prepare, settings=with_destinations(app, down, other))
    first = post_all(pipeline, few(2))
    wait_for("tried", lambda: len(app.requests) == 2 and down.requests)
    other.wait(first)
    (pipeline.folder / "clock").write_text(str(hours * 3600))
    jumped = time.monotonic()
    second = post_all(pipeline, few(2))
    other.wait(second, 5)
    down.decide = 200
    app.wait(first + second, 15)
    down.wait(first + second, 15)
    stamp = int(other.requests[-1].headers["webhook-timestamp"])
    assert abs(stamp - time.time() - hours * 3600) < 60, "the clock has jumped"
    again = [one.at - jumped for one in app.requests if one.attempt == 2 and one.event_ids()[0] in first]
    assert all(at > 1 for at in again), "none before its turn"


def test_pauses_and_restarts_skip_nothing(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    first = post_all(pipeline, few(20))
    app.wait(first)
    wait_for("written", lambda: destinations(pipeline)["app"]["delivered"] == 20)
    good(pipeline, "forward", "pause", "app")
    wait_for("paused", lambda: destinations(pipeline)["app"]["paused"])
    second = post_all(pipeline, few(20))
    pipeline["forward"].restart()
    third = post_all(pipeline, few(20))
    pipeline["history"].restart()
    wait_for("kept", lambda: pipeline.metric("webhook_history_waiting_events") == 0)
    assert sorted(app.event_ids()) == sorted(first)
    good(pipeline, "forward", "resume", "app")
    app.wait(first + second + third)
    assert sorted(app.event_ids()) == sorted(first + second + third)
