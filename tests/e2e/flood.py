"""What strangers do who have no secret: a table of attacks, each of which goes on until it is told to
stop, from an address and in a process of its own, at a bounded rate."""

import contextlib
import json
import multiprocessing
import socket
import threading
import time

from http_inputs import SNS, Maker

MIB = 1 << 20
PATIENCE_S = 5


class Stranger:
    """One attack: where it goes, whence it comes, and whether it is over."""

    def __init__(self, ports, number, stop):
        self.ports, self.source, self.stop, self.made = ports, f"127.0.1.{number + 1}", stop, 0

    def connect(self, port="public"):
        sock = socket.socket()
        sock.settimeout(PATIENCE_S)
        sock.bind((self.source, 0))
        try:
            sock.connect(("127.0.0.1", self.ports[port]))
        except OSError:
            sock.close()
            raise
        self.made += 1
        return sock

    def hold(self, count, first, port="public", more=b"", every=1.0):
        """So many connections that have said something, and say more in each round. What is closed is
        opened again."""
        held = []
        while not self.stop.wait(every if len(held) == count else 0.05):
            for sock in held[:]:
                if self.is_closed(sock, more):
                    sock.close()
                    held.remove(sock)
            for _ in range(min(200, count - len(held))):
                with contextlib.suppress(OSError):
                    sock = self.connect(port)
                    held.append(sock)
                    sock.sendall(first)

    @staticmethod
    def is_closed(sock, more):
        """An answer is none of its business."""
        sock.setblocking(False)
        try:
            sock.send(more)
            return sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def ask(self, request, pause, port="public", workers=1):
        """The same request again and again, on connections that are kept where they can be."""
        threads = [threading.Thread(target=self.ask_on, args=(request, pause, port)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask_on(self, request, pause, port):
        sock = None
        while not self.stop.wait(pause):
            try:
                sock = sock or self.connect(port)
                sock.sendall(request() if callable(request) else request)
                if not sock.recv(65536):
                    raise OSError
            except OSError:
                if sock:
                    sock.close()
                sock = None


def head(path, length, *more):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(path, body, *more):
    return head(path, len(body), *more) + body


def get(path, *more):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *more]).encode() + b"\r\n\r\n"


def objects(size):
    """So many bytes of small values."""
    return b"[" + b"{}," * (size // 3 - 3) + b"{}]"


# ---- the attacks


def claims(stranger):
    """Bodies that are announced and do not come."""
    stranger.hold(40, head("/webhooks/email/batch", 10 * MIB) + b"[")


def idle(stranger):
    stranger.hold(4300, b"")


def half_heads(stranger):
    stranger.hold(500, b"POST /webhooks/email HTTP/1.1\r\nHost: a\r\nX-A: ", more=b"b")


def half_heads_at_admin(stranger):
    stranger.hold(100, b"GET /dlq HTTP/1.1\r\nHost: localhost\r\nX: ", port="admin")


def slow_gets(stranger):
    stranger.hold(300, b"", more=get("/webhooks/email"), every=3)


def never_read(stranger):
    stranger.hold(100, get("/metrics") * 200, more=get("/metrics"))


def slow_bodies(stranger):
    stranger.hold(100, head("/webhooks/email/batch", 2 * MIB) + b"x" * MIB, more=b"x")


def large_at_mailgun(stranger):
    stranger.ask(post("/webhooks/mailgun", objects(10 * MIB), "Content-Type: application/json"), 0.5, workers=12)


def dear_at_mailgun(stranger):
    """As large as that provider's may be, and its proof stands at the end."""
    proof = json.dumps({"timestamp": str(int(time.time())), "token": "t" * 50, "signature": "0" * 64}).encode()
    body = b'{"event-data": %s, "signature": %s}' % (objects(MIB - 300), proof)
    stranger.ask(post("/webhooks/mailgun", body, "Content-Type: application/json"), 0.2, workers=12)


def large_at_ses(stranger):
    body = json.dumps(SNS | {"Message": "x" * (10 * MIB)}).encode()
    stranger.ask(post("/webhooks/ses", body), 0.5, workers=4)


def small_at_ses(stranger):
    stranger.ask(post("/webhooks/ses", json.dumps(SNS | {"Message": "x" * 200_000}).encode()), 0.05)


def many_signatures(stranger):
    proof = " ".join(["v1a," + "A" * 86 + "=="] * 16)
    stranger.ask(post("/webhooks/g-v1a", b"x" * MIB, "webhook-id: a", f"webhook-timestamp: {int(time.time())}",
                      f"webhook-signature: {proof}"), 0.05, workers=4)


def metrics(stranger):
    stranger.ask(get("/metrics"), 0, workers=2)


def health(stranger):
    stranger.ask(get("/webhooks/health"), 0)


def junk(stranger):
    """For the quarantine: 60 KB, each another."""
    def request():
        stranger.made += 1
        return post("/webhooks/aside", b"%016d" % stranger.made + b"j" * 60_000)
    stranger.ask(request, 0.05)


def wrong_tokens(stranger):
    stranger.ask(get("/dlq", "Authorization: Bearer no-token-of-this-pipeline"), 0, "admin", workers=2)


def anything(stranger):
    """What the fuzzer sends."""
    def request():
        stranger.made += 1
        return Maker(f"{stranger.source}.{stranger.made}").bytes() or b"\r\n"
    stranger.ask(request, 0.02, workers=2)


ATTACKS = (claims, idle, half_heads, half_heads_at_admin, slow_gets, never_read, slow_bodies, large_at_mailgun,
           dear_at_mailgun, large_at_ses, small_at_ses, many_signatures, metrics, health, junk, wrong_tokens, anything)


@contextlib.contextmanager
def flood(ports, attacks=ATTACKS):
    """All of them at once, for as long as the block takes. ports: {"public": ..., "admin": ...}"""
    fork = multiprocessing.get_context("fork")
    stop = fork.Event()
    processes = [fork.Process(target=attack, args=(Stranger(ports, number, stop),), daemon=True)
                 for number, attack in enumerate(attacks)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        end = time.monotonic() + 1
        for process in processes:
            process.join(max(0, end - time.monotonic()))
            process.kill()
            process.join()
