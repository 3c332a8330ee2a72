"""What becomes of a batch, event by event, from the command line and over HTTP."""

import json

from pipeline import event, wait_for
from verbs import good, run

MINE = [{"name": "mine", "types": ["mine_a"], "processes": 0}]


def counts(answer):
    return tuple(answer[key] for key in (
        "total_events", "successful", "failed", "pending", "duplicates"))


def asked(pipeline, batch_id):
    return json.loads(good(pipeline, "batch", batch_id, "--json"))


def test_a_batch_is_told_of_from_acceptance_to_its_end(start):
    pipeline = start(settings={"handlers": MINE, "retry": {"delay": "50ms", "attempts": 1}})
    known = event()
    pipeline.post(known)
    good_ones, bad = [event() for _ in range(3)], [event("mine_a", f"bad{n}") for n in range(2)]
    old = event(event_id="old", timestamp=1)
    with pipeline.client() as client:
        answer = client.post_batch([*good_ones, known, old, {"event_id": "half"}, *bad]).json()
    batch_id = answer["batch_result"]["batch_id"]
    wait_for("the good ones", lambda: asked(pipeline, batch_id)["successful"] == 3)
    told = asked(pipeline, batch_id)
    assert counts(told) == (8, 3, 2, 2, 1) and told["status"] == "processing"
    assert (told["batch_id"], told["source"]) == (batch_id, "email")
    assert [(row["index"], row["event_id"]) for row in told["failed_events"]] == [(4, "old"), (5, "half")]

    pipeline.hook("mine", lambda ev: ("retry", "no luck") if ev["id"] == "bad0" else ("dead", "never"))
    wait_for("all have ended", lambda: asked(pipeline, batch_id)["status"] == "completed")
    wait_for("the letters", lambda: pipeline.metric("webhook_dead_letters") == 2)
    told = asked(pipeline, batch_id)
    assert counts(told) == (8, 3, 4, 0, 1)
    errors = {row["event_id"]: row["error"] for row in told["failed_events"]}
    assert errors["bad0"] == "no luck" and errors["bad1"] == "never"
    good(pipeline, "dlq", "drop", "--all", "--yes")
    assert counts(asked(pipeline, batch_id)) == (8, 3, 4, 0, 1), "dropped is not applied"
    text = good(pipeline, "batch", batch_id)
    assert text.startswith(f"{batch_id}: completed\n") and "[4] old" in text


def test_a_batch_is_told_of_while_the_pipeline_is_down(start):
    pipeline = start()
    with pipeline.client() as client:
        answer = client.post_batch([event(), event()]).json()
    pipeline.wait_settled(2)
    pipeline.stop()
    assert counts(asked(pipeline, answer["batch_result"]["batch_id"])) == (2, 2, 0, 0, 0)


def test_a_batch_that_never_was_is_not_found(start):
    pipeline = start()
    pipeline.post(event())
    for batch_id in ("nonsense", "00000000-0001-8000-8000-000000000000"):
        done = run(pipeline, "batch", batch_id)
        assert (done.returncode, done.stdout) == (1, "") and "not found" in done.stderr


def posted(pipeline, *events):
    with pipeline.client() as client:
        return client.post_batch(list(events)).json()["batch_result"]["batch_id"]


def test_a_sender_asks_for_its_batch_also_with_the_admin_listener_off(start):
    pipeline = start(counts={"ingress": 2})
    assert json.loads(pipeline.config.read_text())["admin"]["listen"] == "off"
    batch_id = posted(pipeline, event(), event(), event(timestamp=1, event_id="old"))
    pipeline.wait_settled(2)
    for _ in range(8):
        told = pipeline.get(f"/webhooks/email/batch/{batch_id}")
        assert told.status == 200 and counts(told.json()) == (3, 2, 1, 0, 0)
        assert told.headers["content-type"] == "application/json"
    assert told.json() == asked(pipeline, batch_id)


def test_a_batch_is_told_of_to_its_own_source_only(start):
    sources = [{"name": name, "secrets": ["${TROTLINE_SECRET}"]} for name in ("email", "other")]
    pipeline = start(settings={"sources": sources})
    batch_id = posted(pipeline, event())
    for path in (f"other/batch/{batch_id}", "email/batch/nonsense", "email/batch/%ff%22%0a", f"email/batch/{'x' * 4000}"):
        told = pipeline.get(f"/webhooks/{path}")
        assert (told.status, told.json()) == (404, {"error": "Not found"}), path
        assert "x-error-detail" not in told.headers
    assert pipeline.get(f"/webhooks/email/batch/{batch_id}").status == 200


def test_a_question_waits_for_admin_and_is_given_up_in_time(start):
    pipeline = start(settings={"limits": {"answer_timeout": "4s"}})
    batch_id = posted(pipeline, event())
    path = f"/webhooks/email/batch/{batch_id}"
    pipeline["admin"].kill()
    answer = pipeline.get(path)
    assert (answer.status, answer.json()) == (503, {"error": "No verdict in time"})
    assert int(answer.headers["retry-after"]) > 0
    assert pipeline.post(event()).status == 202
    pipeline["admin"].launch()
    assert pipeline.get(path).status == 200


def test_a_question_does_not_need_the_validator(start):
    pipeline = start()
    batch_id = posted(pipeline, event())
    pipeline.wait_settled(1)
    pipeline["validator"].kill()
    assert pipeline.get(f"/webhooks/email/batch/{batch_id}").json()["status"] == "completed"
