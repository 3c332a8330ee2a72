"""Any body as a request of any provider: signed as that one does, with the keys of senders.py."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
import urllib.parse

from pipeline import sign
from senders import BLOCKS, CERT_URL, KEYED, PASSWORD, SECRET, TOPIC, WHSEC

URL = "https://hooks.example.com/webhooks/"  # as entered at the provider, where it is signed
# What these providers publish, for their pings.
PUBLISHED = {"mailersend": "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G", "mandrill": "test-webhook"}
JSON = {"Content-Type": "application/json"}
BASIC = {"Authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode()}
ENVELOPE = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")


def hexmac(secret, data):
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def b64mac(key, data, digest=hashlib.sha256):
    return base64.b64encode(hmac.new(key, data, digest).digest()).decode()


def name_of(body):
    """The same for the same body: what comes again, comes under its old name."""
    return hashlib.sha256(body).hexdigest()


def mailgun(body, now, token=None):
    """body: the event-data, or a form of old."""
    token = token or name_of(body)[:50]
    block = {"timestamp": str(now), "token": token, "signature": hexmac(SECRET, f"{now}{token}".encode())}
    if body.startswith(b"event="):
        form = b"&".join([body, urllib.parse.urlencode(block).encode()])
        return {"Content-Type": "application/x-www-form-urlencoded"}, form
    return JSON, b'{"signature": %s, "event-data": %s}' % (json.dumps(block).encode(), body)


def mandrill(body, _, secret=SECRET):
    """body: the array of events, or one."""
    text = body if body.lstrip()[:1] == b"[" else b"[" + body + b"]"
    mac = b64mac(secret.encode(), (URL + "mandrill").encode() + b"mandrill_events" + text, hashlib.sha1)
    return ({"Content-Type": "application/x-www-form-urlencoded", "X-Mandrill-Signature": mac},
            b"mandrill_events=" + urllib.parse.quote_plus(text).encode())


def svix(body, now):
    name = "msg_" + name_of(body)[:24]
    mac = b64mac(base64.b64decode(WHSEC.removeprefix("whsec_")), f"{name}.{now}.".encode() + body)
    return JSON | {"svix-id": name, "svix-timestamp": str(now), "svix-signature": "v1," + mac}, body


def mailersend(body, _, secret=SECRET):
    return JSON | {"Signature": hexmac(secret, body)}, body


def stripe(body, now):
    return JSON | {"Stripe-Signature": f"t={now},v1={hexmac(SECRET, f'{now}.'.encode() + body)}"}, body


def basic(body, _):
    return JSON | BASIC, body


def native(body, _):
    return JSON | {"X-Signature": sign(body, SECRET)}, body


HOW = {"mailgun": mailgun, "mandrill": mandrill, "resend": svix, "mailersend": mailersend,
       "g-stripe": stripe, "g-standard": svix, "g-hmac": native,
       "postmark": basic, "sparkpost": basic, "mailjet": basic, "brevo": basic}


class Signer:
    def __init__(self, senders):
        self.senders = senders

    def raw_signature(self, source, data):
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.senders.keys[source]],
                              input=data, check=True, capture_output=True)
        return base64.b64encode(done.stdout).decode()

    def sendgrid(self, body, now):
        return JSON | {"X-Twilio-Email-Event-Webhook-Timestamp": str(now),
                       "X-Twilio-Email-Event-Webhook-Signature":
                           self.raw_signature("sendgrid", str(now).encode() + body)}, body

    def postal(self, body, _):
        return JSON | {"X-Postal-Signature-256": self.raw_signature("postal", body)}, body

    def ses(self, body, now):
        """body: the SES object, which becomes the Message of a signed envelope."""
        envelope = {
            "Type": "Notification", "MessageId": name_of(body)[:36], "TopicArn": TOPIC,
            "Message": body.decode(), "SignatureVersion": "2", "SigningCertURL": CERT_URL,
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))}
        text = "".join(f"{field}\n{envelope[field]}\n" for field in ENVELOPE)
        envelope["Signature"] = self.raw_signature("ses", text.encode())
        return {"Content-Type": "text/plain; charset=UTF-8"}, json.dumps(envelope).encode()

    def ses_raw(self, body, _):
        return BASIC | {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC,
                        "x-amz-sns-message-id": name_of(body)[:36]}, body

    def request(self, source, body, now=None, raw=False, published=False, token=None):
        """Headers and body as they go over the wire. raw: SES without an envelope; published: by the
        secret that everybody knows; token: Mailgun's, else one of the body's own."""
        how = getattr(self, "ses_raw" if raw and source == "ses" else source, None) or HOW[source]
        more = [PUBLISHED[source]] if published else [token] if token else []
        return how(body, int(time.time()) if now is None else now, *more)

    def block(self, source, raw=False):
        """The source's block in trotline.yaml."""
        provider, more = BLOCKS.get(source) or (
            KEYED[source], {"secrets": [self.senders.public[source]]})
        block = {"name": source, "provider": provider, **more}
        if source == "mandrill":
            block["url"] = URL + source
        if source == "ses" and raw:
            block |= {"scheme": "basic", "secrets": [PASSWORD]}
        return block
