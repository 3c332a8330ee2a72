"""One bad neighbour hurts nobody: missing, slow, failing and dead handlers, floods, bad frames."""

import re
import struct
import threading
import time

import msgpack
import pytest
import zmq

from pipeline import event, maps_in, post_all, verdict_on, wait_for

MINE = {"handlers": [{"name": "mine", "types": ["mine_a", "mine_b"], "processes": 0}]}


def mine(**settings):
    return MINE | settings


def quick_enough(pipeline, count=20, seconds=5):
    """Events of another type are accepted and applied meanwhile."""
    began = time.monotonic()
    ids = post_all(pipeline, [event() for _ in range(count)])
    pipeline.wait_unknown(ids)
    assert time.monotonic() - began < seconds, "another type had to wait"
    return ids


def ids_of(hook):
    return [ev["id"] for ev in list(hook.events)]


# ---- a handler that is missing


def test_a_type_without_a_handler_waits_and_stops_nothing(start):
    pipeline = start(settings=mine(limits={"answer_timeout": "3s"}))
    waiting = post_all(pipeline, [event("mine_a") for _ in range(3000)])
    quick_enough(pipeline)
    wait_for("they wait in the journal",
             lambda: pipeline.metric("webhook_queue_size") == len(waiting))
    quick_enough(pipeline)
    hook = pipeline.hook("mine", lambda ev: "done")
    wait_for("all are delivered", lambda: set(ids_of(hook)) >= set(waiting))
    wait_for("none is left", lambda: pipeline.metric("webhook_queue_size") == 0)


def test_what_waits_outlives_every_stage(start):
    pipeline = start(settings=mine())
    waiting = post_all(pipeline, [event("mine_a") for _ in range(50)])
    for stage in pipeline.stages.values():
        stage.restart()
    hook = pipeline.hook("mine", lambda ev: "done")
    wait_for("all are delivered", lambda: set(ids_of(hook)) >= set(waiting))
    pipeline.wait_settled(len(waiting))


@pytest.mark.plain
def test_a_long_backlog_drains_without_a_gap(start):
    """Tens of thousands of events for a handler that comes back: the lease is long, so that any
    event that had to wait for it would be seen."""
    pipeline = start(without=("handler-unknown",), settings={
        "journal": {"lease": "5m"}, "limits": {"answer_timeout": "20s"}})
    ids = post_all(pipeline, [event() for _ in range(40_000)], batch=5000)
    wait_for("all wait", lambda: pipeline.metric("webhook_queue_size") == len(ids))
    began = time.monotonic()
    pipeline.add("handler-unknown")
    pipeline.wait_settled(len(ids))
    seconds = time.monotonic() - began
    print(f"{len(ids)} events drained in {seconds:.1f} s")
    assert seconds < 30
    assert sorted(pipeline.unknown_ids()) == sorted(ids)


@pytest.mark.plain
def test_a_burst_to_a_running_handler_never_waits_for_the_lease(start):
    """More than all sockets on the way have room for."""
    pipeline = start(settings={"journal": {"lease": "5m"}, "limits": {"answer_timeout": "20s"}})
    ids = post_all(pipeline, [event() for _ in range(30_000)], batch=10_000)
    pipeline.wait_settled(len(ids))
    assert sorted(pipeline.unknown_ids()) == sorted(ids)


def test_what_a_validator_has_not_passed_on_yet_goes_before_it_ends(start):
    """The lease is long, so that what it took along would be missed."""
    pipeline = start(settings={"journal": {"lease": "5m"}})
    with pipeline.client() as client:
        ids = [ev["event_id"] for ev in (event() for _ in range(20)) if client.post(ev).status == 202]
    pipeline["validator"].stop()
    assert len(ids) == 20
    pipeline.wait_unknown(ids)


# ---- a handler that is slow or silent


def messages_of(pipeline, name, kind, fill=""):
    """The events of each message in which 200 come to a handler that is there, and says "done"
    to each: of a silent one the retrier would think that it has hung."""
    def until(ids):
        messages, left = [], set(ids)
        while left:
            message = maps_in(events.recv())
            left -= {ev["id"] for ev in message}
            messages.append(message)
            verdicts.send(verdict_on(message, name, "done"))
        return messages

    with (zmq.Context() as context, context.socket(zmq.PULL) as events,
          context.socket(zmq.PUSH) as verdicts):
        events.linger, events.rcvtimeo = 0, 30_000
        verdicts.linger, verdicts.sndtimeo = 1000, 30_000
        events.connect(f"ipc://{pipeline.data}/run/route-{name}.0")
        verdicts.connect(f"ipc://{pipeline.data}/run/verdicts")
        until(post_all(pipeline, [event(kind)]))
        return until(post_all(pipeline, [event(kind, fill=fill) for _ in range(200)], batch=100))


def test_a_handler_that_is_started_by_hand_gets_each_event_in_a_message_of_its_own(start):
    """The pipeline's own take many at once, but of large ones no more than two."""
    def most(*of):
        return max(len(message) for message in messages_of(pipeline, *of))
    pipeline = start(handlers=(), settings=mine())
    assert most("mine", "mine_a") == 1
    assert most("unknown", "small") == 16
    assert most("unknown", "large", 80_000 * "x") == 2


def test_a_slow_handler_holds_up_no_other(start):
    pipeline = start(settings=mine())
    go_on = threading.Event()
    hook = pipeline.hook("mine", lambda ev: "done" if go_on.wait(30) else None)
    try:
        slow = post_all(pipeline, [event("mine_a") for _ in range(3000)])
        wait_for("it is busy", lambda: hook.events)
        for _ in range(3):
            quick_enough(pipeline)
    finally:
        go_on.set()
    wait_for("it catches up", lambda: set(ids_of(hook)) >= set(slow))
    wait_for("none is left", lambda: pipeline.metric("webhook_queue_size") == 0)


def test_what_gets_no_verdict_is_sent_again_after_its_lease(start):
    """Not sooner. The lease counts from the sending, and here from when it came, which may be late."""
    pipeline = start(settings=mine(journal={"lease": "500ms"}))
    times = []

    def decide(ev):
        times.append(time.monotonic())
        return "done" if len(times) == 3 else None
    hook = pipeline.hook("mine", decide)
    ev = event("mine_a")
    pipeline.post(ev)
    pipeline.wait_settled(1)
    assert ids_of(hook) == [ev["event_id"]] * 3
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert all(0.3 < gap < 5 for gap in gaps), gaps


# ---- verdicts


def retry_settings(**retry):
    return mine(retry={"delay": "300ms"} | retry)


def test_a_retry_comes_again_after_its_delay_and_says_how_often(start):
    pipeline = start(settings=retry_settings())
    times = []

    def decide(ev):
        times.append(time.monotonic())
        return "done" if ev["attempt"] == 2 else ("retry", "not yet")
    hook = pipeline.hook("mine", decide)
    pipeline.post(event("mine_a"))
    wait_for("three deliveries", lambda: len(times) == 3)
    assert [ev["attempt"] for ev in hook.events] == [0, 1, 2]
    assert all(later - earlier >= 0.25 for earlier, later in zip(times, times[1:]))
    assert times[2] - times[0] < 10
    pipeline.wait_settled(1)


def test_a_scheduled_retry_outlives_the_retrier(start):
    pipeline = start(settings=retry_settings(delay="2s"))
    hook = pipeline.hook("mine", lambda ev: "done" if ev["attempt"] else ("retry", "not yet"))
    pipeline.post(event("mine_a"))
    wait_for("it is scheduled", lambda: pipeline.metric("webhook_scheduled_events") == 1)
    pipeline["retrier"].restart()
    pipeline.wait_settled(1)
    assert [ev["attempt"] for ev in hook.events] == [0, 1]


def test_a_retry_holds_up_no_other_event_of_its_type(start):
    pipeline = start(settings=retry_settings(delay="1h", max_delay="1h"))
    hook = pipeline.hook("mine", lambda ev: ("retry", "no") if ev["type"] == "mine_b" else "done")
    post_all(pipeline, [event("mine_b") for _ in range(1500)])
    good = post_all(pipeline, [event("mine_a") for _ in range(1500)])
    wait_for("the others are applied", lambda: set(ids_of(hook)) >= set(good))
    wait_for("only those wait", lambda: (
        pipeline.metric("webhook_scheduled_events") == 1500
        and pipeline.metric("webhook_queue_size") == 1500))


def test_an_event_out_of_attempts_becomes_a_dead_letter(start):
    pipeline = start(settings=retry_settings(delay="20ms", attempts=3))
    hook = pipeline.hook("mine", lambda ev: ("retry", "never works"))
    pipeline.post(event("mine_a"))
    wait_for("a dead letter", lambda: pipeline.metric("webhook_dead_letters") == 1)
    pipeline.wait_settled(1)
    assert [ev["attempt"] for ev in hook.events] == [0, 1, 2, 3]
    assert pipeline["dlq"].has_logged("dead letter", "never works")


def test_a_dead_event_is_in_the_store_with_its_reason_and_out_of_the_journal(start):
    pipeline = start(settings=mine())
    hook = pipeline.hook("mine", lambda ev: ("dead", "cannot be used"))
    pipeline.post(event("mine_a"))
    wait_for("a dead letter", lambda: pipeline.metric("webhook_dead_letters") == 1)
    pipeline.wait_settled(1)
    assert pipeline["dlq"].has_logged("dead letter", "handler=mine", "cannot be used")
    assert len(hook.events) == 1


def test_a_verdict_may_have_its_keys_in_any_order(start):
    pipeline = start(settings=mine())

    def decide(ev):
        frame = msgpack.unpackb(verdict_on([ev], "mine", "done"))
        return msgpack.packb(dict(reversed(frame.items())))
    pipeline.hook("mine", decide)
    pipeline.post(event("mine_a"))
    pipeline.wait_settled(1)
    assert pipeline.metric("webhook_bad_frames_total", "retrier") == 0


@pytest.mark.parametrize("word", ["buried", "returned", "gone"])
def test_a_handler_cannot_say_what_stages_say(start, word):
    """It is a bad frame, and the event comes again after its lease."""
    pipeline = start(settings=mine(journal={"lease": "500ms"}))
    hook = pipeline.hook("mine", lambda ev: "done" if len(hook.events) == 2 else (word, "1"))
    pipeline.post(event("mine_a"))
    pipeline.wait_settled(1)
    assert len(hook.events) == 2
    assert pipeline["retrier"].has_logged("bad frame", f"no verdict is called {word}")


def test_a_built_in_handler_buries_what_it_cannot_use(start):
    pipeline = start(handlers=("bounced",))
    pipeline.post(event("email_bounced", bounce_type="hard"))
    wait_for("a dead letter", lambda: pipeline.metric("webhook_dead_letters") == 1)
    pipeline.wait_settled(1)
    assert pipeline["dlq"].has_logged("dead letter", "data.email")


def test_a_dead_letter_waits_for_its_stage(start):
    pipeline = start(settings=mine(journal={"lease": "500ms"}), without=("dlq",))
    pipeline.hook("mine", lambda ev: ("dead", "cannot be used"))
    pipeline.post(event("mine_a"))
    quick_enough(pipeline)
    wait_for("it waits", lambda: pipeline.metric("webhook_queue_size") == 1)
    pipeline.add("dlq")
    wait_for("it is stored", lambda: pipeline.metric("webhook_dead_letters") == 1)
    wait_for("none is left", lambda: pipeline.metric("webhook_queue_size") == 0)


def test_a_poison_event_takes_no_other_with_it(start):
    """Many of one type, every tenth of no use: the rest is applied, those are dead letters."""
    pipeline = start(handlers=("bounced",))
    events = [event("email_bounced", bounce_type="hard", **(
        {} if n % 10 == 0 else {"email": f"p{n}@example.com"})) for n in range(200)]
    post_all(pipeline, events)
    pipeline.wait_settled(200)
    wait_for("20 dead letters", lambda: pipeline.metric("webhook_dead_letters") == 20)
    assert pipeline.rows("SELECT count(*) FROM compliance_log") == [(180,)]


# ---- frames that are none

BAD_FRAMES = [
    b"", b"\xc1", b"garbage", b"\x00" * 100, msgpack.packb(None), msgpack.packb([1, 2]),
    msgpack.packb({"v": 2}), msgpack.packb({"v": 1, "seq": -1}), msgpack.packb({"v": 1}) + b"x",
    msgpack.packb({"v": 1, "journal": "j" * 17, "seqs": [1], "verdict": "done", "reason": "",
                   "handler": "x"}),
    msgpack.packb({"v": 1, "journal": "0123456789abcdef", "seqs": [1, 2**64 - 1], "verdict": "done",
                   "reason": "", "handler": "x"}),
    msgpack.packb({"v": 1, "journal": "0123456789abcdef", "seqs": "all", "verdict": "done",
                   "reason": "", "handler": "x"}),
    b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff" + b"\x93" * 1000, b"\x81" * 5000,
    b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff"]


class Intruder:
    """Pushes frames to a socket of the pipeline: connects to one that a stage binds, or binds one of
    an instance that does not run, to which stages connect."""

    def __init__(self, pipeline):
        self.run, self.context, self.sockets = pipeline.data / "run", zmq.Context(), []

    def open(self, kind, file, bind):
        sock = self.context.socket(kind)
        sock.linger, sock.sndtimeo = 1000, 30_000
        sock.immediate = 1
        (sock.bind if bind else sock.connect)(f"ipc://{self.run}/{file}")
        self.sockets.append(sock)
        return sock

    def push(self, file, bind=False):
        sock = self.open(zmq.PUSH, file, bind)
        for frame in BAD_FRAMES:
            sock.send(frame)
        sock.send_multipart([b"two", b"parts"])

    def close(self):
        for sock in self.sockets:
            sock.close()
        self.context.term()


@pytest.mark.parametrize("stage,file,bind", [
    ("ingress", "answers.0", False), ("validator", "requests.1", True), ("router", "events.0", False),
    ("handler-unknown", "route-unknown.1", True), ("retrier", "verdicts", False),
    ("retrier", "advice", False), ("dlq", "dead", False)])
def test_a_bad_frame_is_logged_and_not_fatal(start, stage, file, bind):
    """The instance 1 of ingress and router is configured, but it is this test."""
    pipeline = start(settings={"processes": {"ingress": 2, "router": 2}})
    pids = {str(one): one.pid() for one in pipeline.stages.values()}
    intruder = Intruder(pipeline)
    try:
        intruder.push(file, bind)
        wait_for("it is logged", lambda: pipeline[stage].has_logged("level=warn", "bad frame"))
        wait_for("it is counted", lambda: pipeline.metric("webhook_bad_frames_total", stage) > 5)
    finally:
        intruder.close()
    quick_enough(pipeline)
    assert {str(one): one.pid() for one in pipeline.stages.values() if one.runs()} == pids


def request_of(number):
    """An entry of a bundle; nobody has signed it."""
    frame = msgpack.packb({
        "v": 1, "boot": 1, "ingress": 1, "request": number, "source": "email", "batch": 0,
        "received": 1, "target": "/webhooks/email", "deadline": 2**62, "headers": [], "body": b"{}"})
    return b"\xc6" + struct.pack(">I", len(frame)) + frame


def statuses_in(bundle):
    return [answer["status"] for answer in maps_in(bundle)]


def test_a_bundle_larger_than_a_group_is_answered_whole_though_no_other_comes(start):
    """The instance 1 of ingress is configured, but it is this test."""
    pipeline = start(settings={"processes": {"ingress": 2}})
    intruder = Intruder(pipeline)
    try:
        answers = intruder.open(zmq.PULL, "answers.1", True)
        answers.rcvtimeo = 5_000
        intruder.open(zmq.PUSH, "requests.1", True).send(
            b"".join(request_of(number) for number in range(600)))
        statuses = []
        while len(statuses) < 600:
            statuses += statuses_in(answers.recv())
        assert statuses == [401] * 600
    finally:
        intruder.close()


def stats_of(intruder, file):
    """A frame of figures as a stage publishes them."""
    sock = intruder.open(zmq.SUB, file, False)
    sock.subscribe(b"stats")
    sock.rcvtimeo = 30_000
    return msgpack.unpackb(sock.recv_multipart()[1])


def test_a_bad_feed_does_not_hurt_health(start):
    pipeline = start()
    intruder = Intruder(pipeline)
    try:
        good = msgpack.packb(stats_of(intruder, "tap-router.0") | {
            "stage": "bogus", "metrics": [["webhook_queue_size", "", 77.0], ["nonsense", 3], 5]})
        sock = intruder.open(zmq.PUB, "tap-bogus.0", True)

        def is_heard():
            for frame in (*BAD_FRAMES, good):
                sock.send_multipart([b"stats.bogus", frame])
            return pipeline.metric("webhook_queue_size") == 77
        wait_for("the good frame among them is heard", is_heard)
        assert pipeline.health().status in (200, 503)
    finally:
        intruder.close()
    assert pipeline.post(event()).status == 202


# ---- a flood from one side


@pytest.mark.plain
def test_a_flood_of_forged_requests_keeps_out_no_honest_one(start):
    pipeline = start()
    stop = threading.Event()

    def forge():
        with pipeline.client() as client:
            while not stop.is_set():
                assert client.post_bytes(b"{}", signature="sha256=00").status in (401, 503)
    threads = [threading.Thread(target=forge, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            quick_enough(pipeline)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


@pytest.mark.parametrize("word", ["done", "retry", "later", "dead"])
def test_a_verdict_moves_only_events_of_its_own_handler(start, word):
    """What another says of it is refused and told; the event comes again to whom it is owed."""
    pipeline = start(settings=mine())
    seen = []

    def decide(ev):
        seen.append(ev)
        return verdict_on([ev], "unknown", word, "so it says") if len(seen) == 1 else "done"

    hook = pipeline.hook("mine", decide)
    [event_id] = post_all(pipeline, [event("mine_a")])
    wait_for("it is said of another's", lambda: pipeline["retrier"].has_logged("verdicts refused"))
    wait_for("it comes again", lambda: len(seen) == 2)
    assert ids_of(hook) == [event_id] * 2 and [ev["attempt"] for ev in seen] == [0, 0]
    wait_for("it has its end", lambda: pipeline.metric("webhook_queue_size") == 0)
    assert pipeline.metric("webhook_dead_letters") == 0
    assert pipeline.metric("webhook_scheduled_events") == 0


# ---- lists that are longer than they may be


def seqs_of(frame, n):
    return msgpack.packb(frame | {"seqs": list(range(1, n + 1))})


def bundle_of(frames):
    return b"".join(b"\xc6" + struct.pack(">I", len(frame)) + frame for frame in frames)


def verdict_list(n, journal):
    return [seqs_of({"v": 1, "journal": journal, "verdict": "later", "reason": "", "handler": "unknown"}, n)]


def advice_list(word):
    return lambda n, journal: [seqs_of(
        {"v": 1, "journal": journal, "advice": word, "failed_at": 0, "who": "unknown"}, n)]


def header_list(n, journal):
    frame = msgpack.unpackb(request_of(1)[5:])
    return [bundle_of([msgpack.packb(frame | {"headers": [["X-A", "b"]] * n})])]


def figure_list(n, journal):
    return [b"stats.bogus", msgpack.packb({
        "v": 1, "stage": "bogus", "instance": 0, "pid": 1, "at": 1, "loaded": 1, "kept": "", "draining": 0,
        "metrics": [["webhook_errors_total", f'error_type="{i}"', 1.0] for i in range(n)]})]


LISTS = [
    ("retrier", zmq.PUSH, "verdicts", False, 4096, verdict_list),
    *(("retrier", zmq.PUSH, "advice", False, 4096, advice_list(word))
      for word in ("returned", "done", "buried", "gone")),
    ("validator", zmq.PUSH, "requests.1", True, 256, header_list),
    ("ingress", zmq.PUB, "tap-bogus.0", True, 4096, figure_list),
    ("admin", zmq.PUB, "tap-bogus.0", True, 4096, figure_list)]
BUNDLES = [
    ("ingress", "answers.0", False), ("validator", "requests.1", True), ("router", "events.0", False),
    ("handler-unknown", "route-unknown.1", True)]


def send_parts(sock, parts):
    if sock.type == zmq.PUB:
        sock.send_multipart(parts)
    else:
        sock.send(parts[0])


@pytest.mark.parametrize("stage, kind, file, bind, most, build", LISTS)
def test_a_list_that_is_too_long_is_refused_and_counted_and_hurts_nobody(start, stage, kind, file, bind, most, build):
    """Not the events that it names either. The instance 1 of ingress and router is this test."""
    pipeline = start(settings={"processes": {"ingress": 2, "router": 2}}, admin=True)
    quick_enough(pipeline)
    intruder = Intruder(pipeline)
    journal = msgpack.unpackb(next(iter(event_frames(pipeline))))["journal"]
    page = pipeline.admin(token=None)

    def bad():
        return sum(float(line.rpartition(" ")[2]) for line in page.get("/metrics").body.decode().splitlines()
                   if line.startswith(f'webhook_bad_frames_total{{stage="{stage}"}}'))
    sent = []
    try:
        sock = intruder.open(kind, file, bind)

        def sends_too_many():
            sent.append(send_parts(sock, build(most + 1, journal)))
            return bad() > 0
        wait_for("it is counted", sends_too_many)
        assert pipeline[stage].has_logged("level=warn", "bad frame", f"{most + 1} entries, at most {most}")
        send_parts(sock, build(most, journal))
        quick_enough(pipeline)
        sends_too_many()
        if kind == zmq.PUSH:  # of what is published before somebody listens nothing comes
            wait_for("those and no more are counted", lambda: bad() == len(sent))
        assert bad() <= len(sent)
    finally:
        page.close()
        intruder.close()
    quick_enough(pipeline)
    wait_for("nothing is left", lambda: pipeline.metric("webhook_queue_size") == 0)


def event_frames(pipeline):
    """One event's frame, seen on the tap."""
    with zmq.Context() as context, context.socket(zmq.SUB) as sock:
        sock.linger, sock.rcvtimeo = 0, 500
        sock.connect(f"ipc://{pipeline.data}/run/tap-router.0")
        sock.subscribe(b"event")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pipeline.post(event())
            try:
                yield sock.recv_multipart()[1]
                return
            except zmq.Again:
                continue
        raise AssertionError("no event on the tap")


@pytest.mark.parametrize("stage, file, bind, address", [
    *((*one, b"") for one in BUNDLES), ("router", "events.0", False, b"\x01")])
def test_a_bundle_of_too_many_frames_is_one_bad_frame(start, stage, file, bind, address):
    pipeline = start(settings={"processes": {"ingress": 2, "router": 2}})
    intruder = Intruder(pipeline)
    try:
        sock = intruder.open(zmq.PUSH, file, bind)
        sock.send(address + bundle_of([b""] * 100_000))
        wait_for("it is counted", lambda: pipeline.metric("webhook_bad_frames_total", stage) == 1)
        quick_enough(pipeline)
        sock.send(address + bundle_of([b""] * 4096))
        wait_for("each is counted", lambda: pipeline.metric("webhook_bad_frames_total", stage) == 4097)
        assert pipeline[stage].log().count("bad frame") < 200, "which the log tells at a bounded rate"
    finally:
        intruder.close()
    quick_enough(pipeline)


def test_what_is_in_figures_cannot_break_the_page(start):
    """Names, labels and values that no stage of ours would send."""
    pipeline = start()
    intruder = Intruder(pipeline)
    hostile = 'x"} 1\nforged_total{a="'
    rows = [["webhook_errors_total", f'error_type="{hostile}"', 1.0], ["webhook_errors_total", 'a="1",a="2"', 1.0],
            ["webhook_errors_total", 'error_type="\\q"', 1.0], ["webhook_queue_size", "", 1e300],
            ["webhook_group_size", 'le="1"', [1.0] * 15], ["webhook_resent_total", "", 77.0]]
    try:
        good = msgpack.packb(stats_of(intruder, "tap-router.0") | {"stage": hostile, "metrics": rows})
        sock = intruder.open(zmq.PUB, "tap-bogus.0", True)

        def is_heard():
            sock.send_multipart([b"stats.bogus", good])
            return pipeline.metric("webhook_resent_total") >= 77
        wait_for("it is heard", is_heard)
        text = pipeline.get("/metrics").body.decode()
        assert 'stage="x\\"} 1?forged_total{a=\\""} 1\n' in text
        for line in text.splitlines():
            assert re.fullmatch(r'#.*|(?:webhook|process)_\w+(\{(\w+="(\\["\\]|[^"\\])*",?)+\})? [-+.e\d]+', line), line
        assert pipeline.metric("webhook_queue_size") < 1e15
    finally:
        intruder.close()
    quick_enough(pipeline)
