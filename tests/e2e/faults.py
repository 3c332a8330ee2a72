"""Inputs that were once read wrongly, with what is right: how their files are read. See
tests/faults/README.md; those of the shared folder have the same form."""

import copy
import datetime
import json
import os
import pathlib
import re

import pytest
import test_vectors

OWN = test_vectors.REPOSITORY / "tests" / "faults"
SHARED = pathlib.Path(os.environ.get("TROTLINE_FAULTS") or test_vectors.SHARED.parent / "faults")
SCENARIOS, HTTP = "scenarios", "http"
NOW_S = 1795914402  # when the payloads came, where a file does not say
NUMBER = re.compile(r'"@@([^"]*)@@"')  # one that no reader here can hold
PLACE = re.compile(r'"@(now|ms|text|iso0530|iso|db)([+-]\d+)?"')
GONE = "@none"
SINGLES = ("mailgun", "ses")  # of these a request holds one event


# ---- files and their cases


def alternatives(text):
    """"bounced soft or rejected" to types and classes, the first one and the others."""
    words = [one.split() for one in text.split(" or ")]
    found = [{"type": word[0]} | ({"bounce_class": word[1]} if word[1:] else {}) for word in words]
    return found[0] | ({"or": found[1:]} if found[1:] else {})


def put(body, path, value):
    """Sets, or takes away, what stands at a path such as 0.msys.message_event.type."""
    *way, last = path.split("/") if "/" in path else path.split(".")
    for key in way:
        body = body[int(key) if isinstance(body, list) else key]
    last = int(last) if isinstance(body, list) else last
    if value == GONE:
        del body[last]
    else:
        body[last] = value


def case(fixture, changes, right, more=None):
    made = copy.deepcopy(fixture)
    for path, value in changes.items():
        put(made["body"], path, value)
    more = dict(more or {})
    made |= {key: more.pop(key) for key in list(more) if key.startswith("expect")}
    for event in made["expect_events"][:1]:
        event |= alternatives(right) | more
    if right == "none":
        made["expect_events"] = []
    return made


def cases_of(path):
    """(name, fixture) of each case in a file; a file without cases is one."""
    fixture = json.loads(path.read_bytes())
    name = f"{path.parent.name}/{path.stem}"
    fixture.setdefault("provider", path.parent.name)
    if "cases" not in fixture:
        return [(name, fixture)]
    cases = fixture.pop("cases")
    made = [case(fixture, *what) for what in cases.values()]
    if fixture["provider"] not in SINGLES:
        in_one_batch(made)
    return [(f"{name}/{says}", one) for says, one in zip(cases, made)]


def in_one_batch(made):
    """Cases of one event each are asked in one request: a process for each would take its time."""
    batch = {**made[0], "body": [event for one in made for event in test_vectors.listed(one["body"])]}
    for at, one in enumerate(made):
        one |= {"batch": batch, "at": at}


def found(folder, part):
    """The cases of scenarios, of http, or of all payloads."""
    wanted = sorted(folder.glob("*/*.json")) if part is None else sorted(folder.glob(f"{part}/*.json"))
    return [one for path in wanted if part or path.parent.name not in (SCENARIOS, HTTP)
            for one in cases_of(path)]


def parameters(part):
    """Of both folders."""
    return [pytest.param(fixture, id=f"{owner}:{name}")
            for owner, folder in (("own", OWN), ("shared", SHARED))
            for name, fixture in found(folder, part)]


# ---- times of a run, in a body's text


def when(kind, now, seconds):
    at = now + seconds
    utc = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    forms = {
        "now": lambda: at, "ms": lambda: at * 1000, "text": lambda: str(at),
        "iso": lambda: utc.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "db": lambda: utc.strftime("%Y-%m-%d %H:%M:%S.000000"),
        "iso0530": lambda: (utc + datetime.timedelta(hours=5, minutes=30)).strftime(
            "%Y-%m-%dT%H:%M:%S+0530"),
    }
    return json.dumps(forms[kind]())


def body_of(post, now, turn=0):
    """A post's body as bytes; turn: the how manieth time, which stands for @turn."""
    text = post["text"] if "text" in post else json.dumps(post["body"])
    text = PLACE.sub(lambda m: when(m[1], now, int(m[2] or 0)), text)
    return NUMBER.sub(r"\1", text).replace("@turn", str(turn)).encode()


# ---- what verify says


def kind_of(event):
    """An event's type and class in the words of the fixtures."""
    if event["type"] == "email_blocked":
        return "bounced", "block"
    if event["type"].startswith("system_"):
        return "system", None
    return event["type"].removeprefix("email_"), event["bounce_class"]


def fits(event, wanted):
    kind, bounce_class = kind_of(event)
    return kind == wanted["type"] and wanted.get("bounce_class", bounce_class) == bounce_class


def check_events(fixture, events):
    wanted = fixture["expect_events"]
    may_be_none = [one for one in wanted if {"type": "none"} in one.get("or", [])]
    if not events and len(may_be_none) == len(wanted):
        return
    told = [(*kind_of(event), event["email"]) for event in events]
    assert len(events) == len(wanted), told
    for event, right in zip(events, wanted):
        assert any(fits(event, one) for one in [right, *right.get("or", [])]), (told, right)
        for key in right.keys() - {"type", "bounce_class", "or"}:
            assert event[key] == right[key], (key, told)


def check_answer(fixture, answer):
    events = [event for event in answer["events"] if not event["skipped"]]
    if "batch" in fixture:
        assert len(events) == len(fixture["batch"]["body"]), answer
        events = events[fixture["at"]:][:1]
    expect, only = fixture.get("expect", "valid"), fixture.get("expect_only")
    if expect != "either":
        assert answer["accepted"] == (expect == "valid"), answer["reason"]
    if only:
        assert all(kind_of(event)[0].startswith(only) for event in events), events
    if expect == "valid":
        check_events(fixture, events)
    if fixture.get("expect_status"):
        assert answer["status"] in fixture["expect_status"], answer
