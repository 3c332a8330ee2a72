"""PostgreSQL in place of state.db: handlers alone, fed by this process with bundles made before and heard by
it, on a server of their own with fsync on. Over what a bare COPY of the same rows reaches there, a second
handler over one, and a handler's own CPU over that with SQLite; in turns."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import msgpack
import zmq

from receiver import BIN, ENVIRONMENT, READY_S, SETTLE_S, TICKS, Failure, die_with_parent, end, wait_for
from rounds import median
from row import Row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import servers  # noqa: E402  (needs the path above)

BUNDLE = 256
FEW = 2000  # addresses that all handlers share
JOURNAL = "0123456789abcdef"


def frame(seq, people):
    now = int(time.time() * 1000)
    person = seq % people if people else seq
    return msgpack.packb({
        "v": 3, "seq": seq, "journal": JOURNAL, "source": "email", "type": "email_delivered", "id": f"evt_{seq:09d}",
        "email": f"person{person}@example.com", "ts": now, "received": now, "attempt": 0, "batch": None, "origin": None,
        "key": os.urandom(16).hex(),
        "data": {"email": f"person{person}@example.com", "message_id": f"m{seq:09d}", "campaign_id": "spring",
                 "user_id": str(seq % 1000), "smtp_response": "250 2.0.0 OK queued as 4F2A91", "ip": "192.0.2.1"}})


def bundles(events, people):
    """What a router sends: in each message events one after the other, as msgpack's bin 32."""
    frames = [b"\xc6" + len(one).to_bytes(4, "big") + one for one in (frame(seq, people) for seq in range(1, events + 1))]
    return [b"".join(frames[at:at + BUNDLE]) for at in range(0, events, BUNDLE)]


def cpu_s(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Handlers:
    """So many processes of handler-delivered, between a router and a retrier that are this process."""

    def __init__(self, count, log, database=None):
        self.folder = tempfile.TemporaryDirectory(prefix="tl-")
        folder = pathlib.Path(self.folder.name)
        run = folder / "d/run"
        run.mkdir(parents=True, mode=0o700)
        config = folder / "trotline.yaml"
        config.write_text(json.dumps({
            "data_dir": "./d", "log_level": log, "handlers": [{"name": "delivered", "processes": count}],
            "sources": [{"name": "email", "secrets": ["${TROTLINE_SECRET}"]}],
        } | ({"database": {"kind": "postgresql", "url": database.url}} if database else {})))
        self.context = zmq.Context()
        self.events, self.verdicts = self.context.socket(zmq.PUSH), self.context.socket(zmq.PULL)
        self.events.sndhwm = 0
        self.verdicts.rcvtimeo = SETTLE_S * 1000
        self.events.bind(f"ipc://{run}/route-delivered.0")
        self.verdicts.bind(f"ipc://{run}/verdicts")
        self.log = folder / "log"
        with open(self.log, "wb") as out:
            self.processes = [subprocess.Popen([BIN / "trotline-handler-delivered", "-c", config, "-i", str(number)],
                                               stdin=subprocess.DEVNULL, stderr=out, env=ENVIRONMENT,
                                               preexec_fn=die_with_parent) for number in range(count)]
        wait_for("handlers ready", lambda: self.log.read_bytes().count(b"msg=ready") == count, READY_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            end(process)
        self.context.destroy(linger=0)
        self.folder.cleanup()

    def drain(self, sent, events):
        """Events/s until all are done, and microseconds of the handlers' CPU an event."""
        before, begun, done = sum(map(cpu_s, self.processes)), time.monotonic(), 0
        for bundle in sent:
            self.events.send(bundle)
        while done < events:
            verdict = msgpack.unpackb(self.verdicts.recv())
            if verdict["verdict"] != "done":
                raise Failure(f"a handler says {verdict['verdict']}: {verdict['reason']}")
            done += len(verdict["seqs"])
        took_s = time.monotonic() - begun
        return events / took_s, (sum(map(cpu_s, self.processes)) - before) / events * 1e6


def drained(bench, sent, events, count=1, server=None):
    with Handlers(count, bench.log, server and server.database()) as handlers:
        return handlers.drain(sent, events)


def copied(server, events):
    """Rows/s of a bare COPY into a table that is as `messages`, with its key, as fast as psql sends them."""
    database = server.database()
    database.psql("CREATE TABLE messages(message_id text NOT NULL, email text NOT NULL, campaign_id text, user_id text,"
                  " status text NOT NULL, status_at bigint NOT NULL, detail text, smtp_code bigint, bounce_type text,"
                  " event_id text NOT NULL, PRIMARY KEY(message_id, email))")
    now = int(time.time() * 1000)
    with tempfile.NamedTemporaryFile("w", prefix="tl-rows-") as rows:
        for seq in range(events):
            rows.write(f"m{seq:09d}\tperson{seq}@example.com\tspring\t{seq % 1000}\tdelivered\t{now}\t\\N\t\\N\t\\N\t"
                       f"evt_{seq:09d}\n")
        rows.flush()
        begun = time.monotonic()
        database.psql(f"\\copy messages FROM '{rows.name}'", timeout_s=SETTLE_S)
        return events / (time.monotonic() - begun)


def one_round(bench, server, apart, few, events):
    found = {"copy": copied(server, events), "sqlite": drained(bench, apart, events)}
    for name, sent in (("apart", apart), ("few", few)):
        for count in (1, 2):
            found[f"{name} {count}"] = drained(bench, sent, events, count, server)
            server.psql("CHECKPOINT")  # each run writes for itself
    bench.say(f"COPY {found['copy']:,.0f} rows/s; one handler {found['apart 1'][0]:,.0f} events/s, two "
              f"{found['apart 2'][0]:,.0f}; on {FEW} addresses {found['few 1'][0]:,.0f}, {found['few 2'][0]:,.0f}")
    return found


def figure(bench):
    events = 20_000 if bench.quick else 200_000
    apart, few = bundles(events, 0), bundles(events, FEW)
    with servers.postgres(settings={"max_wal_size": "4GB", "shared_buffers": "256MB"}) as server:
        done = [one_round(bench, server, apart, few, events) for _ in range(bench.rounds)]
        deadlocks = server.log().count("deadlock detected")
    bench.keep("postgres", done)

    def ratio(over, under, which=0):
        return median(one[over][which] / one[under][which] for one in done)

    rate = median(one["apart 1"][0] for one in done)
    copy = median(one["copy"] for one in done)
    yield Row("postgres: a handler over a bare COPY", median(one["apart 1"][0] / one["copy"] for one in done), target=0.22,
              note=f"{rate:,.0f} events/s, COPY {copy:,.0f}")
    yield Row("postgres: two handlers over one, addresses apart", ratio("apart 2", "apart 1"), target=1.4)
    yield Row(f"postgres: two over one, {FEW:,} addresses", ratio("few 2", "few 1"), target=1.4)
    yield Row("postgres: deadlocks", deadlocks, target=0, limit=True)
    yield Row("postgres: a handler's CPU over that with SQLite", ratio("apart 1", "sqlite", 1), target=0.7, limit=True,
              note=f"{median(one['apart 1'][1] for one in done):.1f} us an event")
