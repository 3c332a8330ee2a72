"""All that strangers can do, all at once and for a minute, from many addresses: the good requests of
another one are taken, ingress stays within its memory, nothing ends, and all is well behind it.

FLOOD_SECONDS says for how long, FLOOD_ONLY which of the attacks."""

import concurrent.futures
import os
import re
import threading
import time

import pytest

import flood
from pipeline import ALL_HANDLERS, event, wait_for
from senders import TOPIC, Senders

SECONDS = float(os.environ.get("FLOOD_SECONDS") or 60)
ONLY = (os.environ.get("FLOOD_ONLY") or "").split()
ATTACKS = [attack for attack in flood.ATTACKS if not ONLY or attack.__name__ in ONLY]
GOOD_RATE, GOOD_TIMEOUT_S, AFTER_S, WORKERS = 20, 5, 5, 40
NOBODYS = "a-secret-that-no-stranger-has"
MEMORY, MORE_MEMORY = 256 << 20, 128 << 20

pytestmark = [pytest.mark.plain, pytest.mark.timeout(SECONDS + 240)]


def settings(public_key):
    return {
        "limits": {"memory": MEMORY},
        "quarantine": {"max_size": "4MiB"},
        "sources": [
            {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]},
            {"name": "mailgun", "provider": "mailgun", "secrets": [NOBODYS]},
            {"name": "ses", "provider": "ses", "topics": [TOPIC]},
            {"name": "g-v1a", "provider": "generic", "scheme": "standard-webhooks", "secrets": [public_key]},
            {"name": "aside", "provider": "trotline", "secrets": [NOBODYS], "on_bad_signature": "quarantine"}]}


def resident(stage):
    with open(f"/proc/{stage.pid()}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


class Watch:
    """What is seen meanwhile: memory, processes, health."""

    def __init__(self, pipeline):
        self.pipeline, self.stop, self.most, self.alerts, self.statuses = pipeline, threading.Event(), {}, {}, []
        self.began = time.monotonic()
        self.pids = {stage: stage.pid() for stage in pipeline.stages.values()}
        self.threads = [threading.Thread(target=work) for work in (self.look, self.ask)]

    def look(self):
        while not self.stop.wait(0.1):
            for stage in self.pids:
                if stage.runs():
                    self.most[stage.name] = max(self.most.get(stage.name, 0), resident(stage))

    def ask(self):
        while not self.stop.wait(1):
            try:
                with self.pipeline.client(timeout_s=GOOD_TIMEOUT_S) as client:
                    answer = client.get("/webhooks/health")
                self.statuses.append(answer.status)
                for alert in answer.json()["alerts"]:
                    when = int(time.monotonic() - self.began)
                    self.alerts.setdefault(re.sub(r"[0-9.]+", "N", alert), []).append(when)
            except ConnectionError as fault:
                self.statuses.append(repr(fault))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def same_processes(self):
        return all(stage.runs() and stage.pid() == pid for stage, pid in self.pids.items())


class Good:
    """Signed requests at a steady rate, each on its own: (status or what went wrong, seconds)."""

    def __init__(self, pipeline):
        self.pipeline, self.sent, self.taken = pipeline, [], []

    def post(self):
        ev, began = event(), time.monotonic()
        try:
            with self.pipeline.client(timeout_s=GOOD_TIMEOUT_S) as client:
                status = client.post(ev).status
        except ConnectionError as fault:
            status = repr(fault)
        if status == 202:
            self.taken.append(ev["event_id"])
        return status, time.monotonic() - began

    def go_on(self, seconds):
        """The outcomes, of all that was to be sent in that time."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            began, count = time.monotonic(), int(seconds * GOOD_RATE)
            posts = []
            for n in range(count):
                time.sleep(max(0, began + n / GOOD_RATE - time.monotonic()))
                posts.append(pool.submit(self.post))
            return [post.result() for post in posts]


def told(outcomes):
    """{outcome: how often}, and the slowest one that was taken."""
    kinds = {}
    for status, _ in outcomes:
        kinds[status] = kinds.get(status, 0) + 1
    return kinds, max((seconds for status, seconds in outcomes if status == 202), default=None)


def share(outcomes):
    return sum(status == 202 for status, _ in outcomes) / len(outcomes)


def wait_for_health(pipeline):
    try:
        # Of sources that only strangers post to it is still told that all of it was refused.
        wait_for("all is well", lambda: not [
            one for one in pipeline.health().json()["alerts"] if ": refused: " not in one], 90)
    except AssertionError as fault:
        raise AssertionError(f"{fault}: {pipeline.health()}") from None


def test_good_requests_go_on_through_all_floods_at_once(start, tmp_path):
    pipeline = start(handlers=ALL_HANDLERS, admin=True, settings=settings(Senders(tmp_path).public["g-v1a"]))
    good = Good(pipeline)
    wait_for_health(pipeline)
    ports = {"public": pipeline.port, "admin": pipeline.admin_port}
    with Watch(pipeline) as watch:
        with flood.flood(ports, ATTACKS):
            during = good.go_on(SECONDS)
            over = time.monotonic()
        time.sleep(max(0, over + AFTER_S - time.monotonic()))
        after = good.go_on(AFTER_S)
    print(f"taken {share(during):.3f} of {told(during)}, afterwards {told(after)}")
    print({name: most >> 20 for name, most in watch.most.items()}, "MiB;", len(watch.statuses), watch.statuses)
    for alert, when in watch.alerts.items():
        print(alert, when)
    assert watch.same_processes()
    assert ONLY or any(alert.startswith("connections") for alert in watch.alerts), "health says nothing of it"
    assert share(during) >= 0.8, told(during)
    assert share(after) == 1, told(after)
    assert watch.most["ingress"] < MEMORY + MORE_MEMORY
    wait_for("all that were accepted are applied", lambda: set(good.taken) <= set(pipeline.unknown_ids()))
    wait_for("none is left", lambda: pipeline.metric("webhook_queue_size") == 0)
    wait_for("accepted is applied", lambda: len(pipeline.unknown_ids()) == pipeline.metric(
        "webhook_events_total", 'status="accepted"'))
    wait_for_health(pipeline)
