"""Events that Trotlines hand on from one to the next: each knows how far they have come, and a circle ends."""

import base64
import json
import subprocess

from pipeline import BIN, SECRET, event, sign, wait_for


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
