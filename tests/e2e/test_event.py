"""`trotline event`: any id that somebody can have of an event finds it, and tells what is known of it,
before its end and after it."""

import json
import re

import pytest
from pipeline import Pipeline, event, wait_for
from senders import PROVIDERS, Senders, events_of
from verbs import good, run, told

EFFECT = {
    "email_opened": "engagements", "email_clicked": "engagements", "email_complained": "compliance_log",
    "email_unsubscribed": "compliance_log", "email_delivered": "messages", "email_deferred": "messages",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    senders = Senders(tmp_path_factory.mktemp("senders"))
    native = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}
    one = Pipeline(handlers=("opened", "clicked", "delivered", "deferred", "complained", "unsubscribed"),
                   settings={"sources": [native, *senders.sources()]})
    one.senders = senders
    one.start()
    yield one
    one.close()


def samples(provider):
    """One event of each type that the pipeline handles."""
    found = {}
    for name, kind, _ in events_of(provider):
        if kind in EFFECT and "proxy" not in name:
            found.setdefault(kind, name)
    return found


def ids_of(pipeline, source, name, email, tmp_path):
    """Sends the event; what it is known by: the dedup key, and the provider's id where it has one."""
    signed = source != "ses"
    request = tmp_path / "request.json"
    request.write_text(pipeline.senders.send(
        source, name, "--print", "--email", email, signed=signed, config=pipeline.config).stdout)
    [ev] = pipeline.senders.verify(source, request, *([] if signed else ["--allow-raw"]))["events"]
    sent = json.loads(request.read_text())
    with pipeline.client() as client:
        answer = client.request("POST", f"/webhooks/{source}", sent["body"].encode(), sent["headers"])
    assert answer.status == 200, answer
    return {ev["dedup_key"], ev["event_id"]} - {None}


@pytest.mark.parametrize("source", PROVIDERS)
def test_each_id_of_a_providers_event_finds_it_after_its_success(pipeline, source, tmp_path):
    for kind, name in samples(source).items():
        email = f"{kind}.{source}@example.com"
        ids = ids_of(pipeline, source, name, email, tmp_path)
        assert ids
        for one in ids:
            wait_for(f"{one} done", lambda one=one: told(pipeline, one)["status"] == "success")
            told_of = told(pipeline, one)
            assert (told_of["event_type"], told_of["email"]) == (kind, email), told_of
            assert (told_of["source"], told_of["handler"]) == (source, kind.removeprefix("email_"))
            assert told_of["received_at"] and told_of["applied_at"] and told_of["event_time"]
            assert told_of["retry_count"] == 0
            assert EFFECT[kind] in {effect["table"] for effect in told_of["effects"]}, told_of
        for one in (told_of["name"], told_of["seq"], f"evt_{told_of['name'].replace('-', '_')}"):
            assert told(pipeline, str(one))["seq"] == told_of["seq"]
        text = good(pipeline, "event", ids.pop())
        assert re.search(rf"^  effect      {EFFECT[kind]}: .*{re.escape(email)}", text, re.M), text


def test_the_ids_of_log_tap_and_state_db_are_ids_to_ask_for(pipeline, tmp_path):
    ids_of(pipeline, "sendgrid", "open", "shown@example.com", tmp_path)
    row = wait_for("the row", lambda: pipeline.rows(
        "SELECT event_id FROM engagements WHERE email = 'shown@example.com'"))
    assert told(pipeline, row[0][0])["email"] == "shown@example.com"
    for stage, message in (("validator", "accepted"), ("retrier", "done")):
        wait_for("its line", lambda stage=stage, message=message: pipeline[stage].has_logged(
            f"msg={message}", f"id={row[0][0]}"))


def test_what_waits_is_found_by_the_providers_id_too(pipeline, tmp_path):
    pipeline["handler-opened"].stop()
    ids = ids_of(pipeline, "mailgun", "opened", "waits@example.com", tmp_path)
    for one in ids:
        assert told(pipeline, one)["status"] == "pending"
        assert told(pipeline, one)["email"] == "waits@example.com"
    pipeline["handler-opened"].start()
    wait_for("done", lambda: all(told(pipeline, one)["status"] == "success" for one in ids))


def test_events_with_one_id_are_all_named(pipeline):
    with pipeline.client() as client:
        for who in "ab":
            sent = json.loads(pipeline.senders.send(
                "ses", "Delivery", "--email", f"{who}@example.com", "--id", "one-id", "--print",
                signed=False, config=pipeline.config).stdout)
            assert client.request("POST", "/webhooks/ses", sent["body"].encode(), sent["headers"]).status == 200

    def newest():
        return told(pipeline, "one-id")

    wait_for("both done", lambda: newest()["status"] == "success" and newest()["email"] == "b@example.com")
    [other] = newest()["others"]
    assert told(pipeline, other)["email"] == "a@example.com"
    assert f"  the same id {other}\n" in good(pipeline, "event", "one-id")


def test_never_is_said_only_where_it_is_sure(start):
    one = start()
    for ev in (event(event_id="a"), event(event_id="b")):
        assert one.post(ev).status == 202
    one.wait_unknown(["a", "b"])
    one.wait_settled(2)
    asked = run(one, "event", "nobody")
    assert asked.returncode == 1
    assert f"nobody: not found: it was never accepted by any source of {one.config}" in asked.stderr
    hook = one.hook("clicked", lambda ev: "done")  # which enters nothing in state.db
    assert one.post(event(event_id="c", kind="email_clicked")).status == 202
    one.wait_settled(3)
    assert hook.events
    asked = run(one, "event", "nobody")
    assert "not known here: an id is remembered for 1d (dedup_window)" in asked.stderr
    assert "never" not in asked.stderr
    assert told(one, "c")["handler"] == "clicked"


def test_what_is_long_ago_is_told_from_the_state_database(start):
    one = start(handlers=("complained",))
    assert one.post(event(event_id="old", kind="email_complained", email="ann@example.com")).status == 202
    wait_for("done", lambda: told(one, "old")["status"] == "success")
    one.stop()
    (one.data / "journal/ended").unlink()
    told_of = told(one, "old")
    assert (told_of["event_type"], told_of["email"]) == ("email_complained", "ann@example.com")
    assert told_of["handler"] == "complained" and told_of["applied_at"]
    for file in (one.data / "journal").iterdir():
        file.unlink()
    one["validator"].start()
    told_of = told(one, "old")
    assert (told_of["status"], told_of["email"]) == ("success", "ann@example.com")
