"""Kills in mid-flight: 20,000 events are posted while each stage is killed in turn.

Afterwards every event that was answered 2xx has had its effect exactly once, and nothing else has.
An event whose request got no answer is of unknown outcome, and one that got 503 is refused: the
sender sends both again until the answer is a yes, as providers do.
"""

import collections
import multiprocessing
import time

import pytest

from pipeline import Client, event, wait_for

EVENTS, SENDERS, BATCH, SINGLES = 20_000, 4, 25, 12
SEND_DEADLINE_S = 180
HANDLERS = ("delivered", "bounced", "complained", "opened", "clicked", "unsubscribed", "verification",
            "system", "unknown")
PEOPLE = 40

# Index modulo its length picks the type, so that every type flows all the time. The last one is
# a bounce without an address: its handler says DEAD.
TYPES = ("email_delivered", "email_opened", "email_clicked", "email_bounced", "email_complained",
         "email_unsubscribed", "verification_result", "system_error", "custom_thing", "email_opened",
         "email_delivered", "email_clicked", "email_opened", "unusable")

# The rows of an event that is in exactly once, by type: a query for all event ids.
ONE_ROW = {
    "email_delivered": "SELECT event_id FROM messages WHERE status = 'delivered'",
    "email_opened": "SELECT event_id FROM engagements WHERE kind = 'open'",
    "email_clicked": "SELECT event_id FROM engagements WHERE kind = 'click'",
    "email_bounced": "SELECT event_id FROM compliance_log WHERE what LIKE '%bounce%'",
    "email_complained": "SELECT event_id FROM compliance_log WHERE what LIKE '%complain%'",
    "email_unsubscribed": "SELECT event_id FROM compliance_log WHERE what LIKE '%unsubscribe%'",
    "verification_result": "SELECT event_id FROM verifications",
    "system_error": "SELECT event_id FROM system_events",
    "custom_thing": "SELECT event_id FROM unknown_events",
}
COUNTED = {"email_delivered": "delivered", "email_opened": "opened", "email_clicked": "clicked",
           "email_bounced": "bounced", "email_complained": "complained",
           "email_unsubscribed": "unsubscribed"}


def type_of(index):
    return TYPES[index % len(TYPES)]


def make_event(index):
    kind, event_id = type_of(index), f"e{index:06d}"
    if kind == "unusable":
        return event("email_bounced", event_id, bounce_type="hard")
    data = {"email": f"person{index % PEOPLE}@example.com", "bounce_type": "hard",
            "url": "https://shop.example.com/a", "result": "valid"}
    if kind == "email_delivered":
        data["message_id"] = event_id
    return event(kind, event_id, **data)


class Sender:
    """One connection that sends its share until each event of it was answered 2xx."""

    def __init__(self, port, progress, tally):
        self.client = Client(port, timeout_s=10)
        self.progress, self.tally = progress, tally

    def send(self, post, value):
        """The first 2xx answer. What else comes is part of the test, but for a 4xx."""
        while True:
            try:
                answer = post(value)
            except ConnectionError:
                self.tally["cut"] += 1
                time.sleep(0.01)  # a sender's pace
                continue
            if answer.status in (200, 202):
                return answer
            assert answer.status == 503 and "retry-after" in answer.headers, answer
            self.tally[f"503 {answer.json()['error']}"] += 1
            time.sleep(0.02)  # a sender's pace

    def send_single(self, index):
        ev = make_event(index)
        value = self.send(self.client.post, ev).json()
        assert value["event_id"] == ev["event_id"]
        self.tally[value["status"]] += 1

    def send_batch(self, indexes):
        events = [make_event(index) for index in indexes]
        result = self.send(self.client.post_batch, events).json()["batch_result"]
        assert [r["event_id"] for r in result["results"]] == [ev["event_id"] for ev in events]
        assert result["invalid_count"] == 0, result
        self.tally["queued"] += result["queued_count"]
        self.tally["duplicate"] += result["duplicate_count"]

    def send_forged(self, index):
        answer = self.send_quietly(index)
        assert answer is None or answer.status in (401, 503), answer

    def send_quietly(self, index):
        try:
            return self.client.post_bytes(b'{"event_id":"forged%d"}' % index, signature="sha256=00")
        except ConnectionError:
            return None

    def run(self, indexes):
        """A batch, then some single events and a forged one, and so on."""
        at = 0
        while at < len(indexes):
            self.send_batch(indexes[at:at + BATCH])
            for index in indexes[at + BATCH:at + BATCH + SINGLES]:
                self.send_single(index)
            self.send_forged(at)
            with self.progress.get_lock():
                self.progress.value += len(indexes[at:at + BATCH + SINGLES])
            at += BATCH + SINGLES


def send_share(port, share, progress, results):
    """A sender's process. Its tally, or what went wrong, goes to the test."""
    tally = collections.Counter()
    try:
        Sender(port, progress, tally).run(list(range(share, EVENTS, SENDERS)))
        results.put(dict(tally))
    except Exception as fault:  # the test must hear of it
        results.put(repr(fault))


class Load:
    """All senders under way."""

    def __init__(self, port):
        context = multiprocessing.get_context("fork")
        self.progress, self.results = context.Value("i", 0), context.Queue()
        self.processes = [context.Process(
            target=send_share, args=(port, share, self.progress, self.results), daemon=True)
            for share in range(SENDERS)]
        for process in self.processes:
            process.start()

    def wait_progress(self, count):
        wait_for(f"{count} events answered", lambda: (
            self.progress.value >= count or not self.results.empty()), SEND_DEADLINE_S)

    def finish(self):
        """What all senders met, added up."""
        tally = collections.Counter()
        for _ in self.processes:
            result = self.results.get(timeout=SEND_DEADLINE_S)
            assert isinstance(result, dict), result
            tally.update(result)
        for process in self.processes:
            process.join(SEND_DEADLINE_S)
        return tally

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.join()


def expected(kind):
    return sorted(f"e{index:06d}" for index in range(EVENTS) if type_of(index) == kind)


def check_rows(pipeline):
    """Each event has its one row, and no row is of anything else."""
    for kind, query in ONE_ROW.items():
        found = sorted(row[0] for row in pipeline.rows(query))
        assert found == expected(kind), describe(kind, found)


def describe(kind, found):
    wanted = expected(kind)
    twice = [event_id for event_id, n in collections.Counter(found).items() if n > 1]
    missing = sorted(set(wanted) - set(found))
    alien = sorted(set(found) - set(wanted))
    return f"{kind}: {len(missing)} missing {missing[:5]}, {len(twice)} twice {twice[:5]}, " \
           f"{len(alien)} alien {alien[:5]}"


def check_counters(pipeline):
    """An event applied twice would count twice here, though its row may have been replaced."""
    for kind, column in COUNTED.items():
        assert pipeline.rows(f"SELECT sum({column}) FROM recipients") == [(len(expected(kind)),)], kind
    score = 10 * len(expected("email_opened")) + 25 * len(expected("email_clicked"))
    assert pipeline.rows("SELECT sum(score) FROM recipients") == [(score,)]


def check_all(pipeline):
    dead = len(expected("unusable"))
    pipeline.wait_settled(EVENTS)
    wait_for("all dead letters", lambda: pipeline.metric("webhook_dead_letters") == dead)
    check_rows(pipeline)
    check_counters(pipeline)
    assert pipeline.rows("SELECT count(*) FROM applied") == [(EVENTS - dead,)]


def kill_all_at_once(pipeline, load, times):
    """As when the machine goes down, and comes up."""
    for turn in range(times):
        load.wait_progress((turn + 1) * EVENTS // (times + 2))
        for stage in pipeline.stages.values():
            stage.kill()
        pipeline.start()


def kill_in_turn(pipeline, load, rounds):
    """Every process is killed, each after a like share of the events, and started again."""
    turns = list(pipeline.stages.values()) * rounds
    for turn, stage in enumerate(turns):
        load.wait_progress((turn + 1) * EVENTS // (len(turns) + 2))
        stage.restart()


def settings_for(counts):
    return {
        "journal": {"lease": "1s"}, "retry": {"delay": "200ms"}, "limits": {"answer_timeout": "10s"},
        "handlers": [{"name": name.removeprefix("handler-"), "processes": n}
                     for name, n in counts.items() if name.startswith("handler-")]}


ONE_EACH = {}
TWO_EACH = {"validator": 2, **{f"handler-{name}": 2 for name in ("opened", "delivered", "bounced")}}
SEVERAL_EACH = {"ingress": 2, "validator": 2, "router": 2, "handler-opened": 2}


@pytest.mark.plain
@pytest.mark.parametrize("counts", [ONE_EACH, TWO_EACH, SEVERAL_EACH],
                         ids=["one of each", "two validators and handlers", "two of each in front"])
def test_every_event_answered_yes_is_applied_once_though_every_stage_is_killed(start, counts):
    pipeline = start(handlers=HANDLERS, counts=counts, settings=settings_for(counts))
    load = Load(pipeline.port)
    try:
        kill_in_turn(pipeline, load, rounds=2)
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    assert tally["cut"] > 0, "no kill has cut a connection: the test has shown nothing"
    assert not [what for what in tally if what.startswith("503")], "a kill is no reason to refuse"
    check_all(pipeline)


@pytest.mark.plain
def test_nothing_is_lost_when_all_stages_are_killed_at_once(start):
    pipeline = start(handlers=HANDLERS, settings=settings_for(ONE_EACH))
    load = Load(pipeline.port)
    try:
        kill_all_at_once(pipeline, load, times=5)
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    assert tally["cut"] > 0
    check_all(pipeline)
