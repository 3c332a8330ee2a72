"""What a process gives up when it starts, how it is built, and whose its folder must be."""

import os
import pathlib
import re
import subprocess

import pytest

import verbs
from pipeline import BIN, Pipeline, wait_for

NOBODY = 65534


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.plain  # what ships
def test_programs_are_position_independent_bound_at_start_and_fit_for_shadow_stacks():
    for program in sorted(BIN.glob("trotline*")):
        headers = "\n".join(lines("readelf", "-hldW", str(program)))
        assert re.search(r"Type: +DYN", headers), program
        assert "GNU_RELRO" in headers and "BIND_NOW" in headers, program
        assert re.search(r"GNU_STACK .* RW +0x", headers), f"{program}: the stack can be run"
        if os.uname().machine == "x86_64":
            code = lines("objdump", "-d", "--no-show-raw-insn", str(program))
            assert sum("endbr64" in line for line in code) > 50, program


def limits_of(pid):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"Max core file size +(\d+)", text)[1]


def test_no_process_leaves_a_core_or_gains_privileges(start):
    running = start()
    for stage in running.stages.values():
        status = pathlib.Path(f"/proc/{stage.pid()}/status").read_text()
        assert re.search(r"NoNewPrivs:\s+1", status), stage
        assert limits_of(stage.pid()) == "0", stage


@pytest.mark.plain  # LeakSanitizer must see into its own process
def test_another_process_of_the_same_user_cannot_look_into_one():
    """As a user who is not root, whom nothing of this would stop."""
    one = Pipeline()
    try:
        for path in [one.folder, *one.folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        stage = f"{BIN / 'trotline-retrier'} -c {one.config}"
        script = (
            f"{stage} & pid=$!; until test -s {one.data}/run/retrier.0.lock;"
            " do kill -0 $pid || exit 3; sleep 0.05; done;"
            "cat /proc/$pid/environ >/dev/null 2>&1 && echo environ;"
            "head -c 0 /proc/$pid/mem 2>/dev/null && echo mem;"
            "ls /proc/$pid/fd >/dev/null 2>&1 && echo fd;"
            "kill $pid; wait $pid; echo ended $?")
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             "sh", "-c", script],
            env=one.environment("retrier"), capture_output=True, text=True, timeout=60)
        assert done.stdout.splitlines()[-1:] == ["ended 0"], done
        assert not {"environ", "mem", "fd"} & set(done.stdout.splitlines()), done
    finally:
        one.close()


# ---- whose the folder is


def opened(one):
    one.data.chmod(0o777)
    return one.data


def open_to_the_group(one):
    (one.data / "journal").chmod(0o770)
    return one.data / "journal"


def an_open_file(one):
    (one.data / "journal" / "data.mdb").chmod(0o666)
    return one.data / "journal" / "data.mdb"


def given_away(one):
    os.chown(one.data, NOBODY, NOBODY)
    return one.data


def with_a_part_given_away(one):
    os.chown(one.data / "dlq", NOBODY, NOBODY)
    return one.data / "dlq"


def turned_aside(one):
    elsewhere = one.folder / "elsewhere"
    one.data.rename(elsewhere)
    one.data.symlink_to(elsewhere)
    return one.data


def with_a_part_turned_aside(one):
    elsewhere = one.folder / "elsewhere"
    (one.data / "journal").rename(elsewhere)
    (one.data / "journal").symlink_to(elsewhere)
    return one.data / "journal"


FAULTS = [opened, open_to_the_group, an_open_file, given_away, with_a_part_given_away,
          turned_aside, with_a_part_turned_aside]


@pytest.fixture(scope="module")
def used():
    """A folder in which a pipeline has run."""
    one = Pipeline()
    one.start()
    one.stop()
    yield one
    one.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_folder_that_others_could_change_is_refused_with_what_to_do(used, fault):
    kept = used.folder / "kept"
    subprocess.run(["cp", "-a", used.data, kept], check=True)
    path = fault(used)
    try:
        for verb in ("check", "up", "supervisord"):
            done = verbs.run(used, verb)
            assert done.returncode == 100, done
            assert str(path) in done.stderr and done.stdout == "", done
        for stage in used.stages.values():
            done = subprocess.run(stage.command(), env=used.environment(stage.name),
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 100 and str(path) in done.stderr, done
        advice = re.search(rf"chmod go-w \"[^\"]+\"|chown -R {os.geteuid()} \"[^\"]+\"", done.stderr)
        assert advice or "symbolic link" in done.stderr, done
        if advice:
            subprocess.run(advice[0], shell=True, check=True)
            assert verbs.run(used, "check").returncode == 0, "what is advised helps"
    finally:
        subprocess.run(["rm", "-rf", used.data, used.folder / "elsewhere"], check=True)
        kept.rename(used.data)
