"""docs/operations.md, "Alerts": what you see, what it means, what to do. Each row is tried: here, or by the
test that is named here."""

import re

import pytest
from pipeline import REPO, SECRET, event, post_all, wait_for

TABLE = (REPO / "docs/operations.md").read_text().split("## Alerts")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (`.*?) \|", TABLE, re.M)

# A row's first words, and the tests that bring them about.
TRIED = {
    "stage NAME has no live process": ["test_operator.py", "test_supervisord.py"],
    "stage NAME has N of M processes that go on: …": ["test_watch.py"],
    "stage ingress has N of M processes that have not heard of a validator": ["test_alerts.py"],
    "hung": ["test_watch.py"],
    "repeated deaths": ["test_watch.py"],
    "watcher": ["test_alerts.py"],
    "admin": ["test_admin.py"],
    "handler NAME: N events wait": ["test_operator.py"],
    "source NAME: nothing accepted": ["test_operator.py"],
    "source NAME: refused: CAUSE": ["test_refused.py"],
    "unknown source": ["test_refused.py"],
    "source NAME: an event without an address": ["test_names.py"],
    "queue": ["test_alerts.py"],
    "oldest": ["test_operator.py"],
    "journal": ["test_alerts.py"],
    "journal full": ["test_refused.py"],
    "history late": ["test_history_pipeline.py"],
    "history missed": ["test_history_pipeline.py"],
    "destination NAME down": ["test_forward_watched.py"],
    "destination NAME refused": ["test_forward_watched.py"],
    "destination NAME gone": ["test_forward_watched.py"],
    "destination NAME left out": ["test_forward_watched.py"],
    "destination NAME late": ["test_forward_watched.py"],
    "destination NAME runs out": ["test_forward_watched.py"],
    "destination NAME missed": ["test_forward_watched.py"],
    "destination NAME dead letters": ["test_forward_watched.py"],
    "destination NAME guarded": ["test_forward_watched.py"],
    "dead letters": ["test_operator.py"],
    "dead letter store": ["test_operator.py"],
    "source NAME: a part of a request": ["test_unread.py"],
    "unread store": ["test_unread.py"],
    "unread store full": ["test_unread.py"],
    "bad frames: STAGE refused one": ["test_metrics.py"],
    "notices": ["test_dlq.py"],
    "STORE CAUSE": ["test_stores.py"],
    "state.db was …": ["test_stores.py"],
    "state.db behind the journal": ["test_stores.py"],
    "disk": ["test_operator.py"],
    "connections: out of connections": ["test_connections.py"],
    "errors": ["test_contract.py"],
    "slow": ["test_alerts.py"],
}

# How a row's words stand in a test, where it is not as they are.
WRITTEN = {
    "stage NAME has no live process": "has no live process",
    "stage NAME has N of M processes that go on: …": "processes that go on: 1 hung",
    "stage ingress has N of M processes that have not heard of a validator": "that have not heard of a validator",
    "handler NAME: N events wait": "events wait",
    "source NAME: nothing accepted": "nothing accepted",
    "source NAME: refused: CAUSE": "refused: {word}",
    "source NAME: an event without an address": "an event without an address",
    "source NAME: a part of a request": "a part of a request",
    "bad frames: STAGE refused one": "bad frames",
    "destination NAME down": "destination app down",
    "destination NAME refused": "destination refuses refused",
    "destination NAME gone": "destination goes gone",
    "destination NAME left out": "destination left left out",
    "destination NAME late": "destination app late",
    "destination NAME runs out": "destination app runs out",
    "destination NAME missed": "destination app missed",
    "destination NAME dead letters": "destination app dead letters",
    "destination NAME guarded": "destination app guarded",
    "STORE CAUSE": "state.db locked",
    "state.db was …": "state.db was ",
    "state.db behind the journal": "the journal",
    "connections: out of connections": "out of connections",
}


def alerts(pipeline):
    return pipeline.health().json()["alerts"]


def alert_of(pipeline, start):
    return wait_for(f"the alert \"{start}\"", lambda: next(
        (one for one in alerts(pipeline) if one.startswith(start)), None))


def words_of(row):
    return re.findall(r"`([^`]+)`", row)


def test_each_row_is_tried_by_a_test():
    for row in ROWS:
        first = words_of(row)[0]
        assert first in TRIED, f"no test for the row {row}"
    for words, files in TRIED.items():
        assert any(words in words_of(row) for row in ROWS), f"no row for {words}"
        for name in files:
            tests = (REPO / "tests/e2e" / name).read_text().split("\ndef ")
            assert any("alert" in one and WRITTEN.get(words, words) in one for one in tests[1:]), (
                f"{name} looks for no alert with {words}")


def test_each_alert_has_a_row():
    """As they stand in the code: a new one comes with its row."""
    code = "".join(file.read_text() for file in (REPO / "lib/stage").glob("board*.c"))
    texts = re.findall(r"\balert\(\s*r,[^\"]*?\"((?:[^\"\\]|\\.)*)\"", code)
    assert len(texts) > 25
    patterns = []
    for row in ROWS:
        for words in words_of(row):
            if words in ("ahead of the journal", "has N of M") or words.startswith(("journal I", "state.db locked")):
                continue
            patterns.append(words.rstrip(" …:"))
    heads = [re.sub(r"%[.\d]*(zu|llu|f|s)", "*", text) for text in texts]

    def has_row(head):
        if head.startswith("*"):  # a store, or a process, by its name
            return True
        return any(re.match(re.sub(r"[A-Z]+\b", ".*", re.escape(one)), head) for one in patterns)

    assert [head for head in heads if not has_row(head)] == []


def test_a_queue_that_grows_is_told(start):
    pipeline = start(handlers=(), settings={"health": {"queue_size": 10}})
    post_all(pipeline, [event() for _ in range(20)])
    assert "trotline" in alert_of(pipeline, "queue: 20 events wait, more than 10")


def test_a_slow_way_is_told(start):
    pipeline = start(settings={"health": {"processing_time": "1ms"}})
    with pipeline.client() as client:
        wait_for("an alert", lambda: client.post(event()).status == 202 and next(
            (one for one in alerts(pipeline) if one.startswith("slow: ")), None))


def test_a_journal_that_fills_is_told(start):
    """What fills it is found out by one; the other is filled to nine tenths of that."""
    def posts(pipeline, most):
        with pipeline.client() as client:
            for n in range(most):
                if client.post(event(pad="x" * 20_000)).status != 202:
                    return n
        return most

    settings = {"journal": {"max_size": "4MiB"}}
    full = posts(start(handlers=(), settings=settings), 1000)
    assert full < 1000
    pipeline = start(handlers=(), settings=settings)
    posts(pipeline, full * 9 // 10)
    assert "raise journal.max_size" in alert_of(pipeline, "journal: ")


def test_a_watcher_that_is_down_is_told(start):
    pipeline = start()
    pipeline["watcher"].kill()
    assert "watcher.0.log" in alert_of(pipeline, "watcher is down")
    pipeline["watcher"].start()
    wait_for("no alert", lambda: not any(one.startswith("watcher") for one in alerts(pipeline)))


def test_an_ingress_that_hears_no_validator_is_told(start):
    """Where the only validator tells of itself has gone; who has it open goes on. Either may answer."""
    pipeline = start(counts={"ingress": 2})
    second = pipeline.stages["ingress", 1]
    second.stop()
    (pipeline.data / "run/tap-validator.0").unlink()
    second.launch()
    wait_for("an alert", lambda: next(
        (one for one in alerts(pipeline) if one.startswith("stage ingress has 1 of 2 processes that have not heard of a validator")), None))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: words_of(row)[0][:30])
def test_a_row_says_what_to_do(row):
    line = next(line for line in TABLE.splitlines() if line.startswith(f"| {row} |"))
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert len(cells) == 3 and all(len(cell) > 12 for cell in cells[1:]), line
    assert SECRET not in line
