"""Several nodes, each with a journal of its own, and Redis, which tells them of each other's events.

What must hold however it goes: nobody is told "duplicate" of an event that is stored nowhere, and no
answer waits longer for Redis than redis.timeout. Redis is looked into with redis-cli alone."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import socket
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
    assert says(b, event(event_id="other")) == (202, "accepted")
    wait_for("confirmed", lambda: "2" in values(redis, db))
    redis.cli("eval", key + "redis.call('set', k, 'c1', 'PX', 20000) end end", "0", db=db)
    answer = b.post(event(event_id="other"))
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert "another node" in answer.headers["x-error-detail"]


def test_who_finds_no_room_to_wait_for_another_node_leaves_no_claims(nodes, redis):
    db = redis.number()
    a, b = nodes(redis.url(db))
    wait_up(a, b)
    busy = event()
    a.post(busy)
    wait_for("confirmed", lambda: values(redis, db) == ["1"])
    claimed = ("for _, k in ipairs(redis.call('keys', '*')) do if k:sub(1, 9) ~= 'trotline:' then "
               "redis.call('set', k, 'c1', 'PX', 60000) end end")
    redis.cli("eval", claimed, "0", db=db)

    def post(_):
        with b.client() as client:
            return client.post_batch([busy, event()]).status

    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        assert set(pool.map(post, range(300))) == {503}
    wait_for("only the other's claim is left", lambda: values(redis, db) == ["c1"], 5)


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


def test_with_refuse_events_are_503_while_redis_is_away_and_taken_when_it_is_back(nodes, own):
    server = own()
    a, = nodes(server.url(), 1, redis={"when_away": "refuse"})
    wait_up(a)
    assert says(a, event()) == (202, "accepted")
    server.kill()
    answer = wait_for("refused", lambda: (lambda r: r.status == 503 and r)(a.post(event())))
    assert int(answer.headers["retry-after"]) > 0 and "Redis" in answer.headers["x-error-detail"]
    wait_for("the alert", lambda: any("redis away" in text for text in alerts(a)))
    server.start()
    wait_for("taken", lambda: says(a, event()) == (202, "accepted"), BEATS_S)


def test_of_several_servers_one_that_is_away_takes_its_share_along_and_no_other(nodes, own):
    first, second = own(), own()
    a, b = nodes([first.url(), second.url()], redis={"when_away": "refuse"})
    for node in (a, b):
        wait_for("both up", lambda n=node: is_up(n, 0) and is_up(n, 1), BEATS_S)
    for _ in range(40):
        assert says(a, event()) == (202, "accepted")
    wait_for("confirmed", lambda: len(values(first, 0)) + len(values(second, 0)) == 40)
    assert 8 < len(values(first, 0)) < 32
    second.kill()
    wait_for("away", lambda: not is_up(a, 1), BEATS_S)
    assert is_up(a, 0)
    statuses = [says(a, event())[0] for _ in range(60)]
    assert {202, 503} == set(statuses) and 10 < statuses.count(503) < 50
    second.start()
    wait_for("up", lambda: is_up(a, 1) and is_up(b, 1), BEATS_S)
    wait_for("filled again", lambda: len(values(first, 0)) + len(values(second, 0)) == 40 + statuses.count(202), BEATS_S)


def test_a_wrong_password_is_named_and_nothing_waits_for_it(nodes, own, tmp_path):
    server = own(password="right-password")
    secret = tmp_path / "redis"
    secret.write_text("wrong-password\n")
    secret.chmod(0o600)
    a, = nodes(server.url(), 1, redis={"password_file": str(secret)})
    assert says(a, event()) == (202, "accepted")
    wait_for("the alert", lambda: any("redis denied" in text for text in alerts(a)))
    told = trotline(a, "check")
    assert "refuses the password" in told.stdout, told
    secret.write_text("right-password\n")
    wait_up(a)
    told = trotline(a, "check")
    assert "Redis 7" in told.stdout and told.returncode == 0
    assert json.loads(trotline(a, "check", "--json").stdout)["redis"][0]["good"]
    everything = told.stdout + told.stderr + a["validator"].log() + a.health().body.decode()
    assert "wrong-password" not in everything and "right-password" not in everything


def connections(server):
    """How many of ours were made so far: each begins with one SELECT."""
    return int(re.search(r"cmdstat_select:calls=(\d+)", server.cli("info", "commandstats"))[1])


def test_two_nodes_of_one_number_the_second_does_without_and_says_so(nodes, own):
    server = own()
    a, = nodes(server.url(), 1)
    wait_up(a)
    b, = nodes(server.url(), 1)
    wait_for("the alert", lambda: any("another node's" in text for text in alerts(b)))
    assert is_up(a) and not is_up(b)
    assert says(a, event()) == says(b, event()) == (202, "accepted")
    taken = "node.number 1 is that of another journal"
    told, online = trotline(b, "check"), trotline(b, "check", "--online")
    assert taken in told.stdout and taken in online.stdout and online.returncode == 1, online
    told, online = trotline(a, "check"), trotline(a, "check", "--online")
    assert taken not in told.stdout + online.stdout and online.returncode == 0, online
    come = connections(server)
    wait_for("more tries", lambda: connections(server) >= come + 3)
    assert b["validator"].log().count("redis away") == 1
    a.stop()
    wait_up(b)  # the number is free once nobody has renewed it for 10 s


def test_what_was_stored_while_redis_was_away_is_told_after_a_crash_too(nodes, own):
    server = own()
    a, b = nodes(server.url())
    wait_up(a, b)
    server.pause()
    events = [event() for _ in range(20)]
    for ev in events:
        assert says(a, ev) == (202, "accepted")
    a["validator"].kill()
    server.resume()
    a["validator"].start()
    wait_up(a, b)
    for ev in events:
        wait_for("told", lambda e=ev: told_duplicate(b, a, e), BEATS_S)


def test_two_validators_of_a_node_fill_a_redis_that_was_wiped(nodes, own):
    server = own()
    a, b = nodes(server.url(), counts={"validator": 2})
    wait_up(a, b)
    events = [event() for _ in range(200)]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(a.client()) for _ in range(4)]
        for n, ev in enumerate(events):
            assert clients[n % 4].post(ev).status == 202
    wait_for("confirmed", lambda: len(values(server, 0)) == 200)
    server.cli("flushall")
    wait_for("there again", lambda: len(values(server, 0)) == 200, BEATS_S)
    assert set(values(server, 0)) == {"1"}


class Way:
    """A port that leads to one server or another."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.to, self.open = None, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.to.port))
                except OSError:
                    near.close()
                    continue
                self.open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    @staticmethod
    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def lead(self, to):
        self.to = to
        for sock in self.open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.lead(None)
        self.listener.close()


def test_after_a_failover_that_lost_the_last_writes_they_are_sent_again(nodes, own):
    master, replica = own(), own()
    replica.cli("replicaof", "127.0.0.1", master.port)
    wait_for("in step", lambda: "master_link_status:up" in replica.cli("info", "replication"))
    way = Way()
    way.lead(master)
    a, b = nodes(f"redis://127.0.0.1:{way.port}/0")
    wait_up(a, b)
    kept = [event() for _ in range(20)]
    for ev in kept:
        assert says(a, ev)[0] == 202
    wait_for("replicated", lambda: len(values(replica, 0)) == 20)
    replica.pause()
    lost = [event() for _ in range(20)]
    for ev in lost:
        assert says(a, ev)[0] == 202
    wait_for("confirmed", lambda: len(values(master, 0)) == 40)
    master.kill()
    replica.resume()
    way.lead(replica)
    wait_away(a)
    wait_for("named", lambda: any("redis unfit" in text for text in alerts(a)))
    replica.cli("replicaof", "no", "one")
    wait_up(a, b)
    wait_for("all there", lambda: len(values(replica, 0)) == 40, BEATS_S)
    for ev in kept + lost:
        assert says(b, ev) == (200, "ignored")
    way.close()


def test_over_tls_the_certificate_and_its_host_are_verified(nodes, own, tmp_path):
    names = {"good": "IP:127.0.0.1", "other": "DNS:redis.example.com"}
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)  # noqa: E731
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca",
        "-days", "2")
    for name, alt in names.items():
        (tmp_path / f"{name}.ext").write_text(f"subjectAltName={alt}\n")
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=x")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    ports = {name: servers.free_port() for name in names}
    for name in names:
        own(settings={"tls-port": ports[name], "tls-cert-file": tmp_path / f"{name}.crt", "tls-auth-clients": "no",
                      "tls-key-file": tmp_path / f"{name}.key", "tls-ca-cert-file": tmp_path / "ca.crt"})
    ca = {"ca_file": str(tmp_path / "ca.crt"), "timeout": "10s"}
    good, = nodes(f"rediss://127.0.0.1:{ports['good']}/0", 1, first=1, redis=ca)
    other, = nodes(f"rediss://127.0.0.1:{ports['other']}/0", 1, first=2, redis=ca)
    stranger, = nodes(f"rediss://127.0.0.1:{ports['good']}/0", 1, first=3, redis={"timeout": "10s"})
    wait_up(good)
    assert says(good, event()) == (202, "accepted")
    for node, word in ((other, "IP address mismatch"), (stranger, "self-signed certificate")):
        assert says(node, event()) == (202, "accepted")
        wait_for(word, lambda n=node, w=word: n["validator"].has_logged("redis away", w))
        assert not is_up(node)


def test_what_answers_without_end_is_left(nodes):
    """Bounded by what a reply may be, and not by how fast it comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def talk():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, contextlib.suppress(OSError):
                        peer.recv(65536)
                        peer.sendall(b"$9999999999\r\n")
                        while True:
                            peer.sendall(b"x" * 65536)

        threading.Thread(target=talk, daemon=True).start()
        node, = nodes(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 1, redis={"timeout": "10s"})
        wait_for("it is left", lambda: node["validator"].has_logged("redis away", "a reply has more than"))
        assert says(node, event()) == (202, "accepted")
        listener.shutdown(socket.SHUT_RDWR)


# ---- the race ----

RACES = int(os.environ.get("REDIS_RACES", 1500))


def test_one_id_to_two_nodes_at_the_same_instant_with_kills_is_never_a_duplicate_of_nothing(nodes, redis):
    db = redis.number()
    a, b = nodes(redis.url(db), redis={"claim": "4s"})
    wait_up(a, b)
    said = {}
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        killer = pool.submit(kill_now_and_then, (a, b), over)
        list(pool.map(lambda n: race(n, a, b, said), range(RACES)))
        over.set()
        kills = killer.result()
    applied = wait_for("all that was accepted is applied", lambda: all_applied(a, b, said), 60)
    here, there = applied
    assert kills >= 3
    twice = here & there
    conflicts = a.metric("webhook_dedup_conflicts_total") + b.metric("webhook_dedup_conflicts_total")
    print(f"{RACES} ids, {kills} kills, {len(twice)} twice, {conflicts:.0f} conflicts counted")
    assert len(twice) <= RACES // 50, "a late answer of Redis, no more"


def race(n, a, b, said):
    ev = event(event_id=f"race-{n}-{new_id()}")
    gate = threading.Barrier(2)

    def one(node):
        with node.client(timeout_s=10) as client:
            gate.wait()
            for _ in range(40):
                with contextlib.suppress(ConnectionError):
                    answer = client.post(ev)
                    if answer.status in (200, 202):
                        return answer.status
                time.sleep(0.05)
        return None

    both = threading.Thread(target=lambda: said.setdefault((ev["event_id"], 2), one(b)))
    both.start()
    said[ev["event_id"], 1] = one(a)
    both.join()


def kill_now_and_then(pair, over):
    kills = 0
    while not over.wait(random.uniform(0.3, 1.2)):
        random.choice(pair)["validator"].restart()
        kills += 1
    return kills


def all_applied(a, b, said):
    """(ids of a, ids of b), once every id that was answered 2xx is in one of them; none is in neither."""
    here, there = set(a.unknown_ids()), set(b.unknown_ids())
    missing = {event_id for (event_id, _), status in said.items() if status} - here - there
    return (here, there) if not missing else None


def test_a_redis_wiped_while_or_right_after_it_is_filled_is_filled_anew(nodes, own):
    """The mark that all is there must not be put into what has just lost it."""
    server = own()
    a, = nodes(server.url(), 1)
    wait_up(a)
    with a.client() as client:
        for _ in range(10):
            assert client.post_batch([event() for _ in range(100)]).status == 202
    for n in range(6):
        time.sleep(random.uniform(0, 1.5))
        server.cli("flushall")
    wait_for("all there", lambda: len(values(server, 0)) == 1000, BEATS_S)
