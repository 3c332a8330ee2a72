"""What operators ask of the state, where PostgreSQL keeps it, for one node and for two."""

import collections
import json
import signal

import pytest

from pipeline import event, post_all, wait_for
from verbs import good, lines, run, told


@pytest.fixture
def database(postgres_server):
    return postgres_server.database()


def on(database, **more):
    return {"database": {"kind": "postgresql", "url": database.url}} | more


def kill(pipeline):
    for stage in pipeline.stages.values():
        if stage.runs():
            stage.process.send_signal(signal.SIGKILL)
    for stage in pipeline.stages.values():
        stage.process.wait()


def bounce(address):
    return event("email_bounced", email=address, bounce_type="hard", message_id="<m1@example.com>", reason="no such user")


def test_verbs_tell_of_both_nodes_what_is_in_the_database(database, start):
    one = start(handlers=("bounced", "unknown"), settings=on(database), admin=True)
    other = start(handlers=("bounced", "unknown"), settings=on(database))
    (first,) = post_all(one, [bounce("ann@example.com")])
    (second,) = post_all(other, [bounce("bob@example.com")])
    for pipeline in (one, other):
        pipeline.wait_settled(1)
    for pipeline in (one, other):
        assert {row["email"] for row in lines(pipeline, "suppressions", "list")} == {"ann@example.com", "bob@example.com"}
        assert json.loads(run(pipeline, "suppressions", "check", "ann@example.com", "--json").stdout)["suppressed"]
    good(other, "suppressions", "remove", "ann@example.com")
    good(one, "suppressions", "add", "carl@example.com", "--reason", "asked by phone")
    assert {row["email"] for row in lines(one, "suppressions", "list")} == {"bob@example.com", "carl@example.com"}
    said = told(one, first)
    assert said["status"] == "success" and said["applied_at"], said
    assert any(effect["table"] == "messages" for effect in said["effects"]), said["effects"]
    assert told(other, second)["status"] == "success"
    person = json.loads(run(one, "person", "bob@example.com", "--json").stdout)
    assert person["suppression"]["suppressed"] and person["suppression"]["reason"] == "hard_bounce", person
    with one.admin() as admin:
        assert admin.get("/suppressions/bob@example.com").json()["suppressed"]
        assert not admin.get("/suppressions/ann@example.com").json()["suppressed"]
        assert admin.get(f"/events/{first}").json()["status"] == "success"
    for pipeline in (one, other):
        done = run(pipeline, "fsck", "--json")
        found = json.loads(done.stdout)
        assert done.returncode == 0 and found["applied"] == 1 and not found["found"], found


def test_a_database_that_is_away_is_said_to_be_away(start):
    import servers
    with servers.postgres() as server:
        database = server.database()
        pipeline = start(settings=on(database) | {"database": on(database)["database"] | {"timeout": "1s"}})
        pipeline.wait_settled(len(post_all(pipeline, [event()])))
        server.stop()
        done = run(pipeline, "fsck")
        assert done.returncode == 1 and "state-database-away" in done.stdout, done.stdout + done.stderr
        assert "damaged" not in done.stdout
        done = run(pipeline, "suppressions", "list")
        assert done.returncode == 1 and "cannot connect" in done.stderr, done.stderr
        server.start()
        wait_for("good again", lambda: run(pipeline, "fsck").returncode == 0)


def test_a_restart_finds_journal_and_database_in_agreement(database, start):
    one, other = (start(settings=on(database)) for _ in range(2))
    for pipeline in (one, other):
        pipeline.wait_settled(len(post_all(pipeline, [event() for _ in range(300)])))
    for pipeline in (one, other):
        pipeline["retrier"].restart()
        assert "behind the journal" not in pipeline["retrier"].log_since_start()
    database.psql("DELETE FROM applied WHERE seq > 200")
    one["retrier"].restart()
    wait_for("it is said", lambda: one["retrier"].has_logged("behind the journal", "postgresql"))
    done = run(one, "fsck")
    assert "ended-but-not-applied" in done.stdout, done.stdout


def test_effects_of_an_adopted_event_stay_once(database, start):
    """Applied by the node that is gone, and its verdict was not noted: known by its identity."""
    node = start(settings=on(database))
    node["retrier"].kill()
    done = post_all(node, [event() for _ in range(20)])
    wait_for("applied", lambda: int(database.psql("SELECT count(*) FROM unknown_events")) == 20)
    node["handler-unknown"].kill()
    waits = post_all(node, [event() for _ in range(10)])
    kill(node)
    other = start(settings=on(database))
    found = json.loads(good(other, "adopt", node.data, "--json"))
    assert found["open"] == 30, found
    wait_for("all done", lambda: other.metric("webhook_queue_size") == 0
             and int(database.psql("SELECT count(*) FROM unknown_events")) == 30)
    applied = collections.Counter(database.psql("SELECT event_id FROM unknown_events").split())
    assert applied == collections.Counter(done + waits)
    assert int(database.psql("SELECT count(*) FROM applied")) == 30
    said = told(other, waits[0])
    assert said["status"] == "success" and said["origin"] and said["applied_at"], said
    other["retrier"].restart()
    assert "behind the journal" not in other["retrier"].log_since_start()
    done = run(other, "fsck")
    assert done.returncode == 0 and "ended-but-not-applied" not in done.stdout, done.stdout
