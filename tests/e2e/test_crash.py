"""Kills in mid-flight: 20,000 events are posted while each stage is killed in turn.

Afterwards every event that was answered 2xx has had its effect exactly once, and nothing else has; see
storm.py.
"""

import pytest

from pipeline import wait_for
from storm import HANDLERS, Load

EVENTS = 20_000


def check_all(pipeline, load):
    dead = len(load.ids("unusable"))
    pipeline.wait_settled(EVENTS)
    wait_for("all dead letters", lambda: pipeline.metric("webhook_dead_letters") == dead)
    load.check_rows(pipeline.rows)
    load.check_counters(pipeline.rows)
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
    load = Load([pipeline.port], EVENTS)
    try:
        kill_in_turn(pipeline, load, rounds=2)
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    assert tally["cut"] > 0, "no kill has cut a connection: the test has shown nothing"
    assert not [what for what in tally if what.startswith("503")], "a kill is no reason to refuse"
    check_all(pipeline, load)


@pytest.mark.plain
def test_nothing_is_lost_when_all_stages_are_killed_at_once(start):
    pipeline = start(handlers=HANDLERS, settings=settings_for(ONE_EACH))
    load = Load([pipeline.port], EVENTS)
    try:
        kill_all_at_once(pipeline, load, times=5)
        tally = load.finish()
    finally:
        load.stop()
    print(dict(tally))
    assert tally["cut"] > 0
    check_all(pipeline, load)
