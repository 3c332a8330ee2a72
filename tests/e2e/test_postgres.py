"""Bad days of PostgreSQL under a storm (storm.py): whatever becomes of the server, senders are told yes, and
what was accepted is applied, once, when it is back. The auditor is psql.

POSTGRES_EVENTS, POSTGRES_AWAY_S and POSTGRES_LOCK_S make them as long as you like.
"""

import contextlib
import os
import socket
import subprocess
import threading
import time

import pytest
import servers
from pipeline import event, post_all, wait_for
from storm import HANDLERS, Load
from verbs import run

pytestmark = pytest.mark.plain

EVENTS = int(os.environ.get("POSTGRES_EVENTS", 5000))
AWAY_S = float(os.environ.get("POSTGRES_AWAY_S", 5))
LOCK_S = float(os.environ.get("POSTGRES_LOCK_S", 4))
SEVERAL = {"handler-opened": 2, "handler-delivered": 2, "handler-bounced": 2}


def settings_for(counts, lease="1s", **more):
    return {"journal": {"lease": lease}, "retry": {"delay": "200ms"}, "limits": {"answer_timeout": "10s"},
            "handlers": [{"name": name.removeprefix("handler-"), "processes": n} for name, n in counts.items()]} | more


@pytest.fixture
def server():
    """One that may be treated badly."""
    with servers.postgres() as own:
        yield own


@pytest.fixture
def storm(start):
    """storm(place, weather, ...): a pipeline on that database, and load; weather(load, pipeline) is what
    happens meanwhile. Afterwards all is as it was promised."""
    def raise_it(place, weather, events=EVENTS, counts=SEVERAL, people=40, pace_s=0, **settings):
        pipeline = start(handlers=HANDLERS, counts=counts, settings=settings_for(counts, **settings), database=place)
        load = Load([pipeline.port], events, people, pace_s)
        try:
            weather(load, pipeline)
            tally = load.finish()
        finally:
            load.stop()
        assert set(+tally) <= {"accepted", "queued"}, f"senders have noticed: {dict(tally)}"
        check_all(pipeline, load)
        return pipeline
    return raise_it


def check_all(pipeline, load):
    dead = len(load.ids("unusable"))
    pipeline.wait_settled(load.events)
    wait_for("all dead letters", lambda: pipeline.metric("webhook_dead_letters") == dead)
    load.check_rows(pipeline.rows)
    load.check_counters(pipeline.rows)
    assert pipeline.rows("SELECT count(*) FROM applied") == [(load.events - dead,)]


def handlers_say(pipeline, *words):
    """Has a handler logged a line with all of these?"""
    return any(stage.has_logged(*words) for (name, _), stage in pipeline.stages.items() if name.startswith("handler-"))


@contextlib.contextmanager
def meanwhile(deed):
    """Does it again and again. Gives a list, as long as it has been done."""
    stop, done, faults = threading.Event(), [], []

    def work():
        try:
            while not stop.wait(0.05):
                done.append(deed())
        except Exception as fault:  # the test must hear of it
            faults.append(fault)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield done
    finally:
        stop.set()
        worker.join()
    assert not faults, faults


def test_a_server_that_is_killed_ten_times(server, storm):
    def weather(load, _):
        for turn in range(10):
            load.wait_progress((turn + 1) * EVENTS // 12)
            server.kill()
            server.restart()

    storm(server.database(), weather, pace_s=0.02)
    assert server.log().count("database system was not properly shut down") >= 10


def test_connections_that_are_ended_again_and_again(server, storm):
    database = server.database()

    def weather(load, _):
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity" \
                f" WHERE datname = '{database.name}' AND pid <> pg_backend_pid()"
        with meanwhile(lambda: int(server.psql(ended))) as done:
            load.wait_progress(EVENTS)
            wait_for("a storm of them", lambda: sum(done) > 100)

    storm(database, weather)
    assert server.log().count("terminating connection due to administrator command") > 100


def test_a_server_that_is_gone_for_long(server, storm):
    """New events are taken as ever."""
    def weather(load, pipeline):
        load.wait_progress(EVENTS // 4)
        server.stop()
        load.wait_progress(EVENTS * 3 // 4)
        wait_for("they say so", lambda: handlers_say(pipeline, "postgresql"))
        time.sleep(AWAY_S)  # what is tested: it is away for so long
        assert pipeline.metric("webhook_queue_size") > 0
        server.start()

    storm(server.database(), weather, pace_s=0.02)


def test_a_server_that_hangs(server, storm):
    """Connections stay and nothing answers: after database.timeout they say so, and go on later."""
    def weather(load, pipeline):
        load.wait_progress(EVENTS // 4)
        server.pause()
        try:
            wait_for("they say so", lambda: handlers_say(pipeline, "level=error", "postgresql"))
        finally:
            server.resume()

    storm(server.database(), weather, database={"timeout": "1s"})


@pytest.mark.parametrize("apart", [True, False], ids=["data", "with its log"])
def test_a_disk_that_is_full(apart, storm):
    """With its log on the same disk the server itself goes down, and is started again when there is room."""
    with servers.postgres(size="180m", wal_apart=apart, settings={"max_wal_size": "64MB"}) as server:
        database, ballast = server.database(), server.data / "ballast"

        def weather(load, pipeline):
            load.wait_progress(EVENTS // 4)
            fill(ballast)
            wait_for("they say so", lambda: handlers_say(pipeline, "level=error", "postgresql"), 60)
            load.wait_progress(EVENTS // 2)
            ballast.unlink()
            server.restart() if not server.runs() else None

        storm(database, weather, pace_s=0.02)
        assert "No space left on device" in server.log()


def fill(path):
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(file, bytes(1 << 16))
    os.close(file)


def test_a_lock_that_an_operator_holds(server, storm):
    """In a shell, on a table that every handler writes."""
    database = server.database()

    def weather(load, pipeline):
        load.wait_progress(EVENTS // 4)
        wait_for("a table", lambda: database.exists("recipients"))
        shell = database.server.psql_process(
            f"BEGIN; LOCK TABLE recipients; SELECT pg_sleep({LOCK_S}); COMMIT", database.name, run=subprocess.Popen)
        wait_for("they say so", lambda: handlers_say(pipeline, "it_is=locked")
                 or shell.poll() is not None, LOCK_S + 30)
        assert shell.wait(LOCK_S + 30) == 0

    pipeline = storm(database, weather, database={"timeout": "1s"})
    assert handlers_say(pipeline, "level=error", "it_is=locked")


def test_a_server_that_comes_back_read_only(server, storm):
    def weather(load, pipeline):
        load.wait_progress(EVENTS // 4)
        server.settings["default_transaction_read_only"] = "on"
        server.restart()
        wait_for("they say so", lambda: handlers_say(pipeline, "level=error", "read-only"))
        del server.settings["default_transaction_read_only"]
        server.restart()

    storm(server.database(), weather)


def test_a_standby_in_step_takes_over(server, storm):
    """It is read-only until it is promoted. What its master had committed is what it has."""
    database = server.database()
    with servers.postgres(standby_of=server) as standby:
        server.psql(["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"])
        wait_for("in step", lambda: "sync" in server.psql("SELECT sync_state FROM pg_stat_replication"))
        database.url = (f"postgresql://{servers.USER}@127.0.0.1:{server.port},127.0.0.1:{standby.port}/{database.name}"
                        "?target_session_attrs=read-write")

        def weather(load, pipeline):
            load.wait_progress(EVENTS // 4)
            wait_for("rows", lambda: database.exists("applied") and database.rows("SELECT count(*) FROM applied") > [(0,)])
            server.kill()
            wait_for("they say so", lambda: handlers_say(pipeline, "level=error", "postgresql"))
            standby.promote()
            database.server = standby

        storm(database, weather, pace_s=0.02)


def test_a_host_that_says_nothing_does_not_keep_from_the_next_one(server, start):
    """As a machine does that has lost its power: nobody refuses, nobody answers."""
    database = server.database()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://{servers.USER}@127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{server.port}/{database.name}"
        pipeline = start(handlers=("unknown",), settings={"database": {"kind": "postgresql", "url": url, "timeout": "1s"}})
        ids = post_all(pipeline, [event() for _ in range(10)])
        pipeline.wait_settled(len(ids))
        assert database.rows("SELECT count(*) FROM unknown_events") == [(len(ids),)]
        assert run(pipeline, "suppressions", "list").returncode == 0


def test_a_server_that_is_too_slow_for_a_large_group_is_asked_for_smaller_ones(server, start):
    database = server.database()
    pipeline = start(handlers=("unknown",), settings={
        "database": {"kind": "postgresql", "url": database.url, "timeout": "1s"}, "retry": {"delay": "200ms"}})
    wait_for("tables", lambda: database.exists("unknown_events"))
    server.psql("CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_sleep(0.02); RETURN new; END';"
                "CREATE TRIGGER slowly BEFORE INSERT ON unknown_events FOR EACH ROW EXECUTE FUNCTION slowly()",
                database.name)
    ids = post_all(pipeline, [event() for _ in range(250)])
    pipeline.wait_settled(len(ids))


def test_a_password_that_is_wrong_and_then_right(start):
    """Named, never told."""
    with servers.postgres(password="right-horse") as server:
        database = server.database()
        right = database.url
        database.url = right.replace("right-horse", "wrong-horse")
        pipeline = start(database=database)
        database.url = right
        ids = post_all(pipeline, [event() for _ in range(100)])
        wait_for("it says so", lambda: handlers_say(pipeline, "level=error", "password authentication failed"))
        wait_for("they wait", lambda: pipeline.metric("webhook_queue_size") == 100)
        assert "horse" not in pipeline.logs(lines=10**6)
        pipeline.write_config({})
        pipeline["handler-unknown"].stop()
        pipeline["handler-unknown"].start()
        wait_for("applied", lambda: sorted(pipeline.unknown_ids()) == sorted(ids))
        pipeline.wait_settled(100)


def test_addresses_that_many_share_never_lock_each_other_out(storm):
    """Deadlock watch: four processes of each busy handler, 2,000 addresses; POSTGRES_EVENTS makes it long."""
    counts = {"handler-opened": 4, "handler-delivered": 4, "handler-clicked": 4, "handler-bounced": 2}
    with servers.postgres(settings={"deadlock_timeout": "100ms", "log_lock_waits": "on"}) as server:
        storm(server.database(), lambda *_: None, events=2 * EVENTS, counts=counts, people=2000,
              lease="30s")
        assert "deadlock detected" not in server.log()


def test_done_is_not_said_before_it_is_on_the_servers_disk(start):
    """Although the server's default is to promise that for later, and its writer is far from writing."""
    with servers.postgres(settings={"synchronous_commit": "off", "wal_writer_delay": "10s"}) as server:
        database = server.database()
        server.psql(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        pipeline = start(database=database)
        for sent in range(1, 4):
            post_all(pipeline, [event()])
            pipeline.wait_settled(sent)
            server.kill()
            server.start()
            assert pipeline.rows("SELECT count(*) FROM unknown_events") == [(sent,)]


def test_a_pooler_in_transaction_mode(storm, server):
    """It gives each transaction another connection: nothing of a session may be counted on."""
    database = server.database()
    with servers.pgbouncer("transaction", to=server, settings={"default_pool_size": 5}) as pool:
        database.url = pool.url(database.name)

        def weather(load, _):
            load.wait_progress(EVENTS // 3)
            server.kill()
            server.restart()

        storm(database, weather)
