"""The page of figures: there from the start, never falling, and with the labels that tell who is meant."""

import re
import signal
import threading
import time

import msgpack
import pytest

from pipeline import REPO, Client, event, wait_for

FAMILIES = re.findall(r'X\((\w+), "(\w+)", (COUNTER|GAUGE|HISTOGRAM),',
                      re.sub(r"\s*\\\n\s*", " ", (REPO / "lib/stage/metrics.h").read_text()))
COUNTERS = {family for _, family, kind in FAMILIES if kind == "COUNTER"}
HISTOGRAMS = {family for _, family, kind in FAMILIES if kind == "HISTOGRAM"}


def series_of(text):
    """{name with labels: value}"""
    return {name: float(value) for name, _, value in (
        line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))}


def family_of(name):
    name = name.split("{")[0]
    whole = re.sub("_(bucket|sum|count)$", "", name)
    return whole if whole in HISTOGRAMS else name


def counted(series):
    """Those that may only grow: counters, and the lines of histograms."""
    return {name: value for name, value in series.items() if family_of(name) in COUNTERS | HISTOGRAMS}


def page(pipeline):
    return pipeline.get("/metrics").body.decode()


def figures(pipeline):
    return series_of(page(pipeline))


def test_every_family_stands_on_the_page_before_any_event(start):
    pipeline = start(handlers=("unknown", "opened"), admin=True, settings={"history": {"keep": "1d"}, "forward": [
        {"name": "app", "url": "http://127.0.0.1:9/"}], "node": {"number": 1},
        "redis": {"urls": ["redis://127.0.0.1:9/0"]}})
    wanted = {family for _, family, _ in FAMILIES}
    wait_for("all stages are heard, and all families there", lambda: wanted <= {
        family_of(name) for name in figures(pipeline)})
    series = figures(pipeline)
    for line in ("webhook_processing_duration_seconds_count", "webhook_resent_total",
                 'webhook_http_request_duration_seconds_count{source="email"}',
                 'webhook_event_skew_seconds_count{source="email"}',
                 'webhook_events_total{event_type="email_opened",status="accepted",source="email"}',
                 'webhook_errors_total{error_type="signature",source="email"}',
                 'webhook_errors_total{error_type="no_verdict",source="email"}',
                 'webhook_verdicts_total{handler="opened",verdict="retry"}',
                 'webhook_dead_letters_total{reason_class="out_of_tries"}',
                 'webhook_forward_attempts_total{destination="app",class="done"}',
                 'webhook_bad_frames_total{stage="handler-opened"}',
                 'webhook_stage_restarts_total{stage="validator"}'):
        assert series[line] == 0, line
    assert series['webhook_config_reload_success{stage="validator"}'] == 1
    assert series['process_open_fds{stage="ingress"}'] > 5
    assert series['process_max_fds{stage="ingress"}'] >= series['process_open_fds{stage="ingress"}']
    assert series['process_resident_memory_bytes{stage="ingress"}'] > 1 << 20
    assert abs(series['process_start_time_seconds{stage="ingress"}'] - time.time()) < 60
    version = (REPO / "VERSION").read_text().strip()
    assert series[f'webhook_build_info{{stage="retrier",version="{version}"}}'] == 1


LABEL = r'[a-z_]+="(?:[^"\\\\\n]|\\\\[\\\\"n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def labels_of(text):
    """As a dictionary; none may come twice."""
    pairs = re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', text or "")
    labels = dict(pairs)
    assert len(labels) == len(pairs), text
    return labels


def check_histogram(family, samples):
    """samples: [(name, labels, value)] as they stand on the page."""
    grouped = {}
    for name, labels, value in samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        grouped.setdefault(key, {"le": []})
        if name == family + "_bucket":
            grouped[key]["le"].append((float(labels["le"]), value))
        else:
            grouped[key][name.removeprefix(family + "_")] = value
    for key, one in grouped.items():
        bounds, counts = zip(*one["le"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), (family, key)
        assert list(counts) == sorted(counts) and counts[-1] == one["count"], (family, key, one)
        assert (one["sum"] >= 0) and (one["sum"] == 0 or one["count"] > 0), (family, key)


def check_page(text):
    """As strictly as the format is meant: what promtool's check would say too. {family: label names}"""
    assert text.endswith("\n") and "\n\n" not in text
    types, found, seen, current, headed = {}, {}, set(), None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            headed, text_of_it = line.split(" ", 3)[2:]
            assert headed not in types and text_of_it.strip() and not text_of_it.endswith("."), line
        elif line.startswith("# TYPE "):
            current, kind = line.split(" ")[2:]
            assert current == headed, line
            types[current], found[current] = kind, []
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match[1], labels_of(match[2])
            assert name == current if types[current] != "histogram" else re.fullmatch(
                f"{current}_(bucket|sum|count)", name), f"{line} among {current}"
            assert (name.endswith("_bucket") and types[current] == "histogram") == ("le" in labels), line
            key = (name, tuple(sorted(labels.items())))
            assert key not in seen, line
            seen.add(key)
            found[current].append((name, labels, float(match[3])))
    for family, kind in types.items():
        assert found[family], family
        assert (kind == "counter") == family.endswith("_total"), family
        assert not re.search("_(bucket|sum|count)$", family), family
        if kind == "histogram":
            check_histogram(family, found[family])
        if kind == "counter":
            assert all(value >= 0 for _, _, value in found[family]), family
    return {family: {name for _, labels, _ in found[family] for name in labels} - {"le"} for family in types}


def documented():
    """{family: (type, label names)} of the table in docs/operations.md."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (counter|gauge|histogram) \| ([\w, ]*)\|",
                      (REPO / "docs/operations.md").read_text(), re.M)
    return {family: (kind, set(re.findall(r"\w+", labels)))
            for names, kind, labels in rows for family in re.findall(r"\w+", names)}


def test_the_page_is_well_formed_and_documented(start):
    """Before, while and after events of all kinds come, also from strangers."""
    mine = [{"name": "mine", "types": ["mine_a"], "processes": 0}]
    pipeline = start(handlers=("unknown", "opened", "bounced"), admin=True,
                     settings=two_sources() | {"history": {"keep": "1d"}, "handlers": mine})
    check_page(page(pipeline))
    pipeline.hook("mine", lambda ev: b"\xc1" if ev["data"].get("bad") else "done")
    with pipeline.client() as client:
        for n in range(20):
            client.post(event(("mine_a", "custom_thing", "email_opened", "email_bounced")[n % 4]))
            client.post_bytes(b"{}", ("/webhooks/email", "/webhooks/other", '/x"y\\z', "/webhooks/nobody")[n % 4],
                              signature="none")
            client.request("BREW", "/webhooks/email")
            check_page(page(pipeline))
        client.post(event("mine_a", bad=True))
    wait_for("the bad frame", lambda: pipeline.metric("webhook_bad_frames_total", "retrier"))
    table = documented()
    assert {family: kind.lower() for _, family, kind in FAMILIES} == {
        family: kind for family, (kind, _) in table.items()}
    for family, labels in check_page(page(pipeline)).items():
        assert labels <= table[family][1], family


def test_a_duration_is_there_again_at_once_after_the_retrier(start):
    pipeline = start()
    pipeline.post(event())
    wait_for("it is counted", lambda: pipeline.metric("webhook_processing_duration_seconds_count") == 1)
    pipeline["retrier"].restart()
    assert pipeline.metric("webhook_processing_duration_seconds_count") == 1
    pipeline.post(event())
    wait_for("both are", lambda: pipeline.metric("webhook_processing_duration_seconds_count") == 2)


class Watch:
    """Asks for page after page while others are killed; what has fallen from one to the next."""

    def __init__(self, pipeline):
        self.pipeline, self.fallen, self.pages, self.last = pipeline, [], 0, {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def look(self, text):
        now = counted(series_of(text))
        self.fallen += [(name, was, now.get(name)) for name, was in self.last.items()
                        if now.get(name, -1) < was]
        self.last, self.pages = now, self.pages + 1

    def run(self):
        while not self.over.is_set():
            try:
                with Client(self.pipeline.port, timeout_s=5) as client:
                    answer = client.get("/metrics")
                if answer.status == 200:
                    self.look(answer.body.decode())
            except ConnectionError:
                pass
            self.over.wait(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def more_pages(watch, pipeline):
    """Some requests, and pages after them, so that a fall would have been seen."""
    seen = watch.pages
    for _ in range(20):
        try:
            with pipeline.client() as client:
                client.post(event())
        except ConnectionError:
            pass
    wait_for("more pages", lambda: watch.pages > seen + 3)


def test_no_counter_falls_whoever_is_killed(start):
    """Each stage in turn, of two processes where there are two; pages come from both of ingress."""
    pipeline = start(counts={"ingress": 2, "validator": 2, "router": 2}, admin=True)
    with Watch(pipeline) as watch:
        more_pages(watch, pipeline)
        for stage in list(pipeline.stages.values()):
            stage.kill()
            if stage.name != "ingress":
                more_pages(watch, pipeline)
            stage.start()
            more_pages(watch, pipeline)
    assert watch.pages > 50 and not watch.fallen, watch.fallen[:10]
    wait_for("all restarts are counted", lambda: pipeline.metric(
        "webhook_stage_restarts_total") == len(pipeline.stages))
    assert pipeline.metric("webhook_events_total", "accepted") > 100


def test_what_was_counted_stays_counted_over_kills(start):
    """All processes of a stage at once; also on the page of an ingress that has just started."""
    pipeline = start(counts={"validator": 2})
    with pipeline.client() as client:
        sent = sum(client.post(event()).status == 202 for _ in range(200))
    counted_now = lambda: pipeline.metric("webhook_events_total", 'status="accepted"')
    wait_for("all are counted", lambda: counted_now() == sent)
    for name in [("validator", 0), ("validator", 1), ("ingress", 0)]:
        pipeline[name].kill()
    pipeline["ingress"].start()
    assert counted_now() == sent
    for instance in range(2):
        pipeline["validator", instance].start()
    assert counted_now() == sent


@pytest.mark.plain
def test_a_disk_that_hangs_holds_up_no_answer(start, fault_library):
    """Neither a POST's nor a page's, on which counters go on, and do not fall when it is well again."""
    def prepare(pipeline):
        for name in ("ingress", "router"):
            pipeline[name].env = {"LD_PRELOAD": str(fault_library), "FAULT_FILE": str(pipeline.folder / "fault")}

    pipeline = start(prepare=prepare)
    answered = lambda: pipeline.metric("webhook_http_requests_total", 'status="202"')
    pipeline.post(event())
    wait_for("it is counted", lambda: answered() == 1)
    with Watch(pipeline) as watch, pipeline.client(timeout_s=2) as client:
        (pipeline.folder / "new").write_text("hangs")
        (pipeline.folder / "new").rename(pipeline.folder / "fault")
        for n in range(2, 22):
            assert client.post(event()).status == 202
            assert client.get("/webhooks/health").status == 200
            wait_for("it is counted", lambda: answered() == n, 2)
        (pipeline.folder / "fault").unlink()
        seen = watch.pages
        wait_for("more pages", lambda: watch.pages > seen + 100)
    assert not watch.fallen, watch.fallen[:10]
    pipeline["ingress"].restart()
    assert answered() == 21


def test_counters_go_on_over_a_restart_of_all(start):
    """From the first page on; a drain is no restart of a stage."""
    pipeline = start(counts={"validator": 2})
    with pipeline.client() as client:
        for _ in range(50):
            client.post(event())
        client.post_bytes(b"{}", signature="none")
    pipeline.wait_settled(50)
    before = counted(figures(pipeline))
    pipeline.stop()
    pipeline["ingress"].start()
    first = counted(figures(pipeline))
    assert not {name for name, was in before.items() if first.get(name, -1) < was}
    for stage in pipeline.stages.values():
        if not stage.runs():
            stage.start()
    now = counted(figures(pipeline))
    assert not {name for name, was in first.items() if now.get(name, -1) < was}
    assert pipeline.metric("webhook_events_total", "accepted") == 50
    assert pipeline.metric("webhook_stage_restarts_total") == 0


def two_sources():
    secret = ["${TROTLINE_SECRET}"]
    return {"sources": [{"name": name, "provider": "trotline", "secrets": secret} for name in ("email", "other")]}


def test_events_refusals_and_requests_tell_their_source(start):
    pipeline = start(settings=two_sources())
    with pipeline.client() as client:
        client.post(event())
        client.post(event(timestamp=int(time.time()) - 40))
        client.post_bytes(b"{}", "/webhooks/other", signature="none")
        client.post_bytes(b"{}", "/webhooks/other", signature="none")
        client.post(event(), "/webhooks/nobody")
        client.get("/metrics")
    wait_for("the events", lambda: pipeline.metric(
        "webhook_events_total", 'event_type="other",status="accepted",source="email"') == 2)
    wait_for("the refusals", lambda: pipeline.metric(
        "webhook_errors_total", 'error_type="signature",source="other"') == 2)
    series = figures(pipeline)
    assert series['webhook_errors_total{error_type="signature",source="other"}'] == 2
    assert series['webhook_errors_total{error_type="signature",source="email"}'] == 0
    assert series['webhook_http_requests_total{method="POST",status="202",source="email"}'] == 2
    assert series['webhook_http_requests_total{method="POST",status="401",source="other"}'] == 2
    assert series['webhook_http_requests_total{method="POST",status="404"}'] == 1
    assert series['webhook_http_request_duration_seconds_count{source="email"}'] == 2
    assert series['webhook_http_request_duration_seconds_count{source="other"}'] == 2
    assert series['webhook_event_skew_seconds_bucket{source="email",le="15"}'] == 1
    assert series['webhook_event_skew_seconds_bucket{source="email",le="60"}'] == 2


def test_an_answer_that_takes_long_stands_in_its_bucket(start):
    """The only validator stands still, so that nobody says anything."""
    pipeline = start(settings={"limits": {"answer_timeout": "1200ms"}})
    pipeline["validator"].signal(signal.SIGSTOP)
    try:
        assert pipeline.post(event()).status == 503
    finally:
        pipeline["validator"].signal(signal.SIGCONT)
    series = figures(pipeline)
    assert series['webhook_http_request_duration_seconds_bucket{source="email",le="1"}'] == 0
    assert series['webhook_http_request_duration_seconds_bucket{source="email",le="2.5"}'] == 1
    assert series['webhook_errors_total{error_type="no_verdict",source="email"}'] == 1


def test_verdicts_and_deaths_are_counted_by_handler_and_kind(start):
    pipeline = start(handlers=("unknown", "bounced"), settings={
        "handlers": [{"name": "mine", "types": ["mine_a", "mine_b", "mine_c"], "processes": 0}],
        "retry": {"delay": "20ms", "max_delay": "20ms", "attempts": 2}})
    answers = {"mine_a": ["done"], "mine_b": [("retry", "no"), ("later", "busy"), "done"], "mine_c": [("dead", "no")]}
    pipeline.hook("mine", lambda ev: answers[ev["type"]].pop(0))
    for kind in answers:
        pipeline.post(event(kind))
    pipeline.post(event("email_bounced", bounce_type="hard"))
    pipeline.wait_settled(4)
    wait_for("the verdicts", lambda: pipeline.metric("webhook_verdicts_total") == 6)
    series = figures(pipeline)
    told = {word: series[f'webhook_verdicts_total{{handler="mine",verdict="{word}"}}']
            for word in ("done", "retry", "later", "dead")}
    assert told == {"done": 2, "retry": 1, "later": 1, "dead": 1}
    assert series['webhook_verdicts_total{handler="bounced",verdict="dead"}'] == 1
    wait_for("the letters", lambda: pipeline.metric(
        "webhook_dead_letters_total", 'reason_class="verdict_dead"') == 2)
    wait_for("the group", lambda: pipeline.metric("webhook_handler_seconds_count", 'handler="bounced"') == 1)


def test_sizes_of_state_and_quarantine(start):
    pipeline = start(settings={"sources": [{"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"],
                                            "on_bad_signature": "quarantine"}]})
    pipeline.post(event())
    pipeline.wait_settled(1)
    with pipeline.client() as client:
        assert client.post_bytes(b"{}", signature="none").status == 200
    wait_for("the quarantine", lambda: pipeline.metric("webhook_quarantine_requests") == 1)
    wait_for("its age", lambda: 0 < pipeline.metric("webhook_quarantine_oldest_seconds") < 60)
    wait_for("the database", lambda: pipeline.metric(
        "webhook_state_bytes", 'file="state.db"') == (pipeline.data / "state.db").stat().st_size)
    assert pipeline.metric("webhook_state_bytes", 'file="state.db-wal"') > 0


def test_a_refused_configuration_is_told_until_a_good_one(start):
    pipeline = start()
    good = pipeline.config.read_text()
    wait_for("all are heard", lambda: pipeline.metric("webhook_config_reload_success") == len(pipeline.stages))
    pipeline.config.write_text("nonsense: 1\n")
    pipeline["router"].signal(signal.SIGHUP)
    wait_for("it is refused", lambda: pipeline.metric("webhook_config_reload_success", '"router"') == 0)
    assert pipeline.metric("webhook_config_reload_success", '"validator"') == 1
    before = pipeline.metric("webhook_config_reload_timestamp_seconds", '"router"')
    pipeline.config.write_text(good)
    pipeline["router"].signal(signal.SIGHUP)
    wait_for("it is taken", lambda: pipeline.metric("webhook_config_reload_success", '"router"') == 1)
    assert pipeline.metric("webhook_config_reload_timestamp_seconds", '"router"') > before


@pytest.mark.parametrize("frame", [b"\xc1", msgpack.packb({"v": 1, "verdict": "done"}), msgpack.packb({
    "v": 1, "journal": "0" * 16, "seqs": [1.0], "verdict": "done", "reason": "", "handler": "mine"})])
def test_a_bad_verdict_frame_is_an_alert(start, frame):
    pipeline = start(settings={"handlers": [{"name": "mine", "types": ["mine_a"], "processes": 0}]})
    assert not any("bad frames" in alert for alert in pipeline.health().json()["alerts"])
    hook = pipeline.hook("mine", lambda ev: frame if len(hook.events) == 1 else "done")
    pipeline.post(event("mine_a"))
    alert = wait_for("the alert", lambda: next((
        alert for alert in pipeline.health().json()["alerts"] if alert.startswith("bad frames")), None))
    assert "retrier refused one" in alert and "data_dir/log/retrier.0.log" in alert
    assert pipeline["retrier"].has_logged("bad frame")


@pytest.mark.parametrize("pack", [
    lambda n: b"\xcc" + n.to_bytes(1, "big"), lambda n: b"\xcd" + n.to_bytes(2, "big"),
    lambda n: b"\xce" + n.to_bytes(4, "big"), lambda n: b"\xcf" + n.to_bytes(8, "big"),
    lambda n: b"\xd0" + n.to_bytes(1, "big"), lambda n: b"\xd3" + n.to_bytes(8, "big")])
def test_integers_of_a_verdict_may_have_any_width(start, pack):
    pipeline = start(settings={"handlers": [{"name": "mine", "types": ["mine_a"], "processes": 0}]})

    def decide(ev):
        text = msgpack.packb
        return (b"\x86" + text("handler") + text("mine") + text("seqs") + b"\x91" + pack(ev["seq"]) + text("verdict")
                + text("done") + text("reason") + text("") + text("journal") + text(ev["journal"]) + text("v") + pack(1))
    pipeline.hook("mine", decide)
    pipeline.post(event("mine_a"))
    pipeline.wait_settled(1)
    wait_for("it counts", lambda: pipeline.metric("webhook_verdicts_total", 'handler="mine",verdict="done"') == 1)
    assert pipeline.metric("webhook_bad_frames_total", "retrier") == 0
