#!/usr/bin/env python3
"""archived - the recipient moved the message to an archive.
In: email_archived.  Out: one row an event in archived.db.

usage: archived.py DATA_DIR [ROUTERS]    (processes.router in trotline.yaml; 1 unless set there)

Delivery is at least once: an event comes again when its verdict was lost or late. So the row's key
is (journal, seq), which names the event for ever, and the row is on disk before `done` leaves.
What a kill leaves in the sockets comes again after the lease.
"""

import signal
import sqlite3
import sys

import msgpack
import zmq

NAME = "archived"  # in trotline.yaml: handlers: - {name: archived, types: [...], processes: 0}


def open_database(path):
    db = sqlite3.connect(path, timeout=5, isolation_level=None)  # each statement commits
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE IF NOT EXISTS archived(journal TEXT, seq INTEGER, event_id TEXT,"
               " email TEXT, message_id TEXT, at INTEGER, PRIMARY KEY(journal, seq))")
    return db


def handle(db, event):
    """The verdict on one event, and the reason for it: at most 512 bytes."""
    message_id = event["data"].get("message_id")
    if not event["email"] or not message_id:
        return "dead", "data.email or data.message_id is missing"  # never: a person must look
    try:
        db.execute("INSERT OR IGNORE INTO archived VALUES(?, ?, ?, ?, ?, ?)",
                   (event["journal"], event["seq"], event["id"],
                    event["email"], str(message_id), event["ts"]))
    except sqlite3.OperationalError as error:  # locked, disk full: the cause may pass
        return "retry", str(error)
    return "done", ""


def open_sockets(context, data_dir, routers):
    events, verdicts = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    events.rcvhwm = 64  # what waits here is lost with this process, until its lease is over
    for i in range(routers):
        events.connect(f"ipc://{data_dir}/run/route-{NAME}.{i}")
    verdicts.connect(f"ipc://{data_dir}/run/verdicts")
    return events, verdicts


def main(data_dir, routers=1):
    db = open_database(f"{data_dir}/archived.db")
    context = zmq.Context()
    events, verdicts = open_sockets(context, data_dir, int(routers))
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    while not stopping:
        if not events.poll(200):
            continue
        event = msgpack.unpackb(events.recv())
        verdict, reason = handle(db, event)
        verdicts.send(msgpack.packb({
            "v": 1, "journal": event["journal"], "seqs": [event["seq"]],
            "verdict": verdict, "reason": reason, "handler": NAME}))
    context.destroy(linger=1000)  # ms for the last verdicts to leave


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
