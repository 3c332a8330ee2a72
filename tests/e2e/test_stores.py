"""What is done to the files of a store under a running pipeline: it is noticed before anything is told of
it, named, and healed where it can heal."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time

import lmdb
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


def older_journal(pipeline):
    """The journal as it is, for later."""
    copy = pipeline.data / "journal.older"
    shutil.copytree(pipeline.data / "journal", copy)
    return copy


def put_journal_back(pipeline, older):
    shutil.rmtree(pipeline.data / "journal")
    older.rename(pipeline.data / "journal")


@pytest.mark.parametrize("harm", [copy_over, move_over, remove_all, remove_with_lock, put_journal_back])
def test_stores_that_do_not_agree_are_named_at_the_start(start, harm):
    pipeline = start(handlers=("unknown", "opened"), settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    pipeline.stop()
    older = (older_journal if harm is put_journal_back else older_copy)(pipeline)
    pipeline.start()
    assert "stores do not agree" not in pipeline["retrier"].log()
    after = post_some(pipeline)
    pipeline.wait_settled(len(after))
    pipeline.stop()
    harm(pipeline, older)
    pipeline.start()
    word = "ahead of" if harm is put_journal_back else "behind"
    wait_alert(pipeline, f"state.db {word} the journal")
    assert f'it_is="{word} the journal"' in pipeline["retrier"].log()


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


# ---- the journal


def copy_of(pipeline, store="journal"):
    """As it is now, whole."""
    with lmdb.open(str(pipeline.data / store), max_dbs=16, readonly=True) as env:
        folder = pipeline.folder / f"copy-{store}"
        folder.mkdir()
        env.copy(str(folder))
    return folder / "data.mdb"


def remove_journal(pipeline, _):
    for path in (pipeline.data / "journal").glob("*.mdb"):
        path.unlink()


def remove_data(pipeline, _):
    (pipeline.data / "journal/data.mdb").unlink()


def remove_lock(pipeline, _):
    (pipeline.data / "journal/lock.mdb").unlink()


def put_older(pipeline, older):
    older.rename(pipeline.data / "journal/data.mdb")


@pytest.mark.parametrize("harm", [remove_journal, remove_data, remove_lock, put_older])
def test_a_journal_that_goes_is_noticed_before_the_next_yes(start, harm):
    pipeline = start(settings=QUICK)
    before = post_some(pipeline)
    pipeline.wait_settled(len(before))
    harm(pipeline, copy_of(pipeline))
    after = [event() for _ in range(20)]
    for ev in after:
        wait_for("a yes", lambda: pipeline.post(ev).status == 202)
    wait_alert(pipeline, "journal was re", "under the running pipeline")
    pipeline.wait_unknown([ev["event_id"] for ev in after])
    wait_for("all settled", lambda: pipeline.metric("webhook_queue_size") == 0)
    pipeline.stop()
    pipeline.start()
    for ev in after:
        assert pipeline.post(ev).status == 200, "remembered where a restart finds it"
    applied = ids_in(pipeline)
    assert sorted(applied) == sorted(before + [ev["event_id"] for ev in after]), "each once"


def test_a_journal_cut_short_under_the_pipeline_is_named(start):
    pipeline = start(settings=QUICK)
    with pipeline.client() as client:
        for _ in range(10):
            assert client.post_batch([event(pad="x" * 3000) for _ in range(300)]).status == 202
    pipeline.wait_settled(3000)
    os.truncate(pipeline.data / "journal/data.mdb", 256 << 10)
    wait_for("it is said", lambda: any(
        pipeline[name].has_logged("journal", "cut short") or pipeline[name].has_logged("cut short while")
        for name in ("validator", "retrier")))
    with pipeline.client() as client:
        wait_for("no yes", lambda: client.post(event()).status == 503)
    for name in ("validator", "retrier"):
        pipeline[name].kill()
        pipeline[name].launch()
        assert pipeline[name].process.wait(30) == 111
        assert pipeline[name].has_logged("cut short", "trotline fsck"), pipeline[name].log()[-500:]


def overwrite_pages(path, seed):
    """All but the first two, of which the open ones are read, with what means nothing."""
    rng = random.Random(seed)
    with open(path, "r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(rng.choice([bytes(4096), b"\xff" * 4096, rng.randbytes(4096)]))


@pytest.mark.parametrize("seed", range(4))
def test_a_journal_with_overwritten_pages_ends_with_words(start, seed):
    """LMDB trusts what is in a page: it may abort, or touch memory that is not there."""
    pipeline = start(settings=QUICK)
    post_some(pipeline, 200)
    pipeline["router"].stop()
    post_some(pipeline, 200)  # so that there is something to read at a start
    pipeline.stop()
    overwrite_pages(pipeline.data / "journal/data.mdb", seed)
    for name in ("validator", "retrier"):
        pipeline[name].launch()
        assert pipeline[name].process.wait(30) == 111
        last = pipeline[name].log().splitlines()[-1]
        assert "level=error" in last and "trotline fsck" in last, last
    told = run(pipeline, "fsck")
    assert told.returncode == 1 and "--salvage" in told.stderr + told.stdout, told


# ---- small volumes


@pytest.fixture
def small_volume():
    """prepare(pipeline) puts data_dir on a volume of 14 MiB."""
    mounted = []

    def prepare(pipeline):
        pipeline.data.mkdir(mode=0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m,mode=0700", "tmpfs", pipeline.data],
                          stderr=subprocess.DEVNULL).returncode:
            pytest.skip("cannot mount here")
        mounted.append(pipeline.data)

    yield prepare
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def on_small_volume(start, small_volume):
    """The volume goes before the folder is removed, and after the processes."""
    pipeline = start(prepare=small_volume, settings=QUICK)
    yield pipeline
    pipeline.stop()
    subprocess.run(["umount", "-l", pipeline.data], check=True)


def test_the_log_of_state_db_leaves_room_on_a_small_volume_and_a_full_one_heals(on_small_volume):
    pipeline = on_small_volume
    ids, most = [], 0
    for _ in range(25):
        ids += post_all(pipeline, [event(pad="x" * 1000) for _ in range(100)])
        pipeline.wait_settled(len(ids))
        most = max(most, (pipeline.data / "state.db-wal").stat().st_size)
    assert most < 3 << 20, f"the log has taken {most} bytes"

    ballast = pipeline.data / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    for _ in range(40):
        ev = event(text="x" * 20000)
        if pipeline.post(ev).status == 202:
            ids.append(ev["event_id"])
    wait_alert(pipeline, " full")
    ballast.unlink()
    late = event()
    wait_for("a yes", lambda: pipeline.post(late).status == 202)
    ids.append(late["event_id"])
    pipeline.wait_settled(len(ids))
    assert sorted(ids_in(pipeline)) == sorted(ids)
    wait_for("no alert", lambda: not [one for one in alerts(pipeline) if " full:" in one and not one.startswith("errors")])


def test_a_locked_state_db_is_named_and_no_handler_is_called_dead(start):
    names = ("unknown", "opened", "clicked")
    pipeline = start(handlers=names, settings=QUICK)
    post_some(pipeline, 10)
    pipeline.wait_settled(10)
    shell = sqlite3.connect(pipeline.data / "state.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    for kind in ("custom_thing", "email_opened", "email_clicked"):
        assert pipeline.post(event(kind, email="ann@example.com", message_id="m",
                                   url="https://example.com/")).status == 202
    wait_alert(pipeline, "state.db locked")
    until = time.monotonic() + 9
    while time.monotonic() < until:
        dead = [one for one in alerts(pipeline) if any(f"stage handler-{name} " in one for name in names)]
        assert not dead, dead
        time.sleep(0.2)
    shell.execute("ROLLBACK")
    shell.close()
    pipeline.wait_settled(13)
    wait_for("no alert", lambda: not [one for one in alerts(pipeline) if "state.db locked" in one])


# ---- the index of ids


@pytest.mark.parametrize("running", [False, True], ids=["while stopped", "while running"])
def test_a_damaged_index_of_ids_is_never_believed(start, running):
    pipeline = start()
    events = [event() for _ in range(300)]
    post_all(pipeline, events)
    pipeline.wait_settled(len(events))
    index = pipeline.data / "journal/dedup.idx"
    if not running:
        pipeline["validator"].stop()
    with open(index, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(200_000))
    if not running:
        pipeline["validator"].start()
    else:
        more = [event() for _ in range(60)]
        with pipeline.client() as client:
            assert {client.post(ev).status for ev in more} == {202}
        events += more
    wait_for("it is said", lambda: pipeline["validator"].has_logged("dedup index was damaged"))
    with pipeline.client() as client:
        assert {client.post(ev).status for ev in events} == {200}, "each is known"


def test_what_can_be_read_of_a_cut_journal_is_saved(start):
    """No handler takes them; some have ended before."""
    pipeline = start(settings=QUICK)
    ended = post_some(pipeline, 20)
    pipeline.wait_settled(len(ended))
    pipeline["handler-unknown"].stop()
    for _ in range(10):
        post_all(pipeline, [event(pad="x" * 3000, email="ann@example.com") for _ in range(100)])
    big = event(pad="x" * 20000, email="ann@example.com")
    post_all(pipeline, [big])
    pipeline.stop()
    data = pipeline.data / "journal/data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    told = run(pipeline, "fsck")
    assert told.returncode == 1 and "trotline fsck --salvage FILE" in told.stderr, told
    file = pipeline.folder / "saved.json"
    told = run(pipeline, "fsck", "--salvage", str(file))
    assert told.returncode == 0, told
    saved = json.loads(file.read_text())
    assert len(saved) > 100 and file.stat().st_mode & 0o777 == 0o600
    assert not {one["event_id"] for one in saved} & set(ended)
    (pipeline.data / "journal").rename(pipeline.folder / "damaged")
    pipeline.start()
    with pipeline.client() as client:
        assert client.post_batch(saved[:1000]).status == 202
    pipeline.wait_unknown([one["event_id"] for one in saved[:1000]])

