"""The handlers as processes, between fake peers: this file is the router and the retrier. Over both engines:
those that name a file of SQLite's are of that one alone, and have their like in test_postgres.py.

Each test starts real bin/trotline-handler-<name> programs on a folder of its own, sends event
frames, and looks at the verdicts and at the rows of state.db. Nothing sleeps for luck: everything
waits on a condition with a deadline.
"""

import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time

import msgpack
import pytest
import servers
import zmq

BIN = pathlib.Path(os.environ.get("TROTLINE_BIN", pathlib.Path(__file__).parents[2] / "bin"))
DEADLINE_S = 30
LEASE_MS = 2000
JOURNAL = "0123456789abcdef"
TS = 1_700_000_000_000
DIED = "the handler ended or ran out of time while it had this event"

CONFIG = """\
listen: 127.0.0.1:8080
data_dir: ./data
sources:
  - name: email
    provider: trotline
    secrets: ["${TROTLINE_SECRET}"]
processes:
  router: 2
suppression:
  soft_bounces: 3
  soft_bounce_period: 1h
conversions:
  - name: order
    url: "https://shop.example.com/thanks*"
"""


def eventually(what, condition):
    """The condition's first true value; fails after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not within {DEADLINE_S} s: {what}")


class Bench:
    def __init__(self, database=None, more=""):
        """database: one of PostgreSQL's (servers.Database), in place of state.db. more: of the configuration."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
        self.config = self.folder / "trotline.yaml"
        self.database = database
        if database:
            more += f"database: {{kind: postgresql, url: '{database.url}'}}\n"
        self.config.write_text(CONFIG + more)
        self.run = self.folder / "data" / "run"
        self.run.mkdir(parents=True, mode=0o700)
        self.context = zmq.Context()
        self.routes = {}
        self.handlers = []
        self.verdicts = None
        self.seq = 0
        self.listen()

    def socket(self, kind, file):
        sock = self.context.socket(kind)
        sock.linger = 0
        sock.sndtimeo = sock.rcvtimeo = DEADLINE_S * 1000
        sock.bind(f"ipc://{self.run}/{file}")
        return sock

    def listen(self):
        """Takes verdicts from here on."""
        self.verdicts = self.socket(zmq.PULL, "verdicts")

    def deaf(self):
        """No retrier is there."""
        self.verdicts.close()

    def start(self, name, instance=0, under=()):
        log = open(self.folder / f"{name}.{instance}.log", "ab")
        handler = subprocess.Popen(
            [*under, BIN / f"trotline-handler-{name}", "-c", self.config, "-i", str(instance)],
            stderr=log,
            restore_signals=False,  # SIGXFSZ stays ignored: a full disk is an error, not a signal
        )
        log.close()
        self.handlers.append(handler)
        return handler

    def log(self, name, instance=0):
        return (self.folder / f"{name}.{instance}.log").read_text()

    def event(self, data, **fields):
        self.seq += 1
        event = {
            "v": 1,
            "seq": self.seq,
            "journal": JOURNAL,
            "source": "email",
            "type": "email_test",
            "id": f"evt_{self.seq}",
            "email": data.get("email") if isinstance(data.get("email"), str) else None,
            "ts": TS,
            "received": TS + 5,
            "attempt": 0,
            "batch": None,
            "data": data,
        }
        event.update(fields)
        return event

    def route(self, name, router=0):
        if (name, router) not in self.routes:
            self.routes[name, router] = self.socket(zmq.PUSH, f"route-{name}.{router}")
        return self.routes[name, router]

    def send(self, name, *events, router=0):
        for event in events:
            self.route(name, router).send(msgpack.packb(event))

    def verdict(self):
        return msgpack.unpackb(self.verdicts.recv())

    def outcomes(self, n):
        """Verdicts on n events: {seq: (verdict, reason)}."""
        found = {}
        while len(found) < n:
            verdict = self.verdict()
            assert verdict["v"] == 1 and verdict["journal"] == JOURNAL
            for seq in verdict["seqs"]:
                found[seq] = (verdict["verdict"], verdict["reason"])
        return found

    def judge(self, name, *events):
        """Sends events until each has a verdict, as the retrier does: what is on its way to a
        process that has just been killed is lost in the socket. {seq: (verdict, reason)}"""
        found = {}
        end = time.monotonic() + DEADLINE_S
        while len(found) < len(events):
            assert time.monotonic() < end, "no verdict in time"
            self.send(name, *(e for e in events if e["seq"] not in found))
            while len(found) < len(events) and self.verdicts.poll(LEASE_MS):
                verdict = self.verdict()
                assert verdict["v"] == 1 and verdict["journal"] == JOURNAL
                for seq in set(verdict["seqs"]) & {e["seq"] for e in events}:
                    found[seq] = (verdict["verdict"], verdict["reason"])
        return found

    def apply(self, name, *events):
        """Wants each of the events done."""
        assert self.judge(name, *events) == {e["seq"]: ("done", "") for e in events}

    def rows(self, sql):
        if self.database:
            return self.database.dicts(sql)
        with sqlite3.connect(self.folder / "data" / "state.db", timeout=DEADLINE_S) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]

    def row(self, sql):
        (row,) = self.rows(sql)
        return row

    def count(self, table):
        return self.row(f"SELECT count(*) AS n FROM {table}")["n"]

    def exists(self, table):
        if self.database:
            return self.database.exists(table)
        path = self.folder / "data" / "state.db"
        return path.exists() and self.rows(f"SELECT 1 FROM sqlite_master WHERE name = '{table}'") != []

    def stop(self, handler):
        """Drains it; whoever was not killed ends well, also under the sanitizers."""
        if handler.poll() is None:
            handler.send_signal(signal.SIGTERM)
        return handler.wait(DEADLINE_S)

    def close(self):
        statuses = [self.stop(handler) for handler in self.handlers]
        for sock in self.routes.values():
            sock.close()
        self.verdicts.close()
        self.context.term()
        logs = "".join(log.read_text() for log in self.folder.glob("*.log"))
        shutil.rmtree(self.folder)
        if self.database:
            self.database.drop()
        assert set(statuses) <= {0, -signal.SIGKILL}, logs
        assert "Sanitizer" not in logs and "runtime error" not in logs, logs


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request):
    b = Bench(servers.shared_postgres().database() if request.param == "postgresql" else None)
    yield b
    b.close()


@pytest.fixture
def lite():
    """A bench whose database is a file, for what is true of those alone."""
    b = Bench()
    yield b
    b.close()


ANN = {"email": "Ann@Example.com", "message_id": "m1", "campaign_id": "spring", "user_id": 7}
CIRCUMSTANCES = {"user_agent": "UA/1", "ip": "192.0.2.1", "url": "https://shop.example.com/thanks?o=1"}


@pytest.mark.parametrize(
    "name, status",
    [
        ("delivered", "delivered"),
        ("deferred", "deferred"),
        ("blocked", "blocked"),
        ("bounced", "bounced"),
        ("complained", "complained"),
        ("opened", "opened"),
        ("clicked", "clicked"),
        ("forwarded", "opened"),
        ("replied", "opened"),
        ("unsubscribed", "delivered"),
    ],
)
def test_every_email_handler_notes_the_message_and_counts_for_the_recipient(bench, name, status):
    bench.start(name)
    bench.apply(name, bench.event(ANN))
    message = bench.row("SELECT * FROM messages")
    assert message["message_id"] == "m1" and message["email"] == "ann@example.com"
    assert message["campaign_id"] == "spring" and message["user_id"] == "7"
    assert message["status"] == status and message["status_at"] == TS
    recipient = bench.row("SELECT * FROM recipients")
    assert recipient["email"] == "ann@example.com" and recipient["address"] == "Ann@Example.com"
    assert recipient[name] == 1 and recipient[f"last_{name}_at"] == TS


@pytest.mark.parametrize(
    "name",
    "delivered bounced deferred blocked complained opened clicked forwarded replied unsubscribed"
    " verified".split(),
)
def test_without_an_address_an_email_event_is_dead_and_leaves_no_row(bench, name):
    bench.start(name)
    bad = bench.event({"message_id": "m1"})
    good = bench.event(ANN)
    assert bench.judge(name, bad, good) == {
        bad["seq"]: ("dead", "data.email is missing or is no text"),
        good["seq"]: ("done", ""),
    }
    assert bench.rows("SELECT seq FROM applied") == [{"seq": good["seq"]}]
    assert bench.count("recipients") == 1


def test_verdicts_name_journal_and_handler(bench):
    bench.start("delivered")
    event = bench.event(ANN)
    bench.send("delivered", event)
    assert bench.verdict() == {
        "v": 1,
        "journal": JOURNAL,
        "seqs": [event["seq"]],
        "verdict": "done",
        "reason": "",
        "handler": "delivered",
    }


def test_engagements_scores_interests_and_conversions(bench):
    data = ANN | CIRCUMSTANCES | {"content_key": "boats", "tags": ["nets"]}
    for name in ("opened", "clicked", "forwarded", "replied"):
        bench.start(name)
        bench.apply(name, bench.event(data))
    assert bench.row("SELECT score, opened, clicked, forwarded, replied FROM recipients") == {
        "score": 35, "opened": 1, "clicked": 1, "forwarded": 1, "replied": 1,
    }
    kinds = bench.rows("SELECT kind, campaign_id, url, user_agent, ip, at FROM engagements ORDER BY id")
    assert [k.pop("kind") for k in kinds] == ["open", "click", "forward", "reply"]
    assert all(k == CIRCUMSTANCES | {"campaign_id": "spring", "at": TS} for k in kinds)
    assert bench.rows('SELECT "user", kind, key, weight FROM interests ORDER BY key') == [
        {"user": "7", "kind": kind, "key": key, "weight": 13}
        for kind, key in (("content", "boats"), ("content", "nets"), ("campaign", "spring"))
    ]
    assert bench.row("SELECT name, url, campaign_id FROM conversions") == {
        "name": "order", "url": CIRCUMSTANCES["url"], "campaign_id": "spring",
    }


def test_late_events_never_take_a_message_back(bench):
    for name in ("delivered", "bounced", "opened", "deferred"):
        bench.start(name)
    bench.apply("bounced", bench.event(ANN | {"bounce_type": "hard", "smtp_code": "550"}, ts=TS + 10))
    for name in ("delivered", "opened", "deferred"):
        bench.apply(name, bench.event(ANN, ts=TS + 20))
    assert bench.row("SELECT status, status_at, smtp_code, bounce_type FROM messages") == {
        "status": "bounced", "status_at": TS + 10, "smtp_code": 550, "bounce_type": "hard",
    }


@pytest.mark.parametrize(
    "name, extra, what",
    [
        ("bounced", {"bounce_type": "hard"}, "hard_bounce"),
        ("complained", {}, "complaint"),
        ("unsubscribed", {}, "unsubscribe"),
    ],
)
def test_some_events_suppress_at_once_and_for_good_and_are_logged(bench, name, extra, what):
    bench.start(name)
    event = bench.event(ANN | extra | {"metadata": {"list": [1, None, "é"]}})
    bench.apply(name, event)
    assert bench.row("SELECT * FROM suppressions") == {
        "email": "ann@example.com", "reason": what, "since": TS, "until": None, "event_id": "evt_1",
    }
    entry = bench.row("SELECT * FROM compliance_log")
    assert json.loads(entry.pop("detail")) == event["data"]
    assert entry == {
        "id": 1, "email": "ann@example.com", "what": what, "at": TS, "source": "email",
        "event_id": "evt_1",
    }


def test_the_nth_soft_bounce_suppresses_for_a_while_unless_something_was_delivered(bench):
    for name in ("bounced", "delivered"):
        bench.start(name)
    soft = ANN | {"bounce_type": "soft"}
    bench.apply("bounced", bench.event(soft, ts=TS), bench.event(soft, ts=TS + 1))
    bench.apply("delivered", bench.event(ANN, ts=TS + 2))
    bench.apply("bounced", bench.event(soft, ts=TS + 3), bench.event(soft, ts=TS + 4))
    assert bench.count("suppressions") == 0 and bench.count("compliance_log") == 0
    bench.apply("bounced", bench.event(soft, ts=TS + 5))
    assert bench.row("SELECT reason, since, until FROM suppressions") == {
        "reason": "soft_bounces", "since": TS + 5, "until": TS + 5 + 3_600_000,
    }


STRANGE = {
    "metadata": {"deep": [{"a": [1.5, True, None, {}]}], "ünï": "ço\u0000dé 🐟", "path": "a/b\\c\"d"},
    "big": 2**63 - 1, "bigger": 2**64 - 1, "small": -(2**63), "email": 5, "message_id": "\x00" * 9,
}


@pytest.mark.parametrize(
    "name, table", [("unknown", "unknown_events"), ("system", "system_events"), ("verification", "verifications")]
)
def test_events_that_are_kept_are_kept_whole(bench, name, table):
    bench.start(name)
    bench.apply(name, bench.event(STRANGE, type="some_type", id="id\u0000é"))
    row = bench.row(f"SELECT type, at, source, hex(event_id) AS id, data FROM {table}")
    assert json.loads(row.pop("data")) == STRANGE
    nul = "\ufffd" if bench.database else "\0"  # PostgreSQL has none in its texts
    assert row == {
        "type": "some_type", "at": TS, "source": "email", "id": f"id{nul}é".encode().hex().upper(),
    }


def test_verifications_have_address_and_result(bench):
    bench.start("verified")
    bench.start("verification")
    bench.apply("verified", bench.event(ANN, type="email_verified"))
    bench.apply(
        "verification",
        bench.event({"email": "Bob@example.org", "result": "risky"}, type="verification_result"),
        bench.event({"remaining": 5}, type="verification_quota"),
    )
    assert bench.rows("SELECT type, email, result FROM verifications ORDER BY id") == [
        {"type": "email_verified", "email": "ann@example.com", "result": None},
        {"type": "verification_result", "email": "bob@example.org", "result": "risky"},
        {"type": "verification_quota", "email": None, "result": None},
    ]


def test_texts_beyond_all_bounds_are_cut_or_refused_never_fatal(bench):
    bench.start("clicked")
    huge = "é" * 80_000
    cut = bench.event(ANN | {k: huge for k in ("url", "user_agent", "ip", "reason", "campaign_id", "user_id")})
    refused = bench.event(ANN | {"message_id": huge})
    assert bench.judge("clicked", cut, refused) == {
        cut["seq"]: ("done", ""),
        refused["seq"]: ("dead", "data.message_id is longer than 998 bytes"),
    }
    assert bench.row("SELECT length(url) AS u, length(user_agent) AS a, length(ip) AS i FROM engagements") == {
        "u": 2048, "a": 512, "i": 32,
    }


def test_an_event_delivered_twice_applies_once(bench):
    bench.start("opened")
    event = bench.event(ANN)
    for _ in range(3):
        bench.apply("opened", event)
    bench.send("opened", event, event, event)
    assert bench.outcomes(1) == {event["seq"]: ("done", "")}
    assert bench.count("engagements") == 1
    assert bench.row("SELECT opened, score FROM recipients") == {"opened": 1, "score": 10}


def test_killed_after_the_commit_the_same_event_applies_once(bench):
    first = bench.start("opened")
    bench.deaf()
    event = bench.event(ANN)
    bench.send("opened", event)
    eventually("the row is there", lambda: bench.exists("applied") and bench.count("applied") == 1)
    first.kill()
    first.wait()
    bench.listen()
    bench.start("opened")
    bench.apply("opened", event)
    assert bench.count("engagements") == 1


def test_killed_again_and_again_every_event_still_applies_once(bench):
    """Kills at many moments of the work; what has no verdict is sent again, as the retrier does."""
    kills = 0
    events = {e["seq"]: e for e in (bench.event(ANN) for _ in range(3000))}
    open_seqs = dict(events)
    sock = bench.route("opened")
    sock.sndhwm = 100000
    bench.verdicts.rcvtimeo = 300
    for kill_after in (1, 50, 100, 200, 300, 400, 500, 500, 500, 500, 500, 500, None):
        handler = bench.start("opened")
        bench.send("opened", *open_seqs.values())
        answered = 0
        while open_seqs and (kill_after is None or answered < kill_after):
            try:
                verdict = bench.verdict()
            except zmq.Again:
                if kill_after is None:
                    bench.send("opened", *open_seqs.values())
                continue
            if verdict["verdict"] == "retry":  # what a killed process had in hand
                assert verdict["reason"] == DIED and len(verdict["seqs"]) == 1
                continue
            assert verdict["verdict"] == "done"
            answered += len(verdict["seqs"])
            for seq in verdict["seqs"]:
                open_seqs.pop(seq, None)
        if kill_after is not None:
            handler.kill()
            handler.wait()
            kills += 1
        if not open_seqs:
            break
    assert not open_seqs and kills >= 3
    assert bench.row("SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM engagements") == {
        "n": 3000, "ids": 3000,
    }
    assert bench.row("SELECT opened, score FROM recipients") == {"opened": 3000, "score": 30000}
    if not bench.database:
        assert bench.row("PRAGMA integrity_check") == {"integrity_check": "ok"}


def test_the_event_that_a_dead_process_had_in_hand_is_a_retry(bench):
    """The record is as hand.c writes it: the journal's id, its length, whether it holds, the seq."""
    event = bench.event(ANN)
    record = struct.pack("=16sQQQ", JOURNAL.encode(), 16, 1, event["seq"])
    (bench.run / "handler-delivered.0.hand").write_bytes(record)
    handler = bench.start("delivered")
    assert bench.outcomes(1) == {event["seq"]: ("retry", DIED)}
    bench.apply("delivered", event)
    bench.stop(handler)
    bench.start("delivered")
    bench.apply("delivered", bench.event(ANN))


def test_no_verdict_done_leaves_before_its_flush(lite):
    """In the order of system calls: the log is written, the turn given on, the log flushed, and only
    then is `done` sent.

    A leak checker cannot work under strace, so there is none for this one process.
    """
    trace = lite.folder / "trace"
    calls = "trace=pwrite64,fdatasync,fsync,flock,write,sendto,sendmsg"
    no_leaks = "--env=ASAN_OPTIONS=detect_leaks=0"
    lite.start("opened", under=("strace", no_leaks, "-D", "-f", "-y", "-s", "256", "-e", calls, "-o", trace))
    for n in range(1, 4):
        lite.apply("opened", lite.event(ANN))
        eventually("the trace is written", lambda: trace.read_text().count("done") >= n)
    steps = []
    for line in trace.read_text().splitlines():
        if "state.db-wal" in line:
            steps.append("flush" if "sync(" in line else "write")
        elif "LOCK_UN" in line:
            steps.append("turn")
        elif "done" in line and "handled" not in line:
            steps.append("done")
    *commits, rest = " ".join(steps).split("done")
    assert len(commits) == 3 and "done" not in rest
    for commit in commits:
        assert "write" in commit and commit.rstrip().endswith("write turn flush"), steps


def test_two_processes_of_each_type_and_two_routers_share_the_work(bench):
    names = ("opened", "clicked", "delivered")
    events = {name: [bench.event(ANN) for _ in range(400)] for name in names}
    for name in names:
        bench.start(name, 0)
        bench.start(name, 1)
        for half, router in ((events[name][:200], 0), (events[name][200:], 1)):
            bench.send(name, *half, router=router)
    outcomes = bench.outcomes(1200)
    assert set(outcomes.values()) == {("done", "")}
    assert bench.row("SELECT opened, clicked, delivered, score FROM recipients") == {
        "opened": 400, "clicked": 400, "delivered": 400, "score": 400 * 35,
    }


def test_bad_frames_are_counted_and_logged_and_stop_nothing(bench):
    bench.start("delivered")
    good = bench.event(ANN)
    packed = msgpack.packb(good)
    bad = [
        b"", b"\xc1", b"not msgpack", packed[:-1], packed + b"\xc0", msgpack.packb([1, 2]),
        msgpack.packb({**good, "v": 3}), msgpack.packb({**good, "origin": None}), msgpack.packb({**good, "more": 1}),
        msgpack.packb({k: v for k, v in good.items() if k != "id"}),
        msgpack.packb({**good, "seq": "1"}), msgpack.packb({**good, "id": "x" * 600}),
    ]
    tap = bench.context.socket(zmq.SUB)
    tap.linger = 0
    tap.rcvtimeo = DEADLINE_S * 1000
    tap.subscribe("stats.")
    tap.connect(f"ipc://{bench.run}/tap-handler-delivered.0")
    for frame in bad:
        bench.route("delivered").send(frame)
    bench.apply("delivered", good)
    figures = {}
    while figures.get("webhook_bad_frames_total") != len(bad):
        _, stats = tap.recv_multipart()
        metrics = msgpack.unpackb(stats)["metrics"]
        figures = {family: value for family, labels, value in metrics
                   if labels.startswith('stage="handler-delivered"')}
    tap.close()
    assert any(f.startswith("webhook_group_size") for f in figures)
    assert any(f.startswith("webhook_commit_seconds") for f in figures)
    assert bench.log("delivered").count("bad frame") == len(bad)


def test_one_log_line_an_event_and_no_address_in_it(bench):
    handler = bench.start("delivered")
    good, dead = bench.event(ANN, id="a b"), bench.event({})
    bench.judge("delivered", good, dead)
    bench.stop(handler)
    lines = [line for line in bench.log("delivered").splitlines() if "msg=handled" in line]
    assert len(lines) == 2
    assert 'level=info stage=handler-delivered msg=handled seq=1 id="a b" type=email_test verdict=done' in lines[0]
    assert "verdict=dead" in lines[1] and 'reason="data.email is missing or is no text"' in lines[1]
    assert "example" not in "".join(lines).lower()


def test_a_full_disk_is_a_retry_and_passes(lite):
    handler = lite.start("unknown")
    lite.apply("unknown", lite.event({"n": 0}))
    resource.prlimit(handler.pid, resource.RLIMIT_FSIZE, (16384, resource.RLIM_INFINITY))
    events = [lite.event({"n": n, "fill": "x" * 20000}) for n in range(5)]
    outcomes = lite.judge("unknown", *events)
    assert {verdict for verdict, _ in outcomes.values()} == {"later"}
    assert all("state database" in reason for _, reason in outcomes.values())
    assert handler.poll() is None
    resource.prlimit(handler.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    lite.apply("unknown", *events)
    assert lite.count("unknown_events") == 6


def test_an_outsider_that_holds_the_database_is_a_retry_and_passes(lite):
    lite.start("delivered")
    lite.apply("delivered", lite.event(ANN))
    event = lite.event(ANN)
    shell = sqlite3.connect(lite.folder / "data" / "state.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    (outcome,) = lite.judge("delivered", event).values()
    assert outcome == ("later", "state database: BEGIN: database is locked")
    shell.execute("ROLLBACK")
    shell.close()
    lite.apply("delivered", event)
    assert lite.row("SELECT delivered FROM recipients") == {"delivered": 2}


def test_a_drain_finishes_what_was_read_and_ends_well(bench):
    handler = bench.start("opened")
    events = [bench.event(ANN) for _ in range(1000)]
    bench.send("opened", *events)
    said = len(bench.verdict()["seqs"])
    assert bench.stop(handler) == 0
    while bench.verdicts.poll(100):
        said += len(bench.verdict()["seqs"])
    assert said == bench.count("engagements"), "all that is applied is reported, and nothing else"
    bench.start("opened")
    bench.apply("opened", *events)
    assert bench.count("engagements") == 1000


def test_a_handler_that_is_stopped_while_it_waits_for_its_turn_ends_well(lite):
    handler = lite.start("delivered")
    lite.apply("delivered", lite.event(ANN))
    with open(lite.folder / "data" / "state.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        event = lite.event(ANN)
        lite.send("delivered", event)
        eventually(
            "it waits for the lock",
            lambda: any("->" in line and f" {handler.pid} " in line
                        for line in pathlib.Path("/proc/locks").read_text().splitlines()),
        )
        handler.send_signal(signal.SIGTERM)
    assert lite.outcomes(1) == {event["seq"]: ("done", "")}
    assert handler.wait(DEADLINE_S) == 0


def test_it_needs_no_secret_and_refuses_a_second_process_of_its_number(bench):
    assert "TROTLINE_SECRET" not in os.environ
    bench.start("delivered")
    bench.apply("delivered", bench.event(ANN))
    second = subprocess.run(
        [BIN / "trotline-handler-delivered", "-c", bench.config], capture_output=True, timeout=DEADLINE_S
    )
    assert second.returncode == 111 and b"runs already" in second.stderr


def test_the_database_is_for_its_owner_only(lite):
    lite.start("delivered")
    lite.apply("delivered", lite.event(ANN))
    for file in ("state.db", "state.db-wal", "state.db-shm", "state.lock"):
        assert (lite.folder / "data" / file).stat().st_mode & 0o777 == 0o600
