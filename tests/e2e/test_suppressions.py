"""Suppressions as operators see and change them, together with the handlers that make them."""

import json
import sqlite3
import threading
import time

import pytest

from pipeline import Pipeline, event, wait_for
from verbs import good, lines, run


@pytest.fixture
def pipeline(start):
    return start(handlers=("bounced", "unsubscribed"))


def bounce(pipeline, email, kind="hard"):
    ev = event("email_bounced", email=email, message_id="m1", bounce_type=kind)
    pipeline.post(ev)
    return ev


def listed(pipeline, *args):
    return {row["email"]: row for row in lines(pipeline, "suppressions", "list", *args)}


def logged(pipeline, email):
    return pipeline.rows(
        "SELECT what, source, detail FROM compliance_log WHERE email = ? ORDER BY id", email)


def test_what_handlers_suppress_is_listed_and_checked(pipeline):
    ev = bounce(pipeline, "Jo@Example.com")
    wait_for("suppressed", lambda: listed(pipeline))
    (row,) = listed(pipeline).values()
    assert (row["email"], row["reason"], row["until"]) == ("jo@example.com", "hard_bounce", None)
    assert row["event_id"] == ev["event_id"] and row["suppressed"] is True
    found = run(pipeline, "suppressions", "check", "JO@example.com")
    assert found.returncode == 0
    assert found.stdout.startswith("jo@example.com: suppressed for good\n  reason   hard_bounce\n")
    free = run(pipeline, "suppressions", "check", "ann@example.com", "--json")
    assert free.returncode == 1
    assert json.loads(free.stdout)["suppressed"] is False
    assert run(pipeline, "suppressions", "check", "no address").returncode == 2


def test_add_and_remove_are_kept_in_the_compliance_log(pipeline):
    pipeline.post(event("email_bounced", email="x@example.com", message_id="m"))
    wait_for("a database", lambda: pipeline.rows("SELECT 1 FROM applied"))
    assert good(pipeline, "suppressions", "add", "Ann@Example.com", "--reason", "asked by phone") == \
        "Ann@Example.com: suppressed\n"
    assert listed(pipeline)["ann@example.com"]["reason"] == "asked by phone"
    assert good(pipeline, "suppressions", "remove", "ANN@example.com", "--reason", "changed her mind") == \
        "ANN@example.com: no longer suppressed\n"
    assert listed(pipeline) == {}
    (added, lifted) = logged(pipeline, "ann@example.com")
    assert added[:2] == ("operator_suppressed", "operator")
    assert lifted[:2] == ("operator_lifted", "operator")
    assert json.loads(added[2])["reason"] == "asked by phone" and json.loads(added[2])["by"]
    assert json.loads(lifted[2])["reason"] == "changed her mind"
    assert lines(pipeline, "suppressions", "remove", "ann@example.com") == [{"changed": False}]
    assert len(logged(pipeline, "ann@example.com")) == 2


def test_a_suppression_for_a_time_ends_and_never_weakens_one_for_good(pipeline):
    bounce(pipeline, "jo@example.com")
    wait_for("suppressed", lambda: listed(pipeline))
    (end,) = lines(pipeline, "suppressions", "add", "jo@example.com", "--until", "30d")
    assert end == {"changed": False}
    assert listed(pipeline)["jo@example.com"]["until"] is None
    good(pipeline, "suppressions", "add", "ann@example.com", "--until", "2s")
    assert run(pipeline, "suppressions", "check", "ann@example.com").returncode == 0
    wait_for("over", lambda: "ann@example.com" not in listed(pipeline))
    over = run(pipeline, "suppressions", "check", "ann@example.com")
    assert over.returncode == 1 and "not suppressed; it was until" in over.stdout
    past = run(pipeline, "suppressions", "add", "ann@example.com", "--until", "2020-01-01")
    assert past.returncode == 2 and "is past" in past.stderr
    good(pipeline, "suppressions", "add", "ann@example.com")
    assert listed(pipeline)["ann@example.com"]["until"] is None


def test_one_that_soft_bounces_have_made_does_not_come_back_with_the_next(start):
    pipeline = start(handlers=("bounced",), settings={"suppression": {"soft_bounces": 3}})
    for n in range(3):
        bounce(pipeline, "jo@example.com", "soft")
    wait_for("suppressed", lambda: listed(pipeline))
    good(pipeline, "suppressions", "remove", "jo@example.com")
    ev = bounce(pipeline, "jo@example.com", "soft")
    wait_for("counted", lambda: pipeline.rows(
        "SELECT 1 FROM soft_bounces WHERE event_id = ?", ev["event_id"]))
    assert listed(pipeline) == {}


def test_many_are_listed_in_order_whole_and_by_reason(start):
    pipeline = start(handlers=("bounced",))
    bounce(pipeline, "zoe@example.com")
    wait_for("a database", lambda: listed(pipeline))
    db = sqlite3.connect(pipeline.data / "state.db")
    db.executemany("INSERT INTO suppressions VALUES(?, 'import', 1, NULL, 'x')",
                   [(f"p{n:05d}@example.com",) for n in range(1700)])
    db.commit()
    db.close()
    emails = list(listed(pipeline))
    assert len(emails) == 1701 and emails == sorted(emails)
    assert list(listed(pipeline, "--reason", "hard_bounce")) == ["zoe@example.com"]
    assert len(listed(pipeline, "--limit", 600)) == 600
    text = good(pipeline, "suppressions", "list", "--limit", 2).splitlines()
    assert text[0].split()[0] == "EMAIL" and "for good" in text[1] and len(text) == 3


def test_without_a_database_nobody_is_suppressed_and_none_is_made():
    pipeline = Pipeline()
    try:
        pipeline.data.mkdir()
        assert listed(pipeline) == {}
        assert run(pipeline, "suppressions", "check", "jo@example.com").returncode == 1
        assert not (pipeline.data / "state.db").exists()
        good(pipeline, "suppressions", "add", "jo@example.com")
        assert run(pipeline, "suppressions", "check", "jo@example.com").returncode == 0
    finally:
        pipeline.close()


def test_changes_take_their_turn_with_busy_handlers(start):
    pipeline = start(handlers=("bounced", "unknown"))
    stop = threading.Event()

    def flood():
        with pipeline.client() as client:
            while not stop.is_set():
                client.post_batch([event() for _ in range(500)])
    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        began = time.monotonic()
        for n in range(20):
            good(pipeline, "suppressions", "add", f"p{n}@example.com")
        assert time.monotonic() - began < 20
    finally:
        stop.set()
        thread.join()
    assert len(listed(pipeline)) == 20


@pytest.mark.parametrize("args, hint", [
    ([], "list|check|add|remove is missing"),
    (["fly"], '"fly" is none of list, check, add, remove'),
    (["add"], "add takes an EMAIL"),
    (["list", "x@example.com"], "list takes no EMAIL"),
    (["add", "x@example.com", "y"], '"y" is one argument too many'),
])
def test_wrong_use_is_2_with_a_hint(args, hint):
    pipeline = Pipeline()
    try:
        done = run(pipeline, "suppressions", *args)
        assert (done.returncode, done.stdout) == (2, "") and hint in done.stderr
    finally:
        pipeline.close()


def test_an_address_that_is_none_changes_nothing(pipeline):
    pipeline.post(event("email_bounced", email="x@example.com", message_id="m"))
    wait_for("a database", lambda: pipeline.rows("SELECT 1 FROM applied"))
    done = run(pipeline, "suppressions", "add", "not-an-address")
    assert done.returncode == 2 and '"not-an-address" is no e-mail address' in done.stderr
    assert listed(pipeline) == {}
