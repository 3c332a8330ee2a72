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
from signing import PUBLISHED, Signer, hexmac
from verbs import run

RAW_SECRET = "faults-raw"
HEAD = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.M)
QUIET_S, CLOSE_S = 0.3, 5
WRONG_USE = 2

# What is known to fail, by name. A case that passes must be taken off; the list ends up empty.
FAILING = set("""
shared:brevo/contact_updated_attributes
shared:brevo/contact_updated_blacklist
shared:brevo/inbound_items

shared:http/absolute_target
shared:http/body_gzip
shared:http/length_with_plus
shared:http/no_host
shared:http/request_hidden_behind_spaced_transfer_encoding
shared:http/space_after_length
shared:http/space_before_colon
shared:http/space_before_colon_of_transfer_encoding

shared:mailersend/event_with_published_secret_configured
shared:mailersend/ping_signed_with_published_secret
shared:mailersend/v2_clicked
shared:mailersend/v2_hard_bounced_email
shared:mailersend/v2_hard_bounced_recipient
shared:mailersend/v2_sent_meta_empty_list

shared:mailgun/empty_body
shared:mailgun/permanent_522_mailbox_full
shared:mailgun/permanent_602_too_old
shared:mailgun/permanent_delivery_status_null
shared:mailgun/permanent_espblock
shared:mailgun/recipient_display_name

shared:mailjet/email_tab_around
shared:mailjet/parseapi_inbound

shared:mandrill/email_display_name

shared:postal/hardfail_571_spam_block
shared:postal/hardfail_attempts_used_up
shared:postal/hardfail_own_spam_threshold
shared:postal/hardfail_raw_message_removed

shared:postmark/body_begins_with_bom
shared:postmark/subject_cut_in_an_emoji
shared:postmark/type_inbound_error
shared:postmark/type_template_rendering_failed

shared:resend/bounced_untyped_general
shared:resend/bounced_untyped_hard
shared:resend/bounced_untyped_suppressed_recent
shared:resend/contact_updated_unsubscribed

shared:scenarios/brevo_list_addition_lifts_nothing
shared:scenarios/brevo_sms_is_kept
shared:scenarios/mailersend_click_told_twice
shared:scenarios/mailersend_object_without_type_is_kept
shared:scenarios/mailersend_open_told_twice
shared:scenarios/mailersend_ping_is_answered_200
shared:scenarios/mailersend_v2_hard_bounce_takes_effect
shared:scenarios/native_address_brackets
shared:scenarios/native_address_display_name
shared:scenarios/native_address_list
shared:scenarios/native_address_mailto
shared:scenarios/native_address_two_ats
shared:scenarios/postal_attempts_used_up_suppresses_nobody
shared:scenarios/postmark_five_inbounderror
shared:scenarios/postmark_five_quantumfailure
shared:scenarios/postmark_five_templaterenderingfailed
shared:scenarios/resend_opt_out_takes_effect
shared:scenarios/sendgrid_display_name_takes_effect
shared:scenarios/sendgrid_elements_that_are_no_events_are_kept
shared:scenarios/sendgrid_lone_surrogate_takes_effect
shared:scenarios/ses_account_list_is_no_complaint
shared:scenarios/ses_notification_without_recipients_blames_nobody
shared:scenarios/ses_open_of_two_destinations
shared:scenarios/sparkpost_five_class_26
shared:scenarios/sparkpost_open_told_twice

shared:sendgrid/email_display_name
shared:sendgrid/email_space_around
shared:sendgrid/smtp_id_as_message_id
shared:sendgrid/subject_cut_in_an_emoji
shared:sendgrid/unique_arg_huge_number

shared:ses/cert_url_host_upper
shared:ses/complaint_on_account_suppression_list

shared:sparkpost/class_26_smart_send

shared:stripe/signed_301_s_ahead

own:brevo/bounce/full
own:brevo/bounce/policy
own:brevo/bounce/reply
own:brevo/contacts/a text message's opt-out
own:brevo/contacts/not opted out
own:brevo/contacts/nothing said
own:brevo/contacts/null
own:brevo/contacts/opted out
own:brevo/contacts/put on a list

own:g-hmac/native_bounce/451
own:g-hmac/native_bounce/550 5.1.1
own:g-hmac/native_bounce/a word of tomorrow
own:g-hmac/native_bounce/full
own:g-hmac/native_bounce/hard
own:g-hmac/native_bounce/nothing said
own:g-hmac/native_bounce/permanent
own:g-hmac/native_bounce/policy
own:g-hmac/native_bounce/soft
own:g-hmac/native_bounce/transient
own:g-hmac/native_bounce/undetermined

own:mailersend/v1_bounce/5.2.2
own:mailersend/v1_bounce/5.7.1
own:mailersend/v2_addresses/email
own:mailersend/v2_addresses/recipient
own:mailersend/v2_addresses/recipient empty
own:mailersend/v2_addresses/recipient null
own:mailersend/v2_addresses/tags
own:mailersend/v2_addresses/time of a database
own:mailersend/v2_bounce/5.1.1
own:mailersend/v2_bounce/5.2.2
own:mailersend/v2_bounce/5.7.1
own:mailersend/v2_bounce/clicked_unique
own:mailersend/v2_bounce/deferred
own:mailersend/v2_bounce/delivered
own:mailersend/v2_bounce/its own word alone
own:mailersend/v2_bounce/null
own:mailersend/v2_bounce/opened
own:mailersend/v2_bounce/opened_unique
own:mailersend/v2_bounce/rejected
own:mailersend/v2_bounce/sent
own:mailersend/v2_bounce/soft with 5.1.1
own:mailersend/v2_bounce/spam_complaint
own:mailersend/v2_bounce/unsubscribed

own:mailgun/form_bounced_full
own:mailgun/form_bounced_no_code
own:mailgun/form_bounced_policy
own:mailgun/names/list_member_upload_error
own:mailgun/names/list_member_uploaded
own:mailgun/names/list_uploaded
own:mailgun/permanent/5.2.2
own:mailgun/permanent/5.2.2 in the text alone
own:mailgun/permanent/5.7.1
own:mailgun/permanent/5.7.26 in the text alone
own:mailgun/permanent/602
own:mailgun/permanent/603, unknown
own:mailgun/permanent/699, unknown
own:mailgun/permanent/code 0
own:mailgun/permanent/code a word
own:mailgun/permanent/code null
own:mailgun/permanent/delivery-status a list
own:mailgun/permanent/espblock
own:mailgun/permanent/no code
own:mailgun/permanent/no delivery-status
own:mailgun/permanent/old
own:mailgun/permanent_without_a_code

own:mailjet/bounce/5.7.1 in the comment
own:mailjet/bounce/policy
own:mailjet/bounce/quota exceeded
own:mailjet/bounce/spam

own:mandrill/bounce/5.7.1
own:mandrill/bounce/mailbox_full
own:mandrill/bounce/mailbox_full in a word alone

own:postal/delivery_failed/421
own:postal/delivery_failed/452 4.2.2
own:postal/delivery_failed/5.7.1
own:postal/delivery_failed/5.7.26
own:postal/delivery_failed/552 5.2.2
own:postal/delivery_failed/given up, last answer 451
own:postal/delivery_failed/given up, last answer 550
own:postal/delivery_failed/given up, no output
own:postal/delivery_failed/no RCPT TO
own:postal/delivery_failed/nothing said
own:postal/delivery_failed/output empty
own:postal/delivery_failed/output of white space
own:postal/delivery_failed/own spam threshold
own:postal/delivery_failed/own words, unknown
own:postal/delivery_failed/raw message removed
own:postal/delivery_failed/sender's domain gone

own:postmark/subscription_changes/taken off by Postmark
own:postmark/subscription_changes/taken off by nobody knows whom
own:postmark/subscription_changes/taken off by somebody of tomorrow
own:postmark/subscription_changes/taken off by the sender
own:postmark/types/InboundError
own:postmark/types/OpenRelayTest
own:postmark/types/TemplateRenderingFailed

own:resend/bounce/Permanent 5.2.2
own:resend/bounce/Permanent 5.7.1
own:resend/bounce/untyped, capitals
own:resend/bounce/untyped, full
own:resend/bounce/untyped, general
own:resend/bounce/untyped, hard
own:resend/bounce/untyped, suppressed
own:resend/names/opted out
own:resend/names/suppression.added
own:resend/names/suppression.added by hand
own:resend/names/suppression.removed

own:sendgrid/bounce/5.2.2
own:sendgrid/bounce/5.2.2 in the reason alone
own:sendgrid/bounce/5.7.1
own:sendgrid/bounce/5.7.1 in the reason alone
own:sendgrid/bounce/Content
own:sendgrid/bounce/Reputation
own:sendgrid/bounce/a type of tomorrow, nothing else
own:sendgrid/bounce/no type, no reason

own:ses/bounce/Permanent 5.2.2
own:ses/bounce/Permanent 5.7.1
own:ses/complaint/on the account's list
own:ses/complaint/on the account's list, told as abuse
own:ses/complaint_feedback_notification

own:sparkpost/bounce_classes/26
own:sparkpost/bounce_classes/a number
own:sparkpost/bounce_classes/out_of_band 26
""".splitlines())


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
                                   now + fixture.get("signed_s", 0))
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


@pytest.mark.parametrize("fixture", faults.parameters(None, FAILING))
def test_a_payload_is_read_rightly(verify, fixture):
    done = verify(fixture)
    if isinstance(fixture.get("secret_or_public_key"), list) and fixture["expect"] == "invalid" \
            and done.returncode == WRONG_USE:
        return
    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    faults.check_answer(fixture, answer)
    if fixture.get("expect_notice"):
        assert done.stderr or answer.get("warnings") or answer.get("notices") or done.returncode
    elif "batch" not in fixture:
        assert done.returncode == (0 if answer["accepted"] else 1), done.stderr


# ---- effects

EFFECTS = faults.parameters(SCENARIOS, FAILING)


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
        headers, body = self.signer.request(source, body, raw=True)
        if post.get("sign") == "published":
            headers["Signature"] = hexmac(PUBLISHED, body)
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


def receive(sock, until_closed):
    """What comes until the other side closes, or is quiet after its first answer; and whether it
    closed."""
    told, end = b"", time.monotonic() + CLOSE_S
    while time.monotonic() < end:
        sock.settimeout(QUIET_S if told and not until_closed else max(0.01, end - time.monotonic()))
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


@pytest.mark.parametrize("fixture", faults.parameters(HTTP, FAILING))
def test_raw_http_is_answered_rightly(raw_pipeline, fixture):
    with raw_pipeline.connect() as sock:
        sock.sendall(raw_bytes(fixture))
        told, closed = receive(sock, fixture["must_close"])
    statuses = [int(status) for status in HEAD.findall(told) if not status.startswith(b"1")]
    assert statuses and all(one in fixture["statuses"] for one in statuses), told
    assert len(statuses) == fixture["answers"], told
    if fixture.get("json"):
        json.loads(told.rpartition(b"\r\n\r\n")[2])
    if fixture["must_close"] is not None:
        assert closed == fixture["must_close"], told
