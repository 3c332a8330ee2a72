"""Real servers for tests: PostgreSQL, Redis, PgBouncer, nginx, each in a folder and on a port of its own.

Context managers; what stands in them can be killed, stopped, started again on the same data and port,
and held still as a machine that hangs. One that is not installed is a test that fails. PostgreSQL and
PgBouncer refuse to be root, so as root they run as the user postgres.

As a program it starts one for a command: servers.py postgres bin/unit-tests (TEST_POSTGRES is its URL).
"""

import contextlib
import itertools
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse

from pipeline import free_port, wait_for

READY_S = 60
USER = "trotline"


def find_program(name, package, *folders):
    path = shutil.which(name, path=os.pathsep.join([*folders, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]))
    assert path, f"{name} is missing: `make test-deps` installs {package}"
    return path


def postgres_program(name):
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return find_program(name, "postgresql-15", *(str(path) for path in reversed(installed)))


def children_of(pid):
    """Of all generations, the parents first."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


class Authority:
    """It makes certificates for servers: ca.pem in the folder is its own."""

    def __init__(self, folder):
        self.folder, self.ca = folder, folder / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                     "-subj", "/CN=tests", "-keyout", folder / "ca.key", "-out", self.ca)

    @staticmethod
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def issue(self, address, folder):
        """server.pem and server.key there, for an address."""
        (folder / "names").write_text(f"subjectAltName=IP:{address}")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                     f"/CN={address}", "-keyout", folder / "server.key", "-out", folder / "request")
        self.openssl("x509", "-req", "-in", folder / "request", "-CA", self.ca, "-CAkey", self.folder / "ca.key",
                     "-days", "30", "-extfile", folder / "names", "-out", folder / "server.pem")


class Server:
    """One process that serves. Its log is one file over all its lives."""

    package = None
    stop_signal = signal.SIGTERM
    as_postgres = False
    orphans_end = False

    def __init__(self, wrapper=(), host="127.0.0.1", port=None):
        self.wrapper, self.host, self.port = tuple(wrapper), host, port or free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tl-{type(self).__name__.lower()}-"))
        self.data = self.folder / "d"
        self.data.mkdir(mode=0o700)
        self.log_path = self.folder / "log"
        self.process = None
        if self.as_postgres and os.geteuid() == 0:
            self.folder.chmod(0o711)
            self.give(self.data)

    @staticmethod
    def give(path):
        """To the user that the server runs as."""
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(path, user.pw_uid, user.pw_gid)

    def user(self):
        """What makes a command run as who it has to be; it execs, so the pid is the command's."""
        if not self.as_postgres or os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def command(self):
        raise NotImplementedError

    def answers(self):
        raise NotImplementedError

    def is_ready(self):
        if not self.runs():
            raise AssertionError(f"{self.package} ended {self.process.returncode} at start:\n{self.log()[-3000:]}")
        return self.answers()

    def runs(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def launch(self):
        """Starts it without waiting."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *self.user(), *self.command()], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.data, start_new_session=True, env={
                    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.data), "LC_ALL": "C"})
        return self

    def start(self):
        self.launch()
        wait_for(f"{self.package} ready", self.is_ready, READY_S)
        return self

    def everyone(self):
        return [self.pid, *children_of(self.pid)]

    def signal_all(self, number):
        for pid in self.everyone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """-9 for the process, and for those that it leaves where they do not end by themselves."""
        left = self.everyone()
        self.process.kill()
        self.process.wait()
        for pid in filter(self.is_ours, left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT if self.orphans_end else signal.SIGKILL)
        wait_for("its processes' end", lambda: not any(map(self.is_ours, left)), READY_S)

    def is_ours(self, pid):
        """Still there, and in our folder: a number that is given anew is somebody else."""
        with contextlib.suppress(OSError):
            return self.folder in pathlib.Path(os.readlink(f"/proc/{pid}/cwd")).parents
        return False

    def stop(self):
        if self.runs():
            self.resume()
            self.process.send_signal(self.stop_signal)
            self.process.wait(READY_S)

    def restart(self):
        """After kill() or stop(), or by a stop."""
        self.stop()
        return self.start()

    def pause(self):
        """It hangs: connections stay, nothing answers."""
        self.signal_all(signal.SIGSTOP)

    def resume(self):
        self.signal_all(signal.SIGCONT)

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.folder)


class Database:
    """One of a server's, and who looks into it: psql, which shares no code with the pipeline."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.url = server.url(name)

    def psql(self, sql, **options):
        """What it prints."""
        return self.server.psql(sql, self.name, **options)

    def dicts(self, query, *values):
        """Rows of a SELECT, {column: int, str, None ...}. ? stands for a value."""
        parts = query.rstrip().rstrip(";").split("?")
        assert len(parts) == len(values) + 1, query
        text = parts[0] + "".join(quote(value) + part for value, part in zip(values, parts[1:]))
        return [json.loads(line) for line in self.psql(f"SELECT row_to_json(t) FROM ({text}) t").splitlines()]

    def rows(self, query, *values):
        """As sqlite3 gives them: tuples."""
        return [tuple(row.values()) for row in self.dicts(query, *values)]

    def drop(self):
        self.server.psql(f"DROP DATABASE {self.name} WITH (FORCE)")

    def exists(self, table):
        return self.psql(f"SELECT to_regclass({quote(table)})").strip() != ""


def quote(value):
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


# What SQLite has, too, so that a test asks both in the same words.
WORDS = """
CREATE FUNCTION hex(text) RETURNS text LANGUAGE sql AS $$ SELECT upper(encode(convert_to($1, 'UTF8'), 'hex')) $$;
CREATE FUNCTION append(text, anyelement) RETURNS text LANGUAGE sql AS $$ SELECT coalesce($1 || ',', '') || $2 $$;
CREATE AGGREGATE group_concat(anyelement) (SFUNC = append, STYPE = text);
"""


class Postgres(Server):
    package = "postgresql-15"
    stop_signal = signal.SIGINT  # fast: it breaks connections off, and flushes
    as_postgres = True
    orphans_end = True
    numbers = itertools.count(1)

    def __init__(self, password=None, settings=None, size=None, wal_apart=True, standby_of=None,
                 authority=None, **options):
        """settings: {name: value} as of postgresql.conf. size: of the disk under it, as tmpfs has it; the
        log of changes is on another, unless told otherwise: the server panics when that is full. standby_of: a
        server, whose copy it is, and follows it until promote(). authority: for who comes with TLS, and then
        nobody else may come."""
        super().__init__(**options)
        self.password, self.settings, self.wal_apart = password, dict(settings or {}), wal_apart
        self.mounted = size is not None
        if self.mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", self.data], check=True)
            self.give(self.data)
        self.authority = authority
        if authority:
            authority.issue(self.host, self.data)
            self.settings |= {"ssl": "on", "ssl_cert_file": self.data / "server.pem", "ssl_key_file": self.data / "server.key"}
            self.give(self.data / "server.key")
        if standby_of:
            self.copy(standby_of)
        else:
            self.make()
        self.knows_words = standby_of is not None

    def copy(self, other):
        subprocess.run(
            [*self.user(), postgres_program("pg_basebackup"), "-D", str(self.data / "data"), "-R", "-c", "fast",
             "-d", other.url("postgres")], check=True, cwd=self.data, env={"PATH": "/usr/bin:/bin"})

    def promote(self):
        self.psql("SELECT pg_promote()")

    def make(self):
        """A cluster of its own; fsync stays on."""
        secret = self.data / "secret"
        if self.password:
            secret.write_text(self.password)
            self.give(secret)
        wal = self.folder / "wal"
        wal.mkdir()
        self.give(wal)
        how = ["-A", "scram-sha-256", "--pwfile", str(secret)] if self.password else ["-A", "trust"]
        subprocess.run(
            [*self.user(), postgres_program("initdb"), "-D", str(self.data / "data"), "-U", USER, "-E", "UTF8",
             "--locale=C", "--no-instructions", "--no-sync",
             *how, *(["-X", str(wal)] if self.wal_apart else [])],
            check=True, stdout=subprocess.DEVNULL, cwd=self.data, env={"PATH": "/usr/bin:/bin", "HOME": str(self.data)})
        if self.host != "127.0.0.1":
            with open(self.data / "data" / "pg_hba.conf", "a") as rules:
                rules.write(f"{'hostssl' if self.authority else 'host'} all all {self.host}/24 {how[1]}\n")

    def command(self):
        settings = {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": self.data,
                    "log_line_prefix": "%m [%p] ", "max_connections": 60, "shared_buffers": "64MB"} | self.settings
        return [postgres_program("postgres"), "-D", str(self.data / "data"),
                *(f"--{name}={value}" for name, value in settings.items())]

    def start(self):
        super().start()
        if not self.knows_words:
            self.psql(WORDS, "template1")
            self.knows_words = True
        return self

    def answers(self):
        return subprocess.run([*self.wrapper, find_program("pg_isready", "postgresql-client-15"), "-q", "-h", self.host,
                               "-p", str(self.port)]).returncode == 0

    def url(self, database, user=USER, password=None):
        password = password or self.password
        who = user + (":" + urllib.parse.quote(password, safe="") if password else "")
        return f"postgresql://{who}@{self.host}:{self.port}/{database}"

    def psql(self, sql, database="postgres", check=True, timeout_s=READY_S):
        return self.psql_process(sql, database, check=check, timeout=timeout_s).stdout

    def psql_process(self, sql, database="postgres", run=subprocess.run, **options):
        """subprocess.run, or Popen for a session that lasts. sql: one text, which is one transaction, or several."""
        options = {"stdout": subprocess.PIPE, "text": True} | options
        return run([*self.wrapper, find_program("psql", "postgresql-client-15"), "-XAtq", "-v", "ON_ERROR_STOP=1",
                    "-d", self.url(database), *(f"-c{text}" for text in ([sql] if isinstance(sql, str) else sql))],
                   stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **options)

    def database(self):
        """An own one, empty."""
        name = f"test_{os.getpid()}_{next(self.numbers)}"
        self.psql(f"CREATE DATABASE {name}")
        return Database(self, name)

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        if self.mounted:
            subprocess.run(["umount", self.data], check=True)
        shutil.rmtree(self.folder)


class PgBouncer(Server):
    package = "pgbouncer"
    stop_signal = signal.SIGTERM
    as_postgres = True

    def __init__(self, to, pool_mode="session", settings=None, **options):
        super().__init__(**options)
        self.to = to
        lines = {"listen_addr": self.host, "listen_port": self.port, "unix_socket_dir": "", "auth_type": "trust",
                 "auth_file": self.data / "users", "pool_mode": pool_mode, "admin_users": USER,
                 "max_client_conn": 200, "default_pool_size": 20, "server_login_retry": 1} | dict(settings or {})
        (self.data / "users").write_text(f'"{USER}" "{to.password or ""}"\n')
        (self.data / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={to.host} port={to.port}\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in lines.items()))
        for path in self.data.iterdir():
            self.give(path)

    def command(self):
        return [find_program("pgbouncer", "pgbouncer"), str(self.data / "pgbouncer.ini")]

    def answers(self):
        return subprocess.run(
            [find_program("psql", "postgresql-client-15"), "-XAtq", "-d", self.url("pgbouncer"), "-c", "SHOW VERSION"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def url(self, database):
        return f"postgresql://{USER}@{self.host}:{self.port}/{database}"


class Redis(Server):
    package = "redis-server"

    def __init__(self, settings=None, password=None, authority=None, **options):
        """settings: {name: value} as of redis.conf. It keeps nothing on disk. authority: for who comes with
        TLS, and then nobody else may come."""
        super().__init__(**options)
        self.settings, self.password, self.authority = dict(settings or {}), password, authority
        if authority:
            authority.issue(self.host, self.data)
            self.settings |= {"port": 0, "tls-port": self.port, "tls-cert-file": self.data / "server.pem",
                              "tls-key-file": self.data / "server.key", "tls-ca-cert-file": authority.ca,
                              "tls-auth-clients": "no"}
        self.numbers = itertools.count(1)

    def command(self):
        settings = {"port": self.port, "bind": self.host, "dir": self.data, "save": "", "appendonly": "no",
                    "maxmemory-policy": "noeviction", "daemonize": "no", "databases": 1000} | self.settings
        if self.password:
            settings["requirepass"] = self.password
        return [find_program("redis-server", "redis-server"),
                *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]

    def cli(self, *words, db=0, check=True, **options):
        """What redis-cli prints."""
        env = {"PATH": "/usr/bin:/bin"} | ({"REDISCLI_AUTH": self.password} if self.password else {})
        tls = ["--tls", "--cacert", str(self.authority.ca)] if self.authority else []
        return subprocess.run([*self.wrapper, find_program("redis-cli", "redis-tools"), "-h", self.host, "-p",
                               str(self.port), "-n", str(db), *tls, *map(str, words)], check=check, text=True, env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=READY_S, **options).stdout.rstrip("\n")

    def answers(self):
        return self.cli("ping", check=False, stderr=subprocess.DEVNULL) == "PONG"

    def url(self, db=0):
        return f"redis{'s' if self.authority else ''}://{self.host}:{self.port}/{db}"

    def number(self):
        """Of a database that no other test has."""
        return next(self.numbers)


class Nginx(Server):
    package = "nginx-light"
    stop_signal = signal.SIGQUIT

    def __init__(self, config, host="127.0.0.1", **options):
        """config: what stands in its http block, PORT for its port."""
        super().__init__(host=host, **options)
        self.write(config)

    def write(self, config):
        spool = "".join(f"{kind}_temp_path {self.data}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self.data / "nginx.conf").write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {self.data}/pid;\nerror_log stderr;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{spool}"
            f"{config.replace('PORT', str(self.port))}\n}}\n")

    def command(self):
        return [find_program("nginx", "nginx-light"), "-p", str(self.data), "-e", "stderr", "-c",
                str(self.data / "nginx.conf")]

    def answers(self):
        return subprocess.run([*self.wrapper, find_program("curl", "curl"), "-s", "-o", "/dev/null",
                               f"http://{self.host}:{self.port}/"]).returncode == 0


@contextlib.contextmanager
def running(server):
    try:
        yield server.start()
    finally:
        server.close()


def postgres(**options):
    return running(Postgres(**options))


def redis(**options):
    return running(Redis(**options))


def pgbouncer(pool_mode, to, **options):
    return running(PgBouncer(to, pool_mode, **options))


def nginx(config, **options):
    return running(Nginx(config, **options))


SHARED = {}


def shared_postgres():
    """One a run, started by who asks first."""
    if not SHARED:
        SHARED["postgres"] = Postgres().start()
    return SHARED["postgres"]


def close_shared():
    while SHARED:
        SHARED.popitem()[1].close()


def main():
    """servers.py postgres COMMAND ..."""
    assert sys.argv[1] == "postgres" and len(sys.argv) > 2, main.__doc__
    with postgres() as server:
        sys.exit(subprocess.run(sys.argv[2:], env=os.environ | {"TEST_POSTGRES": server.url("postgres")}).returncode)


if __name__ == "__main__":
    main()
