"""A state.db goes into PostgreSQL as it stands: every table, every row, or nothing."""

import json
import random
import sqlite3
import subprocess

import pytest

from pipeline import ALL_HANDLERS, BIN, event, post_all, wait_for
from verbs import run

KINDS = ("email_delivered", "email_opened", "email_clicked", "email_deferred", "email_unsubscribed", "email_subscribed",
         "email_complained", "email_accepted", "email_received", "system_notice", "custom_thing")
ODD = ["plain", "tab\there", "line\nand\r\nline", "back\\slash \\N \\. end", "quote ' \" $1", "ünïcödé \U0001f41f", ""]


def events(count):
    chance = random.Random(3)
    for n in range(count):
        kind = chance.choice(KINDS)
        yield event(kind, email=f"person{n % 40}@example.com", message_id=f"<m{n % 90}@example.com>", list="news",
                    campaign_id=ODD[n % len(ODD)], user_agent=ODD[(n + 3) % len(ODD)], url="https://example.com/\t",
                    reason=ODD[(n + 1) % len(ODD)])
        yield event("email_bounced", email=f"b{n}@example.com", bounce_type="hard", reason=ODD[n % len(ODD)],
                    message_id=f"<b{n}@example.com>")


def tables_of(path):
    """{table: its rows, sorted, as what JSON can say of them}, with the names of columns."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in names}
    return {name: (columns[name], sorted(map(repr, db.execute(
        f"SELECT {', '.join(chr(34) + one + chr(34) for one in columns[name])} FROM {name}")))) for name in names}


def rows_there(database, table, columns):
    listed = ", ".join(f'"{one}"' for one in columns)
    return sorted(map(repr, database.rows(f'SELECT {listed} FROM "{table}"')))


def to_postgres(pipeline, database, settings=None):
    pipeline.write_config({"database": {"kind": "postgresql", "url": database.url}} | (settings or {}))


@pytest.fixture
def filled(start):
    pipeline = start(handlers=ALL_HANDLERS)
    ids = post_all(pipeline, list(events(150)))
    pipeline.wait_settled(len(ids))
    pipeline.stop()
    return pipeline


def test_every_row_of_every_table_is_there_afterwards(filled, postgres_server):
    database = postgres_server.database()
    before = tables_of(filled.data / "state.db")
    assert sum(bool(rows) for _, rows in before.values()) > 9, "most tables have rows"
    to_postgres(filled, database)
    done = run(filled, "state", "copy", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for table, (columns, rows) in before.items():
        assert rows_there(database, table, columns) == rows, table
        assert said["tables"][table] == len(rows)
    assert tables_of(filled.data / "state.db") == before, "it was only read"

    # The same node goes on with it: numbers of rows go on, and what was applied is known.
    filled.start()
    ids = post_all(filled, list(events(20)))
    filled.wait_settled(300 + len(ids))
    assert int(database.psql("SELECT count(*) FROM applied")) == 300 + len(ids)
    done = run(filled, "fsck")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_database_with_rows_is_refused(filled, postgres_server):
    database = postgres_server.database()
    to_postgres(filled, database)
    assert run(filled, "state", "copy").returncode == 0
    before = database.psql("SELECT count(*) FROM messages")
    done = run(filled, "state", "copy")
    assert done.returncode == 1 and "has rows already" in done.stderr, done.stderr
    assert database.psql("SELECT count(*) FROM messages") == before


def test_nothing_is_copied_under_a_running_pipeline_or_into_sqlite(start, postgres_server):
    pipeline = start()
    pipeline.wait_unknown(post_all(pipeline, [event()]))
    done = run(pipeline, "state", "copy")
    assert done.returncode == 1 and "database.kind is sqlite" in done.stderr
    database = postgres_server.database()
    to_postgres(pipeline, database)
    done = run(pipeline, "state", "copy")
    assert done.returncode == 1 and "a pipeline runs over" in done.stderr
    assert not database.exists("messages")


def test_killed_in_the_middle_it_leaves_nothing(filled, postgres_server):
    database = postgres_server.database()
    db = sqlite3.connect(filled.data / "state.db")
    with db:
        db.executemany("INSERT INTO unknown_events(type, at, source, event_id, data) VALUES ('t', 1, 's', ?, ?)",
                       ((f"e{n}", "x" * 200) for n in range(300000)))
    db.close()
    to_postgres(filled, database)
    process = subprocess.Popen([BIN / "trotline", "state", "copy", "-c", filled.config],
                               env=filled.environment("validator"), stdout=subprocess.DEVNULL)
    wait_for("it copies", lambda: int(database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY \"unknown_events\"%'")) > 0)
    process.kill()
    process.wait()
    wait_for("the server knows", lambda: int(database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()")) == 0)
    assert int(database.psql("SELECT (SELECT count(*) FROM unknown_events) + (SELECT count(*) FROM messages)")) == 0
    done = run(filled, "state", "copy")
    assert done.returncode == 0, done.stderr
    assert int(database.psql("SELECT count(*) FROM unknown_events WHERE type = 't'")) == 300000


def test_that_of_another_folder(filled, start, postgres_server):
    database = postgres_server.database()
    other = start(settings={"database": {"kind": "postgresql", "url": database.url}})
    other.stop()
    database.psql("TRUNCATE journals, applied")
    done = run(other, "state", "copy", "--from", filled.data)
    assert done.returncode == 0, done.stderr
    columns, rows = tables_of(filled.data / "state.db")["messages"]
    assert rows_there(database, "messages", columns) == rows
    done = run(other, "state", "copy", "--from", filled.folder)
    assert done.returncode == 1, "there is none"
