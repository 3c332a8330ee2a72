"""What the documents say: tables that name all that the code knows, examples that are the files they
stand for, and commands that do what is written beside them."""

import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

import pytest
from pipeline import BIN, DEADLINE_S, REPO, event, free_port, new_id, wait_for
from receiver import Receiver, fault_of

README = (REPO / "README.md").read_text()
EXAMPLES = REPO / "handlers/examples"
DOCUMENTS = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]


def blocks(language):
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def block(language, part):
    """The first block of a language that holds the part."""
    return next(text for text in blocks(language) if part in text)


def header(path):
    """A header's text without the macros' line ends."""
    return re.sub(r"\s*\\\n\s*", " ", (REPO / path).read_text())


# ---- tables


def table():
    """{key as in the README: (type, default, needs)} of the rows of config_table.c."""
    text = header("lib/config/config_table.c")
    (retry,) = re.findall(r"#define RETRY_OPTIONS\(ROW, group_, needs_\) (.*)", text)
    rows = text[text.index("config_options[] = {"):]
    for group, needs in re.findall(r'RETRY_OPTIONS\(\w+, "([\w.\[\]]+)", (\w+)\)', rows):
        rows += retry.replace('group_ "', f'"{group}').replace("needs_", needs)
    found = {key: (kind, default, needs.split(" | ")) for key, kind, default, needs in re.findall(
        r'\w+\("([\w.\[\]]+)", [\w.]+, (\w+), "([^"]*)", "[^"]*", "[^"]*", ([\w |]+)\)', rows)}
    for key, kind, default, needs in re.findall(
            r'FORWARD_WORDS\("([\w.\[\]]+)", \w+, (\w+), "([^"]*)", "[^"]*", "\d+", ([\w |]+)\)', rows):
        words = f"[{', '.join(default.split())}]"  # as it is written
        found[key] = kind, default and words, needs.split(" | ")
    for key, kind, needs in re.findall(
            r'LIST_OF\(\w+, "([\w.\[\]]+)", [\w.]+, (\w+), "\d+", ([\w |]+)\)', rows):
        found[key] = kind, "", needs.split(" | ")
    assert found.keys() == set(re.findall(r'"([\w.\[\]]+)", [a-z]', rows))  # no row is overlooked
    return found


def options():
    """{key: default} of those that have one."""
    return {key: default for key, (_, default, _) in table().items() if default}


def written_options():
    """{key: default as written} of the README's table; one that needs a restart has a mark."""
    (part,) = re.findall(r"^## Configuration\n(.*?)^## ", README, re.M | re.S)
    return dict(re.findall(r"^\| `([\w.\[\]]+)`(?: ↻)? \| (.*?) \|", part, re.M))


def test_every_option_stands_in_the_readme_with_its_default():
    written, rows, known = written_options(), table(), options()
    assert len(known) > 40
    for key, default in known.items():
        assert key in written, f"README.md lacks the option {key}"
        if "INHERITED" in rows[key][2]:
            assert written[key] == "as in `retry`", key
        else:
            assert written[key] == f"`{default}`", key


def test_the_readme_marks_what_needs_a_restart():
    fixed = {key for key, (kind, _, needs) in table().items() if kind != "LIST" and "RESTART" in needs}
    assert len(fixed) > 10
    assert set(re.findall(r"^\| `([\w.\[\]]+)` ↻ \|", README, re.M)) == fixed


def test_the_readme_names_no_option_that_is_not_there():
    known = {key for key, (kind, _, _) in table().items() if kind != "LIST"}
    assert written_options().keys() == known


def settings():
    """deploy/trotline.yaml with all that is commented out turned on."""
    lines = (REPO / "deploy/trotline.yaml").read_text().splitlines()
    body = lines[lines.index(next(line for line in lines if line.startswith("listen:"))):]
    return [re.sub(r"^(\s*)# (?=\s*(-\s)?\w+:(\s|$))", r"\1", line) for line in body]


def test_the_sample_configuration_shows_every_option_with_its_default():
    text = "\n".join(settings())
    for key, default in options().items():
        if key.startswith(("retry.types[].", "handlers[].")):
            continue  # shown with values that make sense there
        name = key.rpartition(".")[2]
        assert re.search(rf"^\s*(- )?{name}: {re.escape(default)}(\s|$)", text, re.M), key
    for key in table():
        assert re.search(rf"^\s*(- \{{?)?{key.rpartition('.')[2].removesuffix('[]')}:", text, re.M), key


def test_what_stops_strangers_are_options_and_words_that_there_are():
    """Of the table in docs/operations.md."""
    (part,) = re.findall(r"^## Which limit stops what\n(.*?)^## ", (REPO / "docs/operations.md").read_text(),
                         re.M | re.S)
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", part, re.M)[1:]
    assert len(rows) > 9
    code = "".join(path.read_text() for path in REPO.glob("*/**/*.[ch]"))
    for attack, tried, stops, seen in rows:
        for name in re.findall(r"`([a-z_]+[a-z_.]*)`", stops):
            assert name in table(), f"{attack}: no option {name}"
        for word in re.findall(r"`([a-z_ ]+)`", seen):
            assert f'"{word}' in code, f"{attack}: nothing says {word}"


@pytest.mark.parametrize("all_of_it", [False, True])
def test_the_sample_configuration_is_accepted(all_of_it, folder):
    file = folder / "trotline.yaml"
    whole = "\n".join(settings()).replace("secrets_file", "# secrets_file", 1)
    file.write_text(whole if all_of_it else (REPO / "deploy/trotline.yaml").read_text())
    done = subprocess.run([BIN / "trotline-ingress", "-n", "-c", file], capture_output=True,
                          text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stderr) == (0, "")


def documents():
    return "\n".join(path.read_text() for path in DOCUMENTS)


@pytest.mark.parametrize("what, path, pattern", [
    ("event type", "proto/types.h", r'X\("(\w+)", "\w+"\)'),
    ("metric", "lib/stage/metrics.h", r'X\(\w+, "(webhook_\w+)"'),
    ("key of an event frame", "proto/frame.h", r"EVENT_FIELDS\(F\) (.*)"),
    ("admin path", "admin/route.h", r'X\(\w+, "\w+", "([^"]+)"\)'),
    ("error type", "validator/job.c", r'\[REFUSED_(?!NOT\])\w+\] = "(\w+)"'),
    ("error type", "dlq/main.c", r'error_type=\\"(\w+)\\"'),
    ("error type", "ingress/main.c", r'error_type=\\"(\w+)\\"'),
    ("state table", "lib/store/state_schema.c", r"CREATE TABLE IF NOT EXISTS (\w+)\("),
])
def test_the_documents_name_every(what, path, pattern):
    found = re.findall(pattern, header(path))
    if what.startswith("key"):
        found = re.findall(r"F\(\w+, (\w+),", found[0])
    assert found
    for name in found:
        assert f"`{name}" in documents(), f"no document names the {what} {name}"


def test_every_process_stands_in_the_readme_and_has_a_unit():
    """In the table's order, with what makes more of it."""
    rows = re.findall(r'\bX\(\w+, "([\w-]+)", COUNT_(\w+),', header("proto/processes.h"))
    (part,) = re.findall(r"^## Processes\n(.*?)^## ", README, re.M | re.S)
    written = re.findall(r"^\| ([a-z][\w*-]+) \|.*\| ([^|]+) \|$", part, re.M)[1:]
    assert [name.replace("*name*", "") for name, _ in written] == [name for name, _ in rows]
    for (name, count), (_, more) in zip(rows, written):
        wanted = {"ONE": "one", "HANDLERS": "`handlers: [{name, processes}]`",
                  "HISTORY": "one, or none with `history.keep: 0s` and no destination"}
        assert more.startswith(wanted.get(count, f"`processes.{name}`")), name
        assert (REPO / f"deploy/systemd/trotline-{name.rstrip('-')}@.service").is_file(), name


def test_the_readme_names_every_verb():
    text = subprocess.run([BIN / "trotline", "--help"], capture_output=True, text=True,
                          timeout=DEADLINE_S).stdout
    verbs = re.findall(r"^  ([a-z]+) ", text, re.M)
    assert len(verbs) >= 4
    for verb in verbs:
        assert re.search(rf"^\|.*`{verb}\b", README, re.M), f"README.md lacks the verb {verb}"


def test_every_link_leads_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


# ---- the examples


@pytest.mark.parametrize("name, language", [("archived.c", "c"), ("archived.py", "python")])
def test_the_readme_holds_the_whole_example(name, language):
    assert (EXAMPLES / name).read_text() in blocks(language)


def archived(event_id=None, **data):
    return event("email_archived", event_id, **{"email": "jo@example.com", "message_id": "m-1", **data})


def program():
    """The Python example as a module."""
    spec = importlib.util.spec_from_file_location("archived", EXAMPLES / "archived.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_python_example_applies_an_event_once_and_says_what_it_cannot_use(folder):
    example = program()
    db = example.open_database(folder / "archived.db")
    frame = {"journal": "0123456789abcdef", "seq": 7, "id": "e", "ts": 1, "email": "jo@example.com",
             "data": {"message_id": 9223372036854775808}}
    assert example.handle(db, frame) == ("done", "")
    assert example.handle(db, frame) == ("done", "")
    assert example.handle(db, {**frame, "journal": "fedcba9876543210"}) == ("done", "")
    assert example.handle(db, {**frame, "data": {}})[0] == "dead"
    assert db.execute("SELECT count(*) FROM archived").fetchone() == (2,)
    db.execute("DROP TABLE archived")
    assert example.handle(db, frame)[0] == "retry"


class Example:
    """archived.py as a process beside a pipeline with two routers."""

    def __init__(self, pipeline):
        self.pipeline, self.process = pipeline, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, EXAMPLES / "archived.py", self.pipeline.data, "2"])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0

    def rows(self):
        path = self.pipeline.data / "archived.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'archived'").fetchone():
                return []  # the example is about to make it
            return sorted(row[0] for row in db.execute("SELECT event_id FROM archived"))


@pytest.fixture
def example(start):
    pipeline = start(counts={"router": 2}, settings={
        "handlers": [{"name": "archived", "types": ["email_archived"], "processes": 0}],
        "retry": {"delay": "100ms"}})
    example = Example(pipeline)
    yield example
    if example.process.poll() is None:
        example.kill()


def test_the_python_example_handles_its_type_and_no_other(example):
    sent = [archived() for _ in range(20)]
    for one in [*sent, event("custom_thing")]:
        assert example.pipeline.post(one).status == 202
    example.pipeline.wait_settled(21)
    assert example.rows() == sorted(one["event_id"] for one in sent)
    example.stop()


def test_what_the_python_example_cannot_use_is_a_dead_letter(example):
    assert example.pipeline.post(archived(message_id=None)).status == 202
    wait_for("the dead letter", lambda: example.pipeline.metric("webhook_dead_letters") == 1)
    assert example.pipeline["retrier"].has_logged("msg=dead", "data.message_id is missing")


def test_the_python_example_tries_again_while_its_database_is_locked(example):
    assert example.pipeline.post(archived("first")).status == 202
    wait_for("the first row", lambda: example.rows() == ["first"])
    with contextlib.closing(sqlite3.connect(example.pipeline.data / "archived.db")) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert example.pipeline.post(archived("second")).status == 202
        wait_for("a retry", lambda: example.pipeline["retrier"].has_logged("msg=retry", "locked"))
        db.rollback()
    example.pipeline.wait_settled(2)
    assert example.rows() == ["first", "second"]


def test_a_killed_python_example_loses_and_repeats_nothing(example):
    sent = [archived(new_id()) for _ in range(300)]
    with example.pipeline.client() as client:
        for i, one in enumerate(sent):
            assert client.post(one).status == 202
            if i in (100, 200):
                example.kill()
                example.start()
    example.pipeline.wait_settled(300)
    assert example.rows() == sorted(one["event_id"] for one in sent)


# ---- the commands


class Tree:
    """A copy of the built tree, in which the README's commands are run as they stand there; only the
    port is another."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
        self.port = free_port()
        self.output = self.folder / "run.out"
        self.process = None
        shutil.copytree(REPO, self.folder, symlinks=True, ignore=self.unwanted, dirs_exist_ok=True)
        sample = (REPO / "deploy/trotline.yaml").read_text()
        self.configure(sample.replace("127.0.0.1:8080 ", f"127.0.0.1:{self.port} "))

    @staticmethod
    def unwanted(folder, names):
        """What is nobody's source or product, and what a run in the tree itself has left there."""
        left = {"var", "trotline.yaml"} if pathlib.Path(folder) == REPO else set()
        return set(names) & ({".git", "san", "receivers", "__pycache__", ".pytest_cache"} | left)

    def configure(self, text, mode="w"):
        with open(self.folder / "trotline.yaml", mode) as file:
            file.write(text)

    def environment(self):
        return {k: v for k, v in os.environ.items() if not k.startswith(("TROTLINE_", "MAKE"))}

    def shell(self, text):
        """What the commands print."""
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        done = subprocess.run(["sh", "-e", "-c", text], cwd=self.folder, env=self.environment(),
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self):
        """make run, until it says that it is ready."""
        with open(self.output, "w") as out:
            self.process = subprocess.Popen(["make", "run"], cwd=self.folder, stdout=out, stderr=out,
                                            env=self.environment(), start_new_session=True)
        wait_for("ready", self.is_ready, 120)

    def is_ready(self):
        assert self.process.poll() is None, self.output.read_text()
        return "\nready\n" in self.output.read_text()

    def stop(self):
        """Ctrl-C reaches make and all that it runs."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)
        wait_for("stopped", lambda: "\nstopped\n" in self.output.read_text())

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/var/state.db?mode=ro",
                                                uri=True, timeout=DEADLINE_S)) as db:
            return db.execute(query).fetchall()

    def outcome(self, event_id):
        done = self.shell(f"bin/trotline event {event_id} --json")
        return json.loads(done)["status"]


@pytest.fixture(scope="module")
def tree():
    tree = Tree()
    tree.run()
    yield tree
    if tree.process.poll() is None:
        tree.stop()
    shutil.rmtree(tree.folder)


def same_form(written, printed):
    """Equal but for times, numbers and what is random."""
    def form(text):
        text = re.sub(r"\d{4}-\d\d-\d\d [\d:]+", "TIME", text)
        text = re.sub(r"TIME \(?(\d+ (s|min) ago|now)(\)| *)", "TIME AGO ", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
        text = re.sub(r"\b[0-9a-f]{16}-\d+\b", "NAME", text)
        return re.sub(r"\b\d+\b", "N", text).strip()
    return form(written) == form(printed)


@pytest.mark.plain
def test_the_first_event_goes_as_written(tree):
    send, told = block("sh", "send --type email_opened").strip().splitlines()
    answers = block("text", "Event queued for processing").split("\n\n")
    assert same_form(answers[0], tree.shell(send))
    wait_for("the event is applied", lambda: tree.outcome("hello-1") == "success")
    wait_for("it is kept", lambda: re.search(r"history +kept", tree.shell(told)))
    assert same_form(answers[1], tree.shell(told))
    query, rows = re.search(r'sqlite3 var/state.db "(.*?)"\n```\n+```text\n(.*?)```', README,
                            re.S).groups()
    assert rows.split() == ["|".join(map(str, row)) for row in tree.rows(query)]


@pytest.mark.plain
def test_a_person_is_told_as_written(tree):
    """Her events, too, where a history is kept."""
    ask = block("sh", "person jo@example.com").strip()
    tree.shell(block("sh", "send --type email_opened").splitlines()[0])
    wait_for("the event is applied", lambda: tree.outcome("hello-1") == "success")
    written = block("text", "suppressed   no")
    kept = "history.keep is 0s" not in tree.shell("bin/trotline person jo@example.com 2>&1")
    who, events = written.split("\n\nMESSAGES\n")
    if kept:
        wait_for("it is in the history", lambda: "EVENTS" in tree.shell(ask))
        assert same_form(written, tree.shell(ask))
    else:
        assert events and same_form(who, tree.shell(ask))


@pytest.mark.plain
def test_an_event_by_curl_is_signed_as_written(tree):
    assert tree.shell(block("sh", "openssl dgst")).startswith("HTTP/1.1 202 ")
    wait_for("the event is applied", lambda: tree.outcome("hello-2") == "success")


@pytest.mark.plain
def test_an_application_hears_of_events_as_written(tree):
    """The block, the reload, and the key that `up` or the reload has made."""
    with Receiver() as app:
        tree.configure("\n" + block("yaml", "name: app").replace(":3000/", f":{app.port}/"), "a")
        tree.shell("bin/trotline reload")
        key = tree.folder / "var/secrets/forward-app"
        wait_for("there is a key", key.exists)
        tree.shell("bin/trotline send --type email_bounced --email jo@example.com --id told")
        tree.shell("bin/trotline send --type email_opened --email jo@example.com --id not-told")
        wait_for("it is told", lambda: app.requests)
        (request,) = app.requests
        assert fault_of(request.headers, request.body, key.read_text().split()) is None
        assert (request.path, request.json()["type"], request.json()["event_id"]) == (
            "/hooks/mail", "email_bounced", "told")


@pytest.mark.plain
def test_a_handler_in_c_takes_three_steps(tree):
    tree.stop()
    tree.configure(block("yaml", "types: [email_archived]"), "a")
    tree.shell(block("sh", "cp handlers/examples/archived.c"))
    tree.run()
    tree.shell("bin/trotline send --type email_archived --id kept --email jo@example.com")
    tree.shell("bin/trotline send --type email_archived --id bad --data '{\"message_id\": null}'")
    wait_for("the event is applied", lambda: tree.outcome("kept") == "success")
    wait_for("the other is given up", lambda: tree.outcome("bad") == "failed")
    assert tree.rows("SELECT email, message_id FROM engagements WHERE kind = 'archive'") == [
        ("jo@example.com", "kept")]
    assert tree.rows("SELECT status FROM messages WHERE message_id = 'kept'") == [("delivered",)]
