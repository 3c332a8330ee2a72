"""Events reach the user's own application: what it is sent, signed with what, which events, from where on, and
how that changes while all runs."""

import json
import subprocess
import time

import pytest
from forwarding import data_of, few, reload, with_destinations
from pipeline import BIN, event, post_all, wait_for
from receiver import fault_of, new_secret, plain

SHOP = [{"name": name, "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]} for name in ("email", "shop")]


def post_to(pipeline, source, value):
    with pipeline.client() as client:
        assert client.post(value, f"/webhooks/{source}").status == 202
    return value["event_id"]


def some_more(pipeline, application):
    """One event comes after all that went before it."""
    application.wait(post_all(pipeline, few(1)))


# ---- what a request is


def test_an_event_arrives_once_signed_and_whole(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    sent = event("email_bounced", email="ann@example.com", bounce_type="hard", reason="no such user")
    before = time.time()
    app.wait(post_all(pipeline, [sent]))
    request, = app.requests
    body = request.json()
    assert (request.method, request.path) == ("POST", "/hooks")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Trotline/")
    assert (request.attempt, request.reason, request.headers["trotline-hops"]) == (1, "first", "1")
    assert request.fault is None and abs(int(request.headers["webhook-timestamp"]) - before) < 10
    assert body["id"] == request.id and request.id.startswith("evt_") and "." not in request.id
    assert (body["type"], body["source"], body["event_id"]) == ("email_bounced", "email", sent["event_id"])
    assert body["data"] == sent["data"]
    assert isinstance(body["sequence"], int)
    assert set(body) == {"id", "type", "timestamp", "sequence", "source", "event_id", "received", "data"}
    for header in ("cookie", "authorization", "expect", "proxy-connection"):
        assert header not in request.headers


def test_a_thousand_arrive_over_few_connections_each_once(application, start):
    app = application(concurrency=8)
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, few(1000))
    app.wait(ids)
    assert sorted(app.event_ids()) == sorted(ids)
    assert app.connected <= 8, "keep-alive"
    assert len(set(app.ids())) == 1000
    assert len({request.json()["sequence"] for request in app.requests}) == 1000


@pytest.mark.parametrize("data, keys", [
    ("without_raw", {"email", "message_id", "url"}), ("full", {"email", "message_id", "url", "raw"}),
    ("thin", {"id", "type", "email", "message_id"})])
def test_data_is_whole_or_without_raw_or_thin(application, start, data, keys):
    app = application(data=data)
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, [event(
        "email_clicked", email="ann@example.com", message_id="m-1", url="https://example.com/a", raw={"a": [1, 2]})]))
    body = app.requests[0].json()
    told = set(body["data"]) | ({"id", "type"} if data == "thin" else set())
    assert told == keys, body
    assert body["data"]["email"] == "ann@example.com" and body["data"]["message_id"] == "m-1"


def test_an_event_too_large_for_a_request_goes_without_raw_and_says_so(application, start):
    app = application(data="full")
    pipeline = start(settings=with_destinations(app, limits={"event_size": "1MiB", "batch_size": "4MiB"}))
    ids = [event("email_clicked", email="ann@example.com", raw={"pad": "x" * size}) for size in (1000, 300_000)]
    app.wait([post_to(pipeline, "email", one) for one in ids])
    small, large = sorted((one.json() for one in app.requests), key=lambda body: body["sequence"])
    assert "raw" in small["data"] and "raw" not in large["data"]
    assert "true" in json.dumps(large) and "raw_left_out" in json.dumps(large), large


def test_every_live_secret_signs_and_none_besides(application, start):
    app = application()
    old, new = app.secret, new_secret()
    app.write_secrets(new, f"{old} until 2099-01-01T00:00:00Z", f"{new_secret()} until 2001-01-01T00:00:00Z")
    pipeline = start(settings=with_destinations(app))
    some_more(pipeline, app)
    request = app.requests[0]
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert fault_of(request.headers, request.body, [secret]) is None
    assert fault_of(request.headers, request.body, [new_secret()])
    assert fault_of(request.headers, request.body + b" ", [old])


def test_a_secret_that_is_not_there_is_made_and_signs(application, start):
    app = application()
    app.secrets_file.unlink()
    app.secrets = []
    pipeline = start(settings=with_destinations(app))
    some_more(pipeline, app)
    made = [line.split()[0] for line in app.secrets_file.read_text().splitlines() if not line.startswith("#")]
    assert app.secrets_file.stat().st_mode & 0o777 == 0o600
    assert fault_of(app.requests[0].headers, app.requests[0].body, made) is None


def test_headers_of_the_configuration_go_with_it_and_stand_in_no_log(application, start):
    app = application(headers={"X-Env": "prod", "Authorization": "Bearer word-of-the-header"})
    pipeline = start(settings=with_destinations(app))
    some_more(pipeline, app)
    assert app.requests[0].headers["x-env"] == "prod"
    assert app.requests[0].headers["authorization"] == "Bearer word-of-the-header"
    assert "word-of-the-header" not in pipeline["forward"].log()
    assert app.secret.removeprefix("whsec_") not in pipeline["forward"].log()


def test_verify_tells_who_writes_a_receiver_what_is_wrong(application, start, tmp_path):
    app = application()
    pipeline = start(settings=with_destinations(app))
    some_more(pipeline, app)
    request, = app.requests
    path = tmp_path / "request.json"

    def verify(secret, body):
        path.write_text(json.dumps({"headers": request.headers, "body": body}))
        done = subprocess.run([BIN / "trotline", "verify", "--standard", "--secret", secret, path],
                              capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)
    body = request.body.decode()
    code, told = verify(app.secret, body)
    assert (code, told["accepted"]) == (0, True), told
    for secret, text in ((new_secret(), body), (app.secret, body.replace("person", "nobody"))):
        code, told = verify(secret, text)
        assert (code, told["accepted"], told["step"]) == (1, False, "signature"), told


# ---- which events


def test_types_sources_and_machine_choose(application, start):
    typed = application("typed", types=["email_b*", "email_complained"])
    shop = application("shop", sources=["shop"])
    people = application("people", machine=False)
    every = application("every")
    pipeline = start(settings=with_destinations(typed, shop, people, every, sources=SHOP))
    bounced, complained, opened = (
        event(kind, email="ann@example.com") for kind in ("email_bounced", "email_complained", "email_opened"))
    opened_by_machine = event("email_opened", email="ann@example.com", machine=True)
    in_shop = event("email_delivered", email="ann@example.com")
    ids = [post_to(pipeline, "email", one) for one in (bounced, complained, opened, opened_by_machine)]
    ids.append(post_to(pipeline, "shop", in_shop))
    every.wait(ids)
    typed.wait(ids[:2])
    shop.wait(ids[4:])
    people.wait([*ids[:3], ids[4]])
    last = event("email_bounced", email="end@example.com")
    end = post_to(pipeline, "shop", last)
    for one in (typed, shop, people, every):
        one.wait([end])
    assert sorted(typed.event_ids()) == sorted([*ids[:2], end])
    assert sorted(shop.event_ids()) == sorted([ids[4], end])
    assert sorted(people.event_ids()) == sorted([*ids[:3], ids[4], end])
    assert sorted(every.event_ids()) == sorted([*ids, end])


def test_a_new_destination_begins_now_at_the_start_or_at_a_time(application, start):
    now, begin, then = application("now"), application("begin"), application("then")
    pipeline = start(settings=with_destinations(now))
    early = post_all(pipeline, few(20))
    now.wait(early)
    wait_for("a new second", lambda at=int(time.time()): int(time.time()) > at + 1)
    between = time.time() - 0.5
    middle = post_all(pipeline, few(20))
    now.wait(middle)
    begin.options = {"from": "start"}
    then.options = {"from": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(between))}
    late_now = application("late")
    reload(pipeline, with_destinations(now, begin, then, late_now))
    after = post_all(pipeline, few(20))
    for one in (now, begin, then, late_now):
        one.wait(after)
    assert sorted(now.event_ids()) == sorted(early + middle + after)
    assert sorted(begin.event_ids()) == sorted(early + middle + after)
    assert sorted(then.event_ids()) == sorted(middle + after)
    assert sorted(late_now.event_ids()) == sorted(after), "what is accepted before `ready` is not of it"


# ---- again


def test_a_retry_has_the_same_id_and_bytes_and_a_new_time_and_number(application, start):
    app = application(retry=["1100ms", "1100ms"])
    app.decide = lambda request: 500 if request.attempt < 3 else 200
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, few(1)))
    assert [one.attempt for one in app.requests] == [1, 2, 3]
    assert [one.reason for one in app.requests] == ["first", "retry", "retry"]
    assert len({one.id for one in app.requests}) == 1 and len({one.body for one in app.requests}) == 1
    stamps = [int(one.headers["webhook-timestamp"]) for one in app.requests]
    assert stamps == sorted(set(stamps)), "each attempt is signed with its own time"
    assert app.refused == 0


def test_id_and_bytes_are_the_same_after_a_restart_in_mid_schedule(application, start):
    app = application(retry=["300ms"] * 9)
    app.decide = 500
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, few(1))
    for turn in range(1, 4):
        wait_for("attempts", lambda turn=turn: len(app.requests) >= 2 * turn)
        pipeline["forward"].restart()
    app.decide = 200
    app.wait(ids)
    assert len({(one.id, one.body) for one in app.requests}) == 1
    assert app.requests[-1].attempt >= len(app.requests) - 3, "attempts are counted across restarts, but for what a kill forgets"


def test_what_the_event_is_to_blame_for_ends_as_a_dead_letter_after_its_tries(application, start):
    app = application()
    bad = few(1)[0]
    app.decide = lambda request: 400 if bad["event_id"] in request.event_ids() else 200
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, [bad, *few(20)])
    app.wait(ids[1:])
    wait_for("3 tries", lambda: sum(one.status == 400 for one in app.requests) == 3)
    some_more(pipeline, app)
    assert sum(bad["event_id"] in one.event_ids() for one in app.requests) == 3
    assert len(app.event_ids()) == 21


# ---- batches


def test_batches_are_arrays_of_the_same_bodies(application, start):
    app = application(batch={"events": 10, "wait": "200ms"})
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, few(95))
    app.wait(ids)
    assert sorted(app.event_ids()) == sorted(ids)
    assert all(one.id.startswith("bat_") or len(one.events()) == 1 for one in app.requests)
    assert len(app.requests) <= 20 and max(len(one.events()) for one in app.requests) == 10
    for body in app.requests[0].events():
        assert body["id"].startswith("evt_") and set(body) >= {"type", "sequence", "data"}


def test_a_poison_event_sinks_no_batch(application, start):
    poison = few(1)[0]
    app = application(batch={"events": 16, "wait": "100ms"})
    app.decide = lambda request: 400 if poison["event_id"] in request.event_ids() else 200
    pipeline = start(settings=with_destinations(app))
    others = few(63)
    post_all(pipeline, [*others[:20], poison, *others[20:]])
    app.wait([one["event_id"] for one in others])
    alone = lambda: [one for one in app.requests if one.event_ids() == [poison["event_id"]]]
    wait_for("its tries by itself", lambda: len(alone()) >= 3)
    assert sorted(app.event_ids()) == sorted(one["event_id"] for one in others)


def test_a_batch_that_is_tried_again_has_the_same_bytes(application, start):
    app = application(batch={"events": 10, "wait": "100ms"})
    app.decide = 503
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, few(10))
    wait_for("a first try", lambda: app.requests)
    app.decide = 200
    app.wait(ids)
    whole = [one for one in app.requests if len(one.events()) == len(app.requests[0].events())]
    assert len({one.body for one in whole if one.id == app.requests[0].id}) == 1
    assert sorted(app.event_ids()) == sorted(ids)


# ---- order


def test_order_by_recipient_holds_each_address_in_its_order(application, start):
    app = application(order="recipient", concurrency=8)
    app.decide = lambda request: plain(200, after_s=(hash(request.id) % 5) / 1000)
    pipeline = start(settings=with_destinations(app))
    events = [event("email_opened", email=f"person{n % 10}@example.com", n=n) for n in range(300)]
    app.wait(post_all(pipeline, events))
    for person in range(10):
        seen = [data_of(one)["n"] for one in app.requests if data_of(one)["email"] == f"person{person}@example.com"]
        assert seen == sorted(seen), person


# ---- configuration


def test_a_history_that_is_kept_for_nobody_else_serves_destinations(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app, history={"keep": "0s"}))
    first = post_all(pipeline, few(20))
    app.wait(first)
    app.go()
    second = post_all(pipeline, few(20))
    pipeline.wait_settled(40)
    pipeline["history"].restart()
    pipeline["forward"].restart()
    app.come()
    app.wait(second)
    assert set(app.event_ids()) == set(first + second)


def test_reload_adds_changes_and_removes(application, start):
    one, two = application("one"), application("two")
    pipeline = start(settings=with_destinations(one))
    first = post_all(pipeline, few(10))
    one.wait(first)
    reload(pipeline, with_destinations(one, two))
    second = post_all(pipeline, few(10))
    one.wait(second)
    two.wait(second)
    assert sorted(two.event_ids()) == sorted(second)
    two.options = {"types": ["email_opened"]}
    reload(pipeline, with_destinations(one, two))
    third = post_all(pipeline, [*few(5), *(event("email_opened", email="ann@example.com") for _ in range(5))])
    one.wait(third)
    two.wait(third[5:])
    reload(pipeline, with_destinations(two))
    fourth = post_all(pipeline, [event("email_opened", email="ann@example.com") for _ in range(5)])
    two.wait(fourth)
    assert sorted(one.event_ids()) == sorted(first + second + third)
    assert sorted(two.event_ids()) == sorted(second + third[5:] + fourth)
    reload(pipeline, with_destinations(one, two))
    fifth = post_all(pipeline, few(3))
    one.wait(fifth)
    one.wait(fourth)
    assert sorted(one.event_ids()) == sorted(first + second + third + fourth + fifth), "it goes on where it was"


def test_reload_puts_a_new_url_and_new_secrets_to_use_without_a_loss(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    ids = post_all(pipeline, few(50))
    app.wait(ids)
    app.go()
    app.port = app.some_port()
    app.come()
    new = new_secret()
    app.write_secrets(new)
    app.secrets = [new]
    reload(pipeline, with_destinations(app))
    more = post_all(pipeline, few(50))
    app.wait(more)
    assert sorted(app.event_ids()) == sorted(ids + more) and app.refused == 0
