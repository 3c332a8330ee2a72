"""What of proven requests could not be read is kept whole, for every provider: seen, told, read again,
thrown away; and a full store refuses what it could not keep."""

import json
import os
import shutil
import stat
import time

import lmdb
import msgpack
import pytest
from pipeline import ALL_HANDLERS, event, wait_for
from senders import PROVIDERS, Senders
from signing import Signer
from verbs import run

NAMELESS = [name for name in PROVIDERS if name not in ("mailgun", "ses")]
BATCHES = [name for name in NAMELESS if name not in ("resend",)]
NATIVE = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(Senders(tmp_path_factory.mktemp("keys")))


def everybody(signer, **more):
    names = [*PROVIDERS, "g-basic"]
    return {"sources": [NATIVE, *({**signer.block(name, raw=True), **more} for name in names)]}


def post(pipeline, signer, source, body):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers, sent = signer.request(source, body, raw=True)
    with pipeline.client() as client:
        return client.request("POST", "/webhooks/" + source, sent, headers).status


def unread(pipeline, *args, code=0):
    done = run(pipeline, "unread", *args)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def listed(pipeline, *args):
    return [json.loads(line) for line in unread(pipeline, "list", "--json", *args).splitlines()]


def exported(pipeline, *args):
    return [json.loads(line) for line in unread(pipeline, "export", *args).splitlines()]


def rows(pipeline, sql):
    return [tuple(row) for row in pipeline.rows(sql)]


def test_an_object_that_names_no_event_is_kept_by_each_provider(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    for name in NAMELESS:
        body = json.dumps({"kept": f"whole-{name}", "big": 12345678901234}).encode()
        assert post(pipeline, signer, name, body) == 200, name
        (item,) = exported(pipeline, "--source", name)
        assert item["reason"] == "no_event" and item["detail"] == "" and item["meaning"]
        assert item["body"].encode() == body and item["target"] == "/webhooks/" + name
        assert not [one for one in item["headers"] if one[0].lower() == "authorization"]
    wait_for("the counters", lambda: all(
        pipeline.metric("webhook_unread_total", f'source="{name}",reason="no_event"') == 1 for name in NAMELESS))
    assert len(listed(pipeline)) == len(NAMELESS)
    wait_for("the gauge", lambda: pipeline.metric("webhook_unread_items") == len(NAMELESS))
    assert pipeline.metric("webhook_unread_used_bytes") > 0
    assert 1 <= pipeline["validator"].log().count("msg=unread") <= len(NAMELESS)
    wait_for("the alert", lambda: [
        one for one in pipeline.health().json()["alerts"] if one.startswith("source brevo: a part of a request")])


def test_one_bad_item_of_a_batch_costs_itself_and_is_kept(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    bad = [b'{"kept": "object"}', b'"kept text"', b"17", b"null", b'[ {"kept":1} ]', b'{"twice":1,"twice":2}',
           b'{"bytes":"\xff"}']
    for name in BATCHES:
        assert post(pipeline, signer, name, b"[" + b" , ".join(bad) + b"]") == 200, name
        items = exported(pipeline, "--source", name)
        assert [one["reason"] for one in items] == [
            "no_event", "no_object", "no_object", "no_object", "no_object", "json", "json"], name
        assert [one.get("body") for one in items[:6]] == [one.decode() for one in bad[:6]], name
        assert "body_b64" in items[6] and all(one["listed"] for one in items)
        assert "twice" in items[5]["detail"]


def test_mailgun_and_ses_keep_what_was_not_taken_whole(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    bounce = {"notificationType": "Bounce", "mail": {"messageId": "m-1"}, "bounce": {
        "bounceType": "Permanent", "feedbackId": "f-1", "timestamp": "2026-01-02T03:04:05.000Z",
        "bouncedRecipients": [{"emailAddress": "ann@example.com"}, {"kept": "nobody"}]}}
    assert post(pipeline, signer, "ses", bounce) == 200
    (item,) = exported(pipeline, "--source", "ses")
    assert item["reason"] == "part" and len(item["taken"]) == 1 and "nobody" in item["body"]
    opened = {"event": "opened", "id": "long", "timestamp": time.time(), "recipient": "ann@example.com",
              "message": {"headers": {"message-id": "m-2"}}, "client-info": {"user-agent": "x" * 2000}}
    assert post(pipeline, signer, "mailgun", opened) == 200
    (item,) = exported(pipeline, "--source", "mailgun")
    assert item["reason"] == "too_long" and item["detail"] == "user_agent: 2000 bytes"
    assert "x" * 2000 in item["body"] and len(item["taken"]) == 1
    assert "taken when it came" in unread(pipeline, "retry", code=1)
    assert len(listed(pipeline)) == 2


def test_a_proof_that_was_used_before_fills_nothing(start, signer):
    """Mailgun's proof covers no event: whoever has one may write any."""
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    opened = {"event": "opened", "id": "one", "timestamp": time.time(), "recipient": "ann@example.com",
              "message": {"headers": {"message-id": "m-2"}}, "client-info": {"user-agent": "x" * 2000}}
    headers, body = signer.request("mailgun", json.dumps(opened).encode())
    with pipeline.client() as client:
        assert client.request("POST", "/webhooks/mailgun", body, headers).status == 200
        for i in range(3):
            other = body.replace(b'"one"', b'"other-%d"' % i).replace(b"xxx", b"y%dy" % i)
            assert client.request("POST", "/webhooks/mailgun", other, headers).status == 406
        for i in range(3):  # the same event, told in other words
            anew = body.replace(b"xxx", b"y%dy" % i)
            assert client.request("POST", "/webhooks/mailgun", anew, headers).status == 200
        assert client.request("POST", "/webhooks/mailgun", body, headers).status == 200
    assert len(listed(pipeline)) == 1


def test_a_body_of_very_many_parts_costs_no_more_than_its_size(start, signer):
    """It is kept as a whole, and nobody waits for it."""
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    for name in ("brevo", "sparkpost"):
        bad = b",".join(b'{"a":%d}' % i for i in range(100_000))
        assert post(pipeline, signer, name, b"[%s]" % bad) == 200, name
        assert post(pipeline, signer, name, b"[7]") == 200
    kept = [row for row in exported(pipeline) if row["detail"]]
    assert [(row["source"], row["reason"], row["listed"]) for row in kept] == [
        ("brevo", "part", False), ("sparkpost", "part", False)]
    assert all(row["body"] == f"[{bad.decode()}]" for row in kept)


def test_a_body_that_is_none_of_our_events_is_kept_by_generic(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    headers = signer.request("brevo", b"")[0]
    with pipeline.client() as client:
        for body in (b'{"zen":"kept"}', b"no JSON at all", b"\xff\x00"):
            assert client.request("POST", "/webhooks/g-basic", body, headers).status == 200
        assert client.request("POST", "/webhooks/g-basic", b"", headers).status == 200
    items = exported(pipeline)
    assert [one["reason"] for one in items] == ["foreign"] * 3
    assert items[0]["body"] == '{"zen":"kept"}' and items[1]["body"] == "no JSON at all"
    assert not [one for one in pipeline.health().json()["alerts"] if "part of a request" in one]


def test_what_a_native_batch_holds_and_cannot_be_read_is_kept(start):
    pipeline = start(handlers=("opened",), settings={
        "sources": [NATIVE], "limits": {"event_size": "1KiB"}})
    good, old = event("email_opened"), event("email_opened", timestamp=int(time.time()) - 5000)
    large = event("email_opened", more="x" * 4000)
    lame = {"event_type": "email_opened", "kept": "lame"}
    with pipeline.client() as client:
        answer = client.post([good, lame, 7, old, large], "/webhooks/email/batch")
        assert answer.status == 202 and answer.json()["batch_result"]["queued_count"] == 1
        assert client.post(lame).status == 400
    items = exported(pipeline)
    assert sorted(one["reason"] for one in items) == ["fields", "no_object", "too_large", "too_old"]
    by = {one["reason"]: one for one in items}
    assert by["fields"]["detail"] == "event_id, timestamp, data"
    assert json.loads(by["too_old"]["body"]) == old and json.loads(by["too_large"]["body"]) == large
    assert all(one["taken"] == [] for one in items)


def test_a_value_that_is_left_out_for_its_size_is_kept(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer) | {"limits": {"event_size": "1KiB"}})
    big = {"event": "opened", "email": "ann@example.com", "message-id": "m", "ts_epoch": 1767322000000,
           "kept": "x" * 4000}
    assert post(pipeline, signer, "brevo", [big]) == 200
    (item,) = exported(pipeline)
    assert item["reason"] == "too_large" and json.loads(item["body"]) == big and len(item["taken"]) == 1
    pipeline.wait_settled(1)
    assert rows(pipeline, "SELECT opened FROM recipients") == [(1,)]


def test_mail_that_came_in_at_postal_is_kept(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    body = {"event": "MessageSent", "uuid": "u", "timestamp": 1767322000.5, "payload": {
        "message": {"id": 1, "to": "ann@example.com", "direction": "incoming"}}}
    assert post(pipeline, signer, "postal", body) == 200
    assert [one["reason"] for one in listed(pipeline)] == ["left_out"]
    assert pipeline.metric("webhook_events_total", 'status="accepted"') == 0


def test_the_same_is_kept_once_and_files_are_the_owners_alone(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    for _ in range(3):
        assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    assert [one["number"] for one in listed(pipeline)] == [1]
    path = pipeline.data / "unread/data.mdb"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pipeline["validator"].kill()
    pipeline["validator"].start()
    assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    assert [one["number"] for one in listed(pipeline)] == [1]


def put_in(pipeline, source, body, **more):
    """As an older version would have kept it, which could not read it."""
    item = {"v": 1, "at": int(time.time() * 1000) - 40 * 86400000, "source": source, "reason": "no_event",
            "detail": "", "target": "/webhooks/" + source, "batch": 0, "listed": 0, "headers": [], "taken": [],
            "body": body} | more
    env = lmdb.open(str(pipeline.data / "unread"), max_dbs=3, map_size=256 << 20)
    items = env.open_db(b"items", integerkey=True, create=False)
    with env.begin(write=True, db=items) as txn:
        number = 1000 + txn.stat(items)["entries"]
        txn.put(number.to_bytes(8, "little"), msgpack.packb(item))
    env.close()
    return number


def readable():
    """An event of every provider, as its fixtures have it: name to (body, listed)."""
    told = {"sendgrid": {"event": "open", "email": "ann@example.com", "sg_event_id": "e", "timestamp": 1700000000},
            "postmark": {"RecordType": "Open", "Recipient": "ann@example.com", "MessageID": "m",
                         "ReceivedAt": "2023-11-14T22:13:20Z"},
            "sparkpost": {"msys": {"track_event": {"type": "open", "rcpt_to": "ann@example.com", "event_id": "1",
                                                   "timestamp": "1700000000"}}},
            "mandrill": {"event": "open", "_id": "m", "ts": 1700000000, "msg": {"email": "ann@example.com"}},
            "mailjet": {"event": "open", "email": "ann@example.com", "MessageID": 1, "time": 1700000000},
            "brevo": {"event": "opened", "email": "ann@example.com", "message-id": "m", "ts_epoch": 1700000000000},
            "resend": {"type": "email.opened", "created_at": "2023-11-14T22:13:20Z",
                       "data": {"to": ["ann@example.com"], "email_id": "m"}},
            "mailersend": {"type": "activity.opened", "data": {
                "id": "e", "created_at": "2023-11-14T22:13:20Z",
                "email": {"message": {"id": "m"}, "recipient": {"email": "ann@example.com"}}}},
            "postal": {"event": "MessageLoaded", "uuid": "u", "timestamp": 1700000000.5, "payload": {
                "message": {"id": 1, "to": "ann@example.com"}}},
            "ses": {"eventType": "Open", "mail": {"messageId": "m", "destination": ["ann@example.com"]},
                    "open": {"timestamp": "2023-11-14T22:13:20Z"}},
            "mailgun": {"signature": {"timestamp": "1700000000", "token": "t", "signature": "00"}, "event-data": {
                "event": "opened", "id": "e", "timestamp": 1700000000.5, "recipient": "ann@example.com"}},
            "email": {"event_type": "email_opened", "event_id": "e", "timestamp": 1700000000,
                      "data": {"email": "ann@example.com", "message_id": "m"}}}
    return {name: json.dumps(body).encode() for name, body in told.items()}


def test_what_a_newer_version_can_read_enters_once_for_each_provider(start, signer):
    """Long after it came, without a proof, and without the secrets."""
    pipeline = start(handlers=ALL_HANDLERS, settings=everybody(signer))
    assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    bodies = readable()
    for name, body in bodies.items():
        raw = {"headers": [["x-amz-sns-rawdelivery", "true"], ["x-amz-sns-message-id", "s"]]}
        put_in(pipeline, name, body, listed=int(name in BATCHES + ["email"]), batch=int(name == "email"),
               **(raw if name == "ses" else {}))
    dry = unread(pipeline, "retry", "--dry-run", code=1)
    assert dry.count("can be read, 1 event") == len(bodies) and len(listed(pipeline)) == len(bodies) + 1
    told = [json.loads(line) for line in unread(pipeline, "retry", "--json", code=1).splitlines()]
    assert [one["source"] for one in told if not one["read"]] == ["mailersend"]
    assert {one["source"] for one in told if one["read"] and one["events"] == 1} == set(bodies)
    assert len(listed(pipeline)) == 1
    wait_for("the effects", lambda: rows(pipeline, "SELECT opened FROM recipients") == [(len(bodies),)])
    number = put_in(pipeline, "brevo", bodies["brevo"], listed=1)
    told = json.loads(unread(pipeline, "retry", str(number), "--json"))
    assert told["read"] and told["events"] == 1 and told["known"] == 1
    assert rows(pipeline, "SELECT opened FROM recipients") == [(len(bodies),)]
    assert json.loads(run(pipeline, "fsck", "--json").stdout)["unread"] == 1


def test_what_was_refused_for_its_time_is_read_only_when_told_so(start):
    pipeline = start(handlers=("opened",), settings={"sources": [NATIVE]})
    old = event("email_opened", timestamp=int(time.time()) - 5000)
    with pipeline.client() as client:
        assert client.post([old], "/webhooks/email/batch").status == 202
    assert "--stale" in unread(pipeline, "retry", code=1)
    assert "1 read, 0 still unread" in unread(pipeline, "retry", "--stale")
    pipeline.wait_settled(1)
    assert listed(pipeline) == []


def test_it_is_read_again_while_the_pipeline_is_down(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    pipeline.stop()
    put_in(pipeline, "brevo", readable()["brevo"], listed=1)
    done = run(pipeline, "unread", "retry", "--source", "brevo")
    assert done.returncode == 0 and "the pipeline is down" in done.stderr, done.stderr
    pipeline.start()
    wait_for("the effect", lambda: rows(pipeline, "SELECT opened FROM recipients") == [(1,)])


def fill(pipeline, signer):
    for i in range(40):
        if post(pipeline, signer, "brevo", {"kept": i, "more": os.urandom(40000).hex()}) != 200:
            return i
    raise AssertionError("it is never full")


def test_a_full_store_refuses_what_it_cannot_keep_and_nothing_else(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer) | {"unread": {"max_size": "1MiB"}})
    n = fill(pipeline, signer)
    assert n >= 5 and len(listed(pipeline)) == n
    bodies = readable()
    more = {"kept": "x" * 90000}
    assert post(pipeline, signer, "brevo", more) == 429, "Brevo's busy"
    assert post(pipeline, signer, "mailersend", more) == 503
    with pipeline.client() as client:
        assert client.post([{"x": "y" * 90000}], "/webhooks/email/batch").status == 503
        assert client.post(event("email_opened")).status == 202
    assert post(pipeline, signer, "brevo", bodies["brevo"]) == 200
    wait_for("health names it", lambda: [
        one for one in pipeline.health().json()["alerts"] if one.startswith("unread store full")])
    assert pipeline.health().status == 200
    assert unread(pipeline, "drop", "1") == "dropped 1\n"
    assert post(pipeline, signer, "mailersend", {"kept": "small"}) == 200
    assert unread(pipeline, "drop", "--yes", "--json") == '{"dropped":%d}\n' % n
    wait_for("health is well", lambda: not [
        one for one in pipeline.health().json()["alerts"] if one.startswith("unread store")])


def test_what_is_too_old_goes_and_is_counted(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    assert unread(pipeline, "drop", "1") == "dropped 1\n"
    put_in(pipeline, "brevo", b'{"kept":2}')
    assert post(pipeline, signer, "mailersend", {"kept": 3}) == 200
    pipeline["validator"].restart()
    wait_for("the old one is gone", lambda: [one["source"] for one in listed(pipeline)] == ["mailersend"])
    wait_for("it is counted", lambda: pipeline.metric(
        "webhook_unread_expired_total", 'source="brevo",reason="no_event"') == 1)
    assert pipeline["validator"].has_logged("unread expired", "count=1")


def test_a_validator_that_is_killed_leaves_nothing_unanswered_behind(start, signer):
    """Whatever the kill meets: what was answered 200 is there, once."""
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    taken = []
    for i in range(20):
        if i % 5 == 3:
            pipeline["validator"].kill()
            pipeline["validator"].start()
        if post(pipeline, signer, "mailersend", {"kept": i}) == 200:
            taken.append(i)
    assert len(taken) >= 15
    kept = [json.loads(one["body"])["kept"] for one in exported(pipeline)]
    assert len(set(kept)) == len(kept) and set(taken) <= set(kept)


def test_the_verb_says_what_is_wrong(start, signer):
    pipeline = start(handlers=("opened",), settings=everybody(signer))
    assert unread(pipeline, "list") == "nothing is unread\n"
    assert unread(pipeline, "list", "--json") == "" and unread(pipeline, "export") == ""
    assert unread(pipeline, "retry") == "nothing is unread\n"
    for args in (("show",), ("show", "x"), ("drop",), ("list", "--reason", "weather"), ("read",)):
        assert run(pipeline, "unread", *args).returncode == 2, args
    assert post(pipeline, signer, "mailersend", {"kept": 1}) == 200
    assert json.loads(unread(pipeline, "show", "1"))["body"] == '{"kept": 1}'
    done = run(pipeline, "unread", "show", "7")
    assert done.returncode == 1 and "7 is not among" in done.stderr
    assert "no_event" in unread(pipeline, "list") and "mailersend" in unread(pipeline, "list")


def test_a_damaged_store_is_named_and_heals(start, signer):
    def damage(one):
        (one.data / "unread").mkdir(mode=0o700, parents=True)
        (one.data / "unread/data.mdb").write_bytes(b"no store" * 2048)
        (one.data / "unread/data.mdb").chmod(0o600)

    pipeline = start(handlers=("opened",), settings=everybody(signer), prepare=damage)
    assert post(pipeline, signer, "brevo", {"kept": 1}) == 429, "as Brevo comes again"
    wait_for("the alert", lambda: any(
        one.startswith("unread malformed: validator cannot use it") for one in pipeline.health().json()["alerts"]))
    assert pipeline.post(event()).status == 202, "it alone"
    shutil.rmtree(pipeline.data / "unread")
    assert post(pipeline, signer, "brevo", {"kept": 1}) == 200
    wait_for("no alert", lambda: not any(
        one.startswith("unread malformed") for one in pipeline.health().json()["alerts"]))
