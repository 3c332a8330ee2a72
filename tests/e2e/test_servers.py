"""The servers that tests start are what they say: on their data after a kill, and still while held."""

import os
import subprocess
import threading

import pytest
import servers
from pipeline import REPO

APT = """#!/bin/sh
case "$*" in *install*) ;; *) exit 0 ;; esac
cat "$NEED_PACKAGES_ROOT/etc/postgresql-common/createcluster.d/no-main.conf"
"$NEED_PACKAGES_ROOT/usr/sbin/policy-rc.d" || echo "starts nothing: $?"
touch "$NEED_PACKAGES_ROOT/etc/systemd/system/multi-user.target.wants/redis-server.service"
exit 7
"""


def test_postgres_has_its_rows_after_a_kill_and_after_a_stop(postgres_server):
    one, other = postgres_server.database(), postgres_server.database()
    one.psql("CREATE TABLE t (n int, word text); INSERT INTO t VALUES (1, 'it''s'), (2, NULL)")
    assert one.psql("SHOW fsync").strip() == "on"
    with servers.postgres() as own:
        made = own.database()
        made.psql("CREATE TABLE t AS SELECT 7 AS n")
        own.kill()
        own.restart()
        assert made.rows("SELECT n FROM t") == [(7,)]
        own.restart()
        assert made.rows("SELECT n FROM t") == [(7,)]
    assert one.rows("SELECT n, word FROM t WHERE word = ? OR n = ? ORDER BY n", "it's", 2) == [(1, "it's"), (2, None)]
    assert one.exists("t") and not other.exists("t")


def test_one_that_is_held_still_answers_when_it_goes_on(postgres_server, redis_server):
    for server, ask in ((postgres_server, lambda: postgres_server.psql("SELECT 1").strip()),
                        (redis_server, lambda: redis_server.cli("echo", 1))):
        said = []
        server.pause()
        asker = threading.Thread(target=lambda: said.append(ask()))
        asker.start()
        asker.join(0.3)
        assert asker.is_alive()
        server.resume()
        asker.join(30)
        assert said == ["1"]


def test_redis_forgets_at_its_end(redis_server):
    db, other = redis_server.number(), redis_server.number()
    redis_server.cli("set", "a", 1, db=db)
    assert (redis_server.cli("get", "a", db=db), redis_server.cli("get", "a", db=other)) == ("1", "")
    with servers.redis(password="secret") as own:
        own.cli("set", "a", 1)
        own.kill()
        own.restart()
        assert own.cli("get", "a") == ""


def test_pgbouncer_and_nginx_pass_on(postgres_server):
    made = postgres_server.database()
    with servers.pgbouncer("transaction", to=postgres_server) as pool:
        asked = subprocess.run(["psql", "-XAtqd", pool.url(made.name), "-c", "SELECT current_database()"],
                               stdout=subprocess.PIPE, text=True, check=True)
        assert asked.stdout.strip() == made.name
    with servers.nginx("server { listen 127.0.0.1:PORT; location / { return 200 hello; } }") as front:
        front.kill()
        front.restart()
        asked = subprocess.run(["curl", "-s", f"http://127.0.0.1:{front.port}/"], stdout=subprocess.PIPE, text=True)
        assert asked.stdout == "hello"


def test_a_password_and_a_small_disk_are_what_they_say():
    with servers.postgres(password="p@ss/word") as locked:
        assert locked.psql("SELECT 1").strip() == "1"
        locked.password = "wrong"
        assert locked.psql_process("SELECT 1", stderr=subprocess.DEVNULL).returncode != 0
    with servers.postgres(size="100m") as small:
        full = small.psql_process("CREATE TABLE t AS SELECT repeat('x', 900) FROM generate_series(1, 100000)",
                                  stderr=subprocess.PIPE)
        assert "could not extend file" in full.stderr


def test_a_server_that_is_missing_fails_a_test(monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="redis-server is missing: `make test-deps` installs redis-server"):
        with servers.redis():
            pass


def test_what_tests_install_starts_nothing_and_makes_no_cluster(tmp_path):
    """Also when the installation fails; what was enabled before stays so."""
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "cron.service").touch()
    for name, text in {"apt-get": APT, "sudo": '#!/bin/sh\nexec "$@"\n', "apt-cache": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [REPO / "deploy/need-packages", "--no-services", "no-such-package"], stdout=subprocess.PIPE, text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "NEED_PACKAGES_ROOT": str(tmp_path)})
    assert done.returncode == 7
    assert done.stdout.splitlines()[1:3] == ["create_main_cluster = false", "starts nothing: 101"]
    assert [path.name for path in wants.iterdir()] == ["cron.service"]
    assert not (tmp_path / "usr/sbin/policy-rc.d").exists()
    assert not list((tmp_path / "etc/postgresql-common/createcluster.d").iterdir())
