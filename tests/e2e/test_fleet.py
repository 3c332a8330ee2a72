"""Several nodes: two pipelines, each in a data_dir of its own, that know of each other."""

import json
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
from pipeline import BIN, SECRET, Pipeline, close_all, event, wait_for
from verbs import good, lines, run


def two(numbers=(1, 2), **options):
    """Two nodes, mx-1 and mx-2, each of which names both."""
    nodes = [Pipeline(admin=True, **options) for _ in numbers]
    for node, number in zip(nodes, numbers):
        config = json.loads(node.config.read_text())
        config["node"] = {"name": f"mx-{nodes.index(node) + 1}", "number": number}
        config["fleet"] = {"nodes": [
            {"name": f"mx-{i + 1}", "url": f"http://127.0.0.1:{other.admin_port}",
             "token_file": str(other.data / "admin.token")} for i, other in enumerate(nodes)]}
        node.config.write_text(json.dumps(config))
    return nodes


MINE = {"handlers": [{"name": "mine", "types": ["doomed"], "processes": 0}],
        "retry": {"attempts": 0}, "history": {"keep": "1d"}}


@pytest.fixture(scope="module")
def nodes():
    both = two(settings=MINE, handlers=("unknown", "bounced", "delivered", "opened"))
    yield [node.start() for node in both]
    close_all(both)


@pytest.fixture
def pair():
    """pair(change, prepare) gives two nodes of a test's own; change(config of the second one) before it starts."""
    made = []

    def make(change=lambda config: None, prepare=lambda node: None, **options):
        made.extend(two(**options))
        config = json.loads(made[1].config.read_text())
        change(config)
        made[1].config.write_text(json.dumps(config))
        prepare(made[1])
        return [node.start() for node in made]

    yield make
    close_all(made)


def batch_of(node, *events):
    with node.client() as client:
        return client.post_batch(list(events)).json()["batch_result"]["batch_id"]


def test_a_batch_is_told_of_by_the_node_that_took_it_which_others_name(nodes):
    one, other = nodes
    batch_id = batch_of(one, event(), event())
    path = f"/webhooks/email/batch/{batch_id}"
    assert one.get(path).status == 200
    told = other.get(path)
    assert (told.status, told.json(), told.headers["x-trotline-node"]) == (404, {"error": "Not found"}, "1")
    with other.admin() as client:
        told = client.get(f"/batches/{batch_id}")
    assert (told.status, told.headers["x-trotline-node"]) == (404, "1")
    for node in nodes:
        for unknown in ("nonsense", "00000000-0001-8000-8000-000000000000"):
            told = node.get(f"/webhooks/email/batch/{unknown}")
            assert told.status == 404 and "x-trotline-node" not in told.headers


def test_each_node_says_which_it_is_in_its_figures(nodes):
    for number, node in enumerate(nodes, 1):
        def info():
            return [line for line in node.get("/metrics").body.decode().splitlines()
                    if line.startswith("webhook_node_info{")]

        (line,) = wait_for("it says so", info)
        assert line.startswith(f'webhook_node_info{{node="mx-{number}",number="{number}",journal="')
        assert line.endswith("} 1") and 'version="' in line


def asked(node, *args):
    """The one object that a verb prints with --fleet --json."""
    return json.loads(good(node, *args, "--fleet", "--json"))


def test_status_is_a_row_a_node(nodes):
    wait_for("both are ready", lambda: all(
        row["ready"] and row["health"]["status"] != "critical" for row in asked(nodes[0], "status")["nodes"]))
    told = [asked(node, "status")["nodes"] for node in nodes]
    for rows in told:
        assert [(row["node"], row["number"]) for row in rows] == [("mx-1", 1), ("mx-2", 2)]
        assert len({row["journal"] for row in rows}) == 2 and len({row["version"] for row in rows}) == 1
        assert {row["health"]["status"] for row in rows} <= {"healthy", "degraded"}
    assert told[0][0]["journal"] == told[1][0]["journal"]
    lines = good(nodes[1], "status", "--fleet").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["NODE", "mx-1", "mx-2"]


def test_an_event_is_told_of_by_the_node_that_has_it(nodes):
    ev = event()
    assert nodes[1].post(ev).status == 202
    nodes[1].wait_unknown([ev["event_id"]])
    for node in nodes:
        rows = asked(node, "event", ev["event_id"])["nodes"]
        assert [row["node"] for row in rows] == ["mx-1", "mx-2"]
        assert "error" in rows[0] and rows[1]["event_id"] == ev["event_id"]
        assert good(node, "event", ev["event_id"], "--fleet").startswith(f"mx-2: {ev['event_id']}: ")
        done = run(node, "event", "never-was", "--fleet")
        assert done.returncode == 1 and "not found on any of 2 nodes" in done.stderr


def test_dead_letters_of_all_nodes_are_one_list(nodes):
    for node in nodes:
        node.hook("mine", lambda ev: ("dead", "never"))
    events = [event("doomed") for _ in range(6)]
    for place, ev in enumerate(events):
        assert nodes[place % 2].post(ev).status == 202
        wait_for("its letter", lambda: [row for row in lines(nodes[0], "dlq", "list", "--fleet")
                                        if row["event_id"] == ev["event_id"]])
    rows = lines(nodes[1], "dlq", "list", "--fleet", "--type", "doomed")
    assert [row["event_id"] for row in rows] == [ev["event_id"] for ev in reversed(events)]
    assert [row["node"] for row in rows] == ["mx-2", "mx-1"] * 3
    assert len(lines(nodes[0], "dlq", "list", "--fleet", "--limit", "2")) == 2
    assert lines(nodes[0], "dlq", "list", "--fleet", "--reason", "other") == []
    text = good(nodes[0], "dlq", "list", "--fleet").splitlines()
    assert text[0].split()[:2] == ["NODE", "LETTER"] and text[1].split()[0] == "mx-2"
    assert run(nodes[0], "dlq", "drop", "--fleet", "--all").returncode == 2


def mail(kind, at, **data):
    return event(f"email_{kind}", timestamp=at, email="jo@example.com", message_id="m-1", **data)


def test_a_person_is_told_of_by_all_nodes_as_one(nodes):
    now = int(time.time())
    steps = [mail("delivered", now - 30), mail("opened", now - 20), mail("bounced", now - 10)]
    for place, ev in enumerate(steps):
        assert nodes[place % 2].post(ev).status == 202
    told = wait_for("all is told", lambda: [told for told in [asked(nodes[1], "person", "Jo@example.com")]
                                            if len(told["events"]) == 3])[0]
    assert [(row["node"], row["event_type"]) for row in told["events"]] == [
        ("mx-1", "email_bounced"), ("mx-2", "email_opened"), ("mx-1", "email_delivered")]
    (message,) = told["messages"]
    assert [step["event_type"] for step in message["path"]] == ["email_delivered", "email_opened", "email_bounced"]
    assert [row["node"] for row in told["states"]] == ["mx-1", "mx-2"], "each has a database of its own"
    assert [(row["node"], row["known"]) for row in told["nodes"]] == [("mx-1", True), ("mx-2", True)]
    assert told["complete"] and told["email"] == "jo@example.com"
    text = run(nodes[0], "person", "-", "--fleet", stdin="jo@example.com\n")
    assert text.returncode == 0 and "email_bounced" not in text.stderr
    assert [line.split()[0] for line in text.stdout.splitlines() if line.startswith("mx-")] == ["mx-1", "mx-2", "mx-1"]
    done = run(nodes[0], "person", "nobody@example.com", "--fleet")
    assert done.returncode == 1 and "no node knows that address" in done.stderr
    for node in nodes:
        assert not any("jo@example.com" in line.split(" target=")[-1] for line in node["admin"].log().splitlines()
                       if " target=" in line)


def test_a_node_that_does_not_answer_is_named_and_costs_the_others_nothing(pair):
    one, other = pair()
    wait_for("ready", lambda: all(row["ready"] for row in asked(one, "status")["nodes"]))
    ev = event()
    assert one.post(ev).status == 202
    one.wait_unknown([ev["event_id"]])
    other["watcher"].kill()
    other["admin"].signal(signal.SIGSTOP)
    began = time.monotonic()
    done = run(one, "status", "--fleet", "--json")
    assert time.monotonic() - began < 8
    rows = json.loads(done.stdout)["nodes"]
    assert done.returncode == 1 and rows[0]["ready"] and rows[1]["error"] and "health" not in rows[1]
    assert "mx-2: " in done.stderr
    found = run(one, "event", ev["event_id"], "--fleet")
    assert found.returncode == 0 and found.stdout.startswith("mx-1: ") and "mx-2: " in found.stderr
    assert run(one, "dlq", "list", "--fleet").returncode == 1
    checked = run(one, "check", "--fleet")
    assert checked.returncode == 1 and "mx-2 does not answer" in checked.stderr
    other["admin"].kill()
    text = run(one, "status", "--fleet")
    assert text.returncode == 1 and "no answer" in text.stdout
    one["admin"].kill()
    for verb in (["status"], ["event", ev["event_id"]], ["dlq", "list"], ["check"]):
        assert run(one, *verb, "--fleet").returncode == 3, verb


def test_a_wrong_token_is_told_and_stands_in_no_output(pair):
    one, _ = pair()
    wrong = one.folder / "wrong"
    wrong.write_text("not-the-token-of-anybody")
    wrong.chmod(0o600)
    config = json.loads(one.config.read_text())
    config["fleet"]["nodes"][1]["token_file"] = str(wrong)
    one.config.write_text(json.dumps(config))
    done = run(one, "status", "--fleet", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["nodes"][1]["error"] == "it refuses the token"
    assert "not-the-token" not in done.stdout + done.stderr


# ---- do they fit together?


def test_nodes_that_fit_together_are_said_to(nodes):
    told = wait_for("both have said what they have", lambda: [
        told for told in [asked(nodes[0], "check")] if not told["doubts"]])[0]
    assert told["good"] and told["faults"] == [] and len(told["nodes"]) == 2
    prints = {row["sources"][0]["secrets"][0] for row in told["nodes"]}
    assert len(prints) == 1 and len(prints.pop()) == 16
    assert "2 nodes fit together" in good(nodes[1], "check", "--fleet")
    with nodes[0].admin() as client:
        page = client.get("/node").body.decode()
    assert SECRET not in page + json.dumps(told)


@pytest.mark.plain  # a clock is put before libc
def test_what_does_not_fit_is_named(pair, clock_library):
    def change(config):
        config["node"]["number"] = 1
        config["sources"][0] |= {"secrets": ["another-secret-of-32-characters-"], "dedup_window": "2h"}
        config["sources"].append({"name": "more", "secrets": ["a-secret-of-more-than-16"]})

    def prepare(node):
        node["admin"].env = {"LD_PRELOAD": str(clock_library), "CLOCK_FILE": str(node.folder / "clock")}
        (node.folder / "clock").write_text("600")

    one, _ = pair(change, prepare)
    done = run(one, "check", "--fleet")
    assert done.returncode == 1
    for fault in ("mx-1 and mx-2 have one node.number, 1",
                  "source email: mx-1 and mx-2 have different secrets",
                  "source email: its dedup_window is 86400 s on mx-1, 7200 s on mx-2",
                  "mx-2 has a source more, mx-1 has none"):
        assert fault in done.stderr, done.stderr
    assert re.search(r"the clock of mx-2 is (59|60)\d s ahead of that of mx-1", done.stderr), done.stderr
    assert "another-secret" not in done.stdout + done.stderr


def test_a_data_dir_that_is_a_copy_is_found(pair):
    one, other = pair()
    for node in (one, other):
        wait_for("ready", lambda: ready(node) == 200)
    other.stop()
    shutil.copy(one.data / "journal" / "data.mdb", other.data / "journal" / "data.mdb")
    (other.data / "journal" / "dedup.idx").unlink()
    other.start()
    assert "have one journal" in run(one, "check", "--fleet").stderr


def test_nodes_with_one_postgresql_tell_a_persons_state_once(pair, postgres_server):
    database = postgres_server.database()
    one, other = pair(handlers=("bounced", "delivered"), database=database, settings={"history": {"keep": "1d"}})
    assert asked(one, "check")["faults"] == []
    now = int(time.time())
    assert one.post(mail("delivered", now - 20)).status == 202
    assert other.post(mail("bounced", now - 10, bounce_type="hard")).status == 202
    told = wait_for("both are told", lambda: [told for told in [asked(one, "person", "jo@example.com")]
                                              if len(told.get("events", [])) == 2 and told.get("suppression")])[0]
    assert "states" not in told and told["suppression"]["suppressed"]
    (message,) = told["messages"]
    assert [step["event_type"] for step in message["path"]] == ["email_delivered", "email_bounced"]
    with one.admin() as client:
        where = client.get("/node").json()["database"]["where"]
    assert "@" not in where and where.rpartition("/")[2]


def test_nodes_with_two_databases_do_not_fit(pair, postgres_server):
    def change(config):
        config["database"]["url"] = postgres_server.database().url

    one, _ = pair(change, database=postgres_server.database())
    assert "mx-1 and mx-2 do not write to the same database" in run(one, "check", "--fleet").stderr


def test_nodes_that_know_ids_in_two_ways_do_not_fit(pair, postgres_server):
    def change(config):
        config["database"]["known_ids"] = False

    one, _ = pair(change, database=postgres_server.database())
    told = run(one, "check", "--fleet")
    assert "mx-1 and mx-2 have different database.known_ids" in told.stderr and told.returncode == 1
    assert "same database" not in told.stderr


# ---- what a balancer asks, and taking a node away


def ready(node):
    return node.get("/readyz").status


def test_readyz_on_the_public_listener_is_503_while_the_journal_is_full(start):
    node = start(without=("handler-unknown",), settings={"journal": {"max_size": "1MiB"}})
    wait_for("ready", lambda: ready(node) == 200)
    with node.client() as client:
        wait_for("it is full", lambda: client.post(event(data={"pad": "x" * 20000})).status == 503, 60)
        told = wait_for("readyz says so", lambda: [a for a in [client.get("/readyz")] if a.status == 503], 5)[0]
    assert told.json() == {"error": "journal full"}
    node.add("handler-unknown")
    wait_for("room again", lambda: ready(node) == 200, 30)
    assert node.post(event()).status == 202


def drain(node, *args):
    return subprocess.Popen([BIN / "trotline", "drain", "-c", node.config, "--until-empty", *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=node.environment("validator"))


def held(start):
    """A node, and an event that has no end before the returned one is set."""
    node, go = start(settings={"handlers": [{"name": "mine", "types": ["slow"], "processes": 0}],
                               "journal": {"lease": "300ms"}}), threading.Event()
    node.hook("mine", lambda ev: "done" if go.is_set() else None)
    wait_for("ready", lambda: ready(node) == 200)
    assert node.post(event("slow")).status == 202
    return node, go


def test_a_drain_until_empty_takes_nothing_new_and_stops_once_all_has_ended(start):
    node, go = held(start)
    with node.client() as kept:
        assert kept.get("/readyz").status == 200
        draining = drain(node)
        wait_for("it is closed", lambda: kept.get("/readyz").status == 503, 5)
        answer = kept.post(event())
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        wait_for("figures are shown, and say so", lambda: (
            node.metric("webhook_queue_size") == 1 and node.metric("webhook_ingress_closed") == 1))
    time.sleep(1.5)  # longer than it needs to find a journal that is empty
    assert draining.poll() is None and all(stage.runs() for stage in node.stages.values())
    go.set()
    out, err = draining.communicate(timeout=60)
    assert draining.returncode == 0, err
    assert "stages have drained" in out
    assert not any(stage.runs() for stage in node.stages.values())


def test_a_drain_that_does_not_get_empty_in_time_stops_nothing(start):
    node, go = held(start)
    draining = drain(node, "--timeout", "2", "--json")
    wait_for("it is closed", lambda: ready(node) == 503, 5)
    _, err = draining.communicate(timeout=60)
    assert draining.returncode == 1 and "1 events have no end yet" in err and "nothing was stopped" in err
    wait_for("open again", lambda: ready(node) == 200, 5)
    assert node.post(event()).status == 202
    killed = drain(node)
    wait_for("it is closed", lambda: ready(node) == 503, 5)
    killed.kill()
    killed.communicate(timeout=60)
    wait_for("open again", lambda: ready(node) == 200, 5)
    go.set()
