"""What operators see of destinations: alerts that begin and end, `status` and `top`, figures."""

import json

import pytest
from forwarding import bounces, with_destinations
from pipeline import post_all, wait_for
from test_alerts import alert_of, alerts
from verbs import good, run


def ended(pipeline, start):
    wait_for(f"no alert \"{start}\"", lambda: not any(one.startswith(start) for one in alerts(pipeline)))


def of_status(pipeline, name="app"):
    found = json.loads(good(pipeline, "status", "--json"))["destinations"]
    return next(one for one in found if one["name"] == name)


def figure(pipeline, name):
    return pipeline.metric(f"webhook_forward_{name}", 'destination="app"')


def test_an_application_that_is_away_is_an_alert_until_it_is_back(application, start):
    app = application(concurrency=1)
    pipeline = start(settings=with_destinations(app))
    app.go()
    ids = post_all(pipeline, bounces(5))
    alert = alert_of(pipeline, "destination app down")
    assert "it cannot be connected to since 20" in alert and "`trotline forward attempts app`" in alert
    wait_for("5 wait", lambda: "5 events wait for it" in alert_of(pipeline, "destination app down"))
    assert figure(pipeline, "up") == 0
    one = of_status(pipeline)
    assert (one["state"], one["cause"], one["last_status"]) == ("down", "cannot be connected to", 0)
    lines = good(pipeline, "status").splitlines()
    head = next(line for line in lines if line.startswith("DESTINATION"))
    row = lines[lines.index(head) + 1].split()
    assert row[:2] == ["app", "down"] and lines[lines.index(head) + 1].endswith("none: cannot be connected to")
    app.come()
    app.wait(ids)
    ended(pipeline, "destination app")
    assert (figure(pipeline, "up"), figure(pipeline, "events_total"), figure(pipeline, "lag_events")) == (1, 5, 0)
    wait_for("it is up", lambda: of_status(pipeline)["state"] == "up")
    assert of_status(pipeline)["last_status"] == 200


def test_an_application_that_refuses_or_is_gone_is_told_with_its_answer(application, start):
    refuses, goes = application("refuses", decide=404), application("goes", decide=410)
    pipeline = start(settings=with_destinations(refuses, goes))
    post_all(pipeline, bounces(12))
    assert "it answers 404 since 20" in alert_of(pipeline, "destination refuses refused")
    alert = alert_of(pipeline, "destination goes gone")
    assert "it answers 410 since 20" in alert and "`trotline forward enable goes`" in alert
    assert of_status(pipeline, "goes")["state"] == "gone"


def test_one_that_cannot_be_signed_for_is_left_out_until_it_can_and_stops_no_other(application, start):
    left, other = application("left"), application("other")
    left.write_secrets("whsec_c2hvcnQ=")
    pipeline = start(settings=with_destinations(left, other))
    ids = post_all(pipeline, bounces(3))
    other.wait(ids)
    alert = alert_of(pipeline, "destination left left out")
    assert str(left.secrets_file) in alert and "`trotline check" in alert
    check = run(pipeline, "check")
    assert check.returncode == 100 and f"forward[0].secrets_file (left): {left.secrets_file}: line 1" in check.stderr
    assert not left.requests
    left.write_secrets(left.secret)
    ended(pipeline, "destination left")
    left.wait(post_all(pipeline, bounces(2)))
    check = good(pipeline, "check")
    assert f"POST {left.url()}" in check and "1 secret\n" in check and left.secret not in check
    assert json.loads(good(pipeline, "check", "--json"))["destinations"][0]["secrets"] == 1


def test_an_application_that_is_slower_than_events_come_is_late_unless_paused(application, start):
    app = application(rate=1)
    pipeline = start(settings=with_destinations(app, health={"oldest_age": "1s"}))
    post_all(pipeline, bounces(60))
    assert "events wait for it, the oldest for" in alert_of(pipeline, "destination app late")
    good(pipeline, "forward", "pause", "app")
    ended(pipeline, "destination app late")
    assert of_status(pipeline)["state"] == "paused" and figure(pipeline, "paused") == 1


def test_what_history_will_let_go_of_is_told_before(application, start):
    app = application(decide=404)
    pipeline = start(settings=with_destinations(app, history={"keep": "5s"}))
    post_all(pipeline, bounces(2))
    assert "history.keep" in alert_of(pipeline, "destination app runs out")


def test_what_history_has_let_go_of_is_told_and_counted(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    pipeline["forward"].stop()
    post_all(pipeline, bounces(5))
    wait_for("kept", lambda: pipeline.metric("webhook_history_events_total") == 5)
    pipeline["history"].stop()
    (file,) = (one for one in (pipeline.data / "history").glob("open.*") if one.suffix[1:].isdigit())
    file.write_bytes(b"x" * file.stat().st_size)  # it is set aside at the start
    pipeline["history"].start()
    pipeline["forward"].start()
    app.wait(post_all(pipeline, bounces(1)))
    assert "history had let go of them" in alert_of(pipeline, "destination app missed")
    assert figure(pipeline, "missed_total") == of_status(pipeline)["missed"] >= 5


def test_dead_letters_are_told(application, start):
    app = application(decide=400)
    pipeline = start(settings=with_destinations(app))
    post_all(pipeline, bounces(2))
    wait_for("two", lambda: "2 are in its store" in alert_of(pipeline, "destination app dead letters"))
    assert of_status(pipeline)["dead"] == 2
    assert pipeline.metric("webhook_forward_attempts_total", 'destination="app",class="bad"') == 6


@pytest.mark.plain  # names are interposed
def test_an_address_that_is_not_allowed_is_told(application, start, names_library, folder):
    app = application(url="https://app.example.com/", network=["public"])
    (folder / "names").write_text("app.example.com 10.1.2.3\n")

    def prepare(pipeline):
        pipeline["forward"].env = {"LD_PRELOAD": str(names_library), "NAMES_FILE": str(folder / "names"),
                                   "DIALLED_FILE": str(folder / "dialled")}

    pipeline = start(prepare, settings=with_destinations(app))
    post_all(pipeline, bounces(1))
    assert "`network`" in alert_of(pipeline, "destination app guarded")


def test_admin_shows_destinations_and_does_to_them_what_the_verbs_do(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app), admin=True)
    app.wait(post_all(pipeline, bounces(2)))
    with pipeline.admin() as admin:
        (one,) = admin.get("/forward").json()["destinations"]
        assert (one["name"], one["state"], one["paused"]) == ("app", "up", False)
        assert admin.get("/forward/app").json()["keys"] is None
        assert app.secret not in admin.get("/forward/app").body.decode()
        assert admin.get("/forward/apq").status == 404 and "did you mean" in admin.get("/forward/apq").json()["error"]
        assert admin.request("POST", "/forward/app/pause").json()["paused"] is True
        wait_for("forward has seen it", lambda: figure(pipeline, "paused") == 1)
        ids = post_all(pipeline, bounces(1))
        wait_for("it waits", lambda: figure(pipeline, "lag_events") == 1)
        assert not app.has(ids)
        assert admin.request("POST", "/forward/app/resume").json()["paused"] is False
        app.wait(ids)
        assert admin.request("POST", "/forward/app/enable").status == 200
        assert admin.request("POST", "/forward/other/enable").status == 404
    assert pipeline["admin"].has_logged('msg="changed by an operator"', "action=pause", "target=/forward/app/pause")
