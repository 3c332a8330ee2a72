"""The pages of the history for operators: the same as the verbs tell, no address in a URL, bounds."""
import json
import urllib.parse

import pytest

from pipeline import Pipeline, event, post_all, wait_for
from verbs import good, lines

JO = "Jo@Example.com"


@pytest.fixture(scope="module")
def past():
    pipeline = Pipeline(handlers=("delivered", "opened", "unknown"), settings={"history": {"keep": "1d"}}, admin=True)
    pipeline.start()
    post_all(pipeline, [event(kind, email=JO, message_id=f"m/{i} ä", campaign_id="spring", n=i)
                        for i in range(30) for kind in ("email_delivered", "email_opened")])
    wait_for("all kept", lambda: len(lines(pipeline, "history", "--limit", "100")) == 60)
    wait_for("all settled", lambda: not json.loads(good(pipeline, "person", JO, "--json"))["waiting"])
    yield pipeline
    pipeline.close()


@pytest.fixture
def admin(past):
    with past.admin() as client:
        yield client


def ask(admin, path, **body):
    return admin.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})


def test_a_person_is_told_as_the_verb_tells_it(past, admin):
    answer = ask(admin, "/person", email="jo@EXAMPLE.com", limit=10)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json() == json.loads(good(past, "person", JO, "--limit", "10", "--json"))
    seen, cursor = [], {}
    while True:
        page = ask(admin, "/person", email=JO, limit=25, **cursor).json()
        seen += [one["pos"] for one in page["events"]]
        if not page["cursor"]:
            break
        cursor = {"cursor": page["cursor"]}
    assert len(set(seen)) == len(seen) == 60
    nobody = ask(admin, "/person", email="nobody@example.com")
    assert nobody.status == 404 and "nothing is known" in nobody.json()["error"]


def test_a_message_is_told_as_the_verb_tells_it(past, admin):
    path = "/messages/" + urllib.parse.quote("m/7 ä", safe="")
    assert admin.get(path).json() == json.loads(good(past, "message", "m/7 ä", "--json"))
    assert [step["event_type"] for step in admin.get(path).json()["recipients"][0]["path"]] == [
        "email_delivered", "email_opened"]
    assert admin.get("/messages/no-such").status == 404
    assert len(admin.get(path + "?type=email_opened").json()["events"]) == 1


def test_events_are_found_by_a_query_and_by_a_body(past, admin):
    told = lines(past, "history", "--type", "email_o*", "--limit", "100")
    page = admin.get("/history?type=email_o*&limit=100&data=1").json()
    assert page["events"] == told and page["complete"] and page["cursor"] is None
    page = admin.get("/history?limit=20").json()
    assert len(page["events"]) == 20 and not page["complete"] and "data" not in page["events"][0]
    more = admin.get(f"/history?limit=100&cursor={page['cursor']}").json()
    assert len(more["events"]) == 40
    assert len(ask(admin, "/history", email=JO, since="1h", limit=100).json()["events"]) == 60
    assert ask(admin, "/history", email="nobody@example.com").json()["events"] == []


def test_counts_are_told_as_the_verb_tells_them(past, admin):
    page = admin.get("/stats?by=campaign").json()
    assert page["rows"] == lines(past, "stats", "--by", "campaign") and page["span"] == "hour"
    assert page["left_out"] == 0 and page["damaged_files"] == 0
    page = admin.get("/stats?limit=1").json()
    assert len(page["rows"]) == page["left_out"] == 1


def test_no_address_needs_to_stand_in_a_url(past, admin):
    for path in ("/history?email=jo@example.com", "/stats?email=jo@example.com"):
        answer = admin.get(path)
        assert answer.status == 400 and "body of a POST" in answer.json()["error"]
    for path in ("/suppressions/jo@example.com", "/history?email=jo@example.com"):
        assert admin.request("GET", path, None, {"Authorization": "Bearer wrong"}).status == 401
    wait_for("who was refused is told", lambda: "msg=\"request refused\"" in past["admin"].log())
    assert ask(admin, "/suppressions", email=JO).json()["suppressed"] is False
    assert ask(admin, "/person?email=jo@example.com", email=JO).status == 400
    assert admin.request("GET", "/person").status == 405
    for stage in past.stages.values():
        assert "example.com" not in stage.log().lower(), stage


@pytest.mark.parametrize("path, body, word", [
    ("/person", b"", "JSON object"), ("/person", b"{", "JSON object"), ("/person", b"[]", "JSON object"),
    ("/person", b'{"email": "nobody"}', "no @"), ("/person", b'{"mail": "jo@example.com"}', "unknown parameter mail"),
    ("/person", b"{}", "needed"), ("/person", b'{"email": ["x"]}', "a text or a number"),
    ("/person", b'{"email": "a\\u0000@example.com"}', "NUL"), ("/person", b'{"email": "a@example.com", "limit": 501}', "500"),
    ("/history", b'{"email": "a@example.com", "since": "soon"}', "since"),
    ("/history", b'{"email": "a@example.com", "cursor": "1"}', "cursor"),
    ("/history", b'{"email": "a@example.com", "id": "x"}', "exclude"), ("/suppressions", b"{}", "needed")])
def test_what_means_nothing_is_told(admin, path, body, word):
    answer = admin.request("POST", path, body)
    assert answer.status == 400 and word in answer.json()["error"], answer.json()


@pytest.mark.parametrize("path, word", [
    ("/history?limit=0", "limit"), ("/history?limit=501", "500"), ("/history?tpye=x", "tpye"), ("/history?since=soon", "since"),
    ("/history?since=1h&until=2h", "not after"), ("/history?machine=x", "yes or no"), ("/history?cursor=x", "cursor"),
    ("/stats?by=campain", "mean"), ("/stats?limit=10001", "10000"), ("/messages/%20", "empty")])
def test_a_query_that_means_nothing_is_told(admin, path, word):
    answer = admin.get(path)
    assert answer.status == 400 and word in answer.json()["error"], answer.json()


def test_bodies_are_bounded(past, admin):
    assert admin.request("POST", "/person", b" " * 70000 + b'{"email": "a@example.com"}').status == 413
    assert admin.request("POST", "/person", b" " * 60000 + b'{"email": "a@example.com"}').status == 404
    with past.admin(token="0" * 64) as stranger:
        assert ask(stranger, "/person", email=JO).status == 401


def test_a_page_is_bounded_in_bytes(past, admin):
    post_all(past, [event("custom_large", text="x" * 900_000) for _ in range(8)], batch=8)
    wait_for("all kept", lambda: len(lines(past, "history", "--type", "custom_large")) == 8)
    page = admin.get("/history?type=custom_large&data=1").json()
    assert len(page["events"]) == 5 and not page["complete"]
    assert len(admin.get(f"/history?type=custom_large&data=1&cursor={page['cursor']}").json()["events"]) == 3


def test_without_a_history_its_pages_are_not_there_and_say_how_to_have_one(start):
    one = start(handlers=("delivered",), admin=True)
    assert one.post(event("email_delivered", email=JO, message_id="m1")).status == 202
    with one.admin() as admin:
        wait_for("applied", lambda: ask(admin, "/person", email=JO).status == 200)
        page = ask(admin, "/person", email=JO).json()
        assert page["events"] == [] and "history.keep" in page["no_history"]
        for path in ("/history", "/stats", "/messages/none"):
            answer = admin.get(path)
            assert answer.status == 404 and "history.keep" in answer.json()["error"]
