"""Destinations in trotline.yaml: what is wrong is told with its line, by every process and by `check`."""

import json
import os
import subprocess

import pytest
from pipeline import BIN, DEADLINE_S

HEAD = """\
admin: {listen: 127.0.0.1:8081}
sources:
  - name: email
    secrets: [a-secret-of-32-characters-or-more]
forward:
  - name: app
"""
GOOD = "    url: https://app.example.com/hooks?key=not-to-be-shown\n"
KEY = "whsec_" + "c2VjcmV0" * 5


@pytest.fixture
def file(folder):
    return folder / "trotline.yaml"


def run(program, *args, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TROTLINE_")}
    return subprocess.run([BIN / program, *map(str, args)], env=clean | env, capture_output=True, text=True,
                          timeout=DEADLINE_S)


def check(file, *args, **env):
    return run("trotline", "check", "-c", file, *args, **env)


BAD = {
    "url: https:///hooks": (7, "url: has no host"),
    "url: app.example.com": (7, "url: is no URL: it begins with https://"),
    "url: ftp://app.example.com/": (7, "url: has the scheme \"ftp\"; only https and http are known"),
    "url: https://jo:geheim@app.example.com/": (7, "url: has a user and password in it"),
    "url: https://app.example.com/#top": (7, "url: has a fragment"),
    "url: http://app.example.com/": (7, "url: goes without TLS"),
    "url: http://127.0.0.1:8080/webhooks/email": (7, "url: is `listen`: events would come back for ever"),
    "url: http://localhost:8081/": (7, "url: is admin.listen"),
    "url: http://169.254.169.254/": (7, "url: leads to 169.254.169.254, where nothing is ever sent"),
    GOOD.strip() + "\n    from: soon": (8, "from: \"soon\" must be now, start, or a time"),
    GOOD.strip() + "\n    data: raw": (8, "data: \"raw\" must be one of without_raw, full, thin"),
    GOOD.strip() + "\n    order: time": (8, "order: \"time\" must be none or recipient"),
    GOOD.strip() + "\n    network: [lan]": (8, "network[0]: \"lan\" must be public, loopback, private"),
    GOOD.strip() + "\n    retry: [5s, soon]": (8, "retry[1]: \"soon\" must be a duration"),
    GOOD.strip() + "\n    concurrency: 0": (8, "concurrency: \"0\" must be a whole number, from 1 to 256"),
    GOOD.strip() + "\n    batch:\n      events: 1001": (9, "batch.events: \"1001\" must be a whole number"),
    GOOD.strip() + "\n    headers:\n      Webhook-Id: x": (9, "headers.Webhook-Id: is set by forward itself"),
    GOOD.strip() + "\n    headers: {\"a b\": x}": (8, "headers.a b: a header's name is"),
    GOOD.strip() + "\n    secret: x": (8, "secret: unknown key"),
    "types: [email_opened]": (6, "url: missing"),
}


@pytest.mark.parametrize("row", BAD)
def test_what_is_wrong_is_told_with_its_line(row, file):
    line, cause = BAD[row]
    file.write_text(f"{HEAD}    {row}\n")
    for program, args in (("trotline-ingress", ("-n", "-c", file)), ("trotline-forward", ("-n", "-c", file)),
                          ("trotline", ("check", "-c", file))):
        done = run(program, *args)
        assert done.returncode == 100, done
        assert f"{file} line {line}: forward[0].{cause}" in done.stderr, done.stderr
        assert "geheim" not in done.stderr


def test_a_name_that_stands_there_twice_is_told_with_its_line(file):
    file.write_text(f"{HEAD}{GOOD}  - name: app\n{GOOD}")
    done = check(file)
    assert done.returncode == 100 and 'line 8: forward[1].name: "app" stands there twice' in done.stderr


def test_globs_that_match_nothing_are_a_warning_with_its_line(file):
    file.write_text(f"{HEAD}{GOOD}    types:\n      - email_*\n      - email_bouncd\n    sources: [emial]\n")
    done = check(file)
    assert done.returncode == 0
    assert (f"warning: {file} line 10: forward[0].types[1]: \"email_bouncd\" matches no type that is known; "
            "did you mean \"email_bounced\"?") in done.stderr
    assert f"warning: {file} line 11: forward[0].sources[0]: \"emial\" matches no source" in done.stderr
    assert "types[0]" not in done.stderr


def test_check_lists_destinations_without_what_may_be_secret(file, folder):
    file.write_text(f"{HEAD}{GOOD}    types: [email_b*]\n    headers: {{Authorization: \"Bearer ${{TROTLINE_APP}}\"}}\n")
    keys = folder / "var/secrets/forward-app"
    done = check(file, TROTLINE_APP="walrus")
    assert done.returncode == 0 and done.stderr == ""
    assert "  app              POST https://app.example.com/hooks; types email_b*; sources all; network public; a secret " \
        f"will be made in {keys}\n" in done.stdout
    keys.parent.mkdir(parents=True)
    keys.touch(mode=0o600)
    keys.write_text(f"{KEY}\n")
    done = check(file, "--json", TROTLINE_APP="walrus")
    (told,) = json.loads(done.stdout)["destinations"]
    assert told == {"name": "app", "url": "https://app.example.com/hooks", "types": ["email_b*"], "sources": [],
                    "network": ["public"], "secrets": 1, "secret_missing": False}
    for text in (done.stdout + done.stderr, check(file, TROTLINE_APP="walrus").stdout):
        assert not any(secret in text for secret in ("not-to-be-shown", "walrus", KEY))
    file.write_text(file.read_text() + "    ca_file: ./none.pem\n")
    done = check(file)
    assert f"warning: destination app: cannot read {folder}/none.pem: No such file" in done.stderr
    assert done.returncode == 0 and "line 9: forward[0].headers.Authorization: environment variable " \
        "TROTLINE_APP is not set here; forward needs it" in done.stderr


@pytest.mark.parametrize("text, mode, cause", [
    (f"{KEY}\nwhsec_short\n", 0o600, "line 2"),
    ("sesame\n", 0o600, "line 1"),
    (f"{KEY}\n", 0o644, "other"),
])
def test_a_key_of_the_wrong_form_or_that_others_can_read_is_told_by_check(text, mode, cause, file, folder):
    keys = folder / "keys"
    keys.touch()
    keys.write_text(text)
    keys.chmod(mode)
    file.write_text(f"{HEAD}{GOOD}    secrets_file: ./keys\n")
    done = check(file)
    assert done.returncode == 100 and f"forward[0].secrets_file (app): {keys}" in done.stderr and cause in done.stderr, done.stderr
    assert KEY not in done.stderr and "sesame" not in done.stderr


def test_a_destination_keeps_a_history_though_it_is_off(file):
    file.write_text(f"history: {{keep: 0s}}\n{HEAD}{GOOD}")
    stages = {one["stage"] for one in json.loads(check(file, "--json").stdout)["stages"]}
    assert {"history", "forward"} <= stages
    file.write_text("history: {keep: 0s}\n" + HEAD.replace("forward:\n  - name: app\n", ""))
    stages = {one["stage"] for one in json.loads(check(file, "--json").stdout)["stages"]}
    assert not {"history", "forward"} & stages
