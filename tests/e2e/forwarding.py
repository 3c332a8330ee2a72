"""Applications that events are forwarded to: a receiver each, its secret, and its place in the configuration."""

import json
import signal

from pipeline import event, wait_for
from receiver import Receiver, new_secret
from verbs import lines

QUICK = ["200ms", "400ms"]  # two waits of an event that is at fault, so three tries
RELOADED = 'msg="configuration reloaded"'
KEPT = {"history": {"keep": "1d"}, "journal": {"lease": "500ms"}}


class Application(Receiver):
    """A strict receiver: what is not signed with its secret is 401. options: of its block in trotline.yaml."""

    def __init__(self, folder, name, decide=200, context=None, keep_bodies=True, **options):
        secret = new_secret()
        super().__init__(decide, [secret], context=context, keep_bodies=keep_bodies)
        self.name, self.secret = name, secret
        self.secrets_file = folder / f"secrets-{name}"
        self.write_secrets(secret)
        self.options = options

    def write_secrets(self, *lines):
        self.secrets_file.touch(mode=0o600)
        self.secrets_file.write_text("".join(f"{line}\n" for line in lines))

    def block(self):
        return {"name": self.name, "url": self.url(), "secrets_file": str(self.secrets_file), "from": "now",
                "network": ["loopback"], "retry": QUICK} | self.options

    def has(self, ids):
        """Has it said yes to all of these events?"""
        return set(ids) <= set(self.event_ids())

    def wait(self, ids, deadline_s=30):
        wait_for(f"{self.name} has {len(set(ids))} events", lambda: self.has(ids), deadline_s)


def with_destinations(*applications, **more):
    """Settings of a pipeline that forwards to them."""
    return KEPT | more | {"forward": [one.block() for one in applications]}


def reload(pipeline, settings):
    """As an operator does: the file is written anew, and the stage told."""
    pipeline.write_config(settings)
    stage = pipeline["forward"]
    before = stage.log().count(RELOADED)
    stage.signal(signal.SIGHUP)
    wait_for("taken on", lambda: stage.log().count(RELOADED) > before)


def few(count, **data):
    return [event(email=f"person{n}@example.com", **data) for n in range(count)]


def bounces(count, **data):
    return [event("email_bounced", email=f"person{n}@example.com", bounce_type="hard", **data) for n in range(count)]


def data_of(request):
    return json.loads(request.body)["data"]


def destinations(pipeline):
    """{name: what `forward list` says of it}."""
    return {one["name"]: one for one in lines(pipeline, "forward", "list")}


def letters(pipeline, name):
    """A destination's dead letters."""
    return lines(pipeline, "forward", "dlq", "list", name, "--limit", "100000")
