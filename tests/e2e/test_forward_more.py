"""Forwarding at its edges: destinations that want next to nothing, one address with a great many events, what
operators end, and what a reload leaves."""

import time

from forwarding import reload, with_destinations
from pipeline import event, post_all, wait_for
from receiver import plain
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
