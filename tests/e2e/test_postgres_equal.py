"""Both engines make the same of the same events: applied by four processes of each busy handler, in two orders
that have nothing to do with each other, they leave equal rows. EQUAL_EVENTS makes it 100,000 and more.

The events are such that their result is defined whatever the order:
- counters and scores add up, last_*_at is the latest, interests are sums: any events will do;
- a message's facts have times that are all different, so the highest rank's latest one wins; all of them name one
  campaign and one user, for the first that is known is kept; what only implies a fact (a reply, an
  opt-out) has a message to itself, for it raises a rank but renews nothing;
- an address is written in one way, for the first spelling is kept;
- an address is suppressed, or opts out or in, by one event at most: of two, the one that comes first is noted;
- an address with soft bounces has no delivery, which forgets those before it, and too few of them to be
  suppressed: since when it would be hangs on which of them comes last;
- rows that are only added are compared without their number.
"""

import os
import random
import time

import pytest
from pipeline import post_all, wait_for
from storm import HANDLERS

pytestmark = pytest.mark.plain

EVENTS = int(os.environ.get("EQUAL_EVENTS", 20_000))
PROCESSES = 4
BUSY = ("opened", "delivered", "clicked", "bounced")
ALL = (*HANDLERS, "deferred", "blocked", "forwarded", "replied", "verified", "accepted", "rejected", "received",
       "subscribed")

# By the rest of a person's number: what else happens to them.
FATES = {
    0: [("email_bounced", {"bounce_type": "hard", "smtp_code": "550", "reason": "5.1.1 no such user"})],
    1: [("email_complained", {"feedback_type": "abuse"})],
    2: [("email_unsubscribed", {"list_id": "news"})],
    3: [("email_bounced", {"bounce_type": "soft", "reason": "mailbox full"})] * 3,
    4: [("email_subscribed", {"list_id": "news"})],
}
OF_A_MESSAGE = ["email_deferred", "email_deferred", "email_delivered", "email_opened", "email_opened",
                "email_clicked", "email_clicked"]
ALONE = ["email_forwarded", "email_replied", "email_blocked", "email_accepted", "email_rejected", "email_verified",
         "verification_result", "system_error", "custom_thing", "email_received"]

# {table: what is compared of it}. at, where it is when an event was applied, and numbers of rows are not.
TABLES = {
    "applied": "mark", "messages": "*", "recipients": "*", "interests": "*", "suppressions": "*", "soft_bounces": "*",
    "consents": "*", "engagements": "*", "conversions": "*", "compliance_log": "*", "verifications": "*",
    "system_events": "*", "received_events": "*", "unknown_events": "*",
}


def of_person(person, at):
    """Events of one, each of a second of its own from at on."""
    fate = FATES.get(person % 10, [])
    wanted = [(f"m{person}-{message}", kind, {}) for message in range(4) for kind in OF_A_MESSAGE
              if kind != "email_delivered" or person % 10 != 3]
    wanted += [(f"m{person}-{kind}", kind, {}) for kind in ALONE]
    wanted += [(f"m{person}-fate{number}", kind, more) for number, (kind, more) in enumerate(fate)]
    for number, (message, kind, more) in enumerate(wanted):
        yield {"event_type": kind, "event_id": f"e{person}-{number}", "timestamp": at + number, "data": {
            "email": f"Person{person}@example.com", "message_id": message, "campaign_id": f"c{person % 7}",
            "user_id": f"u{person}", "url": f"https://shop.example.com/{'thanks' if number % 2 else 'a'}",
            "user_agent": "UA/1", "ip": "192.0.2.1", "tags": [f"t{number % 5}"], "result": "valid", "note": "né 🐟",
        } | more}


def make_events():
    at, events, person = int(time.time()) - 1000, [], 0
    while len(events) < EVENTS:
        events += of_person(person, at)
        person += 1
    return events[:EVENTS]


SETTINGS = {
    "handlers": [{"name": name, "processes": PROCESSES} for name in BUSY],
    "sources": [{"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"], "max_age": "24h"}],
    "conversions": [{"name": "order", "url": "https://shop.example.com/thanks*"}],
}


def table_of(pipeline, table, columns):
    rows = pipeline.dicts(f"SELECT {columns} FROM {table}")
    return sorted(([(name, value) for name, value in sorted(row.items()) if name != "id"] for row in rows), key=repr)


def apply_all(start, events, seed, database=None):
    """{table: rows} after all of them in an order of that seed."""
    pipeline = start(handlers=ALL, counts={f"handler-{name}": PROCESSES for name in BUSY}, settings=SETTINGS,
                     database=database)
    order = events[:]
    random.Random(seed).shuffle(order)
    post_all(pipeline, order)
    pipeline.wait_settled(len(events))
    return {table: table_of(pipeline, table, columns) for table, columns in TABLES.items()}


def test_the_rows_are_equal(start, postgres_server):
    events = make_events()
    found = apply_all(start, events, 1)
    other = apply_all(start, events, 2, postgres_server.database())
    for table, rows in found.items():
        assert rows, f"nothing is in {table}"
        assert len(rows) == len(other[table]), table
        differ = [pair for pair in zip(rows, other[table]) if pair[0] != pair[1]]
        assert not differ, (table, differ[:3])
    assert len(found["applied"]) == len(events)
