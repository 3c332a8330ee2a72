"""A storm: events of all types from several senders, each of which sends on until it is told yes, while
whoever starts it kills what it likes. Afterwards every event that was answered 2xx has had its effect
exactly once, and nothing else has.

An event whose request got no answer is of unknown outcome, and one that got 503 is refused: the
sender sends both again until the answer is a yes, as providers do; where there are several addresses, at
the next one.
"""

import collections
import itertools
import multiprocessing
import time

from pipeline import Client, event, wait_for

SENDERS, BATCH, SINGLES = 4, 25, 12
SEND_DEADLINE_S = 180
HANDLERS = ("delivered", "bounced", "complained", "opened", "clicked", "unsubscribed", "verification",
            "system", "unknown")

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


def make_event(index, people=40):
    kind, event_id = type_of(index), f"e{index:06d}"
    if kind == "unusable":
        return event("email_bounced", event_id, bounce_type="hard")
    data = {"email": f"person{index % people}@example.com", "bounce_type": "hard",
            "url": "https://shop.example.com/a", "result": "valid"}
    if kind == "email_delivered":
        data["message_id"] = event_id
    return event(kind, event_id, **data)


class Sender:
    """One connection that sends its share until each event of it was answered 2xx."""

    def __init__(self, load, share, tally):
        self.load, self.share, self.tally = load, share, tally
        self.clients = itertools.cycle([Client(port, timeout_s=10, host=load.host) for port in load.ports])
        for _ in range(share + 1):
            self.client = next(self.clients)

    def send(self, value, path="/webhooks/email"):
        """The first 2xx answer. What else comes is part of the test, but for a 4xx."""
        while True:
            try:
                answer = self.client.post(value, path)
            except ConnectionError:
                self.tally["cut"] += 1
                self.client = next(self.clients)
                time.sleep(0.01)  # a sender's pace
                continue
            if answer.status in (200, 202):
                return answer
            if answer.status in (502, 504):  # a balancer's, whose node has cut it off
                self.tally[str(answer.status)] += 1
                continue
            assert answer.status == 503 and "retry-after" in answer.headers, answer
            self.tally[f"503 {answer.json()['error']}"] += 1
            self.client = next(self.clients)
            time.sleep(0.02)  # a sender's pace

    def send_single(self, index):
        ev = self.load.event(index)
        value = self.send(ev).json()
        assert value["event_id"] == ev["event_id"]
        self.tally[value["status"]] += 1

    def send_batch(self, indexes):
        events = [self.load.event(index) for index in indexes]
        result = self.send(events, "/webhooks/email/batch").json()["batch_result"]
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

    def run(self):
        """A batch, then some single events and a forged one, and so on."""
        indexes, progress, at = range(self.share, self.load.events, SENDERS), self.load.progress, 0
        while at < len(indexes):
            self.send_batch(indexes[at:at + BATCH])
            for index in indexes[at + BATCH:at + BATCH + SINGLES]:
                self.send_single(index)
            self.send_forged(at)
            with progress.get_lock():
                progress.value += len(indexes[at:at + BATCH + SINGLES])
            at += BATCH + SINGLES
            time.sleep(self.load.pace_s)


def send_share(port, share, progress, results):
    """A sender's process. Its tally, or what went wrong, goes to the test."""
    tally = collections.Counter()
    try:
        Sender(port, progress, tally).run(list(range(share, EVENTS, SENDERS)))
        results.put(dict(tally))
    except Exception as fault:  # the test must hear of it
        results.put(repr(fault))


class Load:
    """All senders under way, to these ports."""

    def __init__(self, ports, events=20_000, people=40, pace_s=0, host="127.0.0.1", enter=None):
        """pace_s: between a sender's batches. enter() is called first in each sender's process."""
        self.ports, self.events, self.people, self.pace_s = ports, events, people, pace_s
        self.host, self.enter = host, enter
        context = multiprocessing.get_context("fork")
        self.progress, self.results = context.Value("i", 0), context.Queue()
        self.processes = [context.Process(target=self.send_share, args=(share,), daemon=True)
                          for share in range(SENDERS)]
        for process in self.processes:
            process.start()

    def send_share(self, share):
        """A sender's process. Its tally, or what went wrong, goes to the test."""
        tally = collections.Counter()
        try:
            if self.enter:
                self.enter()
            Sender(self, share, tally).run()
            self.results.put(dict(tally))
        except Exception as fault:  # the test must hear of it
            self.results.put(repr(fault))

    def event(self, index):
        return make_event(index, self.people)

    @staticmethod
    def type_of(index):
        return type_of(index)

    @staticmethod
    def queries():
        return list(ONE_ROW.values())

    def ids(self, kind):
        return sorted(f"e{index:06d}" for index in range(self.events) if type_of(index) == kind)

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

    def check_rows(self, rows, lost=()):
        """Each event has its one row but for those that are lost, and no row is of anything else. rows(query)
        gives what the database answers."""
        for kind, query in ONE_ROW.items():
            found = sorted(row[0] for row in rows(query))
            wanted = [event_id for event_id in self.ids(kind) if event_id not in lost]
            assert found == wanted, describe(kind, found, wanted)

    def check_counters(self, rows, lost=()):
        """An event applied twice would count twice here, though its row may have been replaced."""
        left = {kind: len(set(self.ids(kind)) - set(lost)) for kind in COUNTED}
        for kind, column in COUNTED.items():
            assert rows(f"SELECT sum({column}) FROM recipients") == [(left[kind],)], kind
        score = 10 * left["email_opened"] + 25 * left["email_clicked"]
        assert rows("SELECT sum(score) FROM recipients") == [(score,)]


def describe(kind, found, wanted):
    twice = [event_id for event_id, n in collections.Counter(found).items() if n > 1]
    missing = sorted(set(wanted) - set(found))
    alien = sorted(set(found) - set(wanted))
    return f"{kind}: {len(missing)} missing {missing[:5]}, {len(twice)} twice {twice[:5]}, " \
           f"{len(alien)} alien {alien[:5]}"
