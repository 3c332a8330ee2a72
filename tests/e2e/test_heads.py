"""HTTP as bytes, by RFC 9112 and 9110: what is taken, what is refused, and that nothing which
stands behind a head that is none is ever read as a request. tests/unit/test_intake.c has each head
that is good or not; here is that the listeners, ingress and admin, go by it."""

import gzip
import json
import re
import socket

import pytest

from pipeline import REPO, Pipeline, close_all, event, sign, wait_for

HIDDEN = b"POST /webhooks/email HTTP/1.1\r\nHost: hidden.example.com\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def shared():
    pipeline = Pipeline(admin=True)
    yield pipeline.start()
    close_all([pipeline])


def answers_of(data):
    """Every answer in what came back, each with one head: [(status, headers, body)]."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, head
        status, *lines = head.decode().split("\r\n")
        number = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", status)[1])
        headers = dict(re.fullmatch(r"([^:]+): (.*)", line).groups() for line in lines)
        if number == 100:
            continue
        length = int(headers["Content-Length"])
        found.append((number, headers, data[:length]))
        data = data[length:]
    return found


def until_closed(port, data, step=None):
    """Sends it, whole or in pieces, and reads to the end, which must come from there."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(data), step or len(data)):
                sock.sendall(data[at:at + (step or len(data))])
        except OSError:
            pass
        got = b""
        while piece := sock.recv(65536):
            got += piece
        return answers_of(got)


def post(body=None, *, first="POST /webhooks/email HTTP/1.1", host="Host: a.example.com",
         length="Content-Length: {}", coding=None, signature=None, extra=()):
    """A signed event, but for what is said."""
    body = json.dumps(event()).encode() if body is None else body
    lines = [first, host, f"X-Signature: {signature or sign(body)}", length.format(len(body)), *extra]
    head = "\r\n".join(line for line in lines if line is not None) + "\r\n\r\n"
    return head.encode("latin-1") + (body if coding is None else coding(body))


def chunked(body, size=23, extension=b"", trailer=b""):
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return (b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces)
            + b"0\r\n" + trailer + b"\r\n")


CHUNKED = {"length": "Transfer-Encoding: chunked", "coding": chunked}

GOOD = {
    "plain": {},
    "blanks around values": {"length": "Content-Length: \t{} \t ", "extra": ["X-A:\t"]},
    "an absolute target": {"first": "POST http://b.example.com/webhooks/email HTTP/1.1"},
    "an absolute https target": {"first": "POST HTTPS://b.example.com:8443/webhooks/email HTTP/1.1"},
    "a trailing slash": {"first": "POST /webhooks/email/ HTTP/1.1"},
    "an encoded path": {"first": "POST /webhooks/%65mail HTTP/1.1"},
    "a query": {"first": "POST /webhooks/email?a=b&c HTTP/1.1"},
    "a long target": {"first": "POST /webhooks/email?" + "a" * 7900 + " HTTP/1.1"},
    "no Host in HTTP/1.0": {"first": "POST /webhooks/email HTTP/1.0", "host": None},
    "an address as Host": {"host": "Host: [::1]:8080"},
    "header names in capitals": {"host": "HOST: A", "length": "CONTENT-LENGTH: {}"},
    "identity": {"extra": ["Content-Encoding: identity"]},
    "an expectation": {"extra": ["Expect: 100-Continue"]},
    "an odd expectation in HTTP/1.0": {
        "first": "POST /webhooks/email HTTP/1.0", "extra": ["Expect: wonders"]},
    "chunked": CHUNKED,
    "chunked in capitals": CHUNKED | {"length": "TRANSFER-ENCODING: \tCHUNKED "},
    "an extension and a trailer": {
        "length": "Transfer-Encoding: chunked",
        "coding": lambda body: chunked(body, 50, b" ;a=\"b\"", b"X-T: 1\r\nX-U: 2\r\n")},
    "empty lines before it": {"first": "\r\n\r\nPOST /webhooks/email HTTP/1.1"},
    "cookies": {"extra": ["Cookie: a=b; c=d", "Cookie: " + "e=f; " * 30]},
}


@pytest.mark.parametrize("what", GOOD)
@pytest.mark.parametrize("step", [None, 1, 7])
def test_it_is_taken(shared, what, step):
    request = post(**GOOD[what] | {"extra": [*GOOD[what].get("extra", ()), "Connection: close"]})
    (status, headers, body), = until_closed(shared.port, request, step)
    assert (status, json.loads(body)["status"]) == (202, "accepted")
    assert headers["Connection"].lower() == "close"


def test_a_signature_with_a_blank_behind_it_is_one(shared):
    body = json.dumps(event()).encode()
    request = post(body, signature=sign(body) + " \t", extra=["Connection: close"])
    assert until_closed(shared.port, request)[0][0] == 202


BAD = {
    "a blank before a colon": ({"extra": ["X-A : b"]}, 400),
    "a tab before a colon": ({"extra": ["X-A\t: b"]}, 400),
    "a blank before the coding's colon": ({"length": "Transfer-Encoding : chunked", "coding": chunked}, 400),
    "a folded header": ({"extra": ["X-A: b", " c"]}, 400),
    "a name that is no token": ({"extra": ["X(A): b"]}, 400),
    "no colon": ({"extra": ["X-A"]}, 400),
    "a NUL in a value": ({"extra": ["X-A: b\0c"]}, 400),
    "a NUL in a name": ({"extra": ["X\0A: b"]}, 400),
    "a NUL in the target": ({"first": "POST /webhooks/em\0ail HTTP/1.1"}, 400),
    "a NUL at a line's start": ({"extra": ["\0", "X: y"]}, 400),
    "a CR alone": ({"extra": ["X-A: b\rX-C: d"]}, 400),
    "an LF alone": ({"extra": ["X-A: b\nX-C: d"]}, 400),
    "no Host": ({"host": None}, 400),
    "two Hosts": ({"extra": ["Host: a.example.com"]}, 400),
    "an empty Host": ({"host": "Host: "}, 400),
    "a person in Host": ({"host": "Host: jo@a.example.com"}, 400),
    "a blank in Host": ({"host": "Host: a b"}, 400),
    "two lengths that differ": ({"extra": ["Content-Length: 1"]}, 400),
    "a length and a coding": (CHUNKED | {"extra": ["Content-Length: 5"]}, 400),
    "a length with a plus": ({"length": "Content-Length: +{}"}, 400),
    "a negative length": ({"length": "Content-Length: -{}"}, 400),
    "a list of lengths": ({"length": "Content-Length: {0}, {0}"}, 400),
    "an empty length": ({"length": "Content-Length:"}, 400),
    "a length in hex": ({"length": "Content-Length: 0x{}"}, 400),
    "a length beyond numbers": ({"length": "Content-Length: 99999999999999999999999"}, 413),
    "a coding that is not read": (CHUNKED | {"length": "Transfer-Encoding: gzip, chunked"}, 400),
    "chunked twice": (CHUNKED | {"length": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"}, 400),
    "identity as a coding": ({"length": "Transfer-Encoding: identity"}, 400),
    "chunked in HTTP/1.0": (CHUNKED | {"first": "POST /webhooks/email HTTP/1.0"}, 400),
    "two blanks before the target": ({"first": "POST  /webhooks/email HTTP/1.1"}, 400),
    "a blank in the target": ({"first": "POST /webhooks/email x HTTP/1.1"}, 400),
    "no version": ({"first": "POST /webhooks/email"}, 400),
    "a version in small letters": ({"first": "POST /webhooks/email http/1.1"}, 400),
    "HTTP/2": ({"first": "POST /webhooks/email HTTP/2.0"}, 505),
    "the preface of HTTP/2": ({"first": "PRI * HTTP/2.0"}, 505),
    "a method that is no token": ({"first": "P@ST /webhooks/email HTTP/1.1"}, 400),
    "a person in the target": ({"first": "POST http://jo@b.example.com/webhooks/email HTTP/1.1"}, 400),
    "a target beyond limits": ({"first": f"POST /webhooks/email?{'a' * 9000} HTTP/1.1"}, 414),
    "a target far beyond limits": ({"first": f"POST /webhooks/email?{'a' * 90000} HTTP/1.1"}, 414),
    "a header beyond limits": ({"extra": ["X-A: " + "b" * 17000]}, 431),
    "a header far beyond limits": ({"extra": ["X-A: " + "b" * 170000]}, 431),
    "too many headers": ({"extra": ["X-A: b"] * 300}, 431),
    "a long line and many headers": ({
        "first": f"POST /webhooks/email?{'a' * 7000} HTTP/1.1", "extra": ["X-A: b"] * 250}, 431),
    "TLS": ({"first": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, 400),
    "a chunk's size that is none": (CHUNKED | {"coding": lambda body: b"zz\r\n" + chunked(body)}, 400),
    "a chunk's size with a plus": (CHUNKED | {"coding": lambda body: b"+" + chunked(body)}, 400),
    "a chunk that is longer than it says": (CHUNKED | {
        "coding": lambda body: chunked(body).replace(b"\r\n0\r\n", b"x\r\n0\r\n")}, 400),
    "an LF alone in an extension": (CHUNKED | {"coding": lambda body: chunked(body, 50, b";a\nb")}, 400),
    "a chunk beyond numbers": (CHUNKED | {"coding": lambda body: b"f" * 17 + b"\r\n"}, 413),
    "a trailer that is none": (CHUNKED | {"coding": lambda body: chunked(body, trailer=b"X : y\r\n")}, 400),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("step", [None, 11])
@pytest.mark.parametrize("listener", ["port", "admin_port"])
def test_it_is_refused_once_and_what_stands_behind_is_not_read(shared, what, step, listener):
    changes, expected = BAD[what]
    (status, headers, body), = until_closed(getattr(shared, listener), post(**changes) + HIDDEN, step)
    assert status == expected, body
    assert headers["Content-Type"] == "application/json" and headers["Connection"] == "close"
    assert list(json.loads(body)) == ["error"]


@pytest.mark.parametrize("what", BAD)
def test_a_good_request_before_it_is_answered_first(shared, what):
    first = post()
    answers = until_closed(shared.port, first + post(**BAD[what][0]) + HIDDEN)
    assert [answer[0] for answer in answers] == [202, BAD[what][1]]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x-gzip", "gzip, identity"])
@pytest.mark.parametrize("listener", ["port", "admin_port"])
def test_a_packed_body_is_not_read_which_is_said(shared, coding, listener):
    body = gzip.compress(json.dumps(event()).encode())
    request = post(body, extra=[f"Content-Encoding: {coding}", "Connection: close"])
    (status, headers, text), = until_closed(getattr(shared, listener), request)
    assert (status, headers["Accept-Encoding"]) == (415, "identity")
    assert json.loads(text) == {"error": "Unsupported Content-Encoding"}
    assert headers["X-Error-Detail"] == f"Content-Encoding: {coding}"


def test_what_is_quoted_in_a_header_is_ascii(shared):
    request = post(extra=["Content-Encoding: gz\xffp\xe9", "Connection: close"])
    (_, headers, _), = until_closed(shared.port, request)
    assert headers["X-Error-Detail"] == "Content-Encoding: gz?p?"


def test_a_packed_body_costs_no_connection(shared):
    body = gzip.compress(json.dumps(event()).encode())
    requests = post(body, extra=["Content-Encoding: gzip"]) + post(extra=["Connection: close"])
    assert [a[0] for a in until_closed(shared.port, requests)] == [415, 202]


@pytest.mark.parametrize("listener", ["port", "admin_port"])
def test_an_expectation_beyond_going_on_fails(shared, listener):
    request = post(extra=["Expect: wonders", "Connection: close"])
    assert [a[0] for a in until_closed(getattr(shared, listener), request)] == [417]


@pytest.mark.parametrize("path,allow", [
    ("/webhooks/email", "GET, HEAD, POST"), ("/webhooks/email/", "GET, HEAD, POST"),
    ("/metrics", "GET, HEAD"), ("*", "GET, HEAD, POST")])
def test_options_are_told_by_the_refusal(shared, path, allow):
    request = f"OPTIONS {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    (status, headers, body), = until_closed(shared.port, request)
    assert (status, headers["Allow"], json.loads(body)) == (405, allow, {"error": "Method not allowed"})


@pytest.mark.parametrize("step", [None, 997])
def test_requests_of_all_kinds_one_behind_the_other_are_answered_in_order(shared, step):
    """Some wait for the validator, some are answered at once, some have chunks."""
    sent, expected = b"", [202, 200, 202, 404, 400, 200] * 30 + [404]
    for _ in range(30):
        sent += post() + b"GET /webhooks/email HTTP/1.1\r\nHost: a\r\n\r\n"
        sent += post(**CHUNKED) + b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
        sent += b"\r\n" + post(b"{}") + b"GET /webhooks/email/ HTTP/1.1\r\nHost: a\r\n\r\n"
    sent += b"GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert [answer[0] for answer in until_closed(shared.port, sent, step)] == expected


def test_pieces_that_end_anywhere_make_the_same_requests(shared):
    """A pipelined pair is cut at each place."""
    pair = [post(**CHUNKED), b"GET /webhooks/email HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
    data = b"".join(pair)
    for at in range(1, len(data), 5):
        with shared.connect() as sock:
            sock.sendall(data[:at])
            sock.sendall(data[at:])
            got = b""
            while piece := sock.recv(65536):
                got += piece
        assert [status in (200, 202) for status, _, _ in answers_of(got)] == [True, True], at


def test_a_head_that_does_not_come_to_its_end_is_cut_in_time(start):
    pipeline = start(settings={"limits": {"request_timeout": "500ms", "idle_timeout": "60s"}})
    with pipeline.connect() as sock:
        sock.sendall(b"GET /webhooks/email HTTP/1.1\r\nHost: a")
        sock.settimeout(20)
        assert sock.recv(100) == b""
    with pipeline.client() as client:
        assert client.get("/webhooks/email").status == 200


def test_the_page_has_every_fault_with_its_text():
    page = (REPO / "docs/http.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", page, re.M)
    table = (REPO / "lib/stage/head.h").read_text()
    faults = re.findall(r'X\(\w+, (\d+), "([^"]+)"', table)
    assert faults and rows == faults


def test_faults_are_counted_as_answers(shared):
    before = shared.metric("webhook_http_requests_total", 'status="505"')
    until_closed(shared.port, post(first="GET / HTTP/3.0"))
    wait_for("it is counted", lambda: shared.metric(
        "webhook_http_requests_total", 'status="505"') >= before + 1)
