"""What was set aside for a wrong signature: seen, tried again once the key is mended, thrown away."""

import hashlib
import hmac
import json
import shutil
import subprocess
import time

import pytest

from pipeline import BIN, DEADLINE_S, SECRET, event, sign, wait_for

OTHER = "another-secret-of-the-sender-000"


def sources(mailersend="wrong-secret-of-ours-0000", **more):
    return [
        {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"],
         "on_bad_signature": "quarantine"},
        {"name": "ms", "provider": "mailersend", "secrets": [mailersend],
         "on_bad_signature": "quarantine", **more},
        {"name": "pm", "provider": "postmark", "secrets": ["user:pass-1"],
         "on_bad_signature": "quarantine"},
    ]


def quarantine(pipeline, *args):
    run = subprocess.run(
        [BIN / "trotline", "quarantine", *args, "-c", pipeline.config], capture_output=True,
        text=True, timeout=DEADLINE_S, env=pipeline.environment("validator"))
    assert "Sanitizer" not in run.stderr
    return run


def listed(pipeline, *args):
    run = quarantine(pipeline, "list", "--json", *args)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def activity(event_id, recipient="ann@example.com"):
    return json.dumps({
        "type": "activity.opened", "created_at": "2026-01-02T03:04:05.000000Z",
        "data": {"id": event_id, "created_at": "2026-01-02T03:04:05.000000Z",
                 "email": {"message": {"id": f"m-{event_id}"},
                           "recipient": {"email": recipient}}}}).encode()


def post_activity(pipeline, event_id, secret=OTHER):
    body = activity(event_id)
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    with pipeline.client() as client:
        answer = client.request("POST", "/webhooks/ms", body, {
            "Content-Type": "application/json", "Signature": mac, "X-Trace": "",
            "Authorization": "Bearer do-not-show"})
    assert answer.status == 200, answer


def reload(pipeline, settings):
    """A new file, taken by the validator."""
    pipeline.write_config(settings)
    seen = pipeline["validator"].log().count("configuration reloaded")
    pipeline["validator"].signal(1)
    wait_for("reload", lambda: pipeline["validator"].log().count("configuration reloaded") > seen)


def test_without_a_store_there_is_nothing(start):
    pipeline = start(handlers=())
    assert quarantine(pipeline, "list").stdout == "nothing is in quarantine\n"
    assert quarantine(pipeline, "retry").returncode == 0
    run = quarantine(pipeline, "show", "1")
    assert run.returncode == 1 and "not in quarantine" in run.stderr


def test_wrong_use_is_told(start):
    pipeline = start(handlers=())
    for args in (["burn"], ["show", "x"], ["show", "0"], ["drop"], ["list", "1", "2"], []):
        assert quarantine(pipeline, *args).returncode == 2, args


def test_a_mended_key_lets_in_what_was_set_aside(start):
    pipeline = start(handlers=("opened",), settings={"sources": sources()})
    post_activity(pipeline, "one")
    post_activity(pipeline, "two")
    post_activity(pipeline, "strange", secret="somebody-elses-secret-00")
    kept = listed(pipeline)
    assert [(item["source"], item["target"]) for item in kept] == [("ms", "/webhooks/ms")] * 3
    assert not pipeline.rows("SELECT * FROM recipients")
    before = quarantine(pipeline, "retry")
    assert before.returncode == 1
    assert before.stdout.count("still refused: signature: ") == 3
    reload(pipeline, {"sources": sources(mailersend=OTHER)})
    after = quarantine(pipeline, "retry", "--json")
    assert after.returncode == 1, after.stderr
    answers = [json.loads(line) for line in after.stdout.splitlines()]
    assert [answer["accepted"] for answer in answers] == [True, True, False]
    assert "signature" in answers[2]["reason"] and OTHER not in after.stdout
    assert [item["number"] for item in listed(pipeline)] == [kept[2]["number"]]
    wait_for("both applied", lambda: pipeline.rows("SELECT opened FROM recipients") == [(2,)])


@pytest.mark.parametrize("body", [
    b'{"type":"activity.opened","type":"activity.opened","data":{}}',
    b'{"type":"activity.opened","data":{"subject":"caf\xe9"}}',
    b'{"type":"activity.opened","data":' + b"[" * 30 + b"]" * 30 + b"}",
], ids=["repeated key", "no UTF-8", "depth"])
def test_what_cannot_be_read_is_400_and_kept(start, body):
    pipeline = start(handlers=(), settings={"sources": sources(mailersend=OTHER)})
    mac = hmac.new(OTHER.encode(), body, hashlib.sha256).hexdigest()
    with pipeline.client() as client:
        answer = client.request("POST", "/webhooks/ms", body, {"Signature": mac})
    assert answer.status == 400
    assert [item["source"] for item in listed(pipeline)] == ["ms"]
    assert "still refused: malformed: " in quarantine(pipeline, "retry").stdout


def test_a_native_batch_goes_back_to_its_batch_path(start):
    pipeline = start(settings={"sources": sources()})
    one = event()
    body = json.dumps([one, event()]).encode()
    with pipeline.client() as client:
        answer = client.post_bytes(body, "/webhooks/email/batch", sign(body, OTHER))
        assert answer.status == 200 and answer.json() == {"status": "quarantined"}
    mended = sources()
    mended[0]["secrets"] = [SECRET, OTHER]
    reload(pipeline, {"sources": mended})
    run = quarantine(pipeline, "retry", "--source", "email")
    assert run.returncode == 0 and "1 accepted, 0 still refused" in run.stdout, run.stdout
    pipeline.wait_unknown([one["event_id"]])
    assert listed(pipeline) == []


def keep_an_old_one(start):
    """Its key is right by now, but it is an hour old and the source takes ten minutes."""
    pipeline = start(settings={"sources": sources()})
    body = json.dumps(event(timestamp=int(time.time()) - 3600)).encode()
    with pipeline.client() as client:
        client.post_bytes(body, signature=sign(body, OTHER))
    mended = sources()
    mended[0]["secrets"] = [OTHER]
    reload(pipeline, {"sources": mended})
    return pipeline, mended


def test_what_the_validator_would_refuse_is_not_posted_and_stays(start):
    pipeline, _ = keep_an_old_one(start)
    run = quarantine(pipeline, "retry")
    assert run.returncode == 1 and "still refused: event: Event too old" in run.stdout, run.stdout
    assert len(listed(pipeline)) == 1
    assert "too_old" not in pipeline["validator"].log()


def test_what_the_front_door_refuses_stays(start):
    """The file says two hours, which the validator has not read yet."""
    pipeline, mended = keep_an_old_one(start)
    mended[0]["max_age"] = "2h"
    pipeline.write_config({"sources": mended})
    run = quarantine(pipeline, "retry")
    assert run.returncode == 1 and "front door answered 400" in run.stdout, run.stdout
    assert len(listed(pipeline)) == 1


def test_retry_without_a_pipeline_keeps_all_and_says_so(start):
    pipeline = start(handlers=(), settings={"sources": sources()})
    post_activity(pipeline, "one")
    pipeline["ingress"].stop()
    pipeline.write_config({"sources": sources(mailersend=OTHER)})
    run = quarantine(pipeline, "retry")
    assert run.returncode == 3 and "trotline quarantine: http://" in run.stderr, run.stderr
    assert len(listed(pipeline)) == 1


def test_show_gives_the_request_without_its_credentials(start, tmp_path):
    pipeline = start(handlers=(), settings={"sources": sources()})
    post_activity(pipeline, "one")
    with pipeline.client() as client:
        client.request("POST", "/webhooks/pm", b"\xff\x00", {"Authorization": "Basic c2VjcmV0"})
    first, second = (item["number"] for item in listed(pipeline))
    text = quarantine(pipeline, "show", str(first)).stdout
    shown = json.loads(text)
    headers = dict(shown["headers"])
    assert shown["body"].encode() == activity("one")
    assert headers["Authorization"] == "(not shown)" and "do-not-show" not in text
    assert len(headers["Signature"]) == 64
    binary = json.loads(quarantine(pipeline, "show", str(second)).stdout)
    assert binary["body_b64"] == "/wA=" and "c2VjcmV0" not in json.dumps(binary)
    captured = tmp_path / "request.json"
    captured.write_text(text)
    verified = subprocess.run([BIN / "trotline", "verify", "--provider", "mailersend", "--secret",
                               OTHER, captured], capture_output=True, timeout=DEADLINE_S)
    assert verified.returncode == 0, "what is shown can be verified"


def test_drop_takes_one_or_a_source_or_all(start):
    pipeline = start(handlers=(), settings={"sources": sources()})
    for name in ("one", "two", "three"):
        post_activity(pipeline, name)
    with pipeline.client() as client:
        client.request("POST", "/webhooks/pm", b"{}")
    numbers = [item["number"] for item in listed(pipeline)]
    assert quarantine(pipeline, "drop", str(numbers[0])).stdout == "dropped 1\n"
    assert quarantine(pipeline, "drop", str(numbers[0])).returncode == 1
    assert quarantine(pipeline, "drop", "--source", "pm", "--yes").stdout == "dropped 1\n"
    assert [item["number"] for item in listed(pipeline)] == numbers[1:3]
    assert len(listed(pipeline, "--limit", "1")) == 1
    assert quarantine(pipeline, "drop", "--yes", "--json").stdout == '{"dropped":2}\n'
    assert listed(pipeline) == []


def post_junk(pipeline, source, count):
    """Unsigned, 60 KB each; the answers by status."""
    body = b'{"junk":"' + b"x" * 60000 + b'"}'
    answers = []
    with pipeline.client() as client:
        for _ in range(count):
            answers.append(client.request("POST", f"/webhooks/{source}", body,
                                          {"Content-Type": "application/json"}))
    assert all("retry-after" in one.headers for one in answers if one.status != 200)
    return [one.status for one in answers]


def test_junk_pushes_nothing_out_and_leaves_the_others_their_share(start):
    pipeline = start(handlers=("opened",), settings={
        "sources": sources(), "quarantine": {"max_size": "4MiB"}})
    post_activity(pipeline, "real")
    statuses = post_junk(pipeline, "ms", 150)
    assert set(statuses) == {200, 503} and 10 < statuses.count(200) < 40
    assert statuses == sorted(statuses)
    assert pipeline["validator"].has_logged("quarantine's share of this source is full")
    body = json.dumps(event()).encode()
    with pipeline.client() as client:
        assert client.post_bytes(body, signature=sign(body, OTHER)).status == 200
    assert post_junk(pipeline, "pm", 5) == [200] * 5
    reload(pipeline, {"sources": sources(mailersend=OTHER), "quarantine": {"max_size": "4MiB"}})
    assert "1 accepted" in quarantine(pipeline, "retry", "--source", "ms").stdout
    wait_for("the real one", lambda: pipeline.rows("SELECT opened FROM recipients") == [(1,)])


def test_what_is_dropped_makes_room_again(start):
    pipeline = start(handlers=(), settings={
        "sources": sources(), "quarantine": {"max_size": "4MiB"}})
    assert post_junk(pipeline, "ms", 40).count(503) > 0
    assert post_junk(pipeline, "ms", 1) == [503]
    for item in listed(pipeline)[:2]:
        assert quarantine(pipeline, "drop", str(item["number"])).returncode == 0
    assert post_junk(pipeline, "ms", 3) == [200, 200, 503]


def damage(folder):
    """A store that is none."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "data.mdb").write_bytes(b"no store" * 2048)
    (folder / "data.mdb").chmod(0o600)


def test_a_damaged_quarantine_is_named_and_heals(start):
    pipeline = start(settings={"sources": sources()}, prepare=lambda one: damage(one.data / "quarantine"))
    with pipeline.client() as client:
        assert client.post_bytes(b"{}", signature="sha256=00").status == 503
        wait_for("the alert", lambda: any(
            alert.startswith("quarantine malformed: validator cannot use it") for alert in pipeline.health().json()["alerts"]))
        assert client.post(event()).status == 202, "it alone"
        shutil.rmtree(pipeline.data / "quarantine")
        assert client.post_bytes(b"{}", signature="sha256=00").status == 200
    wait_for("no alert", lambda: not any("quarantine" in alert for alert in pipeline.health().json()["alerts"]))
