"""What is known of a person and of a message: all stores on one page, in a form that is made to be read."""
import json
import os
import pty
import re
import subprocess
import time

import pytest

from pipeline import BIN, Pipeline, event, post_all, wait_for
from senders import BLOCKS
from verbs import good, run

JO = "Jo@Example.com"
PROVIDERS = ("mailgun", "postmark", "brevo")
KEPT = {"history": {"keep": "1d"}, "journal": {"lease": "500ms"},
        "sources": [{"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}]
        + [{"name": name, "provider": BLOCKS[name][0], **BLOCKS[name][1]} for name in PROVIDERS]}
HANDLERS = ("delivered", "opened", "clicked", "bounced", "unsubscribed", "unknown")


@pytest.fixture(scope="module")
def pipeline():
    made = Pipeline(handlers=HANDLERS, settings=KEPT, admin=True)
    made.start()
    yield made
    made.close()


def mail(kind, message="m1", ago=0, **data):
    one = event(kind, **{"email": JO, "message_id": message} | data)
    one["timestamp"] -= ago
    return one


def sent(pipeline, *events):
    for one in events:
        assert pipeline.post(one).status == 202
    kept(pipeline, events)
    return [one["event_id"] for one in events]


def kept(pipeline, events):
    for one in events:
        wait_for("it is in the history", lambda: good(
            pipeline, "history", "--id", one["event_id"], "--json"))
    wait_for("all settled", lambda: pipeline.metric("webhook_queue_size") == 0)


def person(pipeline, address, *arguments):
    return json.loads(good(pipeline, "person", address, "--json", *arguments))


def test_a_person_is_one_page_across_senders(pipeline):
    who = "ann@example.com"
    for name in PROVIDERS:
        good(pipeline, "send", "--source", name, "--provider", name, "--event", "delivered", "--email", who)
    good(pipeline, "send", "--source", "mailgun", "--provider", "mailgun", "--event", "bounced", "--email", who)
    own = mail("email_opened", email="Ann@EXAMPLE.com", ago=30)
    sent(pipeline, own)
    wait_for("all are in", lambda: len(person(pipeline, who)["events"]) == 5)
    page = person(pipeline, "<ANN@example.com>")
    assert page["email"] == who and page["complete"] and page["cursor"] is None
    assert {one["source"] for one in page["events"]} == {"email", *PROVIDERS}
    times = [one["timestamp"] for one in page["events"]]
    assert times == sorted(times, reverse=True)
    assert {one["status"] for one in page["events"]} == {"success"}
    assert page["counters"]["delivered"]["count"] == 3 and page["counters"]["opened"]["count"] == 1
    assert page["suppression"]["suppressed"] and page["suppression"]["reason"] == "hard_bounce"
    assert page["score"] == 10
    text = good(pipeline, "person", who)
    for word in ("suppressed", "hard_bounce", "mailgun", "postmark", "brevo", "MESSAGES", "EVENTS", " ago"):
        assert word in text, word
    assert "\033" not in text, "no colour in a pipe"


def test_the_path_of_a_message_marks_machines_and_what_came_late(pipeline):
    who = "path@example.com"
    ids = sent(pipeline, mail("email_opened", "p1", 60, email=who, machine=True),
               mail("email_clicked", "p1", 30, email=who, url="https://shop.example.com/"))
    ids += sent(pipeline, mail("email_delivered", "p1", 90, email=who))
    page = json.loads(good(pipeline, "message", "<p1>", "--json"))
    assert page["message_id"] == "p1"
    one, = page["recipients"]
    assert one["email"] == who and one["status"] == "clicked"
    assert [(step["event_type"], step["machine"], step["late"]) for step in one["path"]] == [
        ("email_delivered", False, True), ("email_opened", True, False), ("email_clicked", False, False)]
    message, = person(pipeline, who)["messages"]
    assert message["message_id"] == "p1" and [step["event_id"] for step in message["path"]] == [
        ids[2], ids[0], ids[1]]
    text = good(pipeline, "message", "p1")
    assert re.search(r"delivered .*\(came late\) -> opened .*\(machine\) -> clicked", text)


def test_a_message_has_each_of_its_recipients(pipeline):
    sent(pipeline, *(mail("email_delivered", "many", email=f"many{i}@example.com") for i in range(3)),
         mail("email_bounced", "many", email="many1@example.com", bounce_type="hard"))
    page = json.loads(good(pipeline, "message", "many", "--json"))
    assert {one["email"]: one["status"] for one in page["recipients"]} == {
        "many0@example.com": "delivered", "many1@example.com": "bounced", "many2@example.com": "delivered"}


def test_a_dead_letter_is_told_with_its_reason(pipeline):
    who = "dead@example.com"
    pipeline.hook("complained", lambda ev: ("dead", "cannot be used"))
    dead = mail("email_complained", "d1", email="Dead@example.com")
    assert pipeline.post(dead).status == 202
    kept_as = wait_for("the letter", lambda: run(pipeline, "person", who).returncode == 0 and person(
        pipeline, who)["dead_letters"])
    assert [(one["event_id"], one["error_reason"]) for one in kept_as] == [(dead["event_id"], "cannot be used")]
    wait_for("its event", lambda: [one["status"] for one in person(pipeline, who)["events"]] == ["failed"])
    text = good(pipeline, "person", who)
    assert "DEAD LETTERS" in text and "cannot be used" in text and kept_as[0]["letter"] in text


def test_what_waits_is_told(pipeline):
    who = "wait@example.com"
    pipeline["handler-opened"].kill()
    waits = mail("email_opened", "w2", email=who)
    assert pipeline.post(waits).status == 202
    wait_for("it waits", lambda: person(pipeline, who)["waiting"])
    page = person(pipeline, who)
    row, = page["waiting"]
    assert row["event_id"] == waits["event_id"] and row["status"] in ("pending", "processing")
    assert page["waiting_complete"] and page["dead_letters"] == [] and page["dead_letters_complete"]
    assert "WAITING" in good(pipeline, "person", who)
    pipeline["handler-opened"].start()
    wait_for("it does not", lambda: not person(pipeline, who)["waiting"])


def test_pages_of_a_person_go_on_and_say_their_bounds(pipeline):
    who = "much@example.com"
    events = [mail("custom_thing", f"h{i // 4}", email=who) for i in range(130)]
    post_all(pipeline, events)
    kept(pipeline, events[-1:])
    seen, cursor, pages = [], (), 0
    while True:
        page = person(pipeline, who, *cursor)
        assert len(page["events"]) <= 50
        seen += [one["event_id"] for one in page["events"]]
        pages += 1
        if not page["cursor"]:
            break
        assert not page["complete"]
        cursor = ("--cursor", page["cursor"])
    assert pages == 3 and sorted(seen) == sorted(one["event_id"] for one in events)
    done = run(pipeline, "person", who)
    assert "--cursor" in done.stderr and done.stdout.count("custom_thing") >= 50
    assert run(pipeline, "person", who, "--limit", "501").returncode == 2
    assert len(person(pipeline, who, "--limit", "500")["events"]) == 130
    done = run(pipeline, "person", who, "--type", "email_*")
    assert done.returncode == 1 and "fits the filter" in done.stderr


def test_a_person_of_ten_thousand_events_is_a_page_as_quick_as_any(pipeline):
    who = "huge@example.com"
    events = [event("custom_huge", email=who, message_id=f"h{i}", text="x" * 200) for i in range(10000)]
    post_all(pipeline, events)
    wait_for("all kept", lambda: good(pipeline, "export", "--type", "custom_huge", "-f", "csv").count("\n") == 10001, 60)
    began = time.monotonic()
    page = person(pipeline, who)
    took = time.monotonic() - began
    assert len(page["events"]) == 50 and page["cursor"] and took < 1
    page = person(pipeline, who, "--limit", "500")
    assert len(page["events"]) == len(page["messages"]) == 500 and not page["complete"]
    seen, cursor = set(), ()
    while True:
        page = person(pipeline, who, "--limit", "500", *cursor)
        seen |= {one["event_id"] for one in page["events"]}
        if not page["cursor"]:
            break
        cursor = ("--cursor", page["cursor"])
    assert seen == {one["event_id"] for one in events}


def test_an_address_may_come_by_stdin(pipeline):
    sent(pipeline, mail("email_delivered", "s1", email="quiet@example.com"))
    done = run(pipeline, "person", "-", "--json", stdin="Quiet@Example.com\n")
    assert json.loads(done.stdout)["email"] == "quiet@example.com"
    done = run(pipeline, "history", "--email", "-", "--json", stdin="quiet@example.com")
    assert json.loads(done.stdout)["email"] == "quiet@example.com"


@pytest.mark.parametrize("call, status, word", [
    (("person", "nobody-knows@example.com"), 1, "nothing is known"), (("message", "no-such"), 1, "nothing is known"),
    (("person", "nobody"), 2, "no @"), (("person", "x" * 10000 + "@example.com"), 2, "320"),
    (("person",), 2, "ADDRESS is missing"), (("message", "<>"), 2, "empty"), (("message", "x" * 1000), 2, "998"),
    (("person", JO, "--since", "soon"), 2, "--since"), (("person", JO, "--cursor", "12"), 2, "cursor"),
    (("person", JO, "--sincce", "1h"), 2, "mean \"since\""), (("persn", JO), 2, "person"),
    (("history", "--machine", "perhaps"), 2, "yes or no"), (("history", "--email", "-"), 2, "stdin"),
], ids=lambda it: " ".join(it)[:40] if isinstance(it, tuple) else None)
def test_what_nobody_knows_and_what_means_nothing_is_told(pipeline, call, status, word):
    sent(pipeline, mail("email_delivered"))
    done = run(pipeline, *call)
    assert (done.returncode, done.stdout) == (status, "") and word in done.stderr, done


def test_it_works_while_the_pipeline_is_killed(pipeline):
    who = "killed@example.com"
    ids = sent(pipeline, mail("email_delivered", "k1", email=who))
    for stage in pipeline.stages.values():
        stage.kill()
    assert [one["event_id"] for one in person(pipeline, who)["events"]] == ids
    assert json.loads(good(pipeline, "message", "k1", "--json"))["recipients"][0]["status"] == "delivered"
    pipeline.start()


def test_without_a_history_the_rest_is_told_and_how_to_have_one(pipeline):
    sent(pipeline, mail("email_delivered", "o1", email="off@example.com"))
    off = pipeline.folder / "off.yaml"
    off.write_text(json.dumps(json.loads(pipeline.config.read_text()) | {"history": {"keep": "0s"}}))
    env = pipeline.environment("validator")

    def call(*words):
        return subprocess.run([BIN / "trotline", *words, "-c", off], env=env, capture_output=True, text=True)
    done = call("person", "off@example.com")
    assert done.returncode == 0 and "delivered" in done.stdout
    assert "history.keep" in done.stderr and "keep: 30d" in done.stderr
    page = json.loads(call("person", "off@example.com", "--json").stdout)
    assert page["events"] == [] and "history.keep" in page["no_history"]
    page = json.loads(call("message", "o1", "--json").stdout)
    assert [one["status"] for one in page["recipients"]] == ["delivered"]
    many = [mail("email_delivered", "o2", email=f"r{n}@example.com") for n in range(60)]
    post_all(pipeline, many)
    wait_for("all settled", lambda: pipeline.metric("webhook_queue_size") == 0)
    page = json.loads(call("message", "o2", "--json").stdout)
    assert len(page["recipients"]) == 50 and page["recipients_complete"] is False
    assert "there are more recipients" in call("message", "o2").stdout
    for verb in (("history",), ("person", "unheard@example.com"), ("message", "unheard")):
        done = call(*verb)
        assert done.returncode == 1 and "history.keep" in done.stderr and not done.stdout


def on_a_terminal(pipeline, *words, **env):
    ours, theirs = pty.openpty()
    started = subprocess.Popen([BIN / "trotline", *words, "-c", pipeline.config], stdout=theirs,
                               env=pipeline.environment("validator") | {"TERM": "xterm"} | env)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    started.wait()
    os.close(ours)
    return text.decode()


def test_colour_is_for_terminals_only_and_may_be_refused(pipeline):
    sent(pipeline, mail("email_delivered", "c1", email="colour@example.com", reason="x\033[31my\u202e"))
    assert "\033[32m" in on_a_terminal(pipeline, "person", "colour@example.com")
    plain = on_a_terminal(pipeline, "person", "colour@example.com", NO_COLOR="1")
    assert "\033" not in plain and "\u202e" not in plain and "email_delivered" in plain
    assert "\033" not in on_a_terminal(pipeline, "history", "colour@example.com", TERM="dumb")
