"""bin/trotline on a test's pipeline: as an operator would call it, in a pipe."""

import json
import subprocess

from pipeline import BIN


def run(pipeline, *args, stdin=""):
    """One call; the finished process with its output as text."""
    env = pipeline.environment("validator")
    return subprocess.run(
        [BIN / "trotline", args[0], "-c", str(pipeline.config), *map(str, args[1:])],
        env=env, input=stdin, capture_output=True, text=True, timeout=120)


def good(pipeline, *args):
    """The output of a call that must succeed."""
    done = run(pipeline, *args)
    assert done.returncode == 0, (args, done)
    return done.stdout


def lines(pipeline, *args):
    """What a call with --json prints, one object a line."""
    return [json.loads(line) for line in good(pipeline, *args, "--json").splitlines()]


def told(pipeline, event_id):
    """What `trotline event` says of it; nothing while it is not known."""
    done = run(pipeline, "event", event_id, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else {"status": None}


def letters(pipeline, *args):
    """The dead letters, newest first."""
    return lines(pipeline, "dlq", "list", *args)
