"""The pipeline under supervisord, as `up` starts it and as an operator does, and the table of
processes from which that and much else comes."""

import contextlib
import configparser
import json
import os
import shutil
import subprocess

import pytest
from pipeline import BIN, DEADLINE_S, REPO, free_port, wait_for

TROTLINE = BIN / "trotline"
STRANGE = "100% \"it's\" (a) $b;c#d\\e"


def write_config(folder, more="", data_dir="./var"):
    """As the sample: a secret that is not there yet."""
    port = free_port()
    (folder / "trotline.yaml").write_text(json.dumps({
        "listen": f"127.0.0.1:{port}", "data_dir": data_dir,
        "sources": [{"name": "email", "secrets_file": "./secret"}]})[:-1] + f"{more}}}")
    return port


def run(program, *args, folder):
    return subprocess.run([program, *args], cwd=folder, capture_output=True, text=True, timeout=60)


def good(program, *args, folder):
    done = run(program, *args, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def supervisorctl(folder, config, *args):
    return good("supervisorctl", "-c", config, *args, folder=folder)


def running(folder, config):
    """{group:process: pid} of those that supervisord has started."""
    lines = run("supervisorctl", "-c", config, "status", folder=folder).stdout.splitlines()
    return {line.split()[0]: int(line.split("pid ")[1].split(",")[0]) for line in lines if " RUNNING " in line}


@contextlib.contextmanager
def up(folder, trotline=TROTLINE):
    with open(folder / "out", "w") as out:
        process = subprocess.Popen([trotline, "up"], cwd=folder, stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for("ready", lambda: "\nready\n" in (folder / "out").read_text() or process.poll() is not None, 60)
        assert process.poll() is None, (folder / "out").read_text()
        yield process
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def sends(folder, trotline=TROTLINE):
    """An event is accepted and applied."""
    wait_for("it is accepted", lambda: run(
        trotline, "send", "--id", "one", folder=folder).stdout.startswith("202"), 60)
    wait_for("it is applied", lambda: "success" in run(trotline, "event", "one", folder=folder).stdout)


@contextlib.contextmanager
def own(folder, *flags):
    """supervisord as an operator starts it: a daemon, or (-n) not."""
    (folder / "own.conf").write_text(good(TROTLINE, "supervisord", folder=folder))
    process = subprocess.Popen(["supervisord", *flags, "-c", "own.conf"], cwd=folder,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        if not flags:
            assert process.wait(DEADLINE_S) == 0
        yield
    finally:
        good(TROTLINE, "drain", folder=folder)
        assert process.wait(DEADLINE_S) == 0


def test_supervisorctl_works_as_it_stands_while_up_runs(folder):
    write_config(folder)
    config = "var/run/supervisord.conf"
    with up(folder):
        assert "ENV_" not in (folder / config).read_text()
        before = running(folder, config)
        assert {"ingress:ingress.0", "handlers:handler-unknown.0", "dlq:dlq.0"} <= set(before)
        assert "validator:validator.0: started" in supervisorctl(folder, config, "restart", "validator:*")
        after = running(folder, config)
        assert {name for name in before if before[name] != after[name]} == {"validator:validator.0"}
        sends(folder)


@pytest.mark.parametrize("flags", [(), ("-n",)])
def test_what_is_printed_runs_the_pipeline_without_up(folder, flags):
    write_config(folder)
    with own(folder, *flags):
        sends(folder)
        assert "validator:validator.0" in running(folder, "own.conf")
        stages = json.loads(good(TROTLINE, "status", "--json", folder=folder))["stages"]
        assert {"ingress", "dlq", "handler-unknown"} <= {stage["stage"] for stage in stages}
    assert not running(folder, "own.conf")
    assert "msg=stopped" in (folder / "var/log/ingress.0.log").read_text()


def test_it_makes_what_is_missing_and_says_so(folder):
    write_config(folder)
    done = run(TROTLINE, "supervisord", folder=folder)
    assert done.returncode == 0 and f"Made a random secret for source email: {folder}/secret" in done.stderr
    assert (folder / "var/run").is_dir() and (folder / "var/log").is_dir()
    again = run(TROTLINE, "supervisord", folder=folder)
    assert (again.returncode, again.stderr, again.stdout) == (0, "", done.stdout)


def test_paths_may_hold_what_means_something_to_supervisord(folder):
    inner = folder / STRANGE
    (inner / "bin").mkdir(parents=True)
    for program in BIN.glob("trotline*"):
        shutil.copy2(program, inner / "bin")
    write_config(inner)
    with up(inner, inner / "bin/trotline"):
        assert "router:router.0" in running(inner, "var/run/supervisord.conf")
        sends(inner, inner / "bin/trotline")


def test_a_path_that_supervisord_cannot_be_told_is_refused(folder):
    write_config(folder, data_dir="./my #1")
    done = run(TROTLINE, "supervisord", folder=folder)
    assert done.returncode == 1 and done.stdout == ""
    assert "takes a blank and # in a path as the beginning of a comment" in done.stderr


def test_a_missing_program_is_named_instead_of_printed(folder):
    write_config(folder, ', "handlers": [{"name": "mine", "types": ["mine_a"]}]')
    done = run(TROTLINE, "supervisord", folder=folder)
    assert done.returncode == 1 and done.stdout == ""
    assert f"{BIN}/trotline-handler-mine is missing; build it" in done.stderr


# ---- the table of processes

MADE_UP = ('X(MADE_UP, "made-up", COUNT_ONE, NEEDED_TO_APPLY, NONE, OPENS_NONE, GROUP, "",'
           ' "is made up")')
MADE_UP_MAIN = """#include "lib/stage/stage.h"
int
main(int argc, char **argv)
{
	struct stage *st = stage_new("made-up", NULL, argc, argv);

	stage_run(st);
	return stage_destroy(&st);
}
"""


def build_with_a_row_more(folder):
    """bin/ as it would be with MADE_UP in the table: what looks at the table is compiled anew."""
    objects, programs = folder / "b", folder / "bin"
    shutil.copytree(REPO / "build/plain", objects)
    for file in objects.rglob("*.d"):
        if "proto/processes.h" in file.read_text():
            file.with_suffix(".o").unlink(missing_ok=True)
    (objects / "libtrotline.a").unlink()
    (folder / "made_up.c").write_text(MADE_UP_MAIN)
    programs.mkdir()
    rule = (f"{programs}/trotline-made-up: {folder}/made_up.c {objects}/libtrotline.a ;"
            " @$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)")
    done = subprocess.run(
        ["make", "-s", "-j4", "--eval", rule, f"B={objects}", f"BIN={programs}",
         f"SANITIZE=-O0 -D'PROCESSES_MORE(X)={MADE_UP}'",
         *(f"{programs}/trotline{name}" for name in ("", "-ingress", "-admin", "-made-up"))],
        cwd=REPO, capture_output=True, text=True, env={**os.environ, "MAKEFLAGS": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    for program in BIN.glob("trotline-*"):
        if not (programs / program.name).exists():
            (programs / program.name).symlink_to(program)
    return programs / "trotline"


@pytest.mark.plain
def test_a_process_is_a_row_of_the_table_and_a_program(folder):
    write_config(folder)
    trotline = build_with_a_row_more(folder)
    assert "\n  made-up                  1 process    is made up\n" in good(trotline, "check", folder=folder)
    config = configparser.RawConfigParser(strict=False)
    config.read_string(good(trotline, "supervisord", folder=folder))
    assert config["program:made-up"]["command"].startswith(f"{folder}/bin/trotline-made-up -c ")
    ctl = ("supervisorctl", "-c", "var/run/supervisord.conf")
    with up(folder, trotline):
        def told(verb):
            return json.loads(run(trotline, verb, "--json", folder=folder).stdout)
        assert {"made-up": "running"}.items() <= {
            stage["stage"]: stage["state"] for stage in told("status")["stages"]}.items()
        assert {"made-up": "reloaded"}.items() <= {
            stage["stage"]: stage["outcome"] for stage in told("reload")["stages"]}.items()
        good(*ctl, "stop", "made-up:*", folder=folder)
        wait_for("health misses it", lambda: any(
            alert.startswith("stage made-up has no live process") for alert in told("status")["alerts"]))
        good(*ctl, "start", "made-up:*", folder=folder)
        drained = told("drain")
        assert drained["left"] == 0 and drained["stages"] == len(told("check")["stages"])
    log = (folder / "var/log/made-up.0.log").read_text()
    assert log.count("msg=ready") == 2 and log.count("msg=stopped") == 2
