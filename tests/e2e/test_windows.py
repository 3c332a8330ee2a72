"""A window has two sides, whoever signs; and what proves no event proves the one it came with alone."""

import concurrent.futures
import hashlib
import hmac
import json
import subprocess
import time

import pytest

from pipeline import BIN, DEADLINE_S, new_id, wait_for
from senders import PROVIDERS, SECRET, Senders, run

TIMED = {"sendgrid": (87000, 600), "mailgun": (30000, 600), "ses": (28800, 900),
         "resend": (300, 300), "g-stripe": (300, 300), "g-standard": (300, 300), "g-v1a": (300, 300)}
UNTIMED = [name for name in [*PROVIDERS, "g-hmac", "g-basic"] if name not in TIMED]


@pytest.fixture(scope="module")
def senders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    return Senders(folder).write(folder / "trotline.yaml")


@pytest.fixture
def judge(senders, tmp_path):
    """What `verify` says of a request of now that came `later` seconds later."""
    def asked(source, later, *more):
        path = tmp_path / "request.json"
        path.write_text(senders.send(source, "bounced", "--print").stdout)
        now = str(int(time.time()) + later)
        return senders.verify(source, path, "--now", now, *more)
    return asked


@pytest.mark.parametrize("source", TIMED)
def test_what_is_signed_too_far_behind_or_ahead_is_refused(judge, source):
    age, future = TIMED[source]
    for later, taken in ((0, True), (age - 60, True), (60 - future, True), (age + 60, False),
                         (-future - 60, False)):
        answer = judge(source, later)
        assert answer["accepted"] is taken, (later, answer["reason"])
        if not taken:
            assert answer["step"] == "stale" and answer["status"] in (401, 406)
            assert ("ahead" if later < 0 else "ago") in answer["reason"]


@pytest.mark.parametrize("source", UNTIMED)
def test_where_nothing_signs_a_time_an_age_that_is_written_judges_the_event_s_own(judge, source):
    assert judge(source, 86400 * 30)["accepted"]
    assert judge(source, 3500, "--max-age", "3600")["accepted"]
    for later in (3700, -400):
        answer = judge(source, later, "--max-age", "3600")
        assert (answer["accepted"], answer["step"]) == (False, "stale")
        assert "nothing signs a time" in answer["reason"]


@pytest.mark.parametrize("provider, more, least", [
    ("trotline", {}, "15m"), ("trotline", {"max_age": "2d"}, "2885m"), ("sendgrid", {}, "1460m"),
    ("mailgun", {}, "510m"), ("ses", {"topics": ["arn:aws:sns:eu-central-1:1:a"]}, "495m"),
    ("resend", {}, "10m"), ("generic", {"scheme": "stripe"}, "10m"),
    ("brevo", {"max_age": "3h"}, "185m")])
def test_a_dedup_window_that_is_written_shorter_is_refused_by_check(tmp_path, provider, more, least):
    file = tmp_path / "trotline.yaml"
    source = {"name": "a", "provider": provider, "secrets": ["${TROTLINE_SECRET}"],
              "dedup_window": "9m", **more}
    file.write_text(json.dumps({"sources": [source]}))
    done = run("check", "-c", file, check=False)
    assert done.returncode == 100 and f"max_age and max_future together, {least}:" in done.stderr


def mailgun(token, ident, email="jo@example.com", kind="complained", at=None):
    """A post as Mailgun makes it: token and time are signed, the event is not."""
    at = at or str(int(time.time()))
    mac = hmac.new(SECRET.encode(), (at + token).encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": at, "token": token, "signature": mac},
            "event-data": {"event": kind, "id": ident, "timestamp": 1777890030.25,
                           "recipient": email, "message": {"headers": {"message-id": ident}}}}


@pytest.fixture
def receiver(start):
    return start(handlers=("complained",), counts={"validator": 2},
                 settings={"sources": [{"name": "mailgun", "provider": "mailgun", "secrets": [SECRET]}]})


def post(receiver, body):
    with receiver.client() as client:
        return client.request("POST", "/webhooks/mailgun", json.dumps(body),
                              {"Content-Type": "application/json"}).status


def suppressed(receiver):
    return sorted(row[0] for row in receiver.rows("SELECT email FROM suppressions"))


def test_mailgun_s_token_is_good_for_its_own_event_alone(receiver):
    token, ident, at = new_id("t"), new_id("e"), str(int(time.time()))
    own = mailgun(token, ident, at=at)
    other = mailgun(token, new_id("e"), "al@example.com", at=at)
    assert [post(receiver, own), post(receiver, other), post(receiver, own)] == [200, 406, 200]
    for n in range(8):  # whichever validator is asked
        assert post(receiver, mailgun(token, new_id("e"), f"a{n}@example.com", at=at)) == 406
    for validator in (0, 1):
        receiver["validator", validator].restart()
    assert [post(receiver, other), post(receiver, own)] == [406, 200]
    again = new_id("t")  # the same event by a second webhook, with a token of its own
    assert post(receiver, mailgun(again, ident, at=at)) == 200
    assert post(receiver, mailgun(again, new_id("e"), "bo@example.com", at=at)) == 406
    wait_for("applied", lambda: suppressed(receiver) == ["jo@example.com"])
    wait_for("counted", lambda: receiver.metric("webhook_errors_total", 'error_type="replayed"') >= 2)
    fsck = subprocess.run([BIN / "trotline", "fsck", "-c", receiver.config], capture_output=True,
                          timeout=DEADLINE_S, text=True)
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr


def test_many_of_one_token_at_once_are_one(receiver):
    token, at = new_id("t"), str(int(time.time()))
    bodies = [mailgun(token, new_id("e"), f"x{n}@example.com", at=at) for n in range(24)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: post(receiver, body), bodies))
    assert sorted(answers) == [200] + [406] * 23
    wait_for("one", lambda: len(suppressed(receiver)) == 1)
