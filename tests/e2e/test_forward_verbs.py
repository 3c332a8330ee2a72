"""`trotline forward` and `trotline replay`: what operators see of destinations, and what they do about them."""

import json
import os
import pty
import re
import signal
import stat
import subprocess
import time

import pytest
from forwarding import bounces, with_destinations
from pipeline import BIN, event, wait_for
from receiver import plain
from verbs import good, lines, run

LIST = {"name", "configured", "url", "state", "since", "paused", "lag", "owed", "dead", "delivered", "missed", "skipped",
        "last_status", "last_try", "last_success", "cause", "concurrency", "rate", "next"}


def one(pipeline, name="app"):
    return next(row for row in lines(pipeline, "forward", "list") if row["name"] == name)


def send(pipeline, events):
    with pipeline.client() as client:
        assert client.post_batch(events).status == 202
    return [one["event_id"] for one in events]


@pytest.fixture
def told(start, application):
    """A pipeline with the destination `app`, which has had ten bounces and an opening."""
    app = application("app")
    pipeline = start(settings=with_destinations(app))
    ids = send(pipeline, bounces(10) + [event("email_opened", email="jo@example.com")])
    app.wait(ids)
    wait_for("written", lambda: one(pipeline)["delivered"] == 11)
    return pipeline, app, ids


def begins_again(app):
    del app.requests[:]


def test_list_tells_how_each_destination_is(told):
    pipeline, app, _ids = told
    row = one(pipeline)
    assert set(row) == LIST
    assert row["state"] == "up" and not row["paused"] and row["configured"]
    assert row["url"] == app.url() and row["last_status"] == 200 and row["cause"] is None
    wait_for("nothing behind", lambda: one(pipeline)["lag"] == {"events": 0, "seconds": 0})
    assert (row["owed"], row["dead"], row["missed"], row["skipped"]) == (0, 0, 0, 0)
    text = good(pipeline, "forward", "list")
    assert re.search(r"^app +up +.* 11 ", text, re.M), text
    assert good(pipeline, "forward", "show", "app").startswith("app: up")
    whole = json.loads(good(pipeline, "forward", "show", "app", "--json"))
    assert whole["keys"] == {"live": 1, "next_goes": None} and whole["history"]["last"] == 11
    assert app.secret not in json.dumps(whole) + text


def test_the_query_of_a_url_is_not_shown(start, application):
    app = application("app")
    app.options["url"] = f"http://127.0.0.1:{app.port}/hook?token=hush"
    pipeline = start(settings=with_destinations(app))
    assert one(pipeline)["url"] == f"http://127.0.0.1:{app.port}/hook"
    assert "hush" not in good(pipeline, "forward", "show", "app") + good(pipeline, "forward", "list")


def test_what_waits_is_the_lag_and_a_pause_leaves_nothing_out(told):
    pipeline, app, _ids = told
    assert "paused" in good(pipeline, "forward", "pause", "app")
    wait_for("seen", lambda: one(pipeline)["paused"])
    time.sleep(0.5)  # the stage has seen it, too: nothing that is sent later may arrive
    begins_again(app)
    ids = send(pipeline, bounces(5))
    wait_for("the lag", lambda: one(pipeline)["lag"]["events"] == 5)
    assert not app.has(ids[:1])
    assert "app: goes on" in good(pipeline, "forward", "resume", "app")
    app.wait(ids)
    wait_for("no lag", lambda: one(pipeline)["lag"]["events"] == 0)


def test_acts_count_while_nothing_runs_and_say_so(told):
    pipeline, app, _ids = told
    pipeline["forward"].stop()
    begins_again(app)
    done = run(pipeline, "forward", "pause", "app")
    assert done.returncode == 0
    ids = send(pipeline, bounces(3))
    done = run(pipeline, "forward", "resume", "app")
    assert done.returncode == 0 and "nothing is sent until it does" in done.stderr
    done = run(pipeline, "forward", "test", "app")
    assert done.returncode == 3 and "does not run" in done.stderr
    done = run(pipeline, "forward", "list")
    assert "does not run" in done.stderr
    pipeline["forward"].start()
    app.wait(ids)


def test_a_test_says_what_was_answered(told):
    pipeline, app, ids = told
    app.decide = plain(200, body=b"fine\x1b[2J, thanks\xff")
    text = good(pipeline, "forward", "test", "app")
    assert text.startswith("app: answered 200 after "), text
    assert "fine?[2J, thanks?" in text and "\x1b" not in text
    assert app.requests[-1].reason == "test"
    body = app.requests[-1].json()
    assert set(body) == set(app.requests[0].json()) and body["data"]["test"] is True
    assert body["id"] == app.requests[-1].id and body["id"].startswith("evt_test_")
    row = json.loads(good(pipeline, "forward", "test", "app", "--event", ids[3], "--json"))
    assert row["status"] == 200 and row["reason"] == "test"
    assert app.requests[-1].json()["event_id"] == ids[3]
    app.decide = plain(500)
    done = run(pipeline, "forward", "test", "app")
    assert done.returncode == 1 and "answered 500" in done.stdout
    done = run(pipeline, "forward", "test", "app", "--event", "no-such")
    assert done.returncode == 1 and "the history has no event no-such" in done.stderr
    assert one(pipeline)["state"] == "up", "a test says nothing about the destination"
    assert one(pipeline)["delivered"] == 11


def test_attempts_tell_each_try(told):
    pipeline, app, ids = told
    rows = lines(pipeline, "forward", "attempts", "app", "--limit", "100")
    assert len(rows) == 11 and all(row["status"] == 200 and row["reason"] == "first" for row in rows)
    assert [row["number"] for row in rows] == sorted((row["number"] for row in rows), reverse=True)
    assert lines(pipeline, "forward", "attempts", "app", "--event", rows[4]["id"]) == [rows[4]]
    assert len(lines(pipeline, "forward", "attempts", "app", "--limit", "3")) == 3
    text = good(pipeline, "forward", "attempts", "app")
    assert len(text.splitlines()) == 12 and rows[0]["id"] in text


def dead_letters(pipeline, app, events):
    """As many dead letters as events."""
    app.decide = lambda request: plain(400, body=b"no such thing")
    ids = send(pipeline, events)
    wait_for("given up", lambda: one(pipeline)["dead"] == len(events), 60)
    return ids


def test_dead_letters_are_listed_replayed_dropped_and_exported(told):
    pipeline, app, _ids = told
    ids = dead_letters(pipeline, app, bounces(4))
    rows = lines(pipeline, "forward", "dlq", "list", "app")
    assert len(rows) == 4 and all(row["status"] == 400 and row["type"] == "email_bounced" for row in rows)
    assert "person0@example.com" in {row["email"] for row in rows}
    (whole,) = lines(pipeline, "forward", "dlq", "show", "app", rows[0]["number"])
    assert json.loads(whole["body"])["id"] == rows[0]["id"] and whole["answer"] == "no such thing"
    assert lines(pipeline, "forward", "dlq", "show", "app", rows[0]["id"]) == [whole]
    path = pipeline.folder / "letters.jsonl"
    good(pipeline, "forward", "dlq", "export", "app", "-o", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [row["id"] for row in rows]

    done = run(pipeline, "forward", "dlq", "replay", "app")
    assert done.returncode == 1 and "nothing is done without --yes" in done.stderr
    assert "would replay 4" in good(pipeline, "forward", "dlq", "replay", "app", "--dry-run")
    assert one(pipeline)["dead"] == 4
    app.decide = 200
    begins_again(app)
    assert good(pipeline, "forward", "dlq", "replay", "app", rows[0]["number"]) == "replayed 1 dead letter of app\n"
    wait_for("sent again", lambda: len(app.requests) == 1)
    assert app.requests[0].reason == "replay"
    assert app.requests[0].id == rows[0]["id"] and app.requests[0].body.decode() == whole["body"]
    assert good(pipeline, "forward", "dlq", "drop", "app", rows[1]["id"]) == "dropped 1 dead letter of app\n"
    assert "replayed 2" in good(pipeline, "forward", "dlq", "replay", "app", "--yes")
    wait_for("the others", lambda: len(app.requests) == 3)
    wait_for("settled", lambda: one(pipeline)["owed"] == 0)
    assert one(pipeline)["dead"] == 0 and len(set(app.event_ids()) & set(ids)) == 3
    told = json.loads(run(pipeline, "fsck", "--json").stdout)
    assert told["good"], told
    done = run(pipeline, "forward", "dlq", "show", "app", "77")
    assert done.returncode == 1 and "app has no dead letter 77" in done.stderr


def test_an_event_tells_what_each_destination_has_of_it(start, application):
    app, openings = application("app"), application("openings", types=["email_o*"])
    pipeline = start(settings=with_destinations(app, openings))
    ids = send(pipeline, bounces(1))
    app.wait(ids)

    def has(event_id, state):
        rows = json.loads(good(pipeline, "event", event_id, "--json"))["destinations"]
        return rows and [row["state"] for row in rows] == state and rows

    rows = wait_for("delivered", lambda: has(ids[0], ["delivered", "unwanted"]))
    assert (rows[0]["name"], rows[0]["attempts"], rows[0]["last_status"]) == ("app", 1, 200)
    assert "app: delivered, 1 try, last answered 200" in good(pipeline, "event", ids[0])
    app.decide = 500
    (other,) = send(pipeline, bounces(1))
    wait_for("owed", lambda: has(other, ["owed", "unwanted"]))
    rows = wait_for("dead", lambda: has(other, ["dead", "unwanted"]))
    assert rows[0]["letter"] == 1 and rows[0]["last_status"] == 500 and rows[0]["attempts"] == 3
    assert "app: dead, 3 tries, last answered 500, letter 1" in good(pipeline, "event", other)
    pipeline["forward"].stop()
    (third,) = send(pipeline, bounces(1))
    wait_for("waiting", lambda: has(third, ["waiting", "unwanted"]))


def test_skip_goes_on_from_a_time(told):
    pipeline, app, _ids = told
    good(pipeline, "forward", "pause", "app")
    time.sleep(0.5)  # the stage has seen it, too
    begins_again(app)
    left = send(pipeline, bounces(6))
    time.sleep(0.02)
    at_ms = int(time.time() * 1000)
    kept = send(pipeline, bounces(2))
    wait_for("all is there", lambda: one(pipeline)["lag"]["events"] == 8)
    dry = json.loads(good(pipeline, "forward", "skip", "app", "--to", at_ms, "--dry-run", "--json"))
    assert dry == {"name": "app", "dry_run": True, "from": 12, "to": 18, "events": 6, "running": True}
    assert one(pipeline)["lag"]["events"] == 8
    assert "leaves out up to 6 events" in good(pipeline, "forward", "skip", "app", "--to", at_ms)
    wait_for("skipped", lambda: one(pipeline)["skipped"] == 6)
    good(pipeline, "forward", "resume", "app")
    app.wait(kept)
    assert not set(left) & set(app.event_ids())
    done = run(pipeline, "forward", "skip", "app", "--to", "1h")
    assert done.returncode == 1 and "is past that time already" in done.stderr


def test_a_gone_destination_is_enabled(told):
    pipeline, app, _ids = told
    app.decide = 410
    ids = send(pipeline, bounces(2))
    wait_for("gone", lambda: one(pipeline)["state"] == "gone", 60)
    app.decide = 200
    good(pipeline, "forward", "enable", "app")
    app.wait(ids)
    wait_for("up", lambda: one(pipeline)["state"] == "up")


def test_a_rotation_signs_with_both_and_the_next_one_waits(told):
    pipeline, app, _ids = told
    text = good(pipeline, "forward", "rotate", "app")
    keys = [line.split()[0] for line in app.secrets_file.read_text().splitlines()]
    assert len(keys) == 2 and keys[1] == app.secret and not any(key in text for key in keys)
    assert stat.S_IMODE(app.secrets_file.stat().st_mode) == 0o600
    done = run(pipeline, "forward", "rotate", "app")
    assert done.returncode == 1 and "on its way out already" in done.stderr
    wait_for("both sign", lambda: (run(pipeline, "forward", "test", "app").returncode == 0 and
                                   len(app.requests[-1].headers["webhook-signature"].split()) == 2))
    row = json.loads(good(pipeline, "forward", "rotate", "app", "--force", "--now", "--json"))
    assert row["live"] == 1 and row["rotated"]
    assert json.loads(good(pipeline, "forward", "show", "app", "--json"))["keys"] == {"live": 1, "next_goes": None}


def test_a_name_that_is_none_is_told_with_what_may_be_meant(told):
    pipeline, _app, _ids = told
    for words in (("show",), ("test",), ("pause",), ("resume",), ("enable",), ("rotate",), ("attempts",),
                  ("skip", "--to", "1h"), ("dlq", "list"), ("dlq", "replay", "--yes"), ("dlq", "export")):
        done = run(pipeline, "forward", *words, "ap")
        assert done.returncode == 1, done
        assert done.stderr == 'trotline forward: no destination "ap"; did you mean "app"?\n', done.stderr
    done = run(pipeline, "replay", "--to", "ap")
    assert done.returncode == 1 and 'did you mean "app"' in done.stderr


@pytest.mark.parametrize("words, says", [
    (("forward",), "list|show|test"),
    (("forward", "lst"), 'did you mean "list"'),
    (("forward", "show"), "show takes the NAME"),
    (("forward", "skip", "app"), "skip takes --to TIME"),
    (("forward", "skip", "app", "--to", "soon"), "--to"),
    (("forward", "list", "app"), "list takes no NAME"),
    (("forward", "dlq"), "dlq takes list, show"),
    (("forward", "dlq", "lst", "app"), 'did you mean "list"'),
    (("forward", "dlq", "show", "app"), "takes the ID"),
    (("replay",), "--to NAME"),
    (("replay", "shw", "1"), 'did you mean "show"'),
    (("replay", "show"), "takes the ID"),
    (("replay", "show", "x"), "no ID"),
    (("replay", "--to", "app", "--since", "soon"), "--since"),
    (("replay", "--to", "app", "--email", "nobody"), "no e-mail address"),
    (("replay", "--to", "app", "--dry-run", "--yes"), "one is enough"),
])
def test_wrong_use_is_told(shared, words, says):
    done = run(shared, *words)
    assert done.returncode == 2 and says in done.stderr and done.stdout == "", done


def test_without_destinations_nothing_is_wrong(shared):
    done = run(shared, "forward", "list")
    assert done.returncode == 0 and done.stdout == "" and "names none" in done.stderr
    assert run(shared, "forward", "list", "--json").stdout == ""
    done = run(shared, "forward", "show", "app")
    assert done.returncode == 1 and 'no destination "app"' in done.stderr


# ---- replay


def test_a_dry_run_counts_and_sends_nothing(told):
    pipeline, app, _ids = told
    begins_again(app)
    text = run(pipeline, "replay", "--to", "app", "--type", "email_bounced")
    assert text.returncode == 0 and text.stdout.startswith("10 events to app, ") and "dry run" in text.stderr
    row = json.loads(good(pipeline, "replay", "--to", "app", "--dry-run", "--json"))
    assert row["count"] == 11 and row["bytes"] > 1000 and row["dry_run"] and row["id"] is None
    assert row["by_type"] == [{"event_type": "email_bounced", "count": 10}, {"event_type": "email_opened", "count": 1}]
    assert row["first"] <= row["last"] and row["events_per_second"] > 0 and row["seconds"] is not None
    row = json.loads(good(pipeline, "replay", "--to", "app", "--rate", "2", "--dry-run", "--json"))
    assert (row["events_per_second"], row["seconds"]) == (2, 6)
    assert json.loads(good(pipeline, "replay", "--to", "app", "--since", "0s", "--json"))["count"] == 0
    assert not app.requests and lines(pipeline, "replay", "list") == []


def test_a_replay_sends_the_same_ids_once_more(told):
    pipeline, app, ids = told
    was = {request.id: request.body for request in app.requests}
    begins_again(app)
    row = json.loads(good(pipeline, "replay", "--to", "app", "--email", "jo@example.com", "--yes", "--json"))
    assert row["count"] == 1 and row["id"] == 1 and not row["dry_run"]
    app.wait([ids[-1]])
    assert [(request.reason, request.body) for request in app.requests] == [("replay", was[app.requests[0].id])]
    text = good(pipeline, "replay", "--to", "app", "--source", "em*", "--yes")
    assert "replay 2 begins" in text
    app.wait(ids)
    wait_for("done", lambda: lines(pipeline, "replay", "show", "2")[0]["sent"] == 11)
    wait_for("over", lambda: lines(pipeline, "replay", "show", "2")[0]["state"] == "done")
    (second, first) = lines(pipeline, "replay", "list")
    assert (first["email"], first["meant"], first["sent"], first["state"]) == ("jo@example.com", 1, 1, "done")
    assert second["share"] == 1 and second["ended"]
    assert good(pipeline, "replay", "show", "2").startswith("replay 2 to app: done, 100%")
    assert len(good(pipeline, "replay", "list").splitlines()) == 3


def test_new_ids_are_others(told):
    pipeline, app, _ids = told
    known = {request.id for request in app.requests}
    begins_again(app)
    good(pipeline, "replay", "--to", "app", "--new-ids", "--type", "email_opened", "--yes")
    wait_for("sent", lambda: app.requests)
    assert not known & {request.id for request in app.requests}


def test_a_replay_is_paused_survives_a_kill_and_is_stopped(told):
    pipeline, app, _ids = told
    begins_again(app)
    good(pipeline, "replay", "--to", "app", "--rate", "2", "--yes")
    wait_for("begun", lambda: app.requests)
    assert good(pipeline, "replay", "pause", "1") == "replay 1 is paused\n"
    pipeline["forward"].restart()
    assert lines(pipeline, "replay", "show", "1")[0]["state"] == "paused"
    had = len(app.requests)
    assert had < 11
    good(pipeline, "replay", "resume", "1")
    wait_for("goes on", lambda: len(app.requests) > had)
    assert good(pipeline, "replay", "stop", "1") == "replay 1 is stopped\n"
    done = run(pipeline, "replay", "resume", "1")
    assert done.returncode == 1 and "replay 1 is stopped" in done.stderr
    done = run(pipeline, "replay", "pause", "7")
    assert done.returncode == 1 and "there is no replay 7" in done.stderr


@pytest.mark.parametrize("handler", ["unknown", "bounced"])
def test_to_a_handler_there_is_no_replay(shared, handler):
    done = run(shared, "replay", "--to", handler, "--yes")
    assert done.returncode == 1 and "forgets after 30 days" in done.stderr, done


def test_on_a_terminal_it_asks(told):
    pipeline, app, _ids = told
    begins_again(app)
    for answer, sent in ((b"n\n", False), (b"y\n", True)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [BIN / "trotline", "replay", "-c", pipeline.config, "--to", "app"], stdin=theirs,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=pipeline.environment("validator"))
        os.write(ours, answer)
        out, err = process.communicate(timeout=60)
        os.close(ours), os.close(theirs)
        assert b"replay 11 events to app? [y/N]" in err and process.returncode == 0
        assert (b"replay 1 begins" in out) is sent
    wait_for("sent", lambda: len(app.requests) == 11)


def test_names_of_destinations_are_completed(told):
    pipeline, _app, _ids = told
    env = pipeline.environment("validator") | {"TROTLINE_CONFIG": str(pipeline.config)}
    for words in (("forward", "show"), ("forward", "attempts"), ("replay", "--to")):
        done = subprocess.run([BIN / "trotline", "completion", "bash", "--", *words], env=env, capture_output=True,
                              text=True, check=True)
        assert done.stdout == "app\n"


def test_one_that_left_the_configuration_is_still_known(told):
    pipeline, _app, _ids = told
    pipeline["forward"].stop()
    pipeline.write_config({"history": {"keep": "1d"}})
    row = one(pipeline)
    assert not row["configured"] and row["url"] is None and row["delivered"] == 11
    assert "up, left" in good(pipeline, "forward", "list")
    assert good(pipeline, "forward", "forget", "app").startswith("app: forgotten")
    assert lines(pipeline, "forward", "list") == []
    assert run(pipeline, "forward", "forget", "app").returncode == 1


def test_one_that_is_configured_is_not_forgotten(told):
    pipeline, _app, _ids = told
    done = run(pipeline, "forward", "forget", "app")
    assert done.returncode != 0 and "take it out there" in done.stderr
    assert one(pipeline)["delivered"] == 11
