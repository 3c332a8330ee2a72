"""Inputs that were once read wrongly: payloads through `trotline verify`, effects in state.db, raw
HTTP. Those of our own writing (tests/faults), and those of the shared folder where it is there."""

import base64
import json
import re
import socket
import subprocess
import time

import faults
import pytest
import test_vectors
from faults import HTTP, SCENARIOS
from pipeline import ALL_HANDLERS, BIN, DEADLINE_S, Pipeline, close_all, sign, wait_for
from senders import CERT_URL, PROVIDERS, TOPIC, Senders
from signing import Signer
from verbs import run

RAW_SECRET = "faults-raw"
HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
QUIET_S, CLOSE_S = 0.3, 5
WRONG_USE = 2


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(Senders(tmp_path_factory.mktemp("keys")))


# ---- payloads


def asked(signer, fixture, folder):
    """The request and the command line that asks for it: as captured, or signed here."""
    if "headers" in fixture:
        return fixture, captured_arguments(fixture, folder)
    now = fixture.get("now") or faults.NOW_S
    source = fixture["provider"]
    headers, body = signer.request(source, faults.body_of(fixture, now),
                                   now + fixture.get("signed_s", 0),
                                   published=fixture.get("sign") == "published")
    block = signer.block(source)
    args = ["--provider", block["provider"], "--now", str(now)]
    for flag, value in [("--secret", block.get("secrets")), ("--scheme", block.get("scheme")),
                        ("--header-name", block.get("header")), ("--url", block.get("url"))]:
        args += [arg for one in test_vectors.listed(value) if one for arg in (flag, one)]
    if source == "ses":
        args += ["--topic", TOPIC, "--cert", f"{CERT_URL}={signer.senders.keys['ses']}"]
    return {"headers": headers, "body_b64": base64.b64encode(body).decode()}, args


def captured_arguments(fixture, folder):
    args = test_vectors.arguments(fixture, folder)
    scheme, _, rest = (fixture.get("cert_url") or "").partition("://")
    host, slash, path = rest.partition("/")
    if host != host.lower():
        args += ["--cert", f"{scheme}://{host.lower()}{slash}{path}={folder / 'certificate.pem'}"]
    return args


class Verify:
    """`trotline verify`; a batch of several cases is asked once."""

    def __init__(self, signer, folder):
        self.signer, self.folder, self.answers = signer, folder, {}

    def run(self, fixture):
        request, args = asked(self.signer, fixture, self.folder)
        path = self.folder / "request.json"
        path.write_text(json.dumps(request))
        done = subprocess.run([BIN / "trotline", "verify", *args, path], capture_output=True,
                              text=True, timeout=DEADLINE_S)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        return done

    def __call__(self, fixture):
        if "batch" not in fixture:
            return self.run(fixture)
        batch = fixture["batch"]
        if id(batch) not in self.answers:
            self.answers[id(batch)] = self.run(batch)
        return self.answers[id(batch)]


@pytest.fixture(scope="module")
def verify(signer, tmp_path_factory):
    return Verify(signer, tmp_path_factory.mktemp("verify"))


def check_words(answer, told):
    """Each decision is explained, in the JSON and for people."""
    starts = {"email_bounced": "bounce_class", "email_blocked": "block", "email_rejected": "rejected",
              "email_failed": "failed", "email_complained": "complained"}
    for place, event in enumerate(answer["events"][:10], 1):
        words, start = event["explained"], starts.get(event["type"])
        if start is None or event["error"]:
            continue
        assert re.fullmatch(r"[a-z]+: [^;]+; [^;]+", words), words
        assert words.startswith((event[start] if start == "bounce_class" else start) + ": "), words
        assert event["provider_event"] == event["type"] or f"event {place}: {words}\n" in told


@pytest.mark.parametrize("fixture", faults.parameters(None))
def test_a_payload_is_read_rightly(verify, fixture):
    done = verify(fixture)
    if isinstance(fixture.get("secret_or_public_key"), list) and fixture["expect"] == "invalid" \
            and done.returncode == WRONG_USE:
        return
    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    faults.check_answer(fixture, answer)
    check_words(answer, done.stderr)
    if fixture.get("expect_notice"):
        place = f"event {fixture.get('at', 0) + 1}: "
        assert done.returncode == 1 and any(
            warning.startswith(place) for warning in answer["warnings"]), answer["warnings"]
    elif "batch" not in fixture:
        assert done.returncode == (0 if answer["accepted"] else 1), done.stderr


# ---- effects

EFFECTS = faults.parameters(SCENARIOS)


class Played:
    """All scenarios on one pipeline, round by round: each has addresses and ids of its own."""

    def __init__(self, signer, wanted):
        self.signer, self.now, self.answers = signer, int(time.time()), {}
        sources = [signer.block(name, raw=True) for name in PROVIDERS]
        native = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}
        self.pipeline = Pipeline(handlers=ALL_HANDLERS, settings={"sources": [native, *sources]})
        self.pipeline.start()
        for turn in range(max((len(one["rounds"]) for one in wanted), default=0)):
            for scenario in wanted:
                self.play(scenario, turn)
            wait_for("no event without an end", self.is_settled)

    def play(self, scenario, turn):
        with self.pipeline.client() as client:
            self.answers[id(scenario), turn] = [
                self.post(client, post, count) for post in scenario["rounds"][turn:turn + 1]
                for post in post for count in range(post.get("times", 1))]

    def post(self, client, post, count):
        source, body = post["source"], faults.body_of(post, self.now, count)
        if source == "email":
            return post, client.post_bytes(body)
        headers, body = self.signer.request(source, body, self.now, raw=True, token=post.get("token"),
                                            published=post.get("sign") == "published")
        return post, client.request("POST", "/webhooks/" + source, body, headers)

    def is_settled(self):
        """As the journal says, for what is told by the processes is a moment old."""
        told = json.loads(run(self.pipeline, "fsck", "--json").stdout)
        return told["accepted"] + told["scheduled"] + told["given_up"] == 0

    def keeps(self, text):
        return any(text.encode() in path.read_bytes()
                   for path in self.pipeline.folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def played(signer):
    played = Played(signer, [one.values[0] for one in EFFECTS])
    yield played
    close_all([played.pipeline])


def check_status(post, answer):
    if post.get("status") is not None:
        assert answer.status in test_vectors.listed(post["status"]), (post, answer)


@pytest.mark.parametrize("scenario", EFFECTS)
def test_an_effect_is_right(played, scenario):
    told = [one for turn in range(len(scenario["rounds"]))
            for one in played.answers[id(scenario), turn]]
    for post, answer in told:
        check_status(post, answer)
    for query in scenario["queries"]:
        rows = [list(row) for row in played.pipeline.rows(query["sql"])]
        assert rows == query["rows"], query
    if all(answer.status < 300 for _, answer in told):
        assert [text for text in scenario.get("kept", []) if not played.keeps(text)] == []


# ---- raw HTTP


@pytest.fixture(scope="module")
def raw_pipeline():
    source = {"name": "raw", "provider": "trotline", "secrets": [RAW_SECRET], "max_age": "300d",
              "dedup_window": "365d"}
    pipeline = Pipeline(handlers=("opened",), settings={"sources": [source]})
    yield pipeline.start()
    close_all([pipeline])


def raw_bytes(fixture):
    """As they stand; @body is a good event, @signature its proof, @length its length."""
    if fixture.get("raw_b64"):
        return base64.b64decode(fixture["raw_b64"])
    text = fixture["raw"]
    body = json.dumps({"event_type": "email_opened", "event_id": f"own-{time.time_ns()}",
                       "timestamp": int(time.time()), "data": {"email": "own-raw@example.com"}})
    for place, value in [("@signature", sign(body.encode(), RAW_SECRET)),
                         ("@length", str(len(body))), ("@hex", f"{len(body):x}"), ("@body", body)]:
        text = text.replace(place, value)
    return text.encode("latin-1" if fixture.get("latin_1") else "utf-8")


def statuses_of(told):
    return [int(status) for status in HEAD.findall(told) if not status.startswith(b"1")]


def receive(sock, answers, until_closed):
    """What comes until the other side closes, or is quiet after so many answers; and whether it
    closed."""
    told, end = b"", time.monotonic() + CLOSE_S
    while time.monotonic() < end:
        all_told = len(statuses_of(told)) >= answers and not until_closed
        sock.settimeout(QUIET_S if all_told else max(0.01, end - time.monotonic()))
        try:
            part = sock.recv(65536)
        except socket.timeout:
            break
        except ConnectionError:
            return told, True
        if not part:
            return told, True
        told += part
    return told, False


@pytest.mark.parametrize("fixture", faults.parameters(HTTP))
def test_raw_http_is_answered_rightly(raw_pipeline, fixture):
    with raw_pipeline.connect() as sock:
        sock.sendall(raw_bytes(fixture))
        told, closed = receive(sock, fixture["answers"], fixture["must_close"])
    statuses = statuses_of(told)
    assert statuses and all(one in fixture["statuses"] for one in statuses), told
    assert len(statuses) == fixture["answers"], told
    if fixture.get("json"):
        json.loads(told.rpartition(b"\r\n\r\n")[2])
    if fixture["must_close"] is not None:
        assert closed == fixture["must_close"], told
