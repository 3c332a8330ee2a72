"""docs/providers: a page for each provider, whose block loads and whose table says what is so."""

import json
import os
import re
import subprocess

import pytest
from pipeline import BIN, DEADLINE_S, REPO
from senders import PASSWORD, PROVIDERS, SECRET, WHSEC, Senders, events_of

PAGES = REPO / "docs/providers"
INDEX = (PAGES / "README.md").read_text()
PARTS = ["## In trotline.yaml", "## What is verified", "## What its retries mean for you", "## Events",
         "## Try it"]


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    keys = Senders(tmp_path_factory.mktemp("keys")).public
    return {"SENDGRID_KEY": keys["sendgrid"], "POSTAL_KEY": keys["postal"], "RESEND_SECRET": WHSEC,
            "STANDARD_SECRET": WHSEC}


def value_of(name, values):
    return values.get(name) or (PASSWORD if name.endswith("_PASSWORD") else SECRET)


@pytest.mark.parametrize("page", [*PROVIDERS, "standards"])
def test_the_block_of_a_page_loads(page, values, tmp_path):
    text = (PAGES / f"{page}.md").read_text()
    [block] = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    config = tmp_path / "trotline.yaml"
    config.write_text("listen: 127.0.0.1:18080\n" + block)
    env = dict(os.environ) | {name: value_of(name, values) for name in re.findall(r"\$\{(\w+)\}", block)}
    for stage in ("validator", "ingress"):
        done = subprocess.run([BIN / f"trotline-{stage}", "-n", "-c", config], capture_output=True,
                              text=True, timeout=DEADLINE_S, env=env)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [*PROVIDERS, "standards"])
def test_a_page_has_all_its_parts_and_its_events(page):
    text = (PAGES / f"{page}.md").read_text()
    for part in [*PARTS, *([] if page == "standards" else ["## In its console"])]:
        assert part in text, part
    rows = re.findall(r"^\| `([^`]+)` \| `((?:email|system)_\w+)`(?:, (\w+))? \|$", text, re.M)
    provider = "generic" if page == "standards" else page
    assert rows == [(name, kind, bounce or "") for name, kind, bounce in events_of(provider)]
    assert f"({page}.md)" in INDEX


def test_the_index_says_what_the_code_does():
    """Which status stops a provider, as its row in the code has it."""
    for page in PROVIDERS:
        source = (REPO / f"providers/{page}.c").read_text()
        status = re.search(r"\.bad_signature = (\d+)", source).group(1)
        [row] = re.findall(rf"^\| \[[^\]]+\]\({page}\.md\).*$", INDEX, re.M)
        assert f"| {status} |" in row


def test_every_field_that_the_index_names_is_written():
    foreign = (REPO / "providers/entry.c").read_text()
    text = INDEX[INDEX.index("Its `data` has"):INDEX.index("## Changing a secret")]
    fields = set(re.findall(r"`(\w+)`", text)) - {"data"}
    assert fields == set(re.findall(r'put(?:_text)?\(&m, "(\w+)"', foreign))


def test_addresses_are_examples():
    for path in PAGES.glob("*.md"):
        for host in re.findall(r"https?://([\w.@:-]+)", path.read_text()):
            assert host.endswith("example.com") or "amazonaws" in host or host == "sns.", (path, host)


def test_the_pages_say_nothing_of_json_that_is_none():
    for text in re.findall(r"^```json\n(.*?)^```$", INDEX, re.M | re.S):
        json.loads(text)
