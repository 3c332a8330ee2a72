"""What is done to the files of a store under a running pipeline: it is noticed before anything is told of
it, named, and healed where it can heal."""

import os
import re
import shutil
import sqlite3

import pytest
from pipeline import event, post_all, wait_for
from verbs import run

QUICK = {"journal": {"lease": "500ms"}, "retry": {"delay": "100ms", "max_delay": "500ms"}}


def alerts(pipeline):
    with pipeline.client() as client:
        return client.get("/webhooks/health").json()["alerts"]


def wait_alert(pipeline, *words):
    return wait_for(f"an alert with {words}", lambda: next(
        (one for one in alerts(pipeline) if all(word in one for word in words)), None))


def ids_in(pipeline):
    """As a restart would find them: from a copy of what stands at the path."""
    return pipeline.unknown_ids()


def post_some(pipeline, n=50):
    return post_all(pipeline, [event() for _ in range(n)])


def older_copy(pipeline):
    """A sound copy of state.db as it is now."""
    with sqlite3.connect(pipeline.data / "state.db") as db:
        db.execute("VACUUM INTO ?", [str(pipeline.folder / "older.db")])
    db.close()
    return pipeline.folder / "older.db"


def remove_all(pipeline, _):
    for path in pipeline.data.glob("state.db*"):
        path.unlink()


def remove_db(pipeline, _):
    (pipeline.data / "state.db").unlink()


def move_away(pipeline, _):
    (pipeline.data / "state.db").rename(pipeline.folder / "elsewhere.db")


def move_over(pipeline, older):
    older.rename(pipeline.data / "state.db")


def copy_over(pipeline, older):
    shutil.copyfile(older, pipeline.data / "state.db")


def copy_over_of_old(pipeline, older):
    """With its times, too."""
    shutil.copy2(older, pipeline.data / "state.db")


def empty(pipeline, _):
    os.truncate(pipeline.data / "state.db", 0)


def remove_with_lock(pipeline, _):
    for path in pipeline.data.glob("state.*"):
        path.unlink()


LOSING = [remove_all, remove_db, move_away, move_over, copy_over, copy_over_of_old, empty,
          remove_with_lock]


@pytest.mark.parametrize("harm", LOSING)
def test_a_state_db_that_goes_is_noticed_before_the_next_done(start, harm):
    pipeline = start(handlers=("unknown", "opened"), settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    older = older_copy(pipeline)
    lost = post_some(pipeline)
    pipeline.wait_settled(len(before) + len(lost))

    harm(pipeline, older)
    after = post_some(pipeline)
    wait_alert(pipeline, "state.db was ", "under the running pipeline")
    pipeline.wait_settled(len(before) + len(lost) + len(after))
    after += post_some(pipeline)
    pipeline.wait_settled(len(before) + len(lost) + len(after))

    pipeline.stop()
    applied = ids_in(pipeline)
    assert sorted(one for one in applied if one in set(after)) == sorted(after), "each once"
    told = run(pipeline, "fsck")
    assert told.returncode == 1 and "effects-lost" in told.stdout, told
    pipeline.start()
    more = post_some(pipeline)
    pipeline.wait_unknown(more)
    assert set(after) <= set(ids_in(pipeline))


@pytest.mark.parametrize("names", [["-wal"], ["-shm"], ["-wal", "-shm"]], ids="".join)
def test_a_log_that_goes_from_under_state_db_costs_nothing(start, names):
    pipeline = start(handlers=("unknown", "opened"), settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    for name in names:
        (pipeline.data / f"state.db{name}").unlink()
    after = post_some(pipeline)
    pipeline.wait_settled(len(before) + len(after))
    wait_alert(pipeline, "state.db: a file of it was removed", "nothing is lost")
    for name in ("unknown", "opened"):
        pipeline["handler-" + name].kill()
    assert sorted(ids_in(pipeline)) == sorted(before + after)
    for name in ("unknown", "opened"):
        pipeline["handler-" + name].start()
    pipeline.stop()
    assert run(pipeline, "fsck").returncode == 0


def test_handlers_that_wait_alone_save_what_only_an_open_log_holds(start):
    pipeline = start(handlers=("unknown", "opened"), settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    (pipeline.data / "state.db-wal").unlink()
    wait_alert(pipeline, "state.db: a file of it was removed")
    for name in ("unknown", "opened"):
        pipeline["handler-" + name].kill()
    assert sorted(ids_in(pipeline)) == sorted(before)
    for name in ("unknown", "opened"):
        pipeline["handler-" + name].start()


def test_a_state_db_with_all_that_was_in_it_may_take_its_place(start):
    pipeline = start(settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    move_over(pipeline, older_copy(pipeline))
    after = post_some(pipeline)
    pipeline.wait_settled(len(before) + len(after))
    pipeline.stop()
    assert sorted(ids_in(pipeline)) == sorted(before + after)
    assert run(pipeline, "fsck").returncode == 0


def test_a_damaged_state_db_is_malformed_and_what_lives_is_not_called_dead(start):
    pipeline = start(settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    (pipeline.data / "state.db").write_bytes(b"garbage " * 4000)
    after = post_some(pipeline)
    wait_alert(pipeline, "state.db malformed", "handler-unknown")
    pipeline["handler-unknown"].restart()
    wait_alert(pipeline, "state.db malformed", "handler-unknown")
    assert not [one for one in alerts(pipeline) if "stage handler-unknown has" in one]
    assert pipeline["handler-unknown"].has_logged("store=state.db", "malformed")
    (pipeline.data / "state.db").unlink()
    pipeline.wait_settled(len(before) + len(after))
    assert sorted(ids_in(pipeline)) == sorted(after)
    wait_for("no alert", lambda: not [one for one in alerts(pipeline) if "malformed" in one])
