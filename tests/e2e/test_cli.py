"""bin/trotline from the outside: its help and exit codes, and the pipeline as `up` runs it."""

import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading

import pytest
from pipeline import BIN, DEADLINE_S, REPO, SANITIZER, free_port, wait_for

TROTLINE = BIN / "trotline"
VERBS = ["up", "send", "tap", "event"]
SECRET = "correct-horse-battery-staple"

# Each built-in handler is a program of its own.
HANDLERS = len(list(BIN.glob("trotline-handler-*")))


def environment(**changes):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROTLINE_")}
    return {**env, "TROTLINE_SECRET": SECRET, **changes}


def trotline(*args, folder="/", stdin=None, **env):
    return subprocess.run(
        [TROTLINE, *args],
        cwd=folder,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def write_config(folder, port, secret='secrets: ["${TROTLINE_SECRET}"]', more=""):
    (folder / "trotline.yaml").write_text(
        f"listen: 127.0.0.1:{port}\nsources:\n  - name: email\n    {secret}\n{more}"
    )


# ---- without a pipeline


def test_help_names_every_verb():
    done = trotline("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", done.stdout, re.M)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    done = trotline(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: trotline {verb} [flags]")
    assert "-c, --config FILE" in done.stdout


def test_the_version_is_that_of_the_tree():
    version = (REPO / "VERSION").read_text().strip()
    assert trotline("--version").stdout == f"trotline {version}\n"


def test_frames_documents_every_frame():
    text = trotline("--frames").stdout
    for name in ["event", "verdict", "advice", "request", "answer", "dead", "stats", "beat"]:
        assert f"\n{name}\n  " in text


@pytest.mark.parametrize(
    "args, hint",
    [
        ([], "usage: trotline VERB"),
        (["fly"], 'unknown verb "fly"\nTry `trotline --help`.'),
        (["--fly"], 'unknown flag "--fly"'),
        (["send", "--fly"], "unknown flag --fly\nTry `trotline send --help`."),
        (["send", "-z"], "unknown flag -z"),
        (["send", "--type"], "--type needs a value"),
        (["send", "--count", "0"], '--count takes a whole number of at least 1, not "0"'),
        (["send", "--count", "1x"], "--count takes a whole number"),
        (["send", "extra"], '"extra" is one argument too many'),
        (["send", "--file", "a", "--batch", "b"], "exclude each other"),
        (["event"], "ID is missing"),
        (["event", "a", "b"], '"b" is one argument too many'),
        (["tap", "--kind", "fish"], "--kind is event, verdict, advice, stats or refused"),
        (["tap", "--kind", "stats", "--type", "x"], "--type and --source go with --kind event"),
        (["up", "now"], '"now" is one argument too many'),
    ],
)
def test_wrong_use_is_2_with_a_hint(args, hint):
    done = trotline(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr


@pytest.mark.parametrize("args", [["up"], ["send"], ["tap"], ["event", "x"]])
def test_a_bad_configuration_is_100_for_every_verb(args, folder):
    write_config(folder, 8080, more="lisen: 1\n")
    for done in (
        trotline(*args, folder=folder),
        trotline(*args, "-c", str(folder / "trotline.yaml")),
        trotline(*args, TROTLINE_CONFIG=str(folder / "trotline.yaml")),
    ):
        assert done.returncode == 100
        assert "trotline.yaml line 5: lisen: unknown key" in done.stderr
    assert trotline(*args, "-c", "nowhere.yaml").returncode == 100
    assert not (folder / "var").exists()


def test_event_without_a_journal_says_so(folder):
    write_config(folder, 8080)
    done = trotline("event", "x", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "journal" in done.stderr


def test_send_to_nobody_is_a_failure(folder):
    write_config(folder, free_port())
    done = trotline("send", folder=folder)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Connection refused" in done.stderr or "connect" in done.stderr


def test_send_refuses_what_it_cannot_build(folder):
    write_config(folder, free_port())
    assert "--data must be a JSON object" in trotline("send", "-d", "[1]", folder=folder).stderr
    assert "--data: " in trotline("send", "-d", "{", folder=folder).stderr
    assert "takes KEY=TEXT" in trotline("send", "-f", "x", folder=folder).stderr
    assert "cannot read nofile" in trotline("send", "--file", "nofile", folder=folder).stderr
    assert trotline("send", "-s", "other", folder=folder).returncode == 2


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes POSTs, remembers them, and answers as it is told."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, self.headers, body))
        status, answer = self.server.answers.pop(0) if self.server.answers else (202, b"{}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.taken, server.answers, server.daemon_threads = [], [], True
    write_config(folder, server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_send_builds_and_signs_what_the_flags_say(receiver, folder):
    data = '{"big": 9223372036854775807, "name": "J\\u00f6 \\ud83d\\udc1f", "deep": [{"a": null}]}'
    done = trotline(
        *["send", "--type", "email_bounced", "--id", "e1", "--email", "jo@example.com"],
        *["--timestamp", "1700000000", "--data", data, "--field", "reason=a=b", "-f", "big2=1"],
        folder=folder,
    )
    assert (done.returncode, done.stdout) == (0, "202 {}\n")
    ((path, headers, body),) = receiver.taken
    assert path == "/webhooks/email"
    assert headers["Content-Type"] == "application/json"
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == f"sha256={digest}"
    assert json.loads(body) == {
        "event_type": "email_bounced",
        "event_id": "e1",
        "timestamp": 1700000000,
        "data": {
            "email": "jo@example.com",
            "message_id": "e1",
            "big": 9223372036854775807,
            "name": "Jö 🐟",
            "deep": [{"a": None}],
            "reason": "a=b",
            "big2": "1",
        },
    }


def test_send_posts_a_file_as_it_is(receiver, folder):
    body = ' {"event_id" : 1}\n'
    (folder / "body").write_text(body)
    assert trotline("send", "--file", "body", folder=folder).returncode == 0
    assert trotline("send", "--batch", "-", folder=folder, stdin="[]").returncode == 0
    url = f"http://127.0.0.1:{receiver.server_port}/elsewhere"
    assert trotline("send", "--file", "body", "--url", url, folder=folder).returncode == 0
    assert [(path, text.decode()) for path, _, text in receiver.taken] == [
        ("/webhooks/email", body),
        ("/webhooks/email/batch", "[]"),
        ("/elsewhere", body),
    ]


def test_send_makes_events_that_differ(receiver, folder):
    assert trotline("send", "--count", "3", "--id", "e", folder=folder).returncode == 0
    assert trotline("send", "--count", "3", folder=folder).returncode == 0
    ids = [json.loads(body)["event_id"] for _, _, body in receiver.taken]
    assert ids[:3] == ["e", "e-2", "e-3"]
    assert len(set(ids)) == 6


def test_send_fails_when_one_answer_is_no_2xx(receiver, folder):
    receiver.answers = [(202, b'{"status":"accepted"}'), (503, b"busy"), (200, b"{}")]
    done = trotline("send", "--count", "3", "--id", "e", "--json", folder=folder)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["status"] for line in lines] == [202, 503, 200]
    assert [line["event_id"] for line in lines] == ["e", "e-2", "e-3"]
    assert [line["body"] for line in lines] == [{"status": "accepted"}, "busy", {}]
    assert SECRET not in done.stdout + done.stderr


# ---- with a pipeline


class Up:
    """`trotline up` in a folder of its own."""

    def __init__(self, folder, *args, program=TROTLINE, ready=True, **env):
        self.folder, self.output = folder, folder / "up.out"
        with open(self.output, "w") as out:
            self.process = subprocess.Popen(
                [program, "up", *args], cwd=folder, env=environment(**env), stdout=out, stderr=out
            )
        if ready:
            wait_for("ready", lambda: self.is_ready() or self.process.poll() is not None, 60)
            assert self.is_ready(), self.text()

    def text(self):
        return self.output.read_text()

    def is_ready(self):
        return "ready" in self.text().splitlines()

    def commands(self):
        """The commands to try next, which are printed line by line after "ready"."""
        wait_for("the guide to be whole", lambda: "Ctrl-C" in self.text())
        return [line for line in self.text().splitlines() if line.startswith("  ")]

    def stages(self):
        """{name.instance: process id} of all stages of this folder."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if str(self.folder / "trotline.yaml").encode() in words and b"-i" in words:
                    name = pathlib.Path(words[0].decode()).name.removeprefix("trotline-")
                    found[f"{name}.{words[words.index(b'-i') + 1].decode()}"] = int(entry.name)
        return found

    def stop(self, signum=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signum)
        self.process.wait(60)
        wait_for("all stages ended", lambda: not self.stages(), 60)
        for log in (self.folder / "var/log").iterdir():
            assert not SANITIZER.search(log.read_text()), log.read_text()
        return self.process.returncode


@pytest.fixture(scope="module")
def up():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
    write_config(folder, free_port(), secret="secrets_file: ./var/secrets/email")
    up = Up(folder)
    yield up
    up.stop()
    shutil.rmtree(folder)


def test_up_makes_a_secret_that_only_its_owner_reads(up):
    file = up.folder / "var/secrets/email"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", file.read_text())
    assert f"Made a random secret for source email: {file}" in up.text()
    assert file.read_text().strip() not in up.text()


def test_nothing_in_the_data_folder_is_open_to_others(up):
    for path in [up.folder / "var", *(up.folder / "var").rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            assert not path.stat().st_mode & 0o077, path


def test_the_commands_that_up_prints_work_as_they_are(up):
    send, event = up.commands()
    assert " -c " not in send + event  # the folder's own trotline.yaml needs no mention
    sent = subprocess.run(
        shlex.split(send), cwd=up.folder, env=environment(), capture_output=True, text=True
    )
    assert (sent.returncode, sent.stdout[:4]) == (0, "202 "), sent.stderr

    def told():
        return subprocess.run(
            shlex.split(event), cwd=up.folder, env=environment(), capture_output=True, text=True
        ).stdout

    wait_for("the event is done", lambda: told().splitlines()[0].endswith(": success"))


def test_event_tells_what_became_of_it(up):
    sent = trotline("send", "--id", "told", "--type", "email_opened", folder=up.folder)
    assert sent.returncode == 0
    again = trotline("send", "--id", "told", "--type", "email_opened", folder=up.folder)
    assert again.stdout.startswith("200 ") and "duplicate" in again.stdout

    def told():
        done = trotline("event", "told", "--json", folder=up.folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    wait_for("the event is done", lambda: told()["status"] == "success")
    assert told()["source"] == "email" and told()["seq"] > 0
    done = trotline("event", "never-sent", folder=up.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "never-sent: not found" in done.stderr
    assert trotline("event", "told", "-s", "other", folder=up.folder).returncode == 2


def test_event_tells_why_an_event_is_dead(up):
    args = ["--id", "lost", "--type", "email_bounced", "--data", '{"email": null}']
    assert trotline("send", *args, folder=up.folder).returncode == 0

    def told():
        return json.loads(trotline("event", "lost", "--json", folder=up.folder).stdout)

    wait_for("the event is dead", lambda: told()["status"] == "failed")
    wait_for("its letter is stored", lambda: told()["failed_at"])
    letter = told()
    assert (letter["event_type"], letter["handler"]) == ("email_bounced", "bounced")
    assert "email" in letter["error"]
    text = trotline("event", "lost", folder=up.folder).stdout
    assert text.startswith("lost: failed\n") and letter["error"] in text


def start_tap(up, *args):
    tap = subprocess.Popen(
        [TROTLINE, "tap", *args],
        cwd=up.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tap.stderr.readline() == "connected\n"
    return tap


def test_tap_shows_the_events_of_one_type_and_ends_after_its_count(up):
    tap = start_tap(up, "--type", "email_clicked", "--count", "2")
    for args in (
        ["--id", "tap-1", "-t", "email_clicked", "-f", "url=https://example.com/"],
        ["--id", "tap-2", "-t", "email_opened"],
        ["--id", "tap-3", "-t", "email_clicked", "-f", "url=https://example.com/"],
    ):
        assert trotline("send", *args, folder=up.folder).returncode == 0
    out, err = tap.communicate(timeout=DEADLINE_S)
    assert (tap.returncode, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["id"] for event in events] == ["tap-1", "tap-3"]
    assert events[0]["data"]["url"] == "https://example.com/"


def test_tap_shows_verdicts_and_stats(up):
    tap = start_tap(up, "--kind", "verdict", "--count", "1")
    assert trotline("send", folder=up.folder).returncode == 0
    assert json.loads(tap.communicate(timeout=DEADLINE_S)[0])["verdict"] == "done"
    tap = start_tap(up, "--kind", "stats", "--count", "1")
    assert json.loads(tap.communicate(timeout=DEADLINE_S)[0])["pid"] > 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_tap_well(up, signum):
    tap = start_tap(up)
    tap.send_signal(signum)
    assert tap.wait(DEADLINE_S) == 0


def test_a_closed_pipe_ends_a_tap_well(up):
    tap = start_tap(up)
    tap.stdout.close()
    assert tap.wait(DEADLINE_S) == 0


def test_a_second_up_on_the_same_folder_is_refused(up):
    done = trotline("up", folder=up.folder)
    assert done.returncode == 1
    assert f"is up already, under process {up.process.pid}" in done.stderr
    assert up.process.poll() is None


def test_a_taken_port_is_refused(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_config(folder, port)
        done = trotline("up", folder=folder)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr


def test_up_starts_as_many_processes_as_configured_and_restarts_what_is_killed(folder):
    more = (
        "processes: {validator: 2}\n"
        "handlers: [{name: opened, processes: 2}, {name: clicked, processes: 0}]\n"
    )
    write_config(folder, free_port(), more=more)
    up = Up(folder)
    before = up.stages()
    assert {"validator.0", "validator.1", "handler-opened.0", "handler-opened.1"} <= set(before)
    assert "handler-clicked.0" not in before
    assert len(before) == 1 + 2 + 1 + HANDLERS + 6
    for victim in ("router.0", "handler-opened.1", "retrier.0") * 2:
        pid = up.stages()[victim]
        os.kill(pid, signal.SIGKILL)
        wait_for(f"{victim} is back", lambda: up.stages().get(victim, pid) != pid)
    assert set(up.stages()) == set(before)
    assert up.stop() == 0
    assert up.text().endswith("stopped\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_stage_outlives_up(folder, signum):
    write_config(folder, free_port())
    up = Up(folder)
    assert len(up.stages()) == HANDLERS + 9
    assert up.stop(signum) == (0 if signum == signal.SIGINT else -signal.SIGKILL)
    assert Up(folder).stop() == 0


def copy_programs(folder):
    """A bin folder whose programs a test may change, beside a copy of deploy."""
    shutil.copytree(REPO / "deploy", folder / "deploy")
    (folder / "bin").mkdir()
    for program in BIN.glob("trotline*"):
        shutil.copy2(program, folder / "bin")
    return folder / "bin"


def replace_program(path, text):
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_stage_that_cannot_start_is_named_with_its_log(folder):
    programs = copy_programs(folder)
    replace_program(programs / "trotline-router", "echo the river is dry >&2; exit 111")
    write_config(folder, free_port())
    up = Up(folder, "--timeout", "12", program=programs / "trotline", ready=False)
    assert up.process.wait(60) == 1
    assert "not ready after 12 s: stage router has no live process" in up.text()
    assert f"See {folder}/var/log/router.0.log, which ends with\n  the river is dry\n" in up.text()
    assert not up.is_ready()
    wait_for("all stages ended", lambda: not up.stages())


def test_status_100_is_not_started_again(folder):
    programs = copy_programs(folder)
    replace_program(programs / "trotline-router", "echo wrong use >&2; exit 100")
    write_config(folder, free_port())
    up = Up(folder, "--timeout", "12", program=programs / "trotline", ready=False)
    assert up.process.wait(60) == 1
    assert (folder / "var/log/router.0.log").read_text() == "wrong use\n"


def test_a_handler_of_the_file_is_started_like_the_built_in_ones(folder):
    programs = copy_programs(folder)
    more = "handlers: [{name: survey, types: [survey_answered], processes: 2}]\n"
    write_config(folder, free_port(), more=more)
    missing = Up(folder, program=programs / "trotline", ready=False)
    assert missing.process.wait(60) == 1
    assert f"{programs}/trotline-handler-survey is missing" in missing.text()
    replace_program(programs / "trotline-handler-survey", "echo $* >&2; exec sleep 600")
    up = Up(folder, "--timeout", "12", program=programs / "trotline", ready=False)
    assert up.process.wait(60) == 1
    assert "stage handler-survey has no live process" in up.text()
    for i in range(2):
        log = folder / f"var/log/handler-survey.{i}.log"
        assert log.read_text() == f"-c {folder}/trotline.yaml -i {i}\n"


def test_a_folder_with_blanks_in_its_name_is_as_good_as_any(folder):
    inner = folder / "my data [1]"
    inner.mkdir()
    write_config(inner, free_port())
    up = Up(inner, "-c", str(inner / "trotline.yaml"))
    send, _ = up.commands()
    assert shlex.split(send)[1:4] == ["send", "-c", str(inner / "trotline.yaml")]
    assert up.stop() == 0


def test_a_short_secret_is_warned_of_and_an_unset_one_refused(folder):
    write_config(folder, free_port())
    up = Up(folder, TROTLINE_SECRET="short")
    assert "warning: a secret of source email is shorter than 16 characters" in up.text()
    assert up.stop() == 0
    env = environment()
    del env["TROTLINE_SECRET"]
    done = subprocess.run(
        [TROTLINE, "up"], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 100
    assert "environment variable TROTLINE_SECRET is not set" in done.stderr
