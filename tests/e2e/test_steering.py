"""What senders and handlers write cannot steer an operator's terminal: not in JSON, not in text,
not in a log."""

import json
import re
import select
import subprocess

import pytest

import verbs
from pipeline import BIN, Pipeline, close_all, event, wait_for

EVIL = "x\u202ey\u009b31m\u2028z\u007f\u061c\u2067\u200e\u001b[2J"
STEERS = re.compile("[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def told():
    """A pipeline with a dead letter, whose event and reason are evil; and the event's id."""
    pipeline = Pipeline(settings={"handlers": [{"name": "mine", "types": ["mine"], "processes": 0}]})
    pipeline.start()
    pipeline.hook("mine", lambda ev: ("dead", EVIL))
    evil_id = "evt" + EVIL
    assert pipeline.post(event("mine", event_id=evil_id, note=EVIL, email="ann@example.com")) \
        .status == 202
    wait_for("the letter", lambda: verbs.letters(pipeline))
    yield pipeline, evil_id
    close_all([pipeline])


@pytest.mark.parametrize("call", [
    ["event", "ID"], ["event", "ID", "--json"], ["dlq", "list"], ["dlq", "list", "--json"],
    ["dlq", "show", "ID"], ["dlq", "show", "ID", "--json"], ["dlq", "export"],
    ["person", "ann@example.com"], ["person", "ann@example.com", "--json"], ["message", "x" + EVIL],
    ["status"], ["status", "--json"], ["event", "unknown" + EVIL]], ids=" ".join)
def test_no_verb_prints_what_steers(told, call):
    pipeline, evil_id = told
    done = verbs.run(pipeline, *(evil_id if arg == "ID" else arg for arg in call))
    assert done.stdout or done.stderr
    assert not STEERS.search(done.stdout + done.stderr), done
    if "--json" in call and call[0] not in ("status", "person"):
        assert evil_id in list(json.loads(done.stdout).values()), "it says the same"


def test_no_log_holds_what_steers(told):
    pipeline, _ = told
    for stage in pipeline.stages.values():
        assert not STEERS.search(stage.log()), stage


def test_a_tap_prints_none(told):
    pipeline, _ = told
    tap = subprocess.Popen([BIN / "trotline", "tap", "-c", pipeline.config, "--json"],
                           stdout=subprocess.PIPE, env=pipeline.environment("retrier"))
    try:
        def seen():
            assert pipeline.post(event("mine", note=EVIL)).status == 202
            ready, _, _ = select.select([tap.stdout], [], [], 0.2)
            return bool(ready)

        wait_for("the tap hears one", seen)
        line = tap.stdout.readline().decode()
        assert json.loads(line)["data"]["note"] == EVIL
        assert not STEERS.search(line)
    finally:
        tap.terminate()
        tap.wait()
