"""The house's rule, by a tree that keeps it and by trees that break it in one place each."""

import re
import runpy
import subprocess

import pytest
from pipeline import PROCESSES, REPO

HOUSE = {
    "lib/base/slice.h": "",
    "lib/base/error.h": '#include "slice.h"',
    "lib/base/error.c": '#include "error.h"\n#include <string.h>',
    "proto/frame.h": '#include "lib/base/error.h"',
    "lib/config/config.h": '#include "proto/frame.h"',
    "lib/stage/stage.h": '#include "lib/config/config.h"',
    "lib/stage/verdicts.h": '#include "proto/frame.h"',
    "lib/store/journal.h": '#include "lib/config/config.h"',
    "lib/store/journal.c": '#include "journal_private.h"',
    "lib/store/journal_private.h": '#include <lmdb.h>\n#include "journal.h"',
    "lib/ops/event.h": '#include "lib/store/journal.h"\n#include "lib/stage/verdicts.h"',
    "providers/scheme.h": '#include "lib/base/slice.h"',
    "ingress/main.c": '#include <microhttpd.h>\n#include "lib/stage/stage.h"',
    "validator/main.c": '#include "providers/scheme.h"',
    "retrier/main.c": '#include "lib/ops/event.h"\n#include "pace.h"',
    "retrier/pace.h": '#include "lib/base/slice.h"',
    "retrier/pace.c": '#include "pace.h"',
}

BREAKS = [
    ("lib/base/error.c", '#include "proto/frame.h"', "lib/base may not include proto/frame.h"),
    ("proto/frame.c", '#include "lib/config/config.h"', "proto may not include lib/config"),
    ("lib/config/config.c", '#include "lib/stage/stage.h"', "may not include lib/stage"),
    ("lib/stage/stage.c", '#include "lib/store/journal.h"', "may not include lib/store"),
    ("lib/store/letters.c", '#include "lib/stage/stage.h"', "may not include lib/stage"),
    ("lib/store/letters.c", '#include "lib/ops/event.h"', "may not include lib/ops"),
    ("lib/ops/event.c", '#include "lib/stage/stage.h"', "may not include lib/stage/stage.h"),
    ("lib/ops/event.c", '#include "ingress/main.h"', "from the root"),
    ("ingress/http.c", '#include "providers/scheme.h"', "may not include providers"),
    ("providers/scheme.c", '#include "lib/store/journal.h"', "may not include lib/store"),
    ("router/main.c", '#include "retrier/pace.h"', "router may not include retrier"),
    ("retrier/main.c", '#include "../lib/base/slice.h"', "from the root"),
    ("retrier/main.c", '  #  include "retrier/pace.h"\n#include "proto/none.h"', "from the root"),
    ("router/main.c", '#include "pace.h"', "router may not include pace.h"),
    ("router/main.c", "#include <lmdb.h>", "lmdb.h belongs to lib/store"),
    ("handlers/kit.c", "#include <sqlite3.h>", "sqlite3.h belongs to lib/store"),
    ("admin/pages.c", "#include <microhttpd.h>", "microhttpd.h belongs to"),
    ("dlq/notify.c", "#include <curl/curl.h>", "curl/curl.h belongs to"),
    ("providers/sns.c", "#include <simdjson.h>", "simdjson.h belongs to"),
    ("elsewhere/new.c", "", "its folder is in no room"),
]


def plant(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text + "\n")


def judge(folder):
    return subprocess.run(["/usr/bin/python3", REPO / "tests/rooms", folder],
                          capture_output=True, text=True, timeout=60)


def test_a_house_in_order_passes(tmp_path):
    plant(tmp_path, HOUSE)
    done = judge(tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("path, text, told", BREAKS)
def test_each_broken_rule_is_told_where_it_is(tmp_path, path, text, told):
    plant(tmp_path, {**HOUSE, path: text})
    done = judge(tmp_path)
    assert done.returncode == 1 and path in done.stdout and told in done.stdout, done.stdout


@pytest.mark.parametrize("files", [
    {"retrier/pace.h": '#include "leases.h"', "retrier/leases.h": '#include "pace.h"'},
    {"retrier/pace.c": '#include "leases.h"', "retrier/leases.c": '#include "pace.h"',
     "retrier/leases.h": ""},
    {"retrier/pace.h": '#include "leases.h"', "retrier/leases.h": '#include "ledger.h"',
     "retrier/ledger.h": '#include "pace.h"'},
])
def test_a_circle_is_told_with_its_way(tmp_path, files):
    plant(tmp_path, {**HOUSE, **files})
    done = judge(tmp_path)
    assert done.returncode == 1 and "a circle: " in done.stdout, done.stdout
    assert "retrier/pace -> retrier/leases" in done.stdout or \
        "retrier/leases -> " in done.stdout, done.stdout


def test_this_tree_is_in_order():
    done = judge(REPO)
    assert done.returncode == 0, done.stdout


def test_the_map_names_every_room_and_the_stages_as_their_table_does():
    rooms = runpy.run_path(str(REPO / "tests/rooms"))["MAY"]
    (table,) = re.findall(r"^\| room \|.*\n((?:\|.*\n)+)", (REPO / "docs/development.md").read_text(), re.M)
    rows = [re.findall(r"`([\w/]+?)/?`", line.split("|")[1]) for line in table.splitlines()[1:]]
    assert {name for row in rows for name in row} == {*rooms, "tests/unit", "tests/e2e", "tests/fuzz", "deploy"}
    (stages,) = (row for row in rows if "ingress" in row)
    assert stages == [name.replace("handler-", "handlers") for name in PROCESSES]
