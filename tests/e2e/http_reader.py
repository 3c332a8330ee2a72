"""HTTP/1.1 as docs/http.md says it is read, written a second time and in other words than lib/stage has
it: what must come back for any bytes. Where limits are near it says that it is not sure."""

import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
HOST = rb"(?:\[[!$%&'()*+,\-.;=_~:0-9A-Za-z]*\]|[!$%&'()*+,\-.;=_~0-9A-Za-z]+)(?::[0-9]*)?"
FIRST = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/1\.([0-9])" % TOKEN)
TARGET = re.compile(rb"/.*|https?://%s(?:[/?].*)?" % HOST, re.I)
FIELD = re.compile(rb"(%s):([^\x00-\x08\x0a-\x1f\x7f]*)" % TOKEN)
SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
TARGET_MAX, EMPTY_MAX, TRAILERS_MAX, SIZE_LINE_MAX = 8000, 1024, 8192, 1024
SURE = 11000  # bytes of a head and of what its parts cost that are surely within limits
TOO_LONG = 2**63 // 10


class Bad(Exception):
    """No request: it is refused once, and what stands behind it is not read."""


class Partial(Exception):
    """Good so far."""


@dataclass
class Request:
    method: bytes = b""
    target: bytes = b""
    old: bool = False
    sure: bool = True
    closes: bool = False
    fields: list = field(default_factory=list)
    body: bytes = b""

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name]


class Reader:
    """The requests of a connection; `tail` is what stands behind them: "", "bad" or "partial". `begun`
    are the requests and the one that did not come to its end, if its head did."""

    def __init__(self, data):
        self.data, self.at, self.requests, self.begun, self.tail = data, 0, [], [], ""
        try:
            while not (self.requests and self.requests[-1].closes) and self.skip_empty_lines():
                self.requests.append(self.request())
        except Bad:
            self.tail = "bad"
        except Partial:
            self.tail = "partial"

    def skip_empty_lines(self):
        begin = self.at
        while self.data.startswith(b"\r\n", self.at):
            self.at += 2
        if self.at - begin > EMPTY_MAX:
            raise Bad
        return self.at < len(self.data)

    def line(self):
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise Partial
        text = self.data[self.at:end]
        if not text.endswith(b"\r"):
            raise Bad
        self.at = end + 1
        return text[:-1]

    def request(self):
        begin = self.at
        request = Request()
        self.first(request)
        while line := self.line():
            match = FIELD.fullmatch(line)
            if not match:
                raise Bad
            request.fields.append((match[1], match[2].strip(b" \t")))
        head = self.data[begin:self.at]
        costs = len(request.fields) + sum(head.count(c) for c in (b"&", b";", b","))
        request.sure = len(head) + 64 * costs < SURE
        self.check(request)
        self.begun.append(request)
        request.closes = any(b"close" in value.lower() for value in request.all(b"connection"))
        request.body = self.chunks() if request.all(b"transfer-encoding") else self.plain(request)
        return request

    def first(self, request):
        line = self.line()
        match = FIRST.fullmatch(line)
        if not match or len(match[2]) > TARGET_MAX:
            raise Bad
        request.method, request.target, request.old = match[1], match[2], match[3] == b"0"
        if not TARGET.fullmatch(match[2]) and (match[1], match[2]) != (b"OPTIONS", b"*"):
            raise Bad

    def check(self, request):
        """What of its fields another server might read otherwise."""
        hosts = request.all(b"host")
        codings, lengths = request.all(b"transfer-encoding"), request.all(b"content-length")
        if len(hosts) > 1 or not all(re.fullmatch(HOST, host) for host in hosts):
            raise Bad
        if not hosts and not request.old:
            raise Bad
        if len(codings + lengths) > 1 or codings and (request.old or codings[0].lower() != b"chunked"):
            raise Bad
        if lengths and (not re.fullmatch(rb"[0-9]+", lengths[0]) or int(lengths[0]) > TOO_LONG):
            raise Bad

    def take(self, n):
        if len(self.data) - self.at < n:
            raise Partial
        self.at += n
        return self.data[self.at - n:self.at]

    def plain(self, request):
        return self.take(sum(int(value) for value in request.all(b"content-length")))

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            match = SIZE.fullmatch(line)
            if not match or len(line) > SIZE_LINE_MAX or int(match[1], 16) >= 2**63:
                raise Bad
            if int(match[1], 16) == 0:
                break
            body += self.take(int(match[1], 16))
            if self.data[self.at:self.at + 2] != b"\r\n"[:len(self.data) - self.at]:
                raise Bad
            self.take(2)
        trailers = 0
        while line := self.line():
            trailers += len(line)
            if trailers > TRAILERS_MAX or not FIELD.fullmatch(line):
                raise Bad
        return body

    def count(self):
        """The least and the most answers to it, if no answer before the last closes the connection."""
        most = len(self.requests) + (self.tail != "")
        doubts = [at for at, one in enumerate(self.begun) if not one.sure]
        least = len(self.requests) + (self.tail == "bad")
        return (min(least, doubts[0] + 1) if doubts else least), most


# ---- answers


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    closes: bool


def read_head(head):
    lines = head.split(b"\r\n")
    status = re.fullmatch(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [ -~]+", lines[0])
    found = [re.fullmatch(rb"(%s): ([ -~]*)" % TOKEN, line) for line in lines[1:]]
    assert status and all(found), f"no head of an answer: {head}"
    headers = {match[1].decode().lower(): match[2].decode() for match in found}
    assert len(headers) == len(found), f"a header twice: {head}"
    return int(status[1]), headers


def body_length(request, headers, rest):
    """A HEAD's answer has none, unless its head was refused before anybody read on."""
    length = int(headers["content-length"])
    if request and request.method == b"HEAD" and (request.sure or not rest):
        return 0
    return length


def answers_of(told, requests):
    """Those that have come whole, and whether there is nothing behind them. An AssertionError says
    what is no answer. requests: to which they are, in order."""
    found, at = [], 0
    while (end := told.find(b"\r\n\r\n", at)) >= 0:
        status, headers = read_head(told[at:end])
        if status == 100:
            at = end + 4
            continue
        request = requests[len(found)] if len(found) < len(requests) else None
        length = body_length(request, headers, told[end + 4:])
        if len(told) - end - 4 < length:
            break
        at = end + 4 + length
        found.append(Answer(status, headers, told[end + 4:at],
                            headers.get("connection", "").lower() == "close"))
    assert told[at:at + 5] == b"HTTP/"[:len(told) - at], f"no answer begins so: {told[at:][:200]}"
    return found, at == len(told)
