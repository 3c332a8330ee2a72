"""What is refused is told with its cause, the sender's or ours; and health is 503 only while POSTs cannot be
taken."""

import base64
import errno
import hashlib
import hmac
import json
import re
import signal
import subprocess
import time

import pytest
import senders
from pipeline import ALL_HANDLERS, REPO, event, new_id, wait_for

LATELY_S = 25


def alerts(one):
    return one.health().json()["alerts"]


def alert(one, begin, deadline_s=LATELY_S):
    return wait_for(f"the alert {begin}", lambda: next((text for text in alerts(one) if text.startswith(begin)), None),
                    deadline_s)


def warnings(one, stage, cause):
    return [line for line in one[stage].log().splitlines()
            if "unable to take requests" in line and "level=warn" in line and f'cause="{cause}"' in line]


# ---- for the sender's cause


def test_a_source_of_which_all_is_refused_is_told_with_the_cause(start):
    one = start(handlers=ALL_HANDLERS)
    wait_for("healthy", lambda: one.health().json()["status"] == "healthy")
    with one.client() as client:
        for _ in range(400):
            assert client.post_bytes(b"{}", signature="sha256=00").status == 401
    told = wait_for("it is told", lambda: next((alert for alert in one.health().json()["alerts"]
                                                if alert.startswith("source email: refused:")), None), 25)
    found = re.match(r"source email: refused: signature: (\d+) of the last 20 s' (\d+) requests: ", told)
    assert found and found[1] == found[2], told
    assert "`trotline reload`" in told
    assert one.health().json()["status"] == "degraded"


@pytest.mark.parametrize("word, make", [
    ("stale", lambda: event(timestamp=int(time.time()) - 30 * 86400)),
    ("clock wrong", lambda: event(timestamp=int(time.time()) + 86400)),
    ("format changed", lambda: {"kind": "another"}),
])
def test_each_cause_has_its_word(start, word, make):
    one = start()
    with one.client() as client:
        for _ in range(20):
            assert client.post(make()).status == 400
    wait_for(f"{word} is told", lambda: any(alert.startswith(f"source email: refused: {word}: ")
                                            for alert in one.health().json()["alerts"]))


# The secret in trotline.yaml is another than the provider's.
OTHERS = {
    "mailgun": ("mailgun", "delivered", {"secrets": ["another-key-of-mailgun-01"]}),
    "postmark": ("postmark", "Delivery", {"secrets": ["trotline:another-password-01"]}),
    "mandrill": ("mandrill", "send", {"secrets": ["another-key-of-mandrill-1"]}),
    "mailersend": ("mailersend", "activity.delivered", {"secrets": ["another-key-of-mailersend"]}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_wrong_key_of_any_provider_is_told(start, tmp_path, name):
    provider, kind, block = OTHERS[name]
    one = start(settings={"sources": [{"name": name, "provider": provider, **block}]})
    theirs = tmp_path / "theirs.yaml"
    _, rest = senders.BLOCKS[name]
    theirs.write_text(json.dumps({"listen": f"127.0.0.1:{one.port}",
                                  "sources": [{"name": name, "provider": provider, **rest}]}))
    senders.run("send", "-c", theirs, "--source", name, "--event", kind, "--count", "12", check=False)
    told = alert(one, f"source {name}: refused: signature: ")
    assert "compare the source's secrets with the provider's" in told


def standard(one, seconds):
    """A request of Standard Webhooks that was signed so many seconds from now; its status."""
    body, name, at = json.dumps(event()).encode(), new_id("msg"), str(int(time.time()) + seconds)
    key = base64.b64decode(senders.WHSEC.removeprefix("whsec_"))
    mark = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    with one.client() as client:
        return client.request("POST", "/webhooks/g-standard", body, {
            "webhook-id": name, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(mark).decode()}).status


@pytest.mark.parametrize("seconds, word", [(-7200, "stale"), (7200, "clock wrong")])
def test_a_signed_time_that_is_wrong_is_told_as_such(start, seconds, word):
    one = start(settings={"sources": [{"name": "g-standard", "provider": "generic", "scheme": "standard-webhooks",
                                       "secrets": [senders.WHSEC]}]})
    assert all(standard(one, seconds) in (400, 401) for _ in range(12))
    assert "clock" in alert(one, f"source g-standard: refused: {word}: ")


@pytest.mark.parametrize("good, told", [(1, True), (20, False)])
def test_most_is_told_and_half_is_not(start, good, told):
    one = start()
    with one.client() as client:
        for _ in range(20):
            assert client.post_bytes(b"{}", signature="sha256=00").status == 401
        for _ in range(good):
            assert client.post(event()).status == 202
    refused = {"error_type=\"signature\"": 20}
    wait_for("the figures are heard", lambda: all(
        one.metric("webhook_errors_total", part) >= n for part, n in refused.items()))
    if told:
        alert(one, "source email: refused: signature: 20 of the last 20 s' 21 requests")
    else:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert not [text for text in alerts(one) if "refused" in text]


def test_posts_to_no_source_are_told(start):
    one = start()

    def told():
        with one.client() as client:
            assert client.post(event(), "/webhooks/emial").status == 404
        return [text for text in alerts(one) if text.startswith("unknown source: ")]

    assert "a path that no source has" in wait_for("it is told", told)[0]
    assert one.post(event()).status == 202
    wait_for("it is told no more", lambda: not [text for text in alerts(one) if text.startswith("unknown source")])


# ---- for our own


def test_what_is_refused_for_our_own_fault_is_a_warning_a_second_with_its_cause(start):
    one = start(without=("watcher",), settings={"limits": {"answer_timeout": "50ms"}})
    one["validator"].signal(signal.SIGSTOP)
    began = time.monotonic()
    with one.client() as client:
        for _ in range(40):
            assert client.post(event()).status == 503
    seconds = time.monotonic() - began
    one["validator"].signal(signal.SIGCONT)
    lines = warnings(one, "ingress", "no verdict in time")
    assert lines
    assert len(lines) <= seconds + 2
    told = wait_for("it is told", lambda: next((alert for alert in alerts(one)
                                                if alert.startswith("errors: ")), None))
    assert "for no verdict in time" in told
    wait_for("posts are taken", lambda: one.post(event()).status == 202)
    wait_for("and health is 200", lambda: one.health().status == 200, 5)


def test_a_full_journal_is_a_warning_with_its_cause_and_over_when_it_has_room(start):
    one = start(handlers=ALL_HANDLERS, without=("handler-unknown",), settings={"journal": {"max_size": "1MiB"}})
    with one.client() as client:
        wait_for("it is full", lambda: client.post(event(pad="x" * 4000)).status == 503)
        began = time.monotonic()
        while time.monotonic() < began + 3:
            assert client.post(event(pad="x" * 4000)).status == 503
    lines = warnings(one, "validator", "a store that cannot be used, or is full")
    assert 2 <= len(lines) <= 6 and all("full" in line.split(" why=")[1] for line in lines), lines
    alert(one, "journal full")
    assert one.health().json()["status"] != "healthy"
    one.add("handler-unknown")
    wait_for("posts are taken", lambda: one.post(event()).status == 202)
    wait_for("and health is 200", lambda: one.health().status == 200, 5)
    wait_for("nothing was refused for want of room lately", lambda: one.get("/readyz").status == 200, 10)


def test_validators_that_are_missing_are_the_cause(start):
    one = start(settings={"limits": {"answer_timeout": "300ms"}})
    one["validator"].kill()

    def said():
        assert one.post(event()).status == 503
        return [line for line in warnings(one, "ingress", "no verdict in time")
                if "stage validator has no live process" in line]

    wait_for("it is said", said)
    assert one.health().status == 503
    one["validator"].start()
    wait_for("posts are taken", lambda: one.post(event()).status == 202)
    wait_for("and health is 200", lambda: one.health().status == 200, 5)


def test_an_ingress_that_has_just_started_calls_nobody_dead(start):
    one = start(handlers=ALL_HANDLERS)
    wait_for("healthy", lambda: one.health().json()["status"] == "healthy")
    for _ in range(5):
        one["ingress"].restart()
        assert one.get("/readyz").status == 200
        assert not [text for text in alerts(one) if "live process" in text or "is down" in text]


def test_an_ingress_that_stood_still_calls_nobody_dead(start):
    one = start(handlers=ALL_HANDLERS, without=("watcher",))
    wait_for("all are heard", lambda: not [text for text in alerts(one) if text.startswith("stage")])
    one["ingress"].signal(signal.SIGSTOP)
    time.sleep(7)  # longer than anybody may be silent
    one["ingress"].signal(signal.SIGCONT)
    answer = one.health()
    assert answer.status == 200 and "live process" not in answer.body.decode(), answer


@pytest.mark.plain
def test_a_state_db_whose_disk_is_full_is_no_503(start, tmp_path):
    library, fault = tmp_path / "fault.so", tmp_path / "fault"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, REPO / "tests/e2e/fault_disk.c", "-ldl"], check=True)

    def prepare(pipeline):
        pipeline["handler-unknown"].env = {"LD_PRELOAD": str(library), "FAULT_FILE": str(fault)}

    one = start(handlers=ALL_HANDLERS, prepare=prepare)
    fault.write_text(str(errno.ENOSPC))
    assert one.post(event()).status == 202
    assert "POSTs are taken" in alert(one, "state.db full")
    for _ in range(20):
        assert one.post(event()).status == 202
        answer = one.health()
        assert answer.status == 200
        assert not re.search("answered 503|no live process|more handler processes", answer.body.decode()), answer
    fault.unlink()
    wait_for("no alert", lambda: not [text for text in alerts(one) if "state.db" in text])
