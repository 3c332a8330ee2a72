"""bench/results.json: every figure with its rounds, and on what machine, with what, and when."""

import json
import os
import pathlib
import platform
import subprocess
import tempfile
import time

from receiver import BENCH, REPO

FILE = BENCH / "results.json"


def told(*command):
    run = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.strip()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def system():
    return platform.freedesktop_os_release()["PRETTY_NAME"]


def disk():
    """Of the data folders: file system, device and its model, where it tells one."""
    kind, device = told("findmnt", "-no", "FSTYPE,SOURCE", "-T", tempfile.gettempdir()).split()
    model = pathlib.Path("/sys/class/block") / pathlib.Path(device).name / "device/model"
    return f"{kind} on {model.read_text().strip() if model.exists() else device}"


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": processor(), "cores": os.cpu_count(), "memory_gib": round(memory / 2**30, 1),
            "disk": disk(), "system": system(), "kernel": platform.release()}


def write(bench, rows, took_s):
    FILE.write_text(json.dumps({
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "version": told("git", "describe", "--always", "--dirty"),
        "machine": machine(),
        "run": {"figures": list(bench.figures()), "quick": bench.quick, "rounds": bench.rounds,
                "seconds": bench.seconds, "log_level": bench.log, "events": bench.mix,
                "took_s": round(took_s)},
        "figures": [row.as_dict() for row in rows],
        "rounds": bench.kept}, indent=1) + "\n")
