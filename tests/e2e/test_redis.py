"""Several nodes, each with a journal of its own, and Redis, which tells them of each other's events.

What must hold however it goes: nobody is told "duplicate" of an event that is stored nowhere, and no
answer waits longer for Redis than redis.timeout. Redis is looked into with redis-cli alone."""

import concurrent.futures
import contextlib
import json
import random
import re
import subprocess
import threading
import time

import pytest

import servers
from pipeline import BIN, Pipeline, close_all, event, new_id, wait_for

TIMEOUT_S = 0.25  # a machine that runs all tests at once may be late by more than the 50 ms of the default
BEATS_S = 20  # a bound for what is done each second


@pytest.fixture(scope="module")
def redis():
    with servers.redis() as server:
        yield server


@pytest.fixture
def own():
    """One that a test may treat badly."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(servers.redis(**options))


def settings(url, number, redis=None, **more):
    urls = url if isinstance(url, list) else [url]
    return {"node": {"name": f"node-{number}", "number": number},
            "redis": {"urls": urls, "timeout": f"{int(TIMEOUT_S * 1000)}ms"} | (redis or {}), **more}


@pytest.fixture
def nodes():
    """nodes(url, 2) gives so many running pipelines that know of each other by it."""
    started = []

    def make(url, count=2, first=1, counts=None, **more):
        new = [Pipeline(settings=settings(url, first + i, **more), counts=counts) for i in range(count)]
        started.extend(new)
        for one in new:
            one.start()
        return new

    yield make
    close_all(started)


def is_up(node, server=0):
    return node.metric("webhook_dedup_redis_up", f'server="{server}"') == 1


def wait_up(*all_nodes):
    for node in all_nodes:
        wait_for("redis up", lambda n=node: is_up(n), BEATS_S)


def wait_away(*all_nodes):
    for node in all_nodes:
        wait_for("redis away", lambda n=node: not is_up(n), BEATS_S)


def alerts(node):
    return [alert for alert in node.health().json()["alerts"] if "redis" in alert]


def ids_in(server, db):
    """Keys that are no words of our own."""
    return int(server.cli("dbsize", db=db)) - len(words_in(server, db))


def words_in(server, db):
    return server.cli("--scan", "--pattern", "trotline:*", db=db).split()


def says(node, ev):
    answer = node.post(ev)
    return answer.status, answer.json().get("status", answer.json().get("error"))


def remembered(node):
    return int(node.metric("webhook_remembered_events"))


def is_stored(node, event_id):
    """By the command line, which reads the journal."""
    return trotline(node, "event", event_id).returncode == 0


def trotline(node, *words):
    return subprocess.run([BIN / "trotline", *words, "-c", node.config], text=True, capture_output=True,
                          env=node.environment("validator"))


# ---- what it is for ----

def test_what_one_node_has_is_a_duplicate_at_the_other_and_counted(nodes, redis):
    db = redis.number()
    a, b = nodes(redis.url(db))
    wait_up(a, b)
    ev = event()
    assert says(a, ev) == (202, "accepted")
    wait_for("confirmed", lambda: ids_in(redis, db) == 1 and "1" in values(redis, db))
    assert says(b, ev) == (200, "ignored")
    assert says(a, ev) == (200, "ignored")
    assert not is_stored(b, ev["event_id"])
    wait_for("counted", lambda: b.metric("webhook_dedup_elsewhere_total") == 1)
    assert a.metric("webhook_dedup_elsewhere_total") == 0


def values(server, db):
    """Of all ids."""
    script = ("local out = {} for _, k in ipairs(redis.call('keys', '*')) do "
              "if k:sub(1, 9) ~= 'trotline:' then out[#out + 1] = redis.call('get', k) end end return out")
    return server.cli("eval", script, "0", db=db).split()


def test_an_id_is_remembered_for_the_sources_window_and_a_duplicate_does_not_prolong_it(nodes, redis):
    db = redis.number()
    a, = nodes(redis.url(db), 1)
    wait_up(a)
    ev = event()
    a.post(ev)
    wait_for("confirmed", lambda: values(redis, db) == ["1"])
    assert 86_300_000 < longest(redis, db) <= 86_400_000
    before = longest(redis, db)
    a.post(ev)
    a.post(event())  # what was kept goes with this group
    wait_for("both", lambda: values(redis, db) == ["1", "1"])
    assert sorted(times_left(redis, db))[0] <= before


def times_left(server, db):
    script = ("local out = {} for _, k in ipairs(redis.call('keys', '*')) do "
              "if k:sub(1, 9) ~= 'trotline:' then out[#out + 1] = tostring(redis.call('pttl', k)) end end return out")
    return [int(text) for text in server.cli("eval", script, "0", db=db).split()]


def longest(server, db):
    return max(times_left(server, db))


def test_a_batch_of_which_another_node_has_a_part_is_accepted_for_the_rest(nodes, redis):
    a, b = nodes(redis.url(redis.number()))
    wait_up(a, b)
    known, new = event(), event()
    a.post(known)
    wait_for("confirmed", lambda: says(b, known) == (200, "ignored"))
    with b.client() as client:
        results = client.post_batch([known, new]).json()["batch_result"]["results"]
    assert [row["status"] for row in results] == ["duplicate", "queued"]


def test_an_event_that_another_node_is_storing_is_waited_for_and_holds_up_nobody_else(nodes, redis):
    db = redis.number()
    a, b = nodes(redis.url(db))
    wait_up(a, b)
    ev = event()
    a.post(ev)
    wait_for("confirmed", lambda: values(redis, db) == ["1"])
    key = "for _, k in ipairs(redis.call('keys', '*')) do if k:sub(1, 9) ~= 'trotline:' then "
    redis.cli("eval", key + "redis.call('set', k, 'c1', 'PX', 600) end end", "0", db=db)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waits = pool.submit(timed, says, b, ev)
        others = [timed(says, b, event()) for _ in range(20)]
        result, took = waits.result()
    assert result == (202, "accepted") and took >= 0.5, "once the other's claim was over"
    assert all(answer == (202, "accepted") for answer, _ in others)
    assert sorted(seconds for _, seconds in others)[10] < 0.3
    redis.cli("eval", key + "redis.call('set', k, 'c1', 'PX', 20000) end end", "0", db=db)
    result, took = timed(says, b, event(event_id="other"))
    redis.cli("eval", key + "redis.call('set', k, 'c1', 'PX', 20000) end end", "0", db=db)
    answer = b.post(event(event_id="other"))
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert "another node" in answer.headers["x-error-detail"]


def timed(fn, *args):
    start = time.monotonic()
    return fn(*args), time.monotonic() - start


def test_a_claim_of_a_killed_node_ends_by_itself(nodes, redis):
    db = redis.number()
    a, b = nodes(redis.url(db), redis={"claim": "4s"})
    wait_up(a, b)
    ev = event()
    a.post(ev)
    wait_for("confirmed", lambda: values(redis, db) == ["1"])
    redis.cli("eval", "for _, k in ipairs(redis.call('keys', '*')) do if k:sub(1, 9) ~= 'trotline:' then "
              "redis.call('set', k, 'c9', 'PX', 2500) end end", "0", db=db)
    assert says(b, ev)[0] == 503
    assert wait_for("stored", lambda: says(b, ev) == (202, "accepted"), 10)


# ---- bad days ----

def load(node, seconds, gap_s=0.002):
    """(status, seconds) of each POST of one connection; a cut connection is no answer."""
    answers = []
    end = time.monotonic() + seconds
    with node.client() as client:
        while time.monotonic() < end:
            ev = event()
            with contextlib.suppress(ConnectionError):
                answer, took = timed(client.post, ev)
                answers.append((answer.status, took, ev))
            time.sleep(gap_s)
    return answers


def p99(answers):
    return sorted(took for _, took, _ in answers)[int(len(answers) * 0.99)]


@pytest.mark.parametrize("how", ["killed", "stalled", "wiped", "full", "replaced", "evicting"])
def test_under_load_a_bad_redis_costs_no_event_and_no_time_and_heals(nodes, own, how):
    server = own(settings={"maxmemory": "30mb"} if how == "full" else None)
    a, b = nodes(server.url())
    wait_up(a, b)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        loads = [pool.submit(load, node, 5) for node in (a, b)]
        time.sleep(1)
        spoil(server, how, (a, b))
        answers = [row for one in loads for row in one.result()]
    assert {status for status, _, _ in answers} == {202}
    assert p99(answers) < TIMEOUT_S + 0.1
    heal(server, how)
    wait_up(a, b)
    # Everything is known to the other node again, each from who has it.
    sample = random.sample([ev for _, _, ev in answers], 40)
    for ev in sample:
        holder, other = (a, b) if is_stored(a, ev["event_id"]) else (b, a)
        wait_for(f"{ev['event_id']} a duplicate", lambda o=other, e=ev: told_duplicate(o, holder, e), BEATS_S)
    assert a.metric("webhook_dedup_conflicts_total") == b.metric("webhook_dedup_conflicts_total") == 0


def told_duplicate(other, holder, ev):
    """Asked of the holder first by redis' own word, so that asking stores nothing."""
    return "node " in trotline(other, "event", ev["event_id"]).stderr and says(other, ev) == (200, "ignored")


def spoil(server, how, nodes_):
    if how == "killed":
        server.kill()
        wait_away(*nodes_)
    elif how == "stalled":
        server.pause()
        wait_away(*nodes_)
    elif how == "wiped":
        server.cli("flushall")
    elif how == "full":
        server.cli("eval", "for i = 1, 400 do redis.pcall('set', 'x' .. i, string.rep('x', 100000)) end", "0",
                   check=False)
        wait_away(*nodes_)
        wait_for("the alert", lambda: any("redis full" in text for text in alerts(nodes_[0])))
    elif how == "replaced":
        server.kill()
        server.start()
    elif how == "evicting":
        server.cli("config", "set", "maxmemory-policy", "allkeys-lru")
        wait_away(*nodes_)
        wait_for("the alert", lambda: any("redis evicting" in text for text in alerts(nodes_[0])))


def heal(server, how):
    if how == "killed":
        server.start()
    elif how == "stalled":
        server.resume()
    elif how == "full":
        server.cli("flushall")
    elif how == "evicting":
        server.cli("config", "set", "maxmemory-policy", "noeviction")
