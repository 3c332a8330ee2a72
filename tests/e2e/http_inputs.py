"""What the fuzzer of HTTP sends: requests of all shapes, those of tests/faults and test_heads.py among
them, and what is made of them. All of it follows from a number."""

import base64
import json
import random
import time

import faults
import test_heads
from pipeline import event, sign
from senders import BLOCKS, TOPIC
from signing import HOW

FORGED = "a-secret-that-no-source-has"
UNPROVEN = tuple(name for name in HOW if name in BLOCKS)
SOURCES = [
    {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]},
    {"name": "ses", "provider": "ses", "topics": [TOPIC]},
    *({"name": name, "provider": BLOCKS[name][0], **BLOCKS[name][1], "secrets": [
        secret.replace("trying-out", "nobody-has") if secret[:6] != "whsec_" else
        "whsec_" + base64.b64encode(FORGED.encode()).decode() for secret in BLOCKS[name][1]["secrets"]]}
      for name in UNPROVEN)]
HOSTS = {"mandrill": {"url": "https://hooks.example.com/webhooks/mandrill"}}
SOURCES = [source | HOSTS.get(source["name"], {}) for source in SOURCES]
SNS = {"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": "{}", "Timestamp":
       "2026-11-29T12:00:00.000Z", "SignatureVersion": "2", "Signature": "AAAA",
       "SigningCertURL": "https://sns.example.com/none.pem"}

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "get", "P@ST", ""]
TARGETS = [
    "/webhooks/email", "/webhooks/email/batch", "/webhooks/email/batch/b_1", "/webhooks/ses", "/metrics",
    "/webhooks/health", "/", "*", "/webhooks/%65mail", "/webhooks%2Femail", "/webhooks/email%00",
    "/webhooks/email/../ses", "//webhooks/email", "http://hooks.example.com/webhooks/email",
    "http://jo@hooks.example.com/", "hooks.example.com:443", "/webhooks/email?a=b&c=%ff", "/webhooks/\xe9",
    "/" + "a" * 8100, "/canary", "/webhooks/" + "%e2%98%83" * 20]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "HTTP/11", ""]
LINES = [
    "Content-Length: 0", "Content-Length: 5", "Content-Length : 5", "Content-Length: +5", "Content-Length: 5, 5",
    "Content-Length: 0x5", "Content-Length: 99999999999999999999", "Content-Length: 900000000", "Content-Length:",
    "content-LENGTH:\t7 ", "Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
    "transfer-encoding: CHUNKED", "X: y\r\n Content-Length: 0", " folded", "\tfolded", "Host: b.example.com", "Host:",
    "Host: a b", "Host : a", "Expect: 100-continue", "Expect: 200-ok", "Upgrade: h2c", "Upgrade: websocket",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", "Connection: close", "Connection: keep-alive", "Connection: upgrade",
    "Connection: close, keep-alive", "Connection: Content-Length", "Content-Encoding: gzip", "TE: trailers",
    "Trailer: X-Signature", "X-Signature: sha256=00", "X-Signature:", "Cookie: a=b; c=d,e=f;;==", "X\0Y: z", "X: \0",
    "X: \xff\xfe\x80", "X: a\rb", "X: a\nY: b", "X", ":", ": x", "Authorization: Basic !!!", "Range: bytes=0-",
    "Authorization: Bearer " + "A" * 300, "Content-Type: multipart/form-data; boundary=" + "b" * 200,
    "Content-Type: application/x-www-form-urlencoded; charset=\"", "X-Forwarded-For: 192.0.2.1", "X: " + "a" * 9000,
    "X: " + "a" * 17000, "X: " + "a" * 70000, "\r\n".join(f"X-{i}: y" for i in range(120)),
    "\r\n".join(f"X-{i}: y" for i in range(300)), "svix-signature: v1a,AAAA " * 8,
    "x-amz-sns-message-type: SubscriptionConfirmation"]
PIECES = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b"%00", b"\xff", b"\xc3\x28", b"\x80",
          b"0\r\n\r\n", b"f" * 16 + b"\r\n", b"HTTP/1.1", b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n", b"{", b"]" * 50,
          b'"', b"\\u0000", b"\\ud800", b"1e999", b"-0", b"--b\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
ADMIN = ["GET /healthz", "GET /readyz", "GET /health", "GET /metrics", "GET /node", "POST /events", "GET /events/a", "GET /batches/a", "GET /dlq",
         "GET /dlq/1", "POST /dlq/1/replay", "POST /dlq/replay?dry_run=1", "DELETE /dlq/1", "POST /dlq/replay",
         "GET /suppressions/a@example.com", "GET /messages/%2e%00", "GET /history?cursor=1-2-3-4&data=1",
         "POST /person", "POST /history", "GET /stats?by=hour,,type", "DELETE /dlq/%2e%2e",
         "GET /dlq?since=1&limit=9999999999"]
GOOD, BAD = list(test_heads.GOOD.values()), [changes for changes, _ in test_heads.BAD.values()]
RAW = [one.values[0] for one in faults.parameters(faults.HTTP)]


class Maker:
    """Makes one case. `name` is a part of every event's id."""

    def __init__(self, name):
        self.name, self.rng, self.n = name, random.Random(name), 0

    def event(self, what="fuzz"):
        self.n += 1
        return event(event_id=f"{what}-{self.name}-{self.n}")

    def body(self, how=None):
        how = how or self.rng.choice(["event"] * 5 + ["batch", "canary", "both"] * 2 + ["junk", "none", "broken"])
        text = json.dumps(self.event()).encode()
        if how == "batch":
            text = json.dumps([self.event() for _ in range(self.rng.randrange(4))]).encode()
        if how in ("canary", "both"):
            text = (text if how == "both" else b"") + self.rng.choice([b"", b"\r\n", b"0\r\n\r\n"]) + self.canary()
        if how == "junk":
            text = self.rng.randbytes(self.rng.choice([1, 100, 5000, 100_000]))
        return {"none": b"", "broken": text[:-1]}.get(how, text)

    def canary(self):
        """A good request. Whoever takes it for one, where it is a body, has an event of that name."""
        return (test_heads.post(json.dumps(self.event("canary")).encode())
                + b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")

    # ---- requests

    def shape(self, shapes):
        return test_heads.post(self.body(), **{
            "signature": self.rng.choice([None, None, "sha256=" + "0" * 64, "x"]), **self.rng.choice(shapes)})

    def good(self):
        return self.shape(GOOD)

    def bad(self):
        return self.shape(BAD)

    def raw(self):
        fixture, body = self.rng.choice(RAW), json.dumps(self.event()).encode()
        if fixture.get("raw_b64"):
            return base64.b64decode(fixture["raw_b64"])
        text = fixture["raw"].encode("latin-1" if fixture.get("latin_1") else "utf-8")
        for place, value in [(b"/raw", b"/email"), (b"@signature", sign(body).encode()),
                             (b"@length", b"%d" % len(body)), (b"@hex", b"%x" % len(body)), (b"@body", body)]:
            text = text.replace(place, value)
        return text

    def batch(self):
        return test_heads.post(self.body("batch"), first="POST /webhooks/email/batch HTTP/1.1")

    def chunks(self):
        size, text = self.rng.choice([1, 3, 50, 1000]), self.body()[:3000]
        return test_heads.post(text, length="Transfer-Encoding: chunked", coding=lambda body: test_heads.chunked(
            body, size, self.rng.choice([b"", b";a=b", b" ; " + b"x" * 900, b"\t"]),
            self.rng.choice([b"", b"X-T: 1\r\n", b"Content-Length: 5\r\n", b"X : y\r\n"])))

    def provider(self):
        """As that provider sends it, but its proof."""
        source = self.rng.choice(["ses", *UNPROVEN])
        if source == "ses":
            headers, body = {"Content-Type": "text/plain"}, json.dumps(SNS).encode()
        else:
            headers, body = HOW[source](b'{"event": "delivered", "email": "jo@example.com"}', int(time.time()))
        lines = [f"POST /webhooks/{source} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}",
                 *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def ask(self):
        """Any method and target, with a body of one length or another."""
        first = " ".join(self.rng.choice(words) if self.rng.random() < 0.4 else words[0]
                         for words in (METHODS, TARGETS, VERSIONS))
        return test_heads.post(b"" if self.rng.random() < 0.7 else self.body(), first=first)

    def admin(self):
        lines = [self.rng.choice(ADMIN) + " HTTP/1.1", "Host: a", "Authorization: Bearer wrong"]
        return "\r\n".join(lines[:self.rng.choice([2, 3])]).encode() + b"\r\n\r\n"

    def request(self):
        return self.rng.choice([*[self.good] * 4, self.bad, self.raw, self.raw, self.batch, self.chunks,
                                self.chunks, self.provider, self.ask, self.ask, self.admin])()

    # ---- what is made of them

    def any_bytes(self, data):
        at, n = self.rng.randrange(len(data) + 1), self.rng.choice([1, 1, 1, 2, 8, 64])
        new = self.rng.choice([
            lambda: b"", lambda: self.rng.randbytes(n), lambda: self.rng.choice(PIECES),
            lambda: data[at:at + n] * 2, lambda: bytes(byte ^ 1 << self.rng.randrange(8) for byte in data[at:at + n])])()
        return data[:at] + new + data[at + n * self.rng.randrange(2):]

    def any_line(self, data):
        """Of the head: one more, one less, another one, twice, or two that change places."""
        head, end, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        at, other = self.rng.randrange(len(lines)), self.rng.randrange(len(lines))
        new = self.rng.choice(LINES).encode("latin-1")
        how = self.rng.randrange(6)
        if how < 3:
            lines.insert(at + 1, new)
        elif how == 3:
            lines[at] = self.rng.choice([lines[at].swapcase(), lines[at].replace(b": ", b" : "), new, lines[at] + b" "])
        elif how == 4:
            lines.insert(other + 1, lines[at])
        else:
            del lines[at]
        return b"\r\n".join(lines) + end + body

    def cut(self, data):
        return data[:self.rng.randrange(len(data) + 1)]

    def splice(self, data):
        return self.cut(data) + self.cut(self.request())

    def mutated(self, data):
        for _ in range(self.rng.choice([0, 0, 1, 1, 1, 2, 3, 6])):
            data = self.rng.choice([self.any_line] * 4 + [self.any_bytes] * 4 + [self.splice])(data)
        return data

    def bytes(self):
        """What goes over one connection: requests, of which one is not as it was."""
        parts = [self.request() for _ in range(self.rng.choice([1] * 6 + [2, 3, 8]))]
        at = self.rng.randrange(len(parts))
        data = b"".join([*parts[:at], self.mutated(parts[at]), *parts[at + 1:]])
        return self.cut(data) if self.rng.random() < 0.15 else data

    def pieces(self, data):
        """How it comes: whole, in two, byte by byte, or in pieces of any size; and a pause between."""
        how = self.rng.randrange(6)
        if how == 0 and len(data) < 400:
            return [data[at:at + 1] for at in range(len(data))], self.rng.choice([0, 0, 0.002])
        sizes = {1: [self.rng.randrange(1, len(data) + 2)], 2: [7], 3: [1, 2, 40, 700]}.get(how, [len(data) + 1])
        found, at = [], 0
        while at < len(data) and len(found) < 300:
            size = self.rng.choice(sizes)
            found.append(data[at:at + size])
            at += size
        return [*found, data[at:]] if at < len(data) else found, self.rng.choice([0, 0, 0.001])
