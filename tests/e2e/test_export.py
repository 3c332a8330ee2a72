"""What is exported is what was sent: every event once, whole, oldest first."""
import csv
import io
import json
import os
import resource
import signal
import stat
import subprocess
import threading

import pytest

from pipeline import BIN, Pipeline, event, post_all, wait_for
from verbs import good, run

EVIL = '=cmd|"/c calc"!A1,\n\u202e\x1b[2J\x00"'


@pytest.fixture(scope="module")
def kept():
    pipeline = Pipeline(settings={"history": {"keep": "1d"}})
    pipeline.start()
    sent = [event("custom_thing", email=f"u{i % 7}@example.com", message_id=f"m{i}", n=2**64 - 1, campaign_id=i % 3,
                  reason=EVIL if i % 10 == 0 else "fine", deep={"list": [i, None, 1.5]}) for i in range(300)]
    post_all(pipeline, sent)
    wait_for("all kept", lambda: good(pipeline, "export").count("\n") == len(sent))
    yield pipeline, {one["event_id"]: one for one in sent}
    pipeline.close()


def rows(pipeline, *arguments):
    return [json.loads(line) for line in good(pipeline, "export", *arguments).splitlines()]


def table(pipeline, *arguments):
    # Not split at line ends: they may stand in a value.
    env = pipeline.environment("validator")
    done = subprocess.run([BIN / "trotline", "export", "-c", pipeline.config, "--format", "csv", *arguments], env=env,
                          capture_output=True, check=True)
    return list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))


def test_every_event_is_in_it_once_and_whole(kept):
    pipeline, sent = kept
    told = rows(pipeline)
    assert sorted(row["event_id"] for row in told) == sorted(sent)
    assert all(row["data"] == sent[row["event_id"]]["data"] for row in told)
    assert [row["pos"] for row in told] == sorted(row["pos"] for row in told)
    assert told[::-1] == [json.loads(line) for line in good(
        pipeline, "history", "--json", "--limit", "1000").splitlines()], "as `history` tells it"


def test_a_table_holds_the_same_and_runs_in_no_spreadsheet(kept):
    pipeline, sent = kept
    told = table(pipeline)
    assert sorted(row["event_id"] for row in told) == sorted(sent)
    for row in told:
        data = sent[row["event_id"]]["data"]
        assert (row["email"], row["message_id"], row["campaign_id"]) == (
            data["email"], data["message_id"], str(data["campaign_id"]))
        assert row["event_type"] == "custom_thing" and row["machine"] == "false"
        if data["reason"] != EVIL:
            assert row["reason"] == "fine"
            continue
        assert row["reason"].startswith("'=cmd|\"/c calc\"!A1,\n")
        assert not set("\u202e\x1b\x00") & set(row["reason"])


def test_filters_narrow_it(kept):
    pipeline, sent = kept
    wanted = {name for name, one in sent.items() if one["data"]["email"] == "u3@example.com"}
    assert {row["event_id"] for row in rows(pipeline, "--email", "U3@example.com")} == wanted
    assert {row["event_id"] for row in table(pipeline, "--email", "U3@example.com")} == wanted
    assert len(rows(pipeline, "--campaign", "1", "--since", "1h")) == 100
    assert rows(pipeline, "--until", "1h") == [] == rows(pipeline, "--type", "email_*")
    assert len(good(pipeline, "export", "--type", "email_*", "--format", "csv").splitlines()) == 1, "the names"


def test_a_file_appears_whole_for_its_owner_and_over_no_other(kept, tmp_path):
    pipeline, sent = kept
    path = tmp_path / "all.csv"
    done = run(pipeline, "export", "-o", path)
    assert (done.returncode, done.stdout) == (0, "") and f"{len(sent)} events" in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["all.csv"], "nothing else is left"
    before = path.read_bytes()
    assert before.startswith(b"id,event_type,email,") and before == subprocess.run(
        [BIN / "trotline", "export", "-c", pipeline.config, "-f", "csv"], capture_output=True,
        env=pipeline.environment("validator")).stdout
    done = run(pipeline, "export", "-o", path)
    assert done.returncode == 1 and "already" in done.stderr and path.read_bytes() == before
    done = run(pipeline, "export", "-o", tmp_path / "no" / "such")
    assert done.returncode == 1 and "such" in done.stderr


def test_a_full_disk_is_told_and_leaves_nothing(kept, tmp_path):
    pipeline, _ = kept
    path = tmp_path / "all.jsonl"

    def little():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    done = subprocess.run([BIN / "trotline", "export", "-c", pipeline.config, "-o", path], capture_output=True, text=True,
                          env=pipeline.environment("validator"), preexec_fn=little)
    assert done.returncode == 1 and "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []
    with open("/dev/full", "w") as full:
        done = subprocess.run([BIN / "trotline", "export", "-c", pipeline.config], stdout=full, stderr=subprocess.PIPE,
                              text=True, env=pipeline.environment("validator"))
    assert done.returncode == 1 and "cannot write" in done.stderr


@pytest.mark.parametrize("wrong, word", [
    (("--format", "cvs"), 'mean "csv"'), (("--since", "soon"), "--since"), (("--email", "nobody"), "address"),
    (("--email", "a@example.com", "--id", "x"), "exclude"), (("x",), "too many")])
def test_what_means_nothing_is_told(kept, wrong, word):
    done = run(kept[0], "export", *wrong)
    assert (done.returncode, done.stdout) == (2, "") and word in done.stderr


def test_it_holds_what_was_there_when_it_began_whatever_comes_meanwhile(kept):
    pipeline, _ = kept
    stop = threading.Event()
    ids = []

    def more():
        while not stop.is_set():
            ids.extend(post_all(pipeline, [event("custom_more") for _ in range(50)]))
    thread = threading.Thread(target=more)
    thread.start()
    try:
        wait_for("some came", lambda: len(ids) >= 200)
        for _ in range(5):
            told = [row["event_id"] for row in rows(pipeline, "--type", "custom_more")]
            assert len(told) == len(set(told)) and told
    finally:
        stop.set()
        thread.join()
    wait_for("all are in it", lambda: {row["event_id"] for row in rows(pipeline, "--type", "custom_more")} == set(ids))
    pins = pipeline.data / "history" / "pins"
    assert not pins.exists() or not os.listdir(pins), "it holds nothing once it is done"


def test_it_works_while_the_pipeline_is_killed(kept):
    pipeline, sent = kept
    for stage in pipeline.stages.values():
        stage.kill()
    assert {row["event_id"] for row in rows(pipeline, "--type", "custom_thing")} == set(sent)
    pipeline.start()


def test_a_damaged_file_is_told(kept):
    pipeline, _ = kept
    pipeline.stop()
    opened, = (file for file in (pipeline.data / "history").iterdir() if file.name.startswith("open.") and file.suffix[1:].isdigit())
    whole = opened.read_bytes()
    opened.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    done = run(pipeline, "export")
    opened.write_bytes(whole)
    assert done.returncode == 1 and "could not be read" in done.stderr
    pipeline.start()
