"""What an operator does with bin/trotline: look, follow, drain, reload, load, complete; and what health
tells him before he asks."""

import configparser
import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time

import pytest
from pipeline import BIN, PROCESSES, DEADLINE_S, REPO, SECRET, Client, Pipeline, event, free_port, wait_for
from verbs import good, run

TROTLINE = BIN / "trotline"
NEWER = "a-newer-secret-of-thirty-two-chars"


@pytest.fixture(scope="module")
def down():
    """A configuration whose pipeline does not run."""
    one = Pipeline()
    yield one
    one.close()


def status(pipeline):
    return json.loads(good(pipeline, "status", "--json"))


def alerts(pipeline):
    return pipeline.health().json()["alerts"]


# ---- check


def test_check_says_what_would_run_and_no_secret(down):
    text = good(down, "check")
    assert text.startswith(f"{down.config}: good\n")
    assert re.search(r"POST /webhooks/email +trotline; 1 secret\n", text)
    assert re.search(r"  handler-unknown +1 process +applies the events of its types; opens state\n", text)
    assert re.search(r"  ingress +1 process +takes HTTP requests\n", text)
    assert re.search(r"  admin +1 process ", text)
    assert SECRET not in text
    told = json.loads(good(down, "check", "--json"))
    assert told["good"] is True and told["listen"] == f"127.0.0.1:{down.port}"
    assert {"stage": "validator", "processes": 1} in told["stages"]
    assert told["sources"][0]["secrets"] == 1
    assert (told["admin"], told["admin_token_file"]) == (None, None)
    assert not down.data.exists()


def test_check_says_where_the_token_for_admin_stands(folder):
    path = folder / "trotline.yaml"
    path.write_text("sources:\n  - {name: email, secrets: [sixteen-characters]}\n")
    assert f"admin     127.0.0.1:8081; token in {folder}/var/admin.token\n" in subprocess.run(
        [TROTLINE, "check", "-c", path], capture_output=True, text=True, timeout=30).stdout


def test_check_says_where_no_time_is_signed_and_who_shares_a_secret(tmp_path):
    path = tmp_path / "trotline.yaml"
    rows = ["{name: a, provider: mandrill, secrets: [abcdefghijklmnopqrst]}",
            "{name: b, provider: generic, secrets: [abcdefghijklmnopqrst], max_age: 1h}",
            "{name: c, provider: mailgun, secrets: [tsrqponmlkjihgfedcba]}",
            "{name: d, provider: generic, scheme: stripe, secrets: [another-secret-of-some-length]}"]
    path.write_text("sources:\n" + "".join(f"  - {row}\n" for row in rows))
    done = subprocess.run([TROTLINE, "check", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no time is signed") == 2
    assert "max_age has no effect" in done.stdout and "max_age 1h is held" in done.stdout
    assert done.stderr.count("share a secret") == 1 and "sources a and b share" in done.stderr
    assert "abcdefghij" not in done.stdout + done.stderr
    done = subprocess.run([TROTLINE, "check", "--json", "-c", path], capture_output=True, text=True)
    told = json.loads(done.stdout)["sources"]
    assert [one["time_signed"] for one in told] == [False, False, True, True]
    assert [one["secret_shared_with"] for one in told] == [None, "a", None, None]


def test_check_names_line_and_key_of_what_is_wrong(tmp_path):
    path = tmp_path / "trotline.yaml"
    path.write_text("sources:\n  - name: email\n    secrets: [x]\njournal:\n  lease: soon\n")
    done = subprocess.run([TROTLINE, "check", "-c", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (100, "")
    assert "trotline.yaml line 5: journal.lease: \"soon\"" in done.stderr


def test_check_knows_secrets_that_are_not_there_yet_and_those_that_cannot_be_read(tmp_path):
    path = tmp_path / "trotline.yaml"
    path.write_text("sources:\n  - name: email\n    secrets_file: ./secret\n")
    done = subprocess.run([TROTLINE, "check", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0 and f"`trotline up -c {path}` will make a secret" in done.stdout
    (tmp_path / "secret").write_text("short\n")
    (tmp_path / "secret").chmod(0o600)
    done = subprocess.run([TROTLINE, "check", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0 and "shorter than 16" in done.stderr
    (tmp_path / "secret").chmod(0o644)
    done = subprocess.run([TROTLINE, "check", "-c", path], capture_output=True, text=True)
    assert done.returncode == 100 and "chmod 600" in done.stderr


# ---- a pipeline that is down


def test_a_verb_that_reads_no_secret_needs_no_variable_of_its_path(folder):
    """As under systemd, where only the validator's process has it."""
    path = folder / "trotline.yaml"
    path.write_text(f"listen: 127.0.0.1:{free_port()}\nsources:\n  - name: email\n"
                    "    secrets_file: ${NOT_SET_HERE}/email\n"
                    f"admin: {{listen: '127.0.0.1:{free_port()}', token_file: '${{NOT_SET_HERE}}/token'}}\n")
    for verb, status in (("status", 3), ("tap", 3), ("reload", 3), ("drain", 3), ("check", 100), ("up", 100)):
        done = subprocess.run([TROTLINE, verb, "-c", path], capture_output=True, text=True, timeout=30)
        assert done.returncode == status, (verb, done.stderr)
    assert "environment variable NOT_SET_HERE is not set" in done.stderr
    done = subprocess.run([TROTLINE, "dlq", "stats", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "var/run").mkdir(parents=True, mode=0o700)
    done = subprocess.run([BIN / "trotline-admin", "-c", path], capture_output=True, text=True, timeout=30)
    assert done.returncode == 111 and "cannot read ${NOT_SET_HERE}/token" in done.stderr


@pytest.mark.parametrize("verb", ["status", "top", "tap", "drain", "reload"])
def test_a_pipeline_that_is_down_is_3_with_a_word_of_advice(down, verb):
    for args in ((verb,), (verb, "--json")):
        done = run(down, *args)
        assert (done.returncode, done.stdout) == (3, "")
        assert f"trotline {verb}: the pipeline of {down.config} is down; `trotline up -c {down.config}` starts it" in done.stderr


# ---- status and top


def test_status_shows_each_process_and_how_it_fares(pipeline):
    told = status(pipeline)
    stages = {f"{one['stage']}.{one['instance']}": one for one in told["stages"]}
    assert set(stages) == {f"{name}.{number}" for name, number in pipeline.stages}
    for name, one in stages.items():
        assert one["pid"] == pipeline.stages[tuple(name.rsplit(".", 1))[0], 0].pid()
        assert one["state"] == "running"
    for key in ("waiting", "scheduled", "dead_letters", "oldest_age_seconds", "remembered",
                "journal_used_bytes", "journal_limit_bytes"):
        assert told[key] >= 0
    text = good(pipeline, "status")
    assert re.search(r"^ingress\.0 +\d+ +[\d.]+ +running$", text, re.M)
    assert "accepted 0.0/s" in text


def test_status_counts_what_comes_in(pipeline):
    def load():
        with pipeline.client() as client:
            while not stop.is_set():
                client.post(event())

    stop = threading.Event()
    thread = threading.Thread(target=load)
    thread.start()
    try:
        told = status(pipeline)
    finally:
        stop.set()
        thread.join()
    rates = {one["stage"]: one["per_second"] for one in told["stages"]}
    assert told["accepted_per_second"] > 10
    for stage in ("ingress", "validator", "router", "handler-unknown", "retrier"):
        assert rates[stage] > 10, stage


def test_status_tells_of_a_stage_that_was_killed(start):
    one = start()
    one["router"].kill()
    wait_for("the alert", lambda: any(
        "stage router has no live process" in alert for alert in status(one)["alerts"]))
    done = run(one, "status")
    assert done.returncode == 0
    assert "! stage router has no live process: see its log in" in done.stdout


def test_top_is_status_where_there_is_no_terminal(pipeline):
    assert "ingress.0" in good(pipeline, "top")
    lines = good(pipeline, "top", "--json", "--count", "2").splitlines()
    assert [bool(json.loads(line)["stages"]) for line in lines] == [True, True]


class Terminal:
    """`trotline top` on a terminal of its own."""

    def __init__(self, pipeline):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (20, 70))
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(
            [TROTLINE, "top", "-c", pipeline.config], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, env=pipeline.environment("top"), start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode()
        return self.text

    def end(self):
        def ended():
            self.read()
            return self.process.poll() is not None

        wait_for("the end", ended)
        self.read()
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        return after


@pytest.mark.parametrize("how", ["q", "\x03", signal.SIGTERM])
def test_top_follows_until_told_to_end_and_leaves_the_terminal_as_it_was(pipeline, how):
    top = Terminal(pipeline)
    wait_for("two screens", lambda: top.read().count("STAGE") >= 2)
    assert "\x1b[?1049h" in top.text and "ingress.0" in top.text
    shown = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", top.text.split("\x1b[H")[1])
    assert all(len(line.rstrip("\r")) <= 70 for line in shown.split("\n"))
    assert len(shown.split("\n")) <= 20
    if isinstance(how, str):
        os.write(top.master, how.encode())
    else:
        top.process.send_signal(how)
    assert top.end() == top.before
    assert top.process.returncode == 0
    assert top.text.endswith("\x1b[?25h\x1b[?1049l")


# ---- drain


def running(pipeline, client_count=4):
    """Clients that post until they are stopped: (accepted ids, other answers, stop)."""
    accepted, others, stopping = [], [], threading.Event()

    def work():
        with pipeline.client() as client:
            while not stopping.is_set():
                body = event()
                try:
                    answer = client.post(body)
                except ConnectionError as error:
                    others.append(error)
                    time.sleep(0.02)
                    continue
                if answer.status == 202:
                    accepted.append(body["event_id"])
                else:
                    others.append(answer.status)

    threads = [threading.Thread(target=work) for _ in range(client_count)]
    for thread in threads:
        thread.start()

    def stop():
        stopping.set()
        for thread in threads:
            thread.join()

    return accepted, others, stop


def test_a_drain_under_load_loses_nothing_that_was_accepted(start):
    one = start()
    accepted, others, stop = running(one)
    wait_for("some load", lambda: len(accepted) > 300)
    started = time.monotonic()
    told = json.loads(good(one, "drain", "--json"))
    assert told["status"] == "stopped" and told["stages"] == len(one.stages) and told["left"] == 0
    assert time.monotonic() - started < DEADLINE_S
    stop()
    for stage in one.stages.values():
        assert stage.process.wait(DEADLINE_S) == 0
    assert {one for one in others if isinstance(one, int)} <= {503}
    for stage in one.stages.values():
        stage.start()
    one.wait_unknown(accepted)
    assert len(one.unknown_ids()) == len(set(one.unknown_ids()))


def test_sigterm_to_a_whole_pipeline_under_load_loses_nothing(start):
    one = start()
    for _ in range(2):
        accepted, _, stop = running(one)
        wait_for("some load", lambda: len(accepted) > 200)
        for stage in one.stages.values():
            stage.signal(signal.SIGTERM)
        for stage in one.stages.values():
            assert stage.process.wait(DEADLINE_S) == 0
        stop()
        for stage in one.stages.values():
            stage.start()
        one.wait_unknown(accepted)


def test_a_drain_that_takes_too_long_says_what_still_runs(start):
    one = start(handlers=())
    one["router"].signal(signal.SIGSTOP)
    done = run(one, "drain", "--timeout", "1")
    assert done.returncode == 1
    assert f"still runs: router.0, process {one['router'].pid()}" in done.stdout
    assert "not all stages have ended in time" in done.stderr
    one["router"].signal(signal.SIGCONT)
    good(one, "drain")
    for stage in one.stages.values():
        assert stage.process.wait(DEADLINE_S) == 0


def test_drain_asks_the_up_that_runs_the_pipeline(folder):
    up, _ = start_up(folder, "admin: {listen: off}\n")
    done = subprocess.run([TROTLINE, "drain"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert "through up" in done.stdout and "have drained" in done.stdout
    assert up.wait(DEADLINE_S) == 0
    assert (folder / "out").read_text().endswith("stopped\n")
    assert subprocess.run(
        [TROTLINE, "drain"], cwd=folder, capture_output=True).returncode == 3


# ---- reload


def rewrite(pipeline, change):
    config = json.loads(pipeline.config.read_text())
    change(config)
    pipeline.config.write_text(json.dumps(config, indent=1))


def with_secrets(*secrets):
    def change(config):
        config["sources"][0]["secrets"] = list(secrets)

    return change


def test_a_reload_under_load_takes_new_secrets_and_fails_no_request(start):
    one = start(settings={"sources": [{"name": "email", "secrets": [SECRET]}]})
    accepted, others, stop = running(one)
    try:
        wait_for("some load", lambda: len(accepted) > 100)
        with Client(one.port, secret=NEWER) as newer:
            assert newer.post(event()).status == 401
            for secrets in ((SECRET, NEWER), (NEWER, SECRET), (SECRET, NEWER)):
                rewrite(one, with_secrets(*secrets))
                told = json.loads(good(one, "reload", "--json"))
                assert told["reloaded"] is True
                assert {stage["outcome"] for stage in told["stages"]} == {"reloaded"}
                assert len(told["stages"]) == len(one.stages)
                assert newer.post(event()).status == 202
    finally:
        stop()
    assert others == []
    one.wait_unknown(accepted)
    rewrite(one, with_secrets(NEWER))
    good(one, "reload")
    assert one.post(event()).status == 401


def test_a_reload_takes_thresholds_retries_and_log_level(start):
    one = start()
    rewrite(one, lambda config: config.update({
        "log_level": "warn", "health": {"disk_free_percent": 100}}))
    text = good(one, "reload")
    assert re.search(r"^reloaded +validator\.0$", text, re.M)
    wait_for("the threshold", lambda: any(alert.startswith("disk: ") for alert in alerts(one)))
    size = len(one["validator"].log())
    one.post(event("email_opened"))  # a type that stands in the table
    assert len(one["validator"].log()) == size


def test_a_reload_names_what_needs_a_restart(start):
    one = start()
    assert json.loads(good(one, "reload", "--json"))["needs_restart"] == ""
    rewrite(one, lambda config: config.update({"limits": {"connections": 77, "batch_size": "2MiB"}}))
    text = good(one, "reload")
    assert text.endswith("\nas before until the next start: limits.connections, limits.batch_size\n")


@pytest.mark.parametrize("change, cause", [
    (lambda config: config.update({"lisen": 1}), "lisen: unknown key"),
    (lambda config: config["journal"].update({"lease": "soon"}), "journal.lease"),
    (lambda config: config["sources"][0].update({"secrets": ["${NOT_SET_ANYWHERE}"]}), "NOT_SET"),
    (lambda config: config["sources"][0].update({"secrets_file": "./nowhere"}), "nowhere"),
])
def test_a_bad_file_is_refused_whole_and_the_old_one_stays(start, change, cause):
    one = start()
    before = {stage["stage"]: stage["configured_at"] for stage in status(one)["stages"]}
    rewrite(one, change)
    done = run(one, "reload", "--timeout", "2")
    assert done.returncode in (1, 100)
    assert cause in done.stderr
    rewrite(one, lambda config: config["sources"][0].update({"secrets": ["${TROTLINE_SECRET}"]}))
    rewrite(one, lambda config: config.pop("lisen", None))
    rewrite(one, lambda config: config["journal"].update({"lease": "2s"}))
    rewrite(one, lambda config: config["sources"][0].pop("secrets_file", None))
    assert {stage["stage"]: stage["configured_at"] for stage in status(one)["stages"]} == before
    assert one.post(event()).status == 202
    good(one, "reload")


# ---- load


def load(url, *args):
    done = subprocess.run(
        [TROTLINE, "load", "--url", url, "--secret", SECRET, "--json", *map(str, args)],
        capture_output=True, text=True, timeout=120, cwd="/")
    return done, json.loads(done.stdout)


def test_load_sends_unique_events_at_its_rate_and_sums_up(start):
    one = start(handlers=("delivered",))
    done, told = load(f"http://127.0.0.1:{one.port}/webhooks/email", "--rate", 500, "--duration", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert (told["total"], told["successful"], told["failed"]) == (1000, 1000, 0)
    assert told["success_rate_percent"] == 100
    assert told["statuses"] == {"202": 1000}
    assert 0 < told["p50_ms"] <= told["p99_ms"] <= told["max_ms"]
    assert 0 < told["avg_ms"] <= told["max_ms"]
    assert 1.9 < told["seconds"] < 10
    one.wait_settled(1000)
    done, told = load(f"http://127.0.0.1:{one.port}/webhooks/email", "--rate", 10, "--duration", "1s")
    assert told["statuses"] == {"202": 10}  # no id came twice


def test_load_in_batches_counts_events(start):
    one = start(handlers=("delivered",))
    url = f"http://127.0.0.1:{one.port}/webhooks/email"
    for address in (url, url + "/batch"):
        done, told = load(address, "--rate", 1000, "--duration", 1, "--batch", 100)
        assert done.returncode == 0, done
        assert (told["total"], told["successful"], told["requests"]) == (1000, 1000, 10)
        assert told["statuses"] == {"202": 10}
    one.wait_settled(2000)


def test_load_counts_latency_from_when_a_request_was_due(start):
    """The validator stops for a second: the requests due meanwhile all waited, on one connection."""
    one = start(handlers=("delivered",))
    timer = threading.Timer(0.5, one["validator"].signal, [signal.SIGSTOP])
    again = threading.Timer(1.5, one["validator"].signal, [signal.SIGCONT])
    timer.start()
    again.start()
    done, told = load(f"http://127.0.0.1:{one.port}/webhooks/email", "--rate", 100, "--duration", 2,
                      "--connections", 1)
    again.join()
    assert (done.returncode, told["total"], told["failed"]) == (0, 200, 0)
    assert told["max_ms"] > 900
    assert told["avg_ms"] > 100


def test_load_counts_refusals_and_silence_as_failed(start):
    one = start(handlers=())
    url = f"http://127.0.0.1:{one.port}/webhooks/email"
    done = subprocess.run(
        [TROTLINE, "load", "--url", url, "--secret", "wrong", "--rate", "20", "--duration", "1"],
        capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"^failed +20$", done.stdout, re.M)
    assert re.search(r'^statuses +{"401":20}$', done.stdout, re.M)
    done, told = load(f"http://127.0.0.1:{free_port()}/", "--rate", 20, "--duration", 1)
    assert done.returncode == 1
    assert (told["failed"], told["success_rate_percent"]) == (20, 0)
    assert told["statuses"] == {"no_answer": 20} and "connect" in told["cause"].lower()


def test_load_takes_url_and_secret_from_the_configuration(start):
    one = start(handlers=("delivered",))
    assert re.search(r"^successful +20$", good(
        one, "load", "--rate", "20", "--duration", "1"), re.M)
    one.wait_settled(20)


def test_load_ends_early_and_sums_up_when_interrupted(start):
    one = start(handlers=("delivered",))
    process = subprocess.Popen(
        [TROTLINE, "load", "--url", f"http://127.0.0.1:{one.port}/webhooks/email", "--secret",
         SECRET, "--rate", "100", "--duration", "1h", "--json"], stdout=subprocess.PIPE, text=True)
    wait_for("some load", lambda: one.metric("webhook_remembered_events") > 20)
    process.send_signal(signal.SIGINT)
    told = json.loads(process.communicate(timeout=DEADLINE_S)[0])
    assert process.returncode == 0
    assert told["total"] == told["successful"] > 20


@pytest.mark.parametrize("args", [
    ["--duration", "soon"], ["--duration", "0"], ["--rate", "0"], ["--batch", "0"],
    ["--batch", "100001"], ["extra"],
])
def test_wrong_use_of_load_is_2(args):
    done = subprocess.run([TROTLINE, "load", "--url", "http://127.0.0.1:1/", "--secret", "x", *args],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "trotline load: " in done.stderr


@pytest.mark.plain
def test_load_is_steady_at_thousands_a_second(start):
    one = start(handlers=("delivered",))
    done, told = load(f"http://127.0.0.1:{one.port}/webhooks/email", "--rate", 3000, "--duration", 3,
                      "--connections", 128)
    assert (told["total"], told["failed"]) == (9000, 0)
    assert told["events_per_second"] > 2000


# ---- completion


def complete(*words):
    """What bash offers for the last word."""
    script = (
        f"PATH={TROTLINE.parent}:$PATH; source <(trotline completion bash); "
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        "_trotline trotline; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.split()


def test_bash_completes_verbs_flags_and_choices():
    assert complete("trotline", "st") == ["status", "stats", "state"]
    assert complete("trotline", "statu") == ["status"]
    assert {"up", "check", "status", "fsck", "load"} <= set(complete("trotline", ""))
    assert complete("trotline", "load", "--dur") == ["--duration"]
    assert complete("trotline", "completion", "z") == ["zsh"]
    assert complete("trotline", "export", "--format", "") == ["csv", "jsonl"]
    assert complete("trotline", "history", "--machine", "y") == ["yes"]
    assert complete("trotline", "export", "--output", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_good_scripts(shell):
    done = subprocess.run([TROTLINE, "completion", shell], capture_output=True, text=True)
    assert done.returncode == 0
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=done.stdout, text=True).returncode == 0
    assert subprocess.run([TROTLINE, "completion", "ksh"], capture_output=True).returncode == 2


# ---- what health tells


def alert_of(pipeline, start):
    return wait_for(f"the alert \"{start}\"", lambda: next(
        (alert for alert in alerts(pipeline) if alert.startswith(start)), None))


def no_alert_of(pipeline, start):
    wait_for(f"no alert \"{start}\"", lambda: not any(
        alert.startswith(start) for alert in alerts(pipeline)))


def test_a_source_that_falls_silent_is_missed(start):
    one = start(settings={"sources": [
        {"name": "email", "secrets": [SECRET], "silent_after": "1s"},
        {"name": "quiet", "secrets": [SECRET]}]})
    assert "look at the provider's side" in alert_of(one, "source email: nothing accepted for")
    assert one.post(event()).status == 202
    no_alert_of(one, "source email")
    alert_of(one, "source email")
    assert not any(alert.startswith("source quiet") for alert in alerts(one))


def test_events_that_nobody_takes_and_grow_old_are_told(start):
    one = start(handlers=(), settings={"health": {"oldest_age": "1s"}})
    assert one.post(event(kind="email_opened", email="ann@example.com")).status == 202
    assert "start trotline-handler-opened" in alert_of(one, "handler opened: 1 events wait")
    assert "`trotline retry`" in alert_of(one, "oldest: an event has waited for")
    told = status(one)
    assert told["waiting_by_handler"] == {"opened": 1}
    one.add("handler-opened")
    no_alert_of(one, "handler opened")
    no_alert_of(one, "oldest")


def test_dead_letters_that_rise_are_told(start):
    one = start()
    one.hook("clicked", lambda ev: ("dead", "no luck"))
    wait_for("the dlq is heard", lambda: one.metric("webhook_stage_processes", '"dlq"') == 1)
    time.sleep(1.5)  # two looks of the board, which it must tell from each other
    one.post(event(kind="email_clicked", email="ann@example.com"))
    assert "`trotline dlq list --since 2m`" in alert_of(one, "dead letters: 1 more in the last minute, 1 in all")
    told = status(one)
    assert told["status"] == "degraded"
    assert any(alert.startswith("dead letters: 1 more") for alert in told["alerts"])


def test_a_full_store_of_dead_letters_is_told(start):
    one = start(settings={"dlq": {"max_size": "1MiB"}, "limits": {"event_size": "100KiB"}})
    one.hook("clicked", lambda ev: ("dead", "no luck"))
    with one.client() as client:
        for _ in range(14):
            client.post(event(kind="email_clicked", email="ann@example.com", blob="x" * 80_000))
    assert "replay, export or drop" in alert_of(one, "dead letter store: ")


def test_a_missing_process_among_several_is_told(start):
    one = start(counts={"validator": 2})
    no_alert_of(one, "stage validator")
    one["validator", 1].kill()
    alert_of(one, "stage validator has 1 of 2 processes")
    assert one.post(event()).status == 202


# ---- deploy


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path):
    units = tmp_path / "units"
    shutil.copytree(REPO / "deploy" / "systemd", units)
    for file in units.glob("*.service"):
        file.write_text(file.read_text().replace("/usr/lib/trotline/bin/trotline-", f"{BIN}/trotline-"))
    names = [file.name.replace("@.", "@0.") for file in units.glob("trotline-*@.service")]
    assert len(names) == len(PROCESSES)
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    for name in [*names, "trotline.target"]:
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", name.replace(
            "handler@0", "handler@bounced.0")], cwd=units, env=env, capture_output=True, text=True)
        ours = [line for line in done.stderr.splitlines() if "trotline" in line]
        assert ours == [], ours
    for name in names:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager",
             str(units / name.replace("@0.", "@."))], cwd=units, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-300:] + done.stderr
    with contextlib.suppress(FileNotFoundError):
        assert subprocess.run(["sh", "-n", REPO / "deploy/systemd/enable"]).returncode == 0


def test_systemd_is_given_a_unit_for_each_process(tmp_path):
    config = tmp_path / "trotline.yaml"
    config.write_text(
        "sources:\n  - name: email\n    provider: trotline\n    secrets: [a-secret-of-32-characters-or-more]\n"
        "processes: {validator: 2}\nhandlers: [{name: opened, processes: 3}, {name: bounced, processes: 0}]\n")
    told, systemctl = tmp_path / "told", tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    systemctl.chmod(0o755)
    env = {**os.environ, "TROTLINE_BIN": str(BIN), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", REPO / "deploy/systemd/enable", config], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    [units] = [line.split()[1:] for line in told.read_text().splitlines() if line.startswith("enable ")]
    assert {"trotline-ingress@0.service", "trotline-validator@0.service", "trotline-validator@1.service",
            "trotline-handler@opened.2.service", "trotline-admin@0.service", "trotline.target"} <= set(units)
    assert not {"trotline-validator@2.service", "trotline-handler@bounced.0.service"} & set(units)


def test_systemd_orders_stages_of_any_number():
    """Each of a stage stands before the stage's target, which those in front of it come after. Named
    one by one are only stages of one process."""
    units = {file.name: file.read_text() for file in (REPO / "deploy/systemd").glob("trotline*.*")
             if file.is_file()}
    named = [word for text in units.values() for line in text.splitlines()
             if line.startswith(("After=", "Before=")) for word in line.split("=")[1].split()]
    assert {name for name in named if "@" in name} == {
        "trotline-dlq@0.service", "trotline-retrier@0.service", "trotline-history@0.service"}
    for stage, front in (("validator", "ingress"), ("router", "validator"), ("handler", "router")):
        target = f"trotline-{stage}s.target"
        assert target in units and target in units["trotline.target"]
        assert f"Before={target}" in units[f"trotline-{stage}@.service"]
        assert any(target in line for line in units[f"trotline-{front}@.service"].splitlines()
                   if line.startswith("After="))


def test_systemd_never_gives_up_on_a_stage():
    common = configparser.ConfigParser(strict=False)
    common.optionxform = str
    common.read(REPO / "deploy/systemd/trotline-.service.d/10-common.conf")
    assert common["Service"]["Restart"] == "on-failure"
    assert common["Unit"]["StartLimitIntervalSec"] == "0", "five failures within ten seconds end a unit"


# ---- up


def start_up(folder, more="", flags=(), ready="\nready\n"):
    """`trotline up` as a service manager starts it: no terminal."""
    port = free_port()
    (folder / "trotline.yaml").write_text(
        f"listen: 127.0.0.1:{port}\nsources:\n  - name: email\n"
        f"    secrets: [sixteen-characters-or-more]\n{more}")
    with open(folder / "out", "w") as out:
        up = subprocess.Popen([TROTLINE, "up", *flags], cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out, start_new_session=True)
    wait_for("ready", lambda: ready in (folder / "out").read_text(), 60)
    return up, port


def end_up(up):
    up.terminate()
    assert up.wait(DEADLINE_S) == 0


def test_up_is_ready_without_an_admin_listener(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up, _ = start_up(
            folder, f"admin: {{listen: 127.0.0.1:{taken.getsockname()[1]}}}\n")
        log = folder / "var/log/admin.0.log"
        assert "Address already in use" in log.read_text()
    wait_for("the port's turn", lambda: "msg=ready" in log.read_text())
    end_up(up)


def test_up_says_its_states_as_json(folder):
    up, port = start_up(folder, "admin: {listen: off}\n", ["--json"], '"ready"')
    up.send_signal(signal.SIGHUP)
    wait_for("reloaded", lambda: '"reloaded":true' in (folder / "out").read_text())
    end_up(up)
    said = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    assert [one["state"] for one in said if "state" in one] == [
        "starting", "ready", "reloading", "stopping", "stopped"]
    assert all(one["listen"] == f"127.0.0.1:{port}" for one in said if "state" in one)


def test_a_hangup_without_a_terminal_reloads(folder):
    up, port = start_up(folder, "admin: {listen: off}\n")
    config = folder / "trotline.yaml"
    text = config.read_text()
    config.write_text(text.replace("sixteen-characters-or-more", NEWER))
    up.send_signal(signal.SIGHUP)
    wait_for("reloaded", lambda: "reloaded       validator.0\n" in (folder / "out").read_text())
    with Client(port, secret=NEWER) as client:
        assert client.post(event()).status == 202
    config.write_text(text + "lisen: 1\n")
    up.send_signal(signal.SIGHUP)
    wait_for("refused", lambda: "lisen: unknown key" in (folder / "out").read_text())
    with Client(port, secret=NEWER) as client:
        assert client.post(event()).status == 202
    end_up(up)
