"""The usual stack that Trotline is compared with: Flask under gunicorn, with Redis. A webhook's
signature and freshness are checked, its id is remembered in Redis, and it is answered 202. Nothing
is written to disk, and what a real one would do next is not done."""

import hashlib
import hmac
import json
import os
import time

import redis
from flask import Flask, request

MAX_AGE_S, MAX_FUTURE_S, WINDOW_S = 600, 300, 86400
SECRET = os.environ["TROTLINE_SECRET"].encode()

app = Flask(__name__)
seen = redis.Redis(port=int(os.environ["REDIS_PORT"]))


@app.post("/webhooks/email")
def receive():
    body = request.get_data()
    mac = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest("sha256=" + mac, request.headers.get("X-Signature", "")):
        return {"error": "Invalid signature"}, 401
    try:
        event = json.loads(body)
        event_id, age_s = str(event["event_id"]), time.time() - event["timestamp"]
    except (ValueError, KeyError, TypeError):
        return {"error": "Invalid JSON"}, 400
    if not -MAX_FUTURE_S <= age_s <= MAX_AGE_S:
        return {"error": "Event too old"}, 400
    if not seen.set("email:" + event_id, 1, ex=WINDOW_S, nx=True):
        return {"status": "ignored", "reason": "duplicate", "event_id": event_id}, 200
    return {"status": "accepted", "event_id": event_id}, 202
