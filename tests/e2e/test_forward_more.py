"""Forwarding at its edges: destinations that want next to nothing, one address with a great many events, what
operators end, and what a reload leaves."""

import shutil
import time

import pytest
from forwarding import with_destinations
from pipeline import event, post_all, wait_for
from test_flood import peak
from verbs import good, lines


def opened(count, email="ann@example.com", **data):
    return [event("email_opened", email=email, n=n, **data) for n in range(count)]


def in_history(pipeline, count):
    wait_for("kept", lambda: pipeline.metric("webhook_history_events_total") >= count, 60)


def one(pipeline, name="app"):
    return next(row for row in lines(pipeline, "forward", "list") if row["name"] == name)


# ---- little that is wanted


def test_what_is_rare_in_a_long_history_is_found_at_once(application, start):
    rare = application("rare", types=["email_complained"])
    again = application("again", types=["email_unsubscribed"])
    pipeline = start(settings=with_destinations(rare, again))
    pipeline["forward"].stop()
    many = opened(60_000)
    ids = post_all(pipeline, [*many, event("email_complained", email="ann@example.com")])
    in_history(pipeline, len(ids))
    before = time.monotonic()
    pipeline["forward"].start()
    rare.wait(ids[-1:])
    assert time.monotonic() - before < 4
    del rare.requests[:]
    before = time.monotonic()
    good(pipeline, "replay", "--to", "rare", "--source", "email", "--yes")
    rare.wait(ids[-1:])
    assert time.monotonic() - before < 4


# ---- one address


@pytest.mark.plain  # the sanitizer keeps what is freed
def test_a_great_many_events_of_one_address_wait_in_the_store_and_in_no_ones_way(application, start):
    app = application(order="recipient", retry=["1h"])
    app.decide = lambda request: 500 if b"ann@example.com" in request.body else 200
    pipeline = start(settings=with_destinations(app))
    pipeline["forward"].stop()
    many = opened(30_000, pad="x" * 2000)
    others = [event(email="jo@example.com")]
    ids = post_all(pipeline, [*many, *others])
    in_history(pipeline, len(ids))
    pipeline["forward"].start()
    app.wait(ids[-1:], 60)
    assert peak(pipeline["forward"]) < 60 << 20
    wait_for("owed", lambda: one(pipeline)["owed"] == len(many), 60)


# ---- what operators end


def test_a_replay_that_is_stopped_is_tried_no_more_and_holds_up_no_address(application, start):
    app = application(order="recipient", retry=["1s", "1h"])
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, opened(5)))
    app.decide = lambda request: 500 if request.reason == "replay" else 200
    good(pipeline, "replay", "--to", "app", "--rate", "1", "--yes")
    wait_for("fails", lambda: any(one.status == 500 for one in app.requests))
    wait_for("owed", lambda: one(pipeline)["owed"] >= 2)
    good(pipeline, "replay", "stop", "1")
    wait_for("not owed any more", lambda: one(pipeline)["owed"] == 0)
    had = sum(request.reason == "replay" for request in app.requests)
    app.wait(post_all(pipeline, opened(3)), 8)
    pipeline["forward"].restart()
    app.wait(post_all(pipeline, opened(3)), 8)
    assert sum(request.reason == "replay" for request in app.requests) <= had + 1


def test_a_test_goes_also_after_the_store_was_removed_and_of_what_is_not_wanted(application, start):
    app = application(types=["email_bounced"])
    pipeline = start(settings=with_destinations(app))
    post_all(pipeline, opened(1))
    in_history(pipeline, 1)
    for _ in range(3):
        good(pipeline, "forward", "test", "app")
    for file in pipeline.data.glob("forward.db*"):
        file.unlink()
    wait_for("a new one", lambda: (pipeline.data / "forward.db").exists() and lines(pipeline, "forward", "list"))
    wait_for("known there", lambda: one(pipeline)["state"] == "up")
    good(pipeline, "forward", "test", "app")
    event_id = lines(pipeline, "history")[0]["id"]
    good(pipeline, "forward", "test", "app", "--event", event_id)
    assert app.requests[-1].json()["type"] == "email_opened"


def test_the_longest_name_has_its_place_beside_the_history(application, start):
    name = "n" * 64
    app = application(name)
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, opened(2)))
    pin = pipeline.data / f"history/pins/forward-{name}"
    wait_for("its place is kept", lambda: pin.exists() and pin.read_text().startswith("3 "))


# ---- another history


def test_a_history_that_was_removed_is_followed_from_its_beginning(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, opened(20)))
    wait_for("written", lambda: one(pipeline)["delivered"] == 20)
    pipeline["history"].stop()
    shutil.rmtree(pipeline.data / "history")
    pipeline["history"].start()
    app.wait(post_all(pipeline, opened(5)), 10)
    assert len(app.event_ids()) == 25
    assert "the history is another one" in pipeline["forward"].log()


def test_how_far_behind_one_is_that_was_paused_before_the_start(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, opened(2)))
    wait_for("written", lambda: one(pipeline)["delivered"] == 2)
    good(pipeline, "forward", "pause", "app")
    pipeline["forward"].restart()
    post_all(pipeline, opened(3))
    wait_for("told", lambda: pipeline.metric("webhook_forward_lag_events", 'destination="app"') == 3)


def test_halves_of_a_replayed_batch_have_its_ids(application, start):
    app = application(batch={"events": 4, "wait": "1s"})
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, opened(4)))
    app.decide = lambda request: 400 if len(request.events()) > 1 else 200
    good(pipeline, "replay", "--to", "app", "--new-ids", "--yes")
    wait_for("each alone", lambda: sum(one.reason == "replay" and one.status == 200 for one in app.requests) == 4)
    assert all(one.id.endswith("_1") and one.id.count("_") == 3 for one in app.requests if one.reason == "replay")
