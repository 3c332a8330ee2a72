"""Applications that misbehave, each in its own way, and one beside them that is well: what came of it at each of
them, what waits, what is dead, how much memory it takes, and how long the one that is well waits.

All stand in one configuration and misbehave at once while events come for a quarter of a minute; then all are healed."""

import collections
import contextlib
import pathlib
import time

import pytest
from forwarding import Application, destinations, few, letters, with_destinations
from pipeline import Pipeline, close_all, wait_for
from receiver import (Receiver, certify, cut, cut_in_body, drip, early, early_and_gone, endless, endless_chunks,
                      every_tenth, http_0_9, large_head, large_line, never, plain, redirect, reset, retry_after,
                      retry_date)
from verbs import good

RATE, SECONDS = 100, 13
HEAL_S = 60
CERTIFICATES = ("expired", "wrong-host", "self-signed")
FEW = 40  # requests of one that is paused or probed, over the whole time: not thousands

# name: (how it decides, what is more in its block)
MISBEHAVE = {
    "never": (never, {"timeout": "1s"}),
    "drip": (drip, {"timeout": "1s"}),
    "cut": (cut, {}),
    "cut-in-body": (cut_in_body, {}),
    "reset": (reset, {}),
    "large-head": (large_head, {}),
    "large-line": (large_line, {}),
    "http-0-9": (http_0_9, {}),
    "redirect": (redirect("http://169.254.169.254/latest/meta-data/"), {}),
    "redirect-home": (None, {}),
    "unauthorized": (401, {}),
    "retry-0": (retry_after("0"), {}),
    "retry-minus": (retry_after("-1"), {}),
    "retry-10-years": (retry_after("315360000", 429), {"retry_after_max": "2s"}),
    "retry-past": (retry_date(-3600), {}),
    "retry-date": (retry_date(7200), {"retry_after_max": "2s"}),
    "retry-words": (retry_after("in a while"), {}),
}
GOOD_ENOUGH = {
    "endless": (endless, {}),
    "endless-chunks": (endless_chunks, {}),
    "early": (early, {}),
    "early-and-gone": (early_and_gone, {}),
}
PROBED_SELDOM = ("redirect", "redirect-home", "unauthorized")  # each 5 minutes, so an operator says `enable`


class Scene:
    def __init__(self, folder, library):
        self.folder, self.names, self.dialled = folder, folder / "names", folder / "dialled"
        self.dialled.touch()
        self.stack = contextlib.ExitStack()
        self.trap = self.stack.enter_context(Receiver())
        self.apps, self.context = {}, {}
        self.tenth = every_tenth(plain(500))
        self.make()
        self.pipeline = Pipeline(settings=with_destinations(*self.apps.values()), admin=True)
        self.pipeline["forward"].env = {
            "LD_PRELOAD": str(library), "NAMES_FILE": str(self.names), "DIALLED_FILE": str(self.dialled)}
        self.posted, self.rss, self.early_counts = {}, [], {}

    def app(self, name, decide=200, host="127.0.0.1", context=None, **options):
        one = self.apps[name] = self.stack.enter_context(
            Application(self.folder, name, decide, context=context, **options))
        one.options = {"url": one.url(host=host)} | options
        return one

    def make(self):
        self.app("well")
        for name, (decide, options) in (MISBEHAVE | GOOD_ENOUGH).items():
            self.app(name, decide, **options)
        self.apps["redirect-home"].decide = redirect(f"http://127.0.0.1:{self.trap.port}/")
        self.app("gone", 410)
        self.app("gone-once", lambda request, seen=[]: 410 if not seen and not seen.append(1) else 200)
        self.app("tenth", self.tenth)
        self.app("closed").go()
        self.good_context, ca = certify(self.folder)
        for kind in CERTIFICATES:
            context, _ = certify(self.folder, kind)
            self.app(kind, host="app.example.com", context=context, ca_file=str(ca))
        self.app("unknown-name", host="none.example.com", context=self.good_context, network=["public"])
        self.app("slow-name", host="slow.example.com", timeout="1s")
        self.app("rebound", host="rebound.example.com", context=self.good_context, network=["public"])
        self.app("mixed", host="mixed.example.com", context=self.good_context, network=["public"])
        self.app("metadata", host="metadata.example.com", context=self.good_context,
                 network=["public", "private", "loopback"])
        self.name("none.example.com NXDOMAIN", "slow.example.com slow=20000 127.0.0.1",
                  "rebound.example.com 192.0.2.1", "mixed.example.com 192.0.2.9 127.0.0.1",
                  "metadata.example.com 169.254.169.254")

    def name(self, *lines):
        new = self.folder / "names.new"
        new.write_text("\n".join(("app.example.com 127.0.0.1", *lines)) + "\n")
        new.rename(self.names)

    def play(self):
        self.pipeline.start()
        begun = time.monotonic()
        with self.pipeline.client() as client:
            for n in range(RATE * SECONDS):
                time.sleep(max(0, begun + n / RATE - time.monotonic()))  # a sender's pace
                self.post(client)
                if n % 20 == 0:
                    self.rss.append(self.memory())
        self.counts = {name: len(app.requests) for name, app in self.apps.items()}
        self.before = destinations(self.pipeline)
        self.heal()

    def post(self, client):
        one, = few(1)
        assert client.post(one).status == 202
        self.posted[one["event_id"]] = time.monotonic()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.pipeline['forward'].pid()}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def heal(self):
        for name in (*MISBEHAVE, "gone"):
            self.apps[name].decide = 200
        self.apps["closed"].come()
        for kind in CERTIFICATES:
            self.apps[kind].go()
            self.apps[kind].context = self.good_context
            self.apps[kind].come()
        self.name("slow.example.com 127.0.0.1", "rebound.example.com 127.0.0.1",
                  "mixed.example.com 192.0.2.9 127.0.0.1", "metadata.example.com 169.254.169.254")
        for name in PROBED_SELDOM:
            good(self.pipeline, "forward", "enable", name)

    def wait(self, name):
        self.apps[name].wait(self.posted, HEAL_S)

    def dead(self, name):
        """Events; their ids are the same at each destination."""
        named = {request.id: request.event_ids()[0] for request in self.apps["well"].requests}
        return {named[one["id"]] for one in letters(self.pipeline, name)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, names_library):
    scene = Scene(tmp_path_factory.mktemp("scene"), names_library)
    try:
        scene.play()
        yield scene
        close_all([scene.pipeline])
    finally:
        if scene.pipeline in Pipeline.live:
            scene.pipeline.close()
        scene.stack.close()


pytestmark = pytest.mark.plain  # the names are interposed


def test_the_one_that_is_well_waits_for_nobody(scene):
    scene.wait("well")
    app = scene.apps["well"]
    assert sorted(app.event_ids()) == sorted(scene.posted)
    took = sorted(request.at - scene.posted[request.event_ids()[0]] for request in app.requests)
    print(f"p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms")
    assert took[int(len(took) * 0.99)] < 2


def test_memory_is_bounded_whatever_they_answer(scene):
    print(f"{max(scene.rss) / 1e6:.1f} MB")
    assert max(scene.rss) < 60e6
    for name in ("endless", "endless-chunks"):
        app = scene.apps[name]
        assert app.poured < 8e6 * len(app.requests), "what pours is cut off, but for what the sockets hold"


@pytest.mark.parametrize("name", [*MISBEHAVE, "closed", *CERTIFICATES, "slow-name"])
def test_what_waits_for_one_that_misbehaves_comes_when_it_is_well(scene, name):
    assert scene.counts[name] <= FEW, "it is paused, not hammered"
    scene.wait(name)
    assert scene.dead(name) == set()
    assert scene.before[name]["state"] != "up", scene.before[name]


@pytest.mark.parametrize("name", GOOD_ENOUGH)
def test_a_yes_is_one_however_it_goes_on(scene, name):
    scene.wait(name)
    assert scene.dead(name) == set()
    assert scene.counts[name] >= 0.8 * len(scene.posted), "at once, not later"


def test_an_event_that_fails_for_ever_is_dead_alone(scene):
    app, all_of_them = scene.apps["tenth"], set(scene.posted)

    def each_is_at_its_end():
        """While others come, for what fails alone looks like an application that is down."""
        with scene.pipeline.client() as client:
            scene.post(client)
        return all_of_them <= set(app.event_ids()) | scene.dead("tenth")
    wait_for("each at its end", each_is_at_its_end, HEAL_S)
    ids = scene.tenth.ids()
    fails = {one.event_ids()[0] for one in list(app.requests) if one.id in ids}
    assert scene.dead("tenth") & all_of_them == fails & all_of_them
    tries = collections.Counter(one.event_ids()[0] for one in list(app.requests) if one.status == 500)
    assert {tries[one] for one in fails & all_of_them} == {3}
    assert len(fails & all_of_them) >= len(all_of_them) // 10 - 1


def test_a_410_once_is_an_answer_as_others_are(scene):
    scene.wait("gone-once")
    assert scene.before["gone-once"]["state"] == "up"


def test_what_is_gone_is_left_alone_until_an_operator_enables_it(scene):
    app = scene.apps["gone"]
    assert scene.before["gone"]["state"] == "gone"
    assert len(app.requests) == scene.counts["gone"] <= FEW and app.event_ids() == []
    assert scene.dead("gone") == set()
    good(scene.pipeline, "forward", "enable", "gone")
    scene.wait("gone")
    assert scene.dead("gone") == set()


def test_redirects_are_not_followed(scene):
    scene.wait("redirect-home")
    assert scene.trap.connected == 0
    assert "169.254." not in scene.dialled.read_text()


def test_the_certificate_must_be_the_host_s(scene):
    for kind in CERTIFICATES:
        assert scene.counts[kind] == 0, "no request went to who could not prove itself"


def test_a_name_that_does_not_resolve_costs_no_event(scene):
    assert scene.before["unknown-name"]["state"] == "down"
    assert scene.dead("unknown-name") == set() and scene.apps["unknown-name"].connected == 0


@pytest.mark.parametrize("name", ["rebound", "mixed", "metadata"])
def test_an_address_that_is_not_allowed_is_never_dialled(scene, name):
    app = scene.apps[name]
    if name == "rebound":
        wait_for("a look at the new address", lambda: scene.dead(name), HEAL_S)
    if name == "metadata":
        wait_for("each dead", lambda: scene.dead(name) == set(scene.posted), HEAL_S)
    assert app.connected == 0
    assert all(one["reason"].startswith("network") for one in letters(scene.pipeline, name))
    assert "169.254." not in scene.dialled.read_text()
