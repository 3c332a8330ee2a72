#!/usr/bin/python3
"""An application that hears of events over HTTP, for tests or by hand: it keeps every request, checks its signature
(Standard Webhooks 1.0), and can misbehave in each of the ways of WAYS.

usage: receiver.py [--port N] [--secret whsec_...]... [--way NAME] [--certificate KIND --folder PATH]

By hand it prints one JSON line a request, and goes on until it is interrupted. One thread, keep-alive; with small
bodies some thousand requests a second.
"""

import argparse
import asyncio
import base64
import email.utils
import hashlib
import hmac
import json
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

WINDOW_S = 300  # what a webhook-timestamp may be off
MIB = 1 << 20
PHRASES = {200: "OK", 202: "Accepted", 204: "No Content", 302: "Found", 307: "Temporary Redirect"}


# ---- a request


class Request:
    """One that has come whole. `status` is what it was answered, at `answered` (monotonic); None: not yet."""

    __slots__ = ("method", "path", "headers", "body", "at", "at_s", "status", "answered", "connection", "fault", "known")

    def __init__(self, method, path, headers, body, connection):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.at, self.at_s = time.monotonic(), time.time()
        self.status = self.answered = None
        self.connection, self.fault, self.known = connection, None, None

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def attempt(self):
        return int(self.headers.get("trotline-attempt", 0))

    @property
    def reason(self):
        return self.headers.get("trotline-reason")

    def json(self):
        return json.loads(self.body)

    def events(self):
        """Its bodies: those of a batch, or the one."""
        value = self.json()
        return value if isinstance(value, list) else [value]

    def event_ids(self):
        """The senders' own ids."""
        if self.known is None:
            self.known = [one["event_id"] for one in self.events()]
        return self.known

    def __repr__(self):
        return f"<{self.id} {self.attempt} {self.reason} -> {self.status}>"


def new_secret():
    return "whsec_" + base64.b64encode(hashlib.sha256(str(time.time_ns()).encode()).digest()).decode()


def signature(secret, request_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def fault_of(headers, body, secrets, now=None):
    """What is wrong with a request's proof, in words; None: nothing."""
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not headers.get(name)]
    if missing:
        return f"no {missing[0]}"
    request_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if not timestamp.isdigit() or abs((now or time.time()) - int(timestamp)) > WINDOW_S:
        return f"webhook-timestamp {timestamp}"
    given = headers["webhook-signature"].split(" ")
    if not any(hmac.compare_digest(signature(secret, request_id, timestamp, body), one)
               for secret in secrets for one in given):
        return "no signature is of a key of ours"
    return None


# ---- ways to answer: functions of a connection and its request


def plain(status, headers=None, body=b"{}", after_s=0):
    """A good answer of that status."""
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Whatever')}",
             *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if status == 204 else body)

    def way(connection, request):
        if after_s:
            connection.later(after_s, lambda: connection.answer(request, status, answer))
        else:
            connection.answer(request, status, answer)
    return way


def never(_connection, _request):
    """Accepts and never answers."""


def drip(connection, request, pause_s=1.0, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"x" * 600):
    """A byte a second."""
    if answer:
        connection.send(answer[:1])
        connection.later(pause_s, lambda: drip(connection, request, pause_s, answer[1:]))


def cut(connection, _request):
    """Half an answer, and the end."""
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10")
    connection.close()


def reset(connection, _request):
    """RST, once the body is here."""
    connection.reset()


def cut_in_body(connection, _request):
    """A good status, and less of a body than was announced."""
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    connection.close()


def endless(connection, request):
    """200, and a body without an end."""
    connection.answer(request, 200, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    connection.pour(b"x" * 65536)


def endless_chunks(connection, request):
    connection.answer(request, 200, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.pour(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def large_head(connection, request):
    """1 MiB of headers."""
    lines = b"".join(b"X-Much-%06d: %s\r\n" % (n, b"y" * 1000) for n in range(1024))
    connection.answer(request, 200, b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")


def large_line(connection, request):
    """1 MiB of one header."""
    connection.answer(request, 200, b"HTTP/1.1 200 OK\r\nX-Much: " + b"y" * MIB + b"\r\nContent-Length: 0\r\n\r\n")


def http_0_9(connection, _request):
    """A body alone."""
    connection.send(b"thank you, all is well\n")
    connection.close()


def redirect(url, status=307):
    return plain(status, {"Location": url})


def retry_after(value, status=503):
    return plain(status, {"Retry-After": value})


def retry_date(seconds, status=503):
    """An HTTP date, so far from now."""
    return retry_after(email.utils.formatdate(time.time() + seconds, usegmt=True), status)


def early(connection, request):
    """200 as soon as the head is here, before the body is read."""
    connection.answer(request, 200, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


early.at_head = True


def early_and_gone(connection, request):
    """The same, and the connection is closed."""
    early(connection, request)
    connection.close()


early_and_gone.at_head = True

WAYS = {
    "ok": plain(200), "never": never, "drip": drip, "cut": cut, "cut-in-body": cut_in_body, "reset": reset,
    "endless": endless, "endless-chunks": endless_chunks, "large-head": large_head, "large-line": large_line,
    "http-0.9": http_0_9, "redirect": redirect("http://169.254.169.254/latest/meta-data/"),
    "retry-0": retry_after("0"), "retry-minus": retry_after("-1"), "retry-10-years": retry_after("315360000"),
    "retry-past": retry_date(-3600), "retry-words": retry_after("in a while"), "gone": plain(410),
    "error": plain(500), "early": early, "early-and-gone": early_and_gone,
}


def every_tenth(way, others=None):
    """That way for every tenth id, for ever; which ids they are is kept in .ids."""
    others = others or plain(200)
    seen = {}

    def decide(request):
        nth = seen.setdefault(request.id, len(seen))
        return way if nth % 10 == 9 else others
    decide.ids = lambda: {one for one, nth in list(seen.items()) if nth % 10 == 9}
    return decide


# ---- connections


class Connection(asyncio.Protocol):
    """Requests come one after the other; each is handed over when it is whole."""

    def __init__(self, receiver):
        self.receiver, self.buffer, self.head, self.pouring = receiver, b"", None, None
        self.transport = None
        self.answered_early = None

    def connection_made(self, transport):
        self.transport = transport
        self.receiver.connections.add(self)
        self.receiver.connected += 1

    def connection_lost(self, _why):
        self.receiver.connections.discard(self)

    def data_received(self, data):
        self.buffer = self.buffer + data if self.buffer else data
        while self.advance():
            pass

    def advance(self):
        """True when a request was taken, so that the next may be looked for."""
        if self.head is None and not self.read_head():
            return False
        method, path, headers, length = self.head
        if len(self.buffer) < length:
            return False
        body, self.buffer, self.head = self.buffer[:length], self.buffer[length:], None
        self.receiver.take(self, Request(method, path, headers, body, id(self)), self.answered_early)
        self.answered_early = None
        return True

    def read_head(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        self.buffer = self.buffer[end + 4:]
        method, path, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.head = method, path, headers, int(headers.get("content-length", 0))
        if "expect" in headers:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.look_early(method, path, headers)
        return True

    def look_early(self, method, path, headers):
        """Those who do not wait for the body answer here."""
        way = self.receiver.decide
        if getattr(way, "at_head", False):
            self.answered_early = Request(method, path, headers, b"", id(self))
            way(self, self.answered_early)

    # what ways do

    def send(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def answer(self, request, status, data):
        if self.transport.is_closing():
            return
        self.transport.write(data)
        request.status, request.answered = status, time.monotonic()

    def later(self, seconds, call):
        asyncio.get_running_loop().call_later(seconds, lambda: self.transport.is_closing() or call())

    def close(self):
        self.transport.close()

    def reset(self):
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def pour(self, data):
        """The same again and again, as fast as the other side reads."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        self.pouring = data
        self.resume_writing()

    def pause_writing(self):
        self.pouring, self.paused = None, self.pouring

    def resume_writing(self):
        self.pouring = self.pouring or getattr(self, "paused", None)
        self.pour_more()

    def pour_more(self):
        if self.pouring and not self.transport.is_closing():
            self.transport.write(self.pouring)
            self.receiver.poured += len(self.pouring or b"")
            asyncio.get_running_loop().call_soon(self.pour_more)


# ---- the receiver


class Receiver:
    """Listens on loopback while the `with` block lasts. decide(request) gives a status, or a way; it may be replaced
    at any time. With secrets it is strict: what is not signed by one of them is 401, and counted in `refused`."""

    def __init__(self, decide=200, secrets=(), port=None, context=None, keep_bodies=True):
        self.decide, self.secrets, self.context, self.keep_bodies = decide, list(secrets), context, keep_bodies
        self.requests, self.refused = [], 0
        self.connections, self.connected, self.poured = set(), 0, 0
        self.port = port or self.some_port()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.server = None

    @staticmethod
    def some_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def __enter__(self):
        self.thread.start()
        self.come()
        return self

    def __exit__(self, *_):
        self.go()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def come(self):
        """Listens, again."""
        async def listen():
            self.server = await self.loop.create_server(
                lambda: Connection(self), "127.0.0.1", self.port, ssl=self.context, backlog=1024)
        self.call(listen())

    def go(self):
        """As an application that ends: connections are cut, new ones refused."""
        async def leave():
            self.server.close()
            for connection in list(self.connections):
                connection.transport.abort()
        self.call(leave())

    def url(self, path="/hooks", host="127.0.0.1"):
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def way_of(self, request):
        decide = self.decide
        found = decide(request) if callable(decide) and not is_way(decide) else decide
        return plain_ways.get(found) or plain(found) if isinstance(found, int) else found

    def take(self, connection, request, answered_early):
        """In the loop's thread."""
        if answered_early:
            request.status, request.answered = answered_early.status, answered_early.answered
        if self.secrets:
            request.fault = fault_of(request.headers, request.body, self.secrets)
        way = self.way_of(request) if not request.fault else plain_ways[401]
        self.refused += request.fault is not None
        if not self.keep_bodies:
            request.event_ids()
            request.body = b""
        self.requests.append(request)
        if not answered_early and not getattr(way, "at_head", False):
            way(connection, request)

    # what came

    def taken(self, among=None):
        """Those answered 2xx."""
        return [one for one in among or list(self.requests) if one.status and 200 <= one.status < 300]

    def ids(self):
        """Of the requests answered 2xx."""
        return [one.id for one in self.taken()]

    def event_ids(self):
        """The senders' ids of what was answered 2xx, batches opened."""
        return [one for request in self.taken() for one in request.event_ids()]


def is_way(thing):
    """A way takes a connection and a request, a decision the request alone."""
    return thing.__code__.co_argcount - len(thing.__defaults__ or ()) == 2


plain_ways = {status: plain(status) for status in (200, 202, 204, 400, 401, 404, 410, 429, 500, 503)}


# ---- certificates


def certify(folder, kind="good", host="app.example.com"):
    """(server's context, path of the authority's certificate) of a kind: good, expired, wrong-host, self-signed."""
    folder = pathlib.Path(folder)
    ca, key, cert = folder / "ca.pem", folder / f"{kind}.key", folder / f"{kind}.pem"
    if not ca.exists():
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                "-subj", "/CN=Authority of the tests", "-keyout", folder / "ca.key", "-out", ca)
    name = "elsewhere.example.com" if kind == "wrong-host" else host
    more = [] if kind == "self-signed" else ["-CA", ca, "-CAkey", folder / "ca.key"]
    request = folder / f"{kind}.csr"
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-days", -1 if kind == "expired" else 2, "-copy_extensions", "copy",
            *(more or ["-signkey", key]), "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, ca


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


# ---- by hand


def tell(request):
    line = {"at": request.at_s, "method": request.method, "path": request.path, "headers": request.headers,
            "body": request.body.decode(errors="replace"), "fault": request.fault, "status": request.status}
    print(json.dumps(line), flush=True)


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--port", type=int)
    words.add_argument("--secret", action="append", default=[])
    words.add_argument("--way", choices=WAYS, default="ok")
    words.add_argument("--certificate", choices=("good", "expired", "wrong-host", "self-signed"))
    words.add_argument("--folder", default=".")
    asked = words.parse_args()
    context = certify(asked.folder, asked.certificate)[0] if asked.certificate else None
    with Receiver(WAYS[asked.way], asked.secret, asked.port, context) as receiver:
        print(f"listens on {receiver.url()}", file=sys.stderr, flush=True)
        told = 0
        try:
            while True:
                for request in receiver.requests[told:]:
                    tell(request)
                    told += 1
                time.sleep(0.1)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
