"""The configuration as the real programs take it: checked with -n, refused with status 100, and
secrets in no process but those that need them."""

import os
import pathlib
import re
import subprocess

import pytest
from pipeline import BIN, DEADLINE_S, PROCESSES, event, free_port, wait_for

STAGES = {name + "opened" * name.endswith("-"): facts for name, facts in PROCESSES.items()}
STORES = {"journal": "journal/data.mdb", "seen": "journal/dedup.idx", "letters": "dlq/", "state": "state.db",
          "quarantine": "quarantine/", "unread": "unread/", "certs": "certs/",
          "history": "history/", "forward": "forward.db"}
IN_FILE = "zebra-that-stands-in-the-file"
IN_ENVIRONMENT = "giraffe-from-the-environment"
FOR_APPLICATION = "walrus-for-an-application"
OF_DATABASE = "ocelot-of-the-database"
OF_REDIS = "marmot-of-redis"

CONFIG = f"""\
listen: 127.0.0.1:1
data_dir: ./var
sources:
  - name: email
    secrets: ["{IN_FILE}", "${{TROTLINE_SECRET}}"]
"""


@pytest.fixture
def folder(folder):
    (folder / "trotline.yaml").write_text(CONFIG)
    return folder


def environment(**changes):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROTLINE_")}
    return {**env, **changes}


def check(stage, *args, **env):
    """Runs `trotline-<stage> -n` with the arguments."""
    return subprocess.run(
        [BIN / f"trotline-{stage}", "-n", *args],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_checks_the_file_and_exits(stage, folder):
    done = check(stage, "-c", folder / "trotline.yaml", TROTLINE_SECRET="x")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (folder / "var").exists()


def test_the_file_is_found_through_the_environment_too(folder):
    file = folder / "trotline.yaml"
    assert check("router", TROTLINE_CONFIG=str(file)).returncode == 0
    file.write_text(CONFIG + "lisen: 1\n")
    assert check("router", TROTLINE_CONFIG=str(file)).returncode == 100


@pytest.mark.parametrize("stage", STAGES)
def test_an_unknown_key_is_refused_with_its_line(stage, folder):
    file = folder / "trotline.yaml"
    file.write_text(CONFIG + "    max_agee: 10m\n")
    done = check(stage, "-c", file, TROTLINE_SECRET="x")
    assert done.returncode == 100
    assert done.stderr == (
        f"trotline-{stage}: {file} line 6: sources[0].max_agee: unknown key; did you mean \"max_age\"?\n"
    )


def test_only_the_validator_needs_the_variable_of_a_secret(folder):
    file = folder / "trotline.yaml"
    done = check("validator", "-c", file)
    assert done.returncode == 100
    assert "line 5: sources[0].secrets[1]: environment variable TROTLINE_SECRET is not set" in (
        done.stderr
    )
    assert check("ingress", "-c", file).returncode == 0


@pytest.mark.parametrize("stage", STAGES)
def test_only_what_opens_the_database_or_asks_redis_needs_their_variables(stage, folder):
    file = folder / "trotline.yaml"
    file.write_text(CONFIG + "node: {number: 1}\n"
                    "database: {kind: postgresql, url: \"postgresql://t:${TROTLINE_DATABASE}@127.0.0.1/t\"}\n"
                    "redis: {urls: [\"redis://:${TROTLINE_REDIS}@127.0.0.1/0\"]}\n")
    needed = {"DATABASE": "TROTLINE_DATABASE", "SENDERS": "TROTLINE_REDIS"}.get(STAGES[stage][0])
    done = check(stage, "-c", file, TROTLINE_SECRET="x")
    assert (done.returncode == 100) == bool(needed), done.stderr
    assert f"environment variable {needed} is not set" in done.stderr or not needed


@pytest.mark.parametrize("args", [["-x"], ["-c"], ["-i", "many"], ["extra"]])
def test_wrong_use_of_a_stage_is_100(args):
    assert check("router", *args).returncode == 100


def memory(pid):
    """All that the process has in memory that it can change, its environment included."""
    whole = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            start, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if mode.startswith("rw"):
                try:
                    mem.seek(int(start, 16))
                    whole += mem.read(int(end, 16) - int(start, 16))
                except OSError:
                    pass  # a guard page
    return whole


@pytest.mark.plain  # the sanitizer keeps what is freed
@pytest.mark.parametrize("stage, whose", [(name, secrets) for name, (secrets, _) in STAGES.items()])
def test_no_process_holds_a_secret_but_those_that_the_table_names(stage, whose, folder):
    """The validator has senders' and redis', forward those of applications, what opens the state the database's."""
    file = folder / "trotline.yaml"
    file.write_text(CONFIG.replace("127.0.0.1:1", f"127.0.0.1:{free_port()}") + "admin: {listen: off}\n"
                    + "history: {keep: 1d}\n"
                    + "forward:\n  - name: app\n    url: https://app.example.com/\n"
                    + "    headers: {Authorization: \"Bearer ${TROTLINE_APPLICATION}\"}\n"
                    + "database: {url: \"postgresql://t:${TROTLINE_DATABASE}@127.0.0.1:1/t\"}\n"
                    + "node: {number: 1}\n"
                    + "redis: {urls: [\"redis://:${TROTLINE_REDIS}@127.0.0.1:1/0\"]}\n")
    log = folder / "log"
    with open(log, "w") as stderr:
        process = subprocess.Popen(
            [BIN / f"trotline-{stage}", "-c", file],
            env=environment(TROTLINE_SECRET=IN_ENVIRONMENT, TROTLINE_APPLICATION=FOR_APPLICATION,
                            TROTLINE_DATABASE=OF_DATABASE, TROTLINE_REDIS=OF_REDIS),
            stderr=stderr,
        )
    try:
        wait_for("ready", lambda: "msg=ready" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        found = memory(process.pid)
        environ = pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
    for secret, holder in ((IN_FILE, "SENDERS"), (IN_ENVIRONMENT, "SENDERS"), (FOR_APPLICATION, "DESTINATIONS"),
                           (OF_DATABASE, "DATABASE"), (OF_REDIS, "SENDERS")):
        assert (secret.encode() in found) == (whose == holder), secret
        assert (secret.encode() in environ) == (whose == holder and secret != IN_FILE), secret
        assert secret not in log.read_text()


def opened(stage):
    """The stores of whose files the process has one open, or mapped."""
    proc = pathlib.Path(f"/proc/{stage.pid()}")
    files = [os.readlink(file) for file in (proc / "fd").iterdir()] + (proc / "maps").read_text().splitlines()
    return {store for store, part in STORES.items() if any(f"{stage.pipeline.data}/{part}" in file for file in files)}


def test_each_process_opens_the_stores_that_the_table_names_and_no_other(start):
    """What admin asks, what forward reads, and certificates are opened when they are needed; the retrier looks into state.db at its
    start alone."""
    seldom = {"admin": set(STORES), "retrier": {"state"}, "forward": {"history"}}
    pipeline = start(handlers=("opened",), admin=True, settings={"history": {"keep": "1d"}, "forward": [
        {"name": "app", "url": "http://127.0.0.1:9/"}], "sources": [
        {"name": "email", "secrets": ["${TROTLINE_SECRET}"], "on_bad_signature": "quarantine"}]})
    assert {word for _, stores in PROCESSES.values() for word in stores} == set(STORES)
    with pipeline.client() as client:
        assert client.post(event("email_opened")).status == 202
        assert client.post_bytes(b"{}", signature="sha256=00").status == 200
        assert client.post(["no event"], path="/webhooks/email/batch").status == 202
    pipeline.wait_settled(1)
    for (name, _), stage in pipeline.stages.items():
        _, named = STAGES[name]
        wait_for(f"{name} opens {named}", lambda: named - opened(stage) <= {"certs"} | seldom.get(name, set()))
        assert opened(stage) <= named, name
