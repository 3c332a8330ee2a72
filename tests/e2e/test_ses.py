"""SES through SNS over HTTP: the certificate that is not to be had, the one that is known, recipients
down to their rows, and the handshake. Certificates come from data_dir/certs; the region does not
exist, so nothing leaves the machine but a question for a name that nobody has."""

import base64
import hashlib
import json
import subprocess
import time
import uuid

import pytest
from pipeline import wait_for

HOST = "https://sns.test-nowhere-1.amazonaws.com"
CERT_URL = HOST + "/SimpleNotificationService-1.pem"
TOPIC = "arn:aws:sns:test-nowhere-1:111122223333:mail-events"
NOTIFICATION = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SETTINGS = {"sources": [{"name": "ses", "provider": "ses", "topics": [TOPIC]}]}


class Sns:
    """A key with its certificate, and what it signs."""

    def __init__(self, folder):
        self.key, self.pem = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/O=a test/CN=sns.amazonaws.com", "-keyout", self.key, "-out", self.pem],
            check=True, capture_output=True)

    def sign(self, envelope):
        fields = CONFIRMATION if "Token" in envelope else NOTIFICATION
        text = "".join(f"{field}\n{envelope[field]}\n" for field in fields)
        run = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key],
                             input=text.encode(), check=True, capture_output=True)
        return envelope | {"Signature": base64.b64encode(run.stdout).decode()}

    def envelope(self, message, kind="Notification", **more):
        return self.sign({
            "Type": kind, "MessageId": str(uuid.uuid4()), "TopicArn": TOPIC,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "SignatureVersion": "2", "SigningCertURL": CERT_URL, **more})

    def confirmation(self):
        return self.envelope(
            "You have chosen to subscribe.", "SubscriptionConfirmation", Token="nobody-logs-this",
            SubscribeURL=f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=nobody-logs-this")


@pytest.fixture
def sns(tmp_path):
    return Sns(tmp_path)


def hand_over(pipeline, sns):
    """Puts the certificate where the validator keeps those that it has fetched."""
    folder = pipeline.data / "certs"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = "certificate-" + hashlib.sha256(CERT_URL.encode()).hexdigest()[:32]
    (folder / name).write_text(f"{CERT_URL}\n{sns.pem.read_text()}")


def prepare_with(sns):
    def prepare(pipeline):
        pipeline.data.mkdir(mode=0o700, exist_ok=True)
        hand_over(pipeline, sns)
    return prepare


def post(pipeline, envelope):
    with pipeline.client() as client:
        return client.request("POST", "/webhooks/ses", json.dumps(envelope).encode(), {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": envelope["Type"]})


def bounce(*recipients):
    return {"eventType": "Bounce", "mail": {"messageId": "m-1"}, "bounce": {
        "bounceType": "Permanent", "bounceSubType": "General", "feedbackId": str(uuid.uuid4()),
        "bouncedRecipients": [{"emailAddress": one} for one in recipients]}}


def pending(pipeline):
    return list((pipeline.data / "certs").glob("confirmation-0-*"))


def test_recipients_reach_their_rows(start, sns):
    pipeline = start(handlers=("bounced",), settings=SETTINGS, prepare=prepare_with(sns))
    envelope = sns.envelope(bounce("ann@example.com", "bob@example.com"))
    for _ in range(2):
        assert post(pipeline, envelope).status == 200
    rows = wait_for("both suppressed", lambda: (
        lambda found: found if len(found) == 2 else None)(
        pipeline.rows("SELECT email, reason FROM suppressions ORDER BY email")))
    assert [row[0] for row in rows] == ["ann@example.com", "bob@example.com"]
    pipeline.wait_settled(2)


def test_a_certificate_that_is_not_to_be_had_is_503(start, sns):
    pipeline = start(handlers=("bounced",), settings=SETTINGS)
    envelope = sns.envelope(bounce("ann@example.com"))
    answer = post(pipeline, envelope)
    assert answer.status == 503 and "retry-after" in answer.headers
    wait_for("the failure in the log",
             lambda: pipeline["validator"].has_logged("certificate not to be had"))
    hand_over(pipeline, sns)
    pipeline["validator"].restart()
    assert post(pipeline, envelope).status == 200
    pipeline.wait_settled(1)


def test_what_is_not_ours_is_refused(start, sns, tmp_path):
    pipeline = start(handlers=("bounced",), settings=SETTINGS, prepare=prepare_with(sns))
    good = sns.envelope(bounce("ann@example.com"))
    (tmp_path / "other").mkdir()
    other = Sns(tmp_path / "other")
    assert post(pipeline, good | {"Message": "{}"}).status == 401
    assert post(pipeline, other.envelope(bounce("ann@example.com"))).status == 401
    assert post(pipeline, sns.sign(good | {"TopicArn": TOPIC + "2"})).status == 403
    assert post(pipeline, sns.sign(good | {"Timestamp": "2026-01-01T00:00:00.000Z"})).status == 401
    assert post(pipeline, sns.sign(good | {"SigningCertURL": HOST + ".example.net/x.pem"})).status == 401
    pipeline.wait_settled(0)


def told(answer):
    return answer.status, answer.body, answer.headers.get("x-error-detail")


def test_nobody_is_told_without_a_proof_whether_a_topic_is_on_the_list(start, sns):
    """With the certificate that is known and with an invented one the answers are the same, and what
    is not on the list or of another region is not fetched."""
    pipeline = start(handlers=("bounced",), settings=SETTINGS, prepare=prepare_with(sns))
    good = sns.envelope(bounce("ann@example.com")) | {"Signature": "c2ln"}
    other = {"TopicArn": TOPIC + "2"}
    invented = {"SigningCertURL": HOST + "/SimpleNotificationService-2.pem"}
    assert told(post(pipeline, good)) == told(post(pipeline, good | other))
    assert post(pipeline, good | other).status == 401
    assert told(post(pipeline, good | other | invented)) == told(post(pipeline, good | invented))
    assert told(post(pipeline, good | invented))[::2] == (503, None)
    far = {"SigningCertURL": "https://sns.test-nowhere-2.amazonaws.com/x.pem"}
    assert told(post(pipeline, good | far)) == told(post(pipeline, good | other | far))
    assert post(pipeline, good | far).status == 401
    wait_for("the failed fetch of the one", lambda: pipeline["validator"].has_logged(
        "certificate not to be had", invented["SigningCertURL"]))
    pipeline.wait_settled(0)
    assert not pipeline["validator"].has_logged("certificate not to be had", "nowhere-2")


def test_a_confirmation_outlives_a_kill(start, sns):
    pipeline = start(handlers=("system",), settings=SETTINGS, prepare=prepare_with(sns))
    assert post(pipeline, sns.confirmation()).status == 200
    assert len(pending(pipeline)) == 1
    wait_for("the first try",
             lambda: pipeline["validator"].has_logged("confirmation failed", TOPIC))
    pipeline["validator"].restart()
    wait_for("another try after the restart", lambda: (
        pipeline["validator"].log_since_start().count("confirmation failed") > 0))
    assert len(pending(pipeline)) == 1
    assert "nobody-logs-this" not in pipeline["validator"].log()
    pipeline.wait_settled(1)


def test_an_unsubscribe_confirmation_is_not_followed(start, sns):
    pipeline = start(handlers=("system",), settings=SETTINGS, prepare=prepare_with(sns))
    envelope = sns.confirmation() | {"Type": "UnsubscribeConfirmation"}
    assert post(pipeline, sns.sign(envelope)).status == 200
    assert pending(pipeline) == []
    pipeline.wait_settled(1)
