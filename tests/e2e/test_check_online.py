"""`trotline check --online` asks real servers: what is, what should be, how to set it."""

import json

import pytest

import servers
from forwarding import with_destinations
from pipeline import Pipeline, event, free_port, post_all
from receiver import certify
from verbs import run


@pytest.fixture
def node():
    """A configuration and its folder; nothing runs."""
    pipelines = []

    def make(**settings):
        pipelines.append(Pipeline(settings=settings))
        return pipelines[-1]

    yield make
    for one in pipelines:
        one.close()


def ask(pipeline, status=None):
    """{(of, what): the finding}; the exit code says whether there are faults."""
    done = run(pipeline, "check", "--online", "--json")
    assert done.returncode in (0, 1), done.stderr
    online = json.loads(done.stdout)["online"]
    faults = [one for one in online["findings"] if one["level"] == "fault"]
    assert online["good"] == (not faults) == (done.returncode == 0) and online["faults"] == len(faults), online
    assert all(one["should"] and one["how"] for one in faults), faults
    return {(one["of"], one["what"]): one for one in online["findings"]}


def faults_of(pipeline):
    return {what for (_, what), one in ask(pipeline).items() if one["level"] == "fault"}


def with_database(url):
    return {"database": {"kind": "postgresql", "url": url}}


def test_a_good_server_is_good(node, postgres_server):
    database = postgres_server.database()
    pipeline = node(**with_database(database.url))
    found = ask(pipeline)
    assert not any(one["level"] == "fault" for one in found.values()), found
    assert found["database", "tables"]["level"] == "note" and not database.exists("messages"), "it makes nothing"
    assert found["database", "synchronous_standby_names"]["level"] == "note"
    pipeline.start()
    pipeline.wait_settled(len(post_all(pipeline, [event()])))
    assert ask(pipeline)["database", "tables"]["is"].startswith("version ")
    text = run(pipeline, "check", "--online")
    assert text.returncode == 0 and "PostgreSQL 15" in text.stdout


def test_what_a_server_must_be_set_to_is_found(node):
    settings = {"synchronous_commit": "off", "fsync": "off", "full_page_writes": "off", "max_connections": "8"}
    with servers.postgres(settings=settings) as server:
        database = server.database()
        pipeline = node(**with_database(database.url))
        assert faults_of(pipeline) == {"synchronous_commit", "fsync", "full_page_writes", "connections"}
        text = run(pipeline, "check", "--online").stdout
        assert "FAULT fsync" in text and "how: ALTER SYSTEM SET fsync = on" in text


def test_what_a_role_and_a_database_must_be_is_found(node, postgres_server):
    database = postgres_server.database()
    name = f"little_{database.name}"
    database.psql(f"CREATE ROLE {name} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    pipeline = node(**with_database(postgres_server.url(database.name, user=name)))
    assert faults_of(pipeline) == {"rights"}
    owner = node(**with_database(database.url)).start()
    owner.wait_settled(len(post_all(owner, [event()])))
    assert "may not write" in ask(pipeline)["database", "rights"]["is"]
    database.psql(f"ALTER ROLE {name} SET default_transaction_read_only = on")
    assert "writing" in faults_of(pipeline)
    database.psql("UPDATE trotline_version SET version = 99")
    assert "tables" in faults_of(owner)
    postgres_server.psql(
        f"CREATE DATABASE latin_{database.name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    latin = node(**with_database(postgres_server.url(f"latin_{database.name}")))
    assert "encoding" in faults_of(latin)


@pytest.mark.parametrize("mode, level", [("session", "good"), ("transaction", "fault"), ("statement", "fault")])
def test_a_pooler_between_and_its_mode_are_found(node, postgres_server, mode, level):
    database = postgres_server.database()
    with servers.pgbouncer(pool_mode=mode, to=postgres_server) as bouncer:
        pipeline = node(**with_database(bouncer.url(database.name)))
        for _ in range(3):
            found = ask(pipeline)["database", "pooler"]
            assert found["level"] == level and f"in {mode} mode" in found["is"], found


def test_a_pooler_with_one_connection_is_asked_in_bounded_time(node, postgres_server):
    database = postgres_server.database()
    with servers.pgbouncer(pool_mode="session", to=postgres_server, settings={"default_pool_size": 1}) as bouncer:
        assert ask(node(**with_database(bouncer.url(database.name))))["database", "pooler"]["level"] == "good"


def test_a_server_that_does_not_answer_or_lets_nobody_in(node):
    pipeline = node(**with_database(f"postgresql://trotline:secret-word@127.0.0.1:{free_port()}/x"))
    done = run(pipeline, "check", "--online")
    assert done.returncode == 1 and "FAULT reach" in done.stdout and "Connection refused" in done.stdout
    assert "secret-word" not in done.stdout + done.stderr
    with servers.postgres(password="right") as server:
        pipeline = node(**with_database(server.url("postgres", password="secret-word")))
        done = run(pipeline, "check", "--online")
        assert done.returncode == 1 and "password authentication failed" in done.stdout
        place = f"127.0.0.1:{server.port}/postgres\n"
        assert f"  postgresql {place}" in done.stdout and f"  database {place}" in done.stdout, done.stdout
        assert "secret-word" not in done.stdout + done.stderr


@pytest.mark.plain
def test_a_clock_that_is_off_is_found(node, postgres_server, clock_library, tmp_path):
    """By ten minutes, as this machine has it."""
    (tmp_path / "clock").write_text("600")
    database = postgres_server.database()
    pipeline = node(**with_database(database.url))
    plain = pipeline.environment
    pipeline.environment = lambda name: plain(name) | {"LD_PRELOAD": str(clock_library), "CLOCK_FILE": str(tmp_path / "clock")}
    found = ask(pipeline)["database", "clock"]
    assert found["level"] == "fault" and "behind ours" in found["is"], found


def test_redis_that_forgets_or_is_full_or_is_away_is_found(node):
    def with_redis(*urls):
        return node(node={"name": "mx-a", "number": 1}, redis={"urls": list(urls), "timeout": "500ms"})

    with servers.redis() as good, servers.redis(settings={"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru"}) as bad:
        found = ask(with_redis(good.url()))
        assert {found["redis", what]["level"] for what in ("reach", "version", "policy")} == {"good"}, found
        assert found["redis", "version"]["is"].startswith("7.")
        pipeline = with_redis(bad.url())
        assert faults_of(pipeline) == {"policy"}
        assert "noeviction" in ask(pipeline)["redis", "policy"]["how"]
        good.cli("CONFIG", "SET", "maxmemory", "1")
        assert "memory" in faults_of(with_redis(good.url()))
    assert faults_of(with_redis(f"redis://:secret-word@127.0.0.1:{free_port()}/0")) == {"reach"}
    with servers.redis(password="right") as server:
        pipeline = with_redis(server.url().replace("right", "secret-word"))
        done = run(pipeline, "check", "--online")
        assert done.returncode == 1 and "secret-word" not in done.stdout + done.stderr


def test_destinations_are_reached_without_a_request(node, application, tmp_path):
    good, authority = certify(tmp_path, host="localhost")
    expired, _ = certify(tmp_path, "expired", host="localhost")
    apps = [application("up"), application("down"),
            application("tls", context=good, ca_file=str(authority)),
            application("old", context=expired, ca_file=str(authority)), application("stranger", context=good)]
    apps[1].go()
    settings = with_destinations(*apps)
    for app, block in zip(apps, settings["forward"]):
        if app.context:
            block["url"] = app.url(host="localhost")
    settings["forward"].append(settings["forward"][0] | {"name": "nowhere", "url": "https://nowhere.invalid/hooks"})
    done = run(node(**settings), "check", "--online", "--json")
    found = {one["name"]: one for one in json.loads(done.stdout)["online"]["findings"]}
    assert done.returncode == 1
    assert {name for name, one in found.items() if one["level"] == "good"} == {"up", "tls"}, found
    assert "expired" in found["old"]["is"] and "certificate" in found["stranger"]["is"], found
    assert "resolve" in found["nowhere"]["is"], found
    assert not any(app.requests for app in apps), "nothing was asked of them"


def test_without_anything_outside_there_is_nothing_to_ask(node):
    done = run(node(), "check", "--online")
    assert done.returncode == 0 and "nothing is configured that is outside" in done.stdout
