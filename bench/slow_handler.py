#!/usr/bin/env python3
"""A handler that is the limit: each event costs so much of a processor, outside of any database.

usage: slow_handler.py DATA_DIR MICROSECONDS

In: events of the handler `slow`. Out: verdicts; on SIGTERM one JSON line: how many different
events, and when the last one was done, seconds since 1970."""

import hashlib
import json
import signal
import sys
import time

import msgpack
import zmq

BLOCK = bytes(1024)


def work(seconds):
    """Costs processor time as a computation does; time in which others run does not count."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(BLOCK).digest()


def main(data_dir, microseconds):
    context = zmq.Context()
    events, verdicts = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    events.rcvhwm = 64
    events.connect(f"ipc://{data_dir}/run/route-slow.0")
    verdicts.connect(f"ipc://{data_dir}/run/verdicts")
    stopping, done, last_s = [], set(), 0
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    while not stopping:
        if not events.poll(200):
            continue
        event = msgpack.unpackb(events.recv())
        work(int(microseconds) / 1e6)
        verdicts.send(msgpack.packb({
            "v": 1, "journal": event["journal"], "seqs": [event["seq"]],
            "verdict": "done", "reason": "", "handler": "slow"}))
        done.add(event["seq"])
        last_s = time.time()
    print(json.dumps({"events": len(done), "last_s": last_s}))
    context.destroy(linger=1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
