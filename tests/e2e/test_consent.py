"""Who may be written to is the person's own word: lists, imports and senders neither give consent nor
take it, and one list's return takes no other opt-out back."""

import base64
import json
import time

import pytest

from pipeline import event, wait_for
from senders import PASSWORD
from verbs import good, lines, run

NOW = int(time.time())


@pytest.fixture
def pipeline(start):
    return start(handlers=("unsubscribed", "subscribed", "bounced", "system"), settings={"sources": [
        {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]},
        {"name": "postmark", "provider": "postmark", "secrets": [PASSWORD]},
        {"name": "brevo", "provider": "brevo", "secrets": [PASSWORD]}]})


def applied(pipeline):
    return len(pipeline.rows("SELECT 1 FROM applied"))


def tell(pipeline, *events):
    for ev in events:
        before = applied(pipeline)
        assert pipeline.post(ev).status == 202
        wait_for("applied", lambda: applied(pipeline) == before + 1)


def out(at, name="", **data):
    return event("email_unsubscribed", timestamp=NOW + at, email="jo@example.com",
                 **({"list": name} if name else {}), **data)


def back(at, name=""):
    return event("email_subscribed", timestamp=NOW + at, email="jo@example.com",
                 **({"list": name} if name else {}))


def reason(pipeline):
    rows = pipeline.rows("SELECT reason FROM suppressions WHERE email = 'jo@example.com'")
    return rows[0][0] if rows else None


@pytest.mark.parametrize("told, left", [
    ([out(-60), back(-50)], None),
    ([out(-60), back(-50, "a")], "unsubscribe"),
    ([out(-60, "a"), back(-50, "a")], None),
    ([out(-60, "a"), back(-50, "b")], "unsubscribe"),
    ([out(-60, "a"), out(-55, "b"), back(-50, "a")], "unsubscribe"),
    ([out(-60, "a"), out(-55, "b"), back(-50, "a"), back(-45, "b")], None),
    ([out(-60, "a"), out(-58, "a"), back(-50, "a")], None),
    ([out(-60, "a"), out(-55, "b"), back(-50)], None),
    ([out(-60, "a"), out(-55), back(-50, "a")], "unsubscribe"),
    ([back(-50), out(-60)], None),
    ([back(-50, "a"), out(-60, "a")], None),
    ([back(-50, "a"), out(-60)], "unsubscribe"),
    ([out(-50), back(-60)], "unsubscribe"),
], ids=range(13))
def test_each_return_takes_back_its_own_opt_out(pipeline, told, left):
    tell(pipeline, *[event(ev["event_type"], timestamp=ev["timestamp"], **ev["data"]) for ev in told])
    assert reason(pipeline) == left


def test_a_bounce_outlives_an_opt_out_and_its_return(pipeline):
    bounce = event("email_bounced", timestamp=NOW - 55, email="jo@example.com", bounce_type="hard")
    tell(pipeline, out(-60), bounce)
    assert reason(pipeline) == "hard_bounce"
    tell(pipeline, back(-50))
    assert reason(pipeline) == "hard_bounce"


def test_an_operator_s_command_shows_the_opt_out_behind_a_bounce(pipeline):
    bounce = event("email_bounced", timestamp=NOW - 55, email="jo@example.com", bounce_type="hard")
    tell(pipeline, bounce, out(-50))
    said = good(pipeline, "suppressions", "remove", "jo@example.com", "--reason", "mailbox is back")
    assert "still suppressed, for its owner has unsubscribed" in said
    assert reason(pipeline) == "unsubscribe"
    assert "no longer suppressed" in good(pipeline, "suppressions", "remove", "jo@example.com")
    assert reason(pipeline) is None


def test_what_is_lifted_says_by_what(pipeline):
    first, second = out(-60), back(-50)
    tell(pipeline, first, second)
    (row,) = pipeline.rows("SELECT event_id, source, detail FROM compliance_log WHERE what = 'lifted'")
    assert row[:2] == (second["event_id"], "email")
    assert json.loads(row[2]) | {"since": 0} == {
        "reason": "unsubscribe", "since": 0, "event_id": first["event_id"], "list": None}
    found = run(pipeline, "suppressions", "check", "Jo <jo@example.com>")
    assert found.returncode == 1
    assert f"by event {second['event_id']} of email" in found.stdout
    told = json.loads(run(pipeline, "suppressions", "check", "jo@example.com", "--json").stdout)
    assert told["lifted"]["event_id"] == second["event_id"] and told["lifted"]["by"] == "event"
    good(pipeline, "suppressions", "add", "jo@example.com")
    good(pipeline, "suppressions", "remove", "jo@example.com", "--reason", "a mistake")
    assert "by an operator" in run(pipeline, "suppressions", "check", "jo@example.com").stdout
    (row,) = pipeline.rows("SELECT detail FROM compliance_log WHERE what = 'operator_lifted'")
    assert json.loads(row[0])["lifted"]["reason"] == "operator"


def post(pipeline, source, body):
    auth = base64.b64encode(PASSWORD.encode()).decode()
    before = applied(pipeline)
    with pipeline.client() as client:
        answer = client.request("POST", f"/webhooks/{source}", json.dumps(body),
                                {"Content-Type": "application/json", "Authorization": f"Basic {auth}"})
    assert answer.status == 200
    wait_for("applied", lambda: applied(pipeline) > before)


def change(at, origin, suppress, stream="outbound"):
    return {"RecordType": "SubscriptionChange", "MessageID": f"m-{at}", "MessageStream": stream,
            "ChangedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + at)),
            "Recipient": "jo@example.com", "Origin": origin, "SuppressSending": suppress,
            "SuppressionReason": "ManualSuppression" if suppress else None}


@pytest.mark.parametrize("origin, stream, left", [
    ("Recipient", "outbound", None), ("Customer", "outbound", "unsubscribe"),
    ("Admin", "outbound", "unsubscribe"), ("", "outbound", "unsubscribe"),
    ("Recipient", "broadcast", "unsubscribe")])
def test_postmark_s_return_counts_by_the_recipient_in_its_stream(pipeline, origin, stream, left):
    post(pipeline, "postmark", change(-60, "Recipient", True))
    assert reason(pipeline) == "unsubscribe"
    post(pipeline, "postmark", change(-50, origin, False, stream))
    assert reason(pipeline) == left


def test_brevo_s_lists_give_no_consent(pipeline):
    tell(pipeline, out(-60))
    post(pipeline, "brevo", {"event": "list_addition", "email": ["jo@example.com"], "id": 7,
                             "list_id": [2], "ts": NOW - 50})
    assert reason(pipeline) == "unsubscribe"
    assert lines(pipeline, "suppressions", "list")[0]["email"] == "jo@example.com"
    assert not pipeline.rows("SELECT 1 FROM compliance_log WHERE what IN ('subscribe', 'lifted')")
