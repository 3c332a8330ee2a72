"""The pipeline for tests: the real processes in a folder of their own, and a client that talks to them.

A stage is a direct child, so that a test can kill or stop exactly one of them and start it again as
supervisord would. Nothing sleeps for luck: every wait is a condition with a deadline. What must hold
after every test is checked at the end of each: a process ends 0 on SIGTERM, and no sanitizer speaks.
"""

import hashlib
import hmac
import http.client
import io
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import uuid

import msgpack
import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TROTLINE_BIN", REPO / "bin"))
DEADLINE_S = 30
SECRET = "correct-horse-battery-staple"
ALL_HANDLERS = tuple(sorted(
    path.name.removeprefix("trotline-handler-") for path in BIN.glob("trotline-handler-*")))
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior|SUMMARY: ")


def process_table():
    """{name: (whose secrets it gets, stores that it opens)} of proto/processes.h, front to back."""
    text = re.sub(r"\s*\\\n\s*", " ", (REPO / "proto/processes.h").read_text())
    words = dict(re.findall(r'X\((\w+), "(\w+)"\)', text))
    rows = re.findall(r'X\(\w+, "([\w-]+)", COUNT_\w+, NEEDED_\w+, (\w+), ([\w |]+),', text)
    return {name: (secrets, {words[word] for word in re.findall(r"OPENS_(\w+)", stores) if word != "NONE"})
            for name, secrets, stores in rows}


PROCESSES = process_table()
FRONT = tuple(PROCESSES)[:list(PROCESSES).index("handler-")]
BACK = tuple(PROCESSES)[len(FRONT) + 1:]


def wait_for(what, condition, deadline_s=DEADLINE_S):
    """The condition's first true value; an AssertionError after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.01)


# Below the range that the system hands to outgoing connections, so that none takes them, and none
# that a run beside this one looks for: TEST_SLOT tells up to eight of them apart.
PORTS = list(range(20000 + int(os.environ.get("TEST_SLOT", 0)) % 8, 32000, 8))
random.shuffle(PORTS)
NEXT_PORT = itertools.cycle(PORTS)


def free_port():
    """Not the same one soon again: what asks for two gets two."""
    while True:
        port = next(NEXT_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def sign(body, secret=SECRET):
    """The X-Signature header's value."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def new_id(prefix="evt"):
    return f"{prefix}_{uuid.uuid4().hex}"


def event(kind="custom_thing", event_id=None, timestamp=None, **data):
    """An event in the native format, fresh and complete."""
    return {
        "event_type": kind,
        "event_id": event_id or new_id(),
        "timestamp": int(time.time()) if timestamp is None else timestamp,
        "data": data or {"email": "ann@example.com"},
    }


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:400]!r}>"


class Client:
    """One keep-alive connection. A cut connection is the caller's to see: ConnectionError."""

    def __init__(self, port, secret=SECRET, timeout_s=DEADLINE_S, token=None, host="127.0.0.1"):
        self.host, self.port, self.secret, self.timeout_s = host, port, secret, timeout_s
        self.always = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def request(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.host, self.port, timeout=self.timeout_s)
        try:
            self.connection.request(method, path, body, self.always | (headers or {}))
            return Answer(self.connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionError(repr(error)) from error

    def get(self, path):
        return self.request("GET", path)

    def post_bytes(self, body, path="/webhooks/email", signature=None):
        return self.request("POST", path, body, {
            "Content-Type": "application/json",
            "X-Signature": sign(body, self.secret) if signature is None else signature})

    def post(self, value, path="/webhooks/email"):
        return self.post_bytes(json.dumps(value).encode(), path)

    def post_batch(self, values):
        return self.post(values, "/webhooks/email/batch")


def read_answer(sock):
    """The answer that comes on a plain socket."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    return Answer(response)


def request_bytes(body, path="/webhooks/email", extra=(), length=None, signature=None):
    """A signed POST as the bytes that go over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"X-Signature: {signature or sign(body)}",
             f"Content-Length: {len(body) if length is None else length}", *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Stage:
    """One process of the pipeline. Its log goes on in the same file when it is started again."""

    def __init__(self, pipeline, name, instance=0):
        self.pipeline, self.name, self.instance = pipeline, name, instance
        self.log_path = pipeline.folder / f"{name}.{instance}.log"
        self.process = None
        self.seen = 0
        self.wrapper, self.env, self.bin = (), {}, BIN

    def __repr__(self):
        return f"{self.name}.{self.instance}"

    def command(self):
        return [*self.wrapper, str(self.bin / f"trotline-{self.name}"), "-c",
                str(self.pipeline.config), "-i", str(self.instance)]

    def launch(self):
        """Starts the process without waiting."""
        self.seen = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.pipeline.environment(self.name) | self.env)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self} ended {self.process.returncode} at start:\n{self.log()[-2000:]}")
        return "msg=ready" in self.log_since_start()

    def start(self):
        self.launch()
        wait_for(f"{self} ready", self.is_ready)
        return self

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def pid(self):
        """Of the stage itself: under a wrapper it is the wrapper's child."""
        if not self.wrapper:
            return self.process.pid
        found = re.findall(r"msg=ready .*?pid=(\d+)", self.log())
        return int(found[-1])

    def signal(self, number):
        os.kill(self.pid(), number)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        """As a crash and supervisord's answer to it."""
        self.kill()
        return self.start()

    def stop(self):
        """SIGTERM, and the drain's end; it must be a good one."""
        if not self.runs():
            return
        self.signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)
        assert self.process.returncode == 0, (
            f"{self} ended {self.process.returncode} on SIGTERM:\n{self.log()[-4000:]}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_since_start(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.seen)
            return log.read().decode(errors="replace")

    def has_logged(self, *parts):
        """Is there a line with all of these texts?"""
        return any(all(part in line for part in parts) for line in self.log().splitlines())


class Pipeline:
    """A configuration, its folder, and the stages that run on it."""

    live = []

    def __init__(self, handlers=("unknown",), counts=None, settings=None, without=(), admin=False, database=None):
        """database: one of PostgreSQL's (servers.Database), in place of state.db. With TEST_DATABASE=postgresql
        each pipeline has one of its own."""
        if not database and os.environ.get("TEST_DATABASE") == "postgresql":
            import servers  # it builds on this file
            database = servers.shared_postgres().database()
        self.database = database
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
        self.data = self.folder / "d"
        self.config = self.folder / "trotline.yaml"
        self.port = free_port()
        self.admin_port = free_port() if admin else None
        self.counts = counts or {}
        self.write_config(settings or {})
        self.stages = {}
        self.hooks = []
        if not (settings or {}).get("forward"):
            without = (*without, "forward")
            if (settings or {}).get("history", {}).get("keep", "0s") == "0s":
                without = (*without, "history")
        for name in (*reversed(BACK), *(f"handler-{handler}" for handler in handlers), *reversed(FRONT)):
            for instance in range(self.counts.get(name, 1) if name not in without else 0):
                self.stages[name, instance] = Stage(self, name, instance)
        Pipeline.live.append(self)

    def write_config(self, settings):
        """JSON is YAML too. A list or a map in settings takes the place of the default."""
        config = {
            "listen": f"127.0.0.1:{self.port}",
            "data_dir": "./d",
            "sources": [{"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}],
            "processes": {name: self.counts.get(name, 1) for name in FRONT},
            "journal": {"lease": "2s"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}" if self.admin_port else "off"},
            "history": {"keep": "0s"},
        }
        if self.database:
            config["database"] = {"kind": "postgresql", "url": self.database.url}
        for key, value in settings.items():
            both = isinstance(value, dict) and isinstance(config.get(key), dict)
            config[key] = config[key] | value if both else value
        self.config.write_text(json.dumps(config, indent=1))

    def environment(self, name):
        """Only the validator is given the secret."""
        env = dict(os.environ)
        env.pop("TROTLINE_SECRET", None)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        if name == "validator":
            env["TROTLINE_SECRET"] = SECRET
        return env

    def __getitem__(self, name):
        """The stage of that name, or (name, instance)."""
        return self.stages[name if isinstance(name, tuple) else (name, 0)]

    def start(self):
        for stage in self.stages.values():
            stage.launch()
        for stage in self.stages.values():
            wait_for(f"{stage} ready", stage.is_ready)
        return self

    def add(self, name, instance=0):
        """One more process, started."""
        stage = self.stages[name, instance] = Stage(self, name, instance)
        return stage.start()

    def hook(self, name, decide):
        """A handler in this process; see Hook."""
        hook = Hook(self, name, decide)
        self.hooks.append(hook)
        return hook

    def client(self, **options):
        return Client(self.port, **options)

    def admin_token(self):
        """The one that the admin listener made."""
        return (self.data / "admin.token").read_text().strip()

    def admin(self, **options):
        """A connection to the admin listener, with its token."""
        return Client(self.admin_port, **{"token": self.admin_token()} | options)

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def get(self, path):
        with self.client() as client:
            return client.get(path)

    def post(self, value):
        with self.client() as client:
            return client.post(value)

    def health(self):
        return self.get("/webhooks/health")

    def metric(self, family, part=""):
        """Sum of a family's values whose labels contain part."""
        total = 0
        for line in self.get("/metrics").body.decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name.split("{")[0] == family and part in name:
                total += float(value)
        return total

    def dicts(self, query, *values):
        """What the state database answers, {column: value}; nothing while it is not there yet."""
        if self.database:
            return self.database.dicts(query, *values) if self.database.exists("unknown_events") else []
        path = self.data / "state.db"
        if not path.exists():
            return []
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=DEADLINE_S)
        db.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in db.execute(query, values)]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            db.close()

    def rows(self, query, *values):
        return [tuple(row.values()) for row in self.dicts(query, *values)]

    def unknown_ids(self):
        return [row[0] for row in self.rows("SELECT event_id FROM unknown_events")]

    def wait_unknown(self, ids):
        """All of these have been applied by the handler `unknown`."""
        wait_for(f"{len(set(ids))} events applied", lambda: set(ids) <= set(self.unknown_ids()))

    def wait_settled(self, accepted):
        """The journal has taken in so many events and none of them is left in it. Both figures come
        from one look of the retrier, so that an old one cannot deceive."""
        wait_for(f"{accepted} events settled", lambda: (
            self.metric("webhook_remembered_events") == accepted
            and self.metric("webhook_queue_size") == 0), 60)

    def logs(self, lines=25):
        """The end of every stage's log, for a test that failed."""
        parts = []
        for stage in self.stages.values():
            state = "runs" if stage.runs() else f"ended {stage.process and stage.process.returncode}"
            tail = "\n".join(stage.log().splitlines()[-lines:])
            parts.append(f"---- {stage} ({state})\n{tail}")
        return "\n".join(parts)

    def stop(self):
        """Front to back, as a drain goes."""
        handlers = [name for name, _ in self.stages if name.startswith("handler-")]
        for wanted in (*FRONT, *dict.fromkeys(handlers), *BACK):
            for (name, _), stage in list(self.stages.items()):
                if name == wanted:
                    stage.stop()

    def close(self):
        """Stops all, removes the folder, and says what must not have happened."""
        for hook in self.hooks:
            hook.close()
        try:
            self.stop()
            for stage in self.stages.values():
                report = SANITIZER.search(stage.log())
                assert not report, f"{stage}:\n{stage.log()[max(0, report.start() - 200):][:6000]}"
        finally:
            for stage in self.stages.values():
                if stage.runs():
                    stage.kill()
            Pipeline.live.remove(self)
            shutil.rmtree(self.folder)


def post_all(pipeline, events, batch=1000):
    """In batches; each event must be queued. The events' ids."""
    with pipeline.client() as client:
        for at in range(0, len(events), batch):
            part = events[at:at + batch]
            result = client.post_batch(part).json()["batch_result"]
            assert result["queued_count"] == len(part), result
    return [ev["event_id"] for ev in events]


def maps_in(message):
    """What a message's frames hold: those of a bundle, or one frame by itself."""
    frames = msgpack.Unpacker(io.BytesIO(message)) if message[:1] == b"\xc6" else [message]
    return [msgpack.unpackb(frame) for frame in frames]


def verdict_on(events, handler, verdict, reason=""):
    """A verdict frame on events of one journal."""
    return msgpack.packb({
        "v": 1, "journal": events[0]["journal"], "seqs": [ev["seq"] for ev in events],
        "verdict": verdict, "reason": reason, "handler": handler})


class Hook:
    """A handler in the test's own process, as one in any language would be: it pulls event frames
    from the routers and pushes verdicts. decide(event) gives "done", or ("retry"|"dead", why), or
    a frame as it is, or None for no verdict at all."""

    def __init__(self, pipeline, name, decide):
        self.name, self.decide, self.events = name, decide, []
        self.run = pipeline.data / "run"
        self.routers = pipeline.counts.get("router", 1)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def open(self, context):
        events, verdicts = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        events.rcvtimeo = 50
        verdicts.immediate = 1
        events.linger = 0
        verdicts.linger = 1000
        for i in range(self.routers):
            events.connect(f"ipc://{self.run}/route-{self.name}.{i}")
        verdicts.connect(f"ipc://{self.run}/verdicts")
        return events, verdicts

    def work(self):
        context = zmq.Context()
        events, verdicts = self.open(context)
        while not self.stopping.is_set():
            try:
                message = events.recv()
            except zmq.Again:
                continue
            for ev in maps_in(message):
                self.answer(verdicts, ev)
        events.close()
        verdicts.close()
        context.term()

    def answer(self, verdicts, ev):
        self.events.append(ev)
        decided = self.decide(ev)
        if decided is None:
            return
        if isinstance(decided, bytes):
            verdicts.send(decided)
            return
        verdict, reason = (decided, "") if isinstance(decided, str) else decided
        verdicts.send(verdict_on([ev], self.name, verdict, reason))

    def close(self):
        self.stopping.set()
        self.thread.join(DEADLINE_S)


def close_all(pipelines):
    """Every one of them, whatever the others do."""
    faults = []
    for pipeline in pipelines:
        try:
            pipeline.close()
        except Exception as fault:  # the others must be stopped too
            faults.append(fault)
    if faults:
        raise faults[0]
