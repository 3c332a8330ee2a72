"""forward.db is removed or damaged: what a destination has not had still comes, and operators are told."""

from forwarding import bounces, with_destinations
from pipeline import post_all, wait_for
from test_alerts import alert_of
from verbs import lines


def remove_store(pipeline):
    for file in pipeline.data.glob("forward.db*"):
        file.unlink()


def forwarder(pipeline):
    return pipeline["forward"]


def test_a_store_that_is_removed_is_written_anew_and_told(application, start):
    app = application(concurrency=1)
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, bounces(20)))
    app.go()
    ids = post_all(pipeline, bounces(30))
    wait_for("it is away", lambda: "is=down" in forwarder(pipeline).log())
    remove_store(pipeline)
    assert "forward.db was replaced" in alert_of(pipeline, "forward.db")
    app.come()
    app.wait(ids)
    assert len(app.event_ids()) == 50
    wait_for("written", lambda: [(row["delivered"], row["missed"]) for row in lines(pipeline, "forward", "list")]
             == [(50, 0)])
    forwarder(pipeline).restart()
    app.wait(post_all(pipeline, bounces(3)))
    assert len(app.event_ids()) == 53


def test_a_store_that_is_removed_while_nobody_runs_is_no_new_beginning(application, start):
    app = application()
    pipeline = start(settings=with_destinations(app))
    app.wait(post_all(pipeline, bounces(5)))
    wait_for("its place is kept", lambda: (pipeline.data / "history/pins/forward-app").read_text().startswith("6 "))
    forwarder(pipeline).stop()
    remove_store(pipeline)
    ids = post_all(pipeline, bounces(7))
    wait_for("kept", lambda: pipeline.metric("webhook_history_events_total") == 12)
    forwarder(pipeline).start()
    app.wait(ids)
    assert len(app.event_ids()) == 12
