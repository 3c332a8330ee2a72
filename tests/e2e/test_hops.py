"""Events that Trotlines hand on from one to the next: each knows how far they have come, and a circle ends."""

import base64
import json
import subprocess

from forwarding import KEPT, bounces, reload
from pipeline import BIN, SECRET, event, sign, wait_for
from receiver import new_secret


def post(client, value, hops, path="/webhooks/email"):
    body = json.dumps(value).encode()
    return client.request("POST", path, body, {"X-Signature": sign(body)} | ({"Trotline-Hops": hops} if hops else {}))


def data_of(pipeline, event_id):
    rows = wait_for("applied", lambda: pipeline.rows("SELECT data FROM unknown_events WHERE event_id = ?", event_id))
    return json.loads(rows[0][0])


def test_what_was_handed_on_says_how_often_whatever_its_sender_wrote(shared, client):
    for hops, written, kept in (("3", None, 3), ("1", 99, 1), (None, 99, None), (None, None, None), ("0", 2, None),
                                ("many", {"a": 1}, None)):
        one = event(email="ann@example.com", **({} if written is None else {"trotline_hops": written}))
        assert post(client, one, hops).status == 202
        assert data_of(shared, one["event_id"]).get("trotline_hops") == kept, (hops, written)


def test_more_than_three_times_is_refused_with_its_cause(shared, client, tmp_path):
    one = event()
    for path, value in (("/webhooks/email", one), ("/webhooks/email/batch", [one, event()])):
        answer = post(client, value, "4", path)
        assert (answer.status, answer.json()) == (422, {"error": "Handed on too often"})
        assert "trotline-hops is 4" in answer.headers["x-error-detail"]
    wait_for("logged", lambda: shared["validator"].has_logged("msg=refused", "as=loop", "leads in a circle"))
    wait_for("counted", lambda: shared.metric("webhook_errors_total", 'error_type="loop"') >= 2)
    unsigned = client.request("POST", "/webhooks/email", b"{}", {"X-Signature": "sha256=00", "trotline-hops": "4"})
    assert unsigned.status == 401  # who has proved nothing is told nothing
    assert post(client, one, "3").status == 202  # and nothing of it was taken before

    body = json.dumps(one).encode()
    captured = tmp_path / "request.json"
    captured.write_text(json.dumps({
        "headers": [["X-Signature", sign(body)], ["trotline-hops", "4"]], "body_b64": base64.b64encode(body).decode()}))
    told = subprocess.run([BIN / "trotline", "verify", "--provider", "trotline", "--secret", SECRET, captured],
                          capture_output=True, text=True)
    assert told.returncode == 1
    assert (json.loads(told.stdout)["step"], json.loads(told.stdout)["status"]) == ("loop", 422), told


def upstream(secret):
    """A source for what another Trotline forwards."""
    return {"name": "upstream", "provider": "generic", "scheme": "standard-webhooks", "secrets": [secret]}


NATIVE = {"name": "email", "provider": "trotline", "secrets": ["${TROTLINE_SECRET}"]}


def leads_to(port, secret, folder):
    """A destination that is another Trotline's source."""
    folder.touch(mode=0o600)
    folder.write_text(secret + "\n")
    return {"name": "next", "url": f"http://127.0.0.1:{port}/webhooks/upstream", "secrets_file": str(folder),
            "from": "now", "network": ["loopback"], "retry": ["200ms", "200ms"]}


def test_another_trotline_takes_what_is_forwarded_and_hands_it_on(start, application, tmp_path):
    app, secret = application(), new_secret()
    second = start(handlers=("bounced", "unknown"),
                   settings=KEPT | {"sources": [NATIVE, upstream(secret)], "forward": [app.block()]})
    first = start(handlers=("bounced", "unknown"),
                  settings=KEPT | {"forward": [leads_to(second.port, secret, tmp_path / "key")]})
    (one,) = bounces(1)
    with first.client() as client:
        assert client.post(one).status == 202
    wait_for("the application has it", lambda: app.requests)
    request = app.requests[0]
    told = request.json()
    assert request.headers["trotline-hops"] == "2"
    assert told["type"] == "email_bounced" and told["source"] == "upstream"
    assert told["event_id"].startswith("evt_") and told["event_id"] != told["id"] == request.id
    assert told["data"]["email"] == one["data"]["email"] and "trotline_hops" not in told["data"]
    wait_for("suppressed at both", lambda: all(
        one.rows("SELECT email FROM suppressions") == [("person0@example.com",)] for one in (first, second)))


def test_a_circle_of_two_ends(start, tmp_path):
    secret, both = new_secret(), []

    def configure():
        """Each leads to the other. The first one starts before the second has a port, so it is told by a reload."""
        for one, other, key in ((*both, "a"), (*reversed(both), "b")):
            one.write_config(KEPT | {"sources": [NATIVE, upstream(secret)],
                                     "forward": [leads_to(other.port, secret, tmp_path / key)]})

    def second(pipeline):
        both.append(pipeline)
        configure()

    settings = KEPT | {"sources": [NATIVE, upstream(secret)]}
    both.append(start(settings=settings | {"forward": [leads_to(9, secret, tmp_path / "a")]}))
    start(prepare=second, settings=settings | {"forward": [leads_to(9, secret, tmp_path / "b")]})
    reload(both[0], json.loads(both[0].config.read_text()))
    with both[0].client() as client:
        assert client.post(event()).status == 202
    wait_for("the circle is cut", lambda: both[0]["validator"].has_logged("msg=refused", "as=loop"))
    wait_for("taken twice by each", lambda: all(len(one.rows("SELECT 1 FROM unknown_events")) == 2 for one in both))
