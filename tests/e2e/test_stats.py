"""Counts of the history: what was sent is what is counted, however it is told apart."""
import collections
import json

import pytest

from pipeline import Pipeline, event, post_all, wait_for
from verbs import good, lines, run

KINDS = {"email_delivered": 8, "email_bounced": 2, "email_opened": 3, "email_clicked": 1, "custom_thing": 1}
DOMAINS = {"gmail.com": "gmail", "outlook.com": "microsoft", "example.com": "other"}


def mails():
    """Several of each kind in three campaigns; every third opened is a machine's."""
    made = []
    for turn, campaign in enumerate(("spring", "summer", "autumn")):
        for kind, n in KINDS.items():
            for i in range(n * (turn + 1)):
                domain = list(DOMAINS)[i % 3]
                made.append(event(kind, email=f"u{i}@{domain}", message_id=f"{campaign}{i}", campaign_id=campaign,
                                  bounce_type="hard", url="https://x.example.com/",
                                  machine=kind == "email_opened" and i % 3 == 0))
    return made


@pytest.fixture(scope="module")
def counted():
    pipeline = Pipeline(settings={"history": {"keep": "1d"}, "handlers": [{"name": "unknown", "types": list(KINDS)}]})
    pipeline.start()
    sent = mails()
    post_all(pipeline, sent)
    wait_for("all counted", lambda: sum(row["count"] for row in lines(pipeline, "stats")) == len(sent))
    yield pipeline, sent
    pipeline.close()


def tally(sent, key):
    return dict(collections.Counter(map(key, sent)))


def test_types_campaigns_domains_and_sources_are_counted_as_sent(counted):
    pipeline, sent = counted
    assert {row["event_type"]: row["count"] for row in lines(pipeline, "stats")} == tally(
        sent, lambda one: one["event_type"])
    assert {row["campaign"]: row["count"] for row in lines(pipeline, "stats", "--by", "campaign")} == tally(
        sent, lambda one: one["data"]["campaign_id"])
    assert {row["domain"]: row["count"] for row in lines(pipeline, "stats", "--by", "domain")} == tally(
        sent, lambda one: DOMAINS[one["data"]["email"].split("@")[1]])
    assert {row["source"]: row["count"] for row in lines(pipeline, "stats", "--by", "source")} == {"email": len(sent)}
    assert {row["machine"]: row["count"] for row in lines(pipeline, "stats", "--by", "machine")} == tally(
        sent, lambda one: one["data"]["machine"])


@pytest.mark.parametrize("span", ["minute", "hour", "day"])
def test_a_time_has_all_that_was_in_it(counted, span):
    pipeline, sent = counted
    rows = lines(pipeline, "stats", "--by", span)
    assert sum(row["count"] for row in rows) == len(sent)
    assert [row["time"] for row in rows] == sorted({row["time"] for row in rows})
    assert lines(pipeline, "stats", "--by", span, "--until", "2020-01-01", "--since", "2019-01-01") == []


def test_a_campaign_has_its_rates(counted):
    pipeline, _ = counted
    rows = {row["campaign"]: row for row in lines(pipeline, "stats", "--by", "hour,campaign")}
    assert {name: (row["delivered"], row["bounced"], row["clicked"]) for name, row in rows.items()} == {
        "spring": (8, 2, 1), "summer": (16, 4, 2), "autumn": (24, 6, 3)}
    spring = rows["spring"]
    assert (spring["opened"], spring["opened_by_machine"]) == (2, 1)
    assert (spring["delivered_rate"], spring["bounced_rate"], spring["opened_rate"], spring["clicked_rate"],
            spring["complained_rate"]) == (0.8, 0.2, 0.25, 0.125, 0)
    one, = lines(pipeline, "stats", "--by", "campaign", "--campaign", "spr*", "--type", "email_b*")
    assert (one["count"], one["delivered"]) == (2, 0) and one["opened_rate"] is None


def test_the_terminal_form_has_bars_and_says_what_it_leaves_out(counted):
    pipeline, sent = counted
    text = good(pipeline, "stats", "--by", "campaign")
    assert "CAMPAIGN" in text and "80.00%" in text and f"{len(sent)} events from" in text
    bars = {line.split()[0]: line.count("#") + line.count("\u2588") for line in text.splitlines()[1:-1]}
    assert bars["autumn"] > bars["spring"] > 0
    done = run(pipeline, "stats", "--by", "campaign", "--limit", "1")
    assert "2 rows more" in done.stderr and "autumn" in done.stdout and "spring" not in done.stdout


@pytest.mark.parametrize("wrong, word", [
    (("--by", "campain"), 'mean "campaign"'), (("--by", "minute,campaign"), "hour or day"), (("--by", "hour,day"), "one of"),
    (("--since", "soon"), "--since"), (("--since", "1h", "--until", "2h"), "not after"), (("--machine", "x"), "yes or no"),
    (("hour",), "too many"), (("--limit", "0"), "--limit")])
def test_what_means_nothing_is_told(counted, wrong, word):
    done = run(counted[0], "stats", *wrong)
    assert (done.returncode, done.stdout) == (2, "") and word in done.stderr


def test_counts_are_told_while_the_pipeline_is_killed(counted):
    pipeline, sent = counted
    for stage in pipeline.stages.values():
        stage.kill()
    assert sum(row["count"] for row in lines(pipeline, "stats", "--by", "hour")) == len(sent)
    pipeline.start()


def test_without_a_history_it_says_how_to_have_one(counted):
    pipeline, _ = counted
    config = json.loads(pipeline.config.read_text())
    pipeline.config.write_text(json.dumps(config | {"history": {"keep": "0s"}}))
    try:
        done = run(pipeline, "stats")
    finally:
        pipeline.config.write_text(json.dumps(config))
    assert done.returncode == 1 and "history.keep" in done.stderr and not done.stdout
