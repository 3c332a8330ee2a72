"""What bin/trotline and the stages say to an operator: the advice that they print, words that are nearly
right, states that must be told apart."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time

import pytest
from pipeline import BIN, REPO, SECRET, event, free_port, wait_for
from verbs import good, run, told

TROTLINE = BIN / "trotline"
SOURCES = [*REPO.glob("lib/*/*.[ch]"), *REPO.glob("proto/*.[ch]"), *REPO.glob("cli/*.[ch]"),
           *(file for stage in ("ingress", "validator", "router", "history", "retrier", "dlq", "admin", "handlers")
             for file in REPO.glob(f"{stage}/*.[ch]"))]


def call(*args, cwd="/", env=None, stdin=""):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TROTLINE_")}
    return subprocess.run([TROTLINE, *map(str, args)], cwd=cwd, env=clean | (env or {}), input=stdin,
                          capture_output=True, text=True, timeout=60)


def write(folder, more="", sources='  - name: email\n    secrets: [sixteen-characters-or-more]\n', listen=None):
    path = folder / "trotline.yaml"
    path.write_text(f"listen: {listen or f'127.0.0.1:{free_port()}'}\nsources:\n{sources}{more}")
    return path


# ---- advice


def table():
    """{name: words} of lib/config/advice.h."""
    text = (REPO / "lib/config/advice.h").read_text()
    return dict(re.findall(r'X\((\w+), "([^"]+)"\)', text))


def test_every_command_that_is_advised_works_as_it_is_printed(pipeline, folder):
    """With a configuration that is not the default one, from a folder of its own."""
    assert pipeline.post(event(event_id="known")).status == 202
    pipeline.wait_unknown(["known"])
    what = {"EVENT": "known", "LETTERS_SINCE": "2m", "LETTERS_REPLAY": "2m", "SEND_BATCH": "letters.json",
            "REPLAY_SHOW": "1"}
    shell = {"PATH": f"{BIN}:{os.environ['PATH']}", "TROTLINE_SECRET": SECRET}
    stores = {"FSCK": "fsck", "SALVAGE": "fsck --salvage FILE"}
    for name, words in (table() | stores).items():
        if name == "UP":
            continue
        words = words.replace("%s", what.get(name, "email"))
        until = "timeout --preserve-status -s INT 2 " * words.startswith("tap")  # which goes on until ^C
        done = subprocess.run(f"{until}trotline {words} -c {pipeline.config}", shell=True, cwd=folder, input="",
                              env=shell, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), (words, done)
        assert "Try `trotline" not in done.stderr, (words, done.stderr)


def test_no_text_advises_a_command_that_stands_in_no_table():
    """But help texts, which are about the configuration that is taken without -c."""
    strays = []
    for file in SOURCES:
        if file.name in ("advice.h", "advice.c"):
            continue
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        text = re.sub(r"\.(details|summary) =(\s*(\"(\\.|[^\"\\])*\"|[A-Z_]+(\([A-Z_]+\))?))+", "", text)
        strays += [(file.name, found) for found in re.findall(r"`trotline (?!%s)[a-z]+[^`\"]*", text)]
    # What the stores and the table of causes say, which get their -c in alerts.
    allowed = {"fsck", "drain", "fsck --salvage FILE", "reload", "check --online"}
    assert {words.removeprefix("`trotline ") for name, words in strays if name != "programs.c"} <= allowed, strays
    assert {words for name, words in strays if name == "programs.c"} <= {
        "`trotline up", "`trotline supervisord"}  # comments


def test_the_commands_of_every_help_text_are_no_wrong_use(pipeline, folder):
    env = pipeline.environment("validator") | {"TROTLINE_CONFIG": str(pipeline.config),
                                               "PATH": f"{BIN}:{os.environ['PATH']}"}
    verbs = re.findall(r"^  ([a-z]+) ", call("--help").stdout, re.M)
    for verb in verbs:
        for line in re.findall(r"^  (trotline .*)$", call(verb, "--help").stdout, re.M):
            line = line.split("  #")[0]
            if re.search(r"supervisord|--follow| -f|completion|FILE", line):
                continue
            done = subprocess.run(line, shell=True, cwd=folder, env=env, input="", capture_output=True,
                                  text=True, timeout=60)
            assert done.returncode != 2 or "suppressions check" in line, (line, done)


def test_alerts_name_the_configuration_to_operators_only(start):
    one = start(handlers=(), settings={"health": {"oldest_age": "1s"}}, admin=True)
    assert one.post(event(kind="email_opened", email="ann@example.com")).status == 202

    def alert(alerts):
        return next((text for text in alerts if text.startswith("oldest")), None)

    public = wait_for("the alert", lambda: alert(one.health().json()["alerts"]))
    assert "`trotline retry`" in public
    shown = wait_for("the alert", lambda: alert(json.loads(good(one, "status", "--json"))["alerts"]))
    assert f"`trotline retry -c {one.config}`" in shown


# ---- down, or never started


@pytest.mark.parametrize("args", [["status"], ["top"], ["tap"], ["drain"], ["reload"], ["send"], ["load", "--duration", "1"],
                                  ["send", "--provider", "trotline", "--event", "email_opened"]])
def test_exit_3_wherever_the_pipeline_is_needed_and_down(folder, args):
    path = write(folder)
    done = call(*args, "-c", path)
    assert done.returncode == 3, done
    assert f"the pipeline of {path} is down; `trotline up -c {path}` starts it (it was never started)" in done.stderr
    assert call(*args, cwd=folder).stderr.count("`trotline up` starts it") == 1


def test_one_that_was_started_is_only_down(start):
    one = start()
    one.stop()
    done = run(one, "status")
    assert done.returncode == 3 and "is down" in done.stderr and "never" not in done.stderr


@pytest.mark.parametrize("args", [["event", "x"], ["batch", "x"], ["retry"], ["fsck"]])
def test_what_was_never_started_is_told_so(folder, args):
    path = write(folder)
    done = call(*args, "-c", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the pipeline of {path} was never started: there is no journal in" in done.stderr
    assert "cannot open" not in done.stderr


def test_an_address_that_is_none_is_wrong_use(folder):
    path = write(folder)
    for verb in ("add", "remove", "check"):
        done = call("suppressions", verb, "jo@@example.com", "-c", path)
        assert done.returncode == 2 and "jo@@example.com" in done.stderr, done


# ---- words that are nearly right


@pytest.mark.parametrize("args, hint", [
    (["stauts"], 'unknown verb "stauts"; did you mean "status"?'),
    (["evnet", "x"], 'did you mean "event"?'),
    (["--verison"], 'unknown flag "--verison"; did you mean "--version"?'),
    (["tap", "--tpye", "x"], 'unknown flag --tpye; did you mean "type"?'),
    (["send", "--provider", "sendgird", "--events"], 'there is no provider "sendgird"; did you mean "sendgrid"?'),
    (["dlq", "lsit"], 'did you mean "list"?'),
    (["tap", "--kind", "evnt"], 'did you mean "event"?'),
    (["--frames", "x"], '"x" is one argument too many'),
    (["--version", "x"], '"x" is one argument too many'),
])
def test_a_word_that_is_nearly_right_is_guessed(args, hint):
    done = call(*args)
    assert (done.returncode, done.stdout) == (2, "") and hint in done.stderr, done


def test_keys_and_providers_of_the_configuration_are_guessed(folder):
    for more, sources, hint in (
            ("lisen: x\n", None, 'lisen: unknown key; did you mean "listen"?'),
            ("limits: {conections: 9}\n", None, 'limits.conections: unknown key; did you mean "connections"?'),
            ("", "  - name: e\n    secert: [x]\n", 'sources[0].secert: unknown key; did you mean "secrets"?'),
            ("", "  - name: e\n    provider: sendgird\n    secrets: [x]\n", 'did you mean "sendgrid"?')):
        path = write(folder, more, **({"sources": sources} if sources else {}))
        done = call("check", "-c", path)
        assert done.returncode == 100 and hint in done.stderr, done


def test_nobody_is_bounced_by_an_oversight(pipeline, folder):
    for args in (["--type", "email_bounced"], ["--type", "email_complained"], ["--type", "email_unsubscribed"]):
        done = run(pipeline, "send", *args)
        assert done.returncode == 1 and "--email" in done.stderr, done
        assert run(pipeline, "send", *args, "--email", "jo@example.com").returncode == 0
    assert run(pipeline, "send", "--type", "email_opened").returncode == 0


def test_days_by_their_names(pipeline):
    for word in ("yesterday", "today"):
        assert run(pipeline, "dlq", "list", "--since", word).returncode == 0
    done = run(pipeline, "suppressions", "add", "jo@example.com", "--until", "yesterday")
    assert done.returncode == 2 and "--until yesterday is past" in done.stderr
    done = run(pipeline, "suppressions", "add", "jo@example.com", "--until", "soon")
    assert done.returncode == 2 and "from now on" in done.stderr and "ago" not in done.stderr


# ---- check


def test_localhost_and_decimal_sizes_are_what_people_write(folder):
    port = free_port()
    path = write(folder, "journal: {max_size: 2GB}\nadmin: {listen: off}\n", listen=f"localhost:{port}")
    done = call("check", "--json", "-c", path)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["listen"] == f"127.0.0.1:{port}"


def test_check_shows_who_takes_each_type_and_warns_of_what_is_taken_away(folder):
    path = write(folder, "handlers:\n  - {name: mine, types: [email_bounced, own_type], processes: 0}\n")
    done = call("check", "-c", path)
    assert done.returncode == 0, done
    assert re.search(r"^  email_bounced +mine$", done.stdout, re.M)
    assert re.search(r"^  own_type +mine$", done.stdout, re.M)
    assert re.search(r"^  email_opened +opened$", done.stdout, re.M)
    assert re.search(r"^  \(every other\) +unknown$", done.stdout, re.M)
    assert "warning: email_bounced goes to the handler mine, so the built-in bounced" in done.stderr
    types = {row["type"]: row for row in json.loads(call("check", "--json", "-c", path).stdout)["types"]}
    assert types["email_bounced"] == {"type": "email_bounced", "handler": "mine", "instead_of": "bounced"}


@pytest.mark.parametrize("sources, more, cause", [
    (None, "handlers:\n  - {name: mine, types: [own]}\n", "trotline-handler-mine is missing"),
    ("  - {name: p, provider: postmark, secrets: [no-colon-in-this-one]}\n", "", "it is not user:password"),
    ("  - {name: p, provider: sendgrid, secrets: [not-a-public-key-at-all]}\n", "", "secret 1 for scheme ecdsa"),
    ("  - {name: p, provider: sendgrid, secrets_file: ./none}\n", "", "cannot be made up"),
    ("  - {name: p, provider: mandrill, url: example.com/hook, secrets: [sixteen-characters-or-more]}\n", "",
     "sources[0].url: is no URL"),
    (None, "notify: {url: 'ops.example.com'}\n", "notify.url: is no URL"),
])
def test_check_finds_what_could_never_work(folder, sources, more, cause):
    path = write(folder, more, **({"sources": sources} if sources else {}))
    done = call("check", "-c", path)
    assert done.returncode == 100 and cause in done.stderr, done


def test_a_secret_that_up_makes_has_the_form_that_its_provider_needs(folder):
    path = write(folder, sources="".join(
        f"  - {{name: {name}, provider: {name}, secrets_file: ./secrets/{name}}}\n"
        for name in ("trotline", "postmark", "resend", "mailersend")))
    done = call("supervisord", "-c", path)
    assert done.returncode == 0, done
    assert re.fullmatch(r"trotline:[0-9a-f]{64}\n", (folder / "secrets/postmark").read_text())
    assert re.fullmatch(r"whsec_[0-9a-f]{64}\n", (folder / "secrets/resend").read_text())
    assert re.fullmatch(r"[0-9a-f]{64}\n", (folder / "secrets/trotline").read_text())


# ---- files that can only be read


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_snapshot_that_can_only_be_read_is_looked_at(start):
    one = start(handlers=("complained",))
    assert one.post(event(event_id="a", kind="email_complained", email="ann@example.com")).status == 202
    assert one.post(event(event_id="b", kind="email_complained", nothing="here")).status == 202
    wait_for("both ended", lambda: told(one, "a")["status"] == "success" and told(one, "b")["letter"])
    one.stop()
    for args, part in ((["fsck"], "good: every event"), (["event", "a"], "compliance_log: complaint, ann@"),
                       (["dlq", "list"], "email_complained"), (["suppressions", "list"], "ann@example.com"),
                       (["dlq", "stats"], "1")):
        words = " ".join([str(TROTLINE), args[0], "-c", str(one.config), *args[1:]])
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", f"mount --bind {one.folder} {one.folder} && "
             f"mount -o remount,ro,bind {one.folder} && {words}"],
            env=one.environment("validator"), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and part in done.stdout, (args, done)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_copy_without_write_permission_is_looked_at_and_its_owner_is_named(start):
    one = start(handlers=("complained",))
    assert one.post(event(event_id="a", kind="email_complained", email="ann@example.com")).status == 202
    wait_for("done", lambda: told(one, "a")["status"] == "success")
    one.stop()
    subprocess.run(f"chown -R nobody {one.folder} && chmod -R a-w {one.data}", shell=True, check=True)
    for args, part in ((["fsck"], "good: every event"), (["event", "a"], "compliance_log: complaint, ann@"),
                       (["dlq", "list"], "")):
        done = subprocess.run(
            ["setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps=-all", TROTLINE, args[0], "-c", one.config, *args[1:]],
            env=one.environment("validator"), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and part in done.stdout, (args, done)
    done = run(one, "check")
    assert done.returncode == 100 and f"runuser -u nobody -- {TROTLINE} check -c {one.config}" in done.stderr
    subprocess.run(f"chown -R root {one.folder} && chmod -R u+w {one.data}", shell=True, check=True)


# ---- status, top, tap, logs, restart


def test_handlers_that_are_started_by_hand_have_a_row(start):
    one = start(settings={"handlers": [{"name": "mine", "types": ["own"], "processes": 0}]})
    rows = {row["stage"]: row for row in json.loads(good(one, "status", "--json"))["stages"]}
    assert rows["handler-mine"]["state"] == "by hand" and rows["handler-mine"]["pid"] is None
    one.hook("mine", lambda ev: "done")
    assert one.post(event(kind="own")).status == 202

    def state():
        rows = json.loads(good(one, "status", "--json"))["stages"]
        return next(row["state"] for row in rows if row["stage"] == "handler-mine")

    wait_for("it answers", lambda: state() == "answers")
    assert re.search(r"^handler-mine.0 .* answers$", good(one, "status"), re.M)

    def works():
        sender = threading.Thread(target=lambda: [one.post(event(kind="own")) for _ in range(300)])
        sender.start()
        rows = json.loads(good(one, "status", "--json"))["stages"]
        sender.join()
        return next(row["per_second"] for row in rows if row["stage"] == "handler-mine") > 0

    wait_for("it is seen to work", works)


def test_who_works_comes_first(start):
    one = start(handlers=("accepted", "delivered", "unknown"))
    text = good(one, "status")
    places = [text.index(name) for name in ("ingress.0", "retrier.0", "dlq.0", "handler-accepted.0")]
    assert places == sorted(places)
    stop = threading.Event()

    def load():
        with one.client() as client:
            while not stop.is_set():
                client.post(event())

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_for("the one with work", lambda: re.findall(
            r"^handler-(\w+).0 ", good(one, "status"), re.M)[0] == "unknown")
    finally:
        stop.set()
        thread.join()


def test_tap_shows_one_recipients_events(pipeline):
    tap = subprocess.Popen([TROTLINE, "tap", "-c", pipeline.config, "--email", "Ann@example.com", "--count", "1"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tap.stderr.readline() == "connected\n"
    for who in ("jo", "ann"):
        assert pipeline.post(event(kind="other", email=f"{who}@example.com")).status == 202
    out, _ = tap.communicate(timeout=30)
    assert json.loads(out)["email"] == "ann@example.com"
    assert call("tap", "-c", pipeline.config, "--kind", "stats", "--email", "x@example.com").returncode == 2


@pytest.fixture(scope="module")
def up():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
    write(folder, "admin: {listen: off}\n")
    with open(folder / "out", "w") as out:
        process = subprocess.Popen([TROTLINE, "up"], cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out, start_new_session=True)
    wait_for("ready", lambda: "\nready\n" in (folder / "out").read_text(), 60)
    yield folder
    process.terminate()
    process.wait(60)
    shutil.rmtree(folder)


def test_the_logs_of_one_event_are_its_lines_of_all_stages(up):
    for one in ("log-1", "log-2"):
        assert call("send", "--id", one, "--type", "email_opened", cwd=up).returncode == 0
    wait_for("done", lambda: "success" in call("event", "log-1", cwd=up).stdout)
    text = wait_for("its end", lambda: (lambda text: text if "msg=done" in text else None)(
        call("logs", "log-1", cwd=up).stdout))
    assert all("id=log-1" in line for line in text.splitlines()), text
    assert {"validator", "router", "handler-opened", "retrier"} <= set(re.findall(r"stage=(\S+)", text))
    times = re.findall(r"^ts=(\S+)", text, re.M)
    assert times == sorted(times)
    seq = json.loads(call("event", "log-1", "--json", cwd=up).stdout)["seq"]
    assert "id=log-1" in call("logs", str(seq), cwd=up).stdout
    assert set(re.findall(r"stage=(\S+)", call("logs", "--stage", "retrier", cwd=up).stdout)) == {"retrier"}
    assert len(call("logs", "-n", "3", cwd=up).stdout.splitlines()) == 3
    assert call("logs", "--stage", "nobody", cwd=up).returncode == 1


def test_logs_go_on_with_what_comes(up):
    logs = subprocess.Popen([TROTLINE, "logs", "-f", "coming", "-c", up / "trotline.yaml"],
                            stdout=subprocess.PIPE, text=True)
    try:
        assert call("send", "--id", "coming", cwd=up).returncode == 0
        assert "id=coming" in logs.stdout.readline()
    finally:
        logs.terminate()
        assert logs.wait(30) == 0


@pytest.mark.parametrize("first", [True, False])
def test_logs_go_on_through_a_rotation(folder, first):
    def line(n):
        return f"ts=2026-01-01T00:00:{n:02}.000Z level=info stage=router msg=line n={n}\n"

    path, logs = write(folder), folder / "var/log"
    logs.mkdir(parents=True)
    last, one_before = logs / "router.0.log", logs / "router.0.log.1"
    if not first:
        one_before.write_text("".join(map(line, range(3))))
    last.write_text("".join(map(line, range(3, 20))))
    shown = subprocess.Popen([TROTLINE, "logs", "-f", "-n", "2", "-c", path], stdout=subprocess.PIPE, text=True)
    try:
        assert [shown.stdout.readline() for _ in range(2)] == [line(18), line(19)]
        with open(last, "a") as file:
            file.write(line(20))
        last.rename(one_before)
        last.write_text(line(21))
        assert [shown.stdout.readline() for _ in range(2)] == [line(20), line(21)]
    finally:
        shown.terminate()
        assert shown.communicate(timeout=30)[0] == "" and shown.returncode == 0


def test_a_stage_is_restarted_and_runs_again(up):
    before = {f"{one['stage']}.{one['instance']}": one["pid"]
              for one in json.loads(call("status", "--json", cwd=up).stdout)["stages"]}
    for name, stage in (("router", "router.0"), ("opened", "handler-opened.0"), ("validator.0", "validator.0")):
        done = call("restart", name, "--json", cwd=up)
        assert done.returncode == 0, done
        told_of = json.loads(done.stdout)
        assert told_of["was"] == before[stage] and told_of["pid"] != before[stage]
    assert call("send", "--id", "after-all", cwd=up).returncode == 0
    done = call("restart", "routre", cwd=up)
    assert done.returncode == 1 and 'did you mean "router"?' in done.stderr


def test_only_what_comes_back_is_ended(pipeline, folder):
    done = run(pipeline, "restart", "router")
    assert done.returncode == 1 and "is no child of supervisord" in done.stderr
    assert pipeline["router"].runs()
    assert call("restart", "router", "-c", write(folder)).returncode == 3


def test_tap_shows_what_was_refused_with_the_step_that_failed(pipeline):
    tap = subprocess.Popen([TROTLINE, "tap", "-c", pipeline.config, "--kind", "refused", "--count", "3"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tap.stderr.readline() == "connected\n"
    with pipeline.client() as client:
        assert client.post_bytes(b"{}", signature="sha256=00").status == 401
        assert client.post_bytes(b"{").status == 400
        assert client.post(event(event_id="old", timestamp=1700000000)).status == 400
        assert client.post(event()).status == 202
    out, _ = tap.communicate(timeout=30)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["step"], row["status"]) for row in rows] == [("signature", 401), ("json", 400), ("too_old", 400)]
    assert all(row["source"] == "email" and row["reason"] for row in rows)
    assert rows[2]["id"] == "old" and SECRET not in out


def test_tap_shows_what_ingress_refused_too(pipeline):
    tap = subprocess.Popen([TROTLINE, "tap", "-c", pipeline.config, "--kind", "refused", "--count", "4"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tap.stderr.readline() == "connected\n"
    with pipeline.client() as client:
        assert client.post_bytes(b"{}", path="/webhooks/emial?token=hidden").status == 404
        assert client.request("PUT", "/webhooks/email", b"{}").status == 405
        assert client.request("POST", "/webhooks/email", b"{}", {"Content-Encoding": "gzip"}).status == 415
        assert client.post_bytes(b"x" * (2 << 20)).status == 413
    out, _ = tap.communicate(timeout=30)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["step"], row["status"], row["source"]) for row in rows] == [
        ("path", 404, ""), ("method", 405, ""), ("coding", 415, "email"), ("body", 413, "email")]
    assert rows[0]["reason"].endswith(": /webhooks/emial")


def test_a_flood_of_refusals_is_shown_in_part_and_counted(pipeline):
    tap = subprocess.Popen([TROTLINE, "tap", "-c", pipeline.config, "--kind", "refused"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tap.stderr.readline() == "connected\n"
    with pipeline.client() as client:
        for _ in range(300):
            assert client.post_bytes(b"{}", signature="sha256=00").status == 401
        time.sleep(1.1)  # the next second's
        assert client.post_bytes(b"{}", signature="sha256=01").status == 401
    shown, counted = 0, 0
    while shown + counted < 301:
        counted += json.loads(tap.stdout.readline())["left_out"]
        shown += 1
    tap.terminate()
    tap.communicate(timeout=30)
    assert shown + counted == 301


def test_what_may_follow_a_flag_is_completed(pipeline):
    env = {"TROTLINE_CONFIG": str(pipeline.config), "TROTLINE_SECRET": SECRET}

    def values(verb, flag):
        return call("completion", "bash", "--", verb, flag, env=env).stdout.split()

    assert "email_bounced" in values("send", "--type") and "email_bounced" in values("tap", "-t")
    assert "sendgrid" in values("verify", "--provider")
    assert values("tap", "--source") == ["email"]
    assert values("tap", "--kind") == ["event", "verdict", "advice", "stats", "refused"]
    assert {"validator", "handler-opened"} <= set(values("restart", "restart"))
    assert call("completion", "bash", "--", "event", "--json").returncode == 1
    script = (f"PATH={TROTLINE.parent}:$PATH; source <(trotline completion bash); COMP_WORDS=(trotline tap --kind re); "
              "COMP_CWORD=3; _trotline trotline; printf '%s\\n' \"${COMPREPLY[@]}\"")
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["refused"]


def test_a_type_that_is_nearly_one_of_ours_is_noted(pipeline):
    done = run(pipeline, "send", "--type", "email_opend")
    assert done.returncode == 0 and 'did you mean "email_opened"?' in done.stderr
    assert run(pipeline, "send", "--type", "order_paid").stderr == ""


def test_an_event_of_a_provider_may_be_written_with_blanks(folder):
    path = write(folder, sources="  - {name: p, provider: mailgun, secrets: [sixteen-characters-or-more]}\n")
    done = call("send", "--provider", "mailgun", "--event", "Failed temporary", "--print", "-c", path)
    assert done.returncode == 0 and "452 4.2.2" in done.stdout, done
