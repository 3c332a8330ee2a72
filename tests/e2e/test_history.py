"""History is the second taker of every event: it has each once, whatever happens to it or to the handler."""
import json
import random
import select
import subprocess

import pytest

from pipeline import BIN, Pipeline, event, post_all, wait_for
from verbs import run

KEPT = {"history": {"keep": "1d"}, "journal": {"lease": "500ms"}}
JO = "Jo@Example.com"


@pytest.fixture
def pipeline():
    made = Pipeline(handlers=("delivered", "opened", "unknown"), settings=KEPT)
    yield made
    made.close()


def history(pipeline, *arguments):
    done = run(pipeline, "history", *arguments, "--json", "--limit", "100000")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept(pipeline, ids):
    """All of them are there, and each once."""
    there = [row["event_id"] for row in history(pipeline)]
    return sorted(there) == sorted(ids)


def mail(kind="email_delivered", **data):
    return event(kind, email=JO, message_id="m1", **data)


def test_an_event_is_found_by_what_it_is_known_by(pipeline):
    pipeline.start()
    sent = [mail(), mail("email_opened"), event("email_delivered", email="max@example.com", message_id="m2")]
    ids = [one["event_id"] for one in sent]
    for n, one in enumerate(sent, 1):  # they stand as they have come to it
        assert pipeline.post(one).status == 202
        wait_for("it is in the history", lambda n=n: kept(pipeline, ids[:n]))
    assert [row["event_id"] for row in history(pipeline, "--email", "jo@example.COM")] == [ids[1], ids[0]]
    assert [row["event_id"] for row in history(pipeline, "--message", "m2")] == [ids[2]]
    assert [row["event_id"] for row in history(pipeline, "--id", ids[0])] == [ids[0]]
    row, = history(pipeline, "--type", "email_op*", "--since", "1h")
    assert row["event_id"] == ids[1] and row["data"]["email"] == JO
    assert history(pipeline, "--id", row["id"]) == [row]
    assert history(pipeline, "--until", "1h") == []


def test_a_large_event_is_kept_as_any(pipeline):
    """A router sends it by itself, not in a bundle."""
    pipeline.start()
    sent = [event("custom_large", text="x" * size) for size in (1000, 100_000, 900_000)]
    for one in sent:
        assert pipeline.post(one).status == 202
    wait_for("all in the history", lambda: kept(pipeline, [one["event_id"] for one in sent]))
    assert {row["event_id"]: row["data"] for row in history(pipeline)} == {
        one["event_id"]: one["data"] for one in sent}
    wait_for("nobody waits", lambda: pipeline.metric("webhook_history_waiting_events") == 0)


def test_pages_go_on_where_they_ended_and_know_their_filter(pipeline):
    pipeline.start()
    ids = [new["event_id"] for new in (mail() for _ in range(25)) if pipeline.post(new).status == 202]
    wait_for("all in the history", lambda: kept(pipeline, ids))
    seen, cursor = [], ()
    while True:
        done = run(pipeline, "history", "--email", JO, "--limit", "10", "--json", *cursor)
        seen += [json.loads(line)["event_id"] for line in done.stdout.splitlines()]
        if "--cursor" not in done.stderr:
            break
        cursor = ("--cursor", done.stderr.split()[-1])
    assert seen == [row["event_id"] for row in history(pipeline, JO)], "as on one page"
    assert sorted(seen) == sorted(ids)
    done = run(pipeline, "history", "--email", "max@example.com", *cursor)
    assert done.returncode == 2 and "filter" in done.stderr


@pytest.mark.parametrize("wrong, word", [
    (("--email", "x" * 10000 + "@example.com"), "address"), (("--email", "nobody"), "address"),
    (("--since", "soon"), "--since"), (("--since", "1h", "--until", "2h"), "not after its beginning"),
    (("--email", JO, "--id", "x"), "exclude"), (("--cursor", "abc"), "cursor"), ((JO, "max@example.com"), "too many"),
])
def test_what_means_nothing_is_told(pipeline, wrong, word):
    pipeline.start()
    assert pipeline.post(mail()).status == 202
    wait_for("it is in the history", lambda: len(history(pipeline)) == 1)
    done = run(pipeline, "history", *wrong)
    assert done.returncode == 2 and word in done.stderr and not done.stdout


def test_a_day_that_is_gone_is_told_as_such(pipeline):
    pipeline.start()
    ids = post_all(pipeline, [mail() for _ in range(3)])
    wait_for("they are kept", lambda: kept(pipeline, ids))
    for verb in ("history", "export"):
        done = run(pipeline, verb, "--since", "2020-01-01", "--until", "2020-01-02")
        assert done.returncode == 1 and "that time is gone" in done.stderr and "goes back to 20" in done.stderr, done
        assert not done.stdout
    done = run(pipeline, "history", "--since", "2020-01-01", "--json")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3, done


def test_what_comes_is_followed(pipeline):
    pipeline.start()
    assert pipeline.post(mail()).status == 202
    wait_for("it is in the history", lambda: len(history(pipeline)) == 1)
    shown = subprocess.Popen([BIN / "trotline", "history", "--email", JO, "--follow", "--json", "-c", pipeline.config],
                             stdout=subprocess.PIPE, text=True)
    try:
        first = mail()
        wait_for("it listens", lambda: pipeline.post(mail()).status == 202 and select.select([shown.stdout], [], [], 0.5)[0])
        ids = [json.loads(shown.stdout.readline())["event_id"]]
        post_all(pipeline, [first, event("email_delivered", email="max@example.com")])
        while ids[-1] != first["event_id"]:
            ids.append(json.loads(shown.stdout.readline())["event_id"])
        order = [row["event_id"] for row in history(pipeline, "--email", JO)][::-1]
        assert ids == order[-len(ids):], "each once, the oldest first, and no other's"
    finally:
        shown.terminate()
    assert shown.wait(30) == 0
    done = run(pipeline, "history", "--follow", "--since", "1h")
    assert done.returncode == 2 and "--follow begins now" in done.stderr


def test_neither_taker_waits_for_the_other(pipeline):
    pipeline.start()
    pipeline["history"].kill()
    first = mail()
    assert pipeline.post(first).status == 202
    wait_for("the handler's done", lambda: pipeline.metric("webhook_queue_size") == 0
             and pipeline.metric("webhook_history_waiting_events") == 1)
    told = json.loads(run(pipeline, "event", first["event_id"], "--json").stdout)
    assert told["status"] == "success"
    pipeline["handler-delivered"].kill()
    pipeline["history"].start()
    second = mail()
    assert pipeline.post(second).status == 202
    wait_for("both in the history", lambda: kept(pipeline, [first["event_id"], second["event_id"]]))
    told = json.loads(run(pipeline, "event", second["event_id"], "--json").stdout)
    assert told["status"] in ("pending", "processing")
    pipeline["handler-delivered"].start()
    wait_for("nobody waits", lambda: pipeline.metric("webhook_queue_size") == 0
             and pipeline.metric("webhook_history_waiting_events") == 0)
    assert kept(pipeline, [first["event_id"], second["event_id"]])


def test_every_accepted_event_is_in_it_once_through_a_storm_of_kills(pipeline):
    pipeline.start()
    ids = []
    for turn in range(12):
        events = [event("custom_thing") for _ in range(200)]
        post_all(pipeline, events)
        ids += [one["event_id"] for one in events]
        stage = pipeline[random.Random(turn).choice(("history", "retrier", "router", "handler-unknown"))]
        stage.kill()
        stage.start()
    # Those that a handler has died with come again one after the other.
    wait_for("all applied", lambda: set(ids) <= set(pipeline.unknown_ids()), 120)
    wait_for("nobody waits", lambda: pipeline.metric("webhook_history_waiting_events") == 0, 60)
    assert kept(pipeline, ids)
    assert sorted(pipeline.unknown_ids()) == sorted(ids)
    done = run(pipeline, "fsck")
    assert done.returncode == 0, done.stdout


def test_what_was_settled_by_one_stays_settled_across_a_restart_of_all(pipeline):
    pipeline.start()
    pipeline["history"].kill()
    ids = [new["event_id"] for new in (event("custom_thing") for _ in range(20)) if pipeline.post(new).status == 202]
    pipeline.wait_unknown(ids)
    wait_for("the handler's done", lambda: pipeline.metric("webhook_queue_size") == 0)
    pipeline.stop()
    pipeline.start()
    wait_for("all in the history", lambda: kept(pipeline, ids))
    assert sorted(pipeline.unknown_ids()) == sorted(ids)


def test_without_it_an_event_is_owed_to_its_handler_alone(pipeline):
    pipeline.start()
    pipeline["history"].kill()
    first = event("custom_thing")
    assert pipeline.post(first).status == 202
    pipeline.wait_unknown([first["event_id"]])
    pipeline.stop()
    pipeline.write_config({"journal": KEPT["journal"]})
    del pipeline.stages["history", 0]
    pipeline.start()
    wait_for("nothing is owed", lambda: pipeline.metric("webhook_remembered_events") == 1
             and pipeline.metric("webhook_queue_size") == 0)
    pipeline.stop()
    assert run(pipeline, "fsck").returncode == 0
    done = run(pipeline, "history")
    assert done.returncode != 0 and "history.keep" in done.stderr
