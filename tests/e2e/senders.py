"""A source of every provider and standard, and requests as `trotline send --provider` makes them."""

import json
import os
import subprocess

from pipeline import BIN, DEADLINE_S

SECRET = "secret-for-trying-out-0001"
WHSEC = "whsec_c2VjcmV0LWZvci10cnlpbmctb3V0LTAwMDE="
PASSWORD = "trotline:password-for-trying-out"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:mail-events"
CERT_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-try-out.pem"

# name of the source: (provider, the rest of its block); sendgrid and postal get a key of their own
BLOCKS = {
    "mailgun": ("mailgun", {"secrets": [SECRET]}),
    "postmark": ("postmark", {"secrets": [PASSWORD]}),
    "ses": ("ses", {"topics": [TOPIC], "allow_raw": True}),
    "sparkpost": ("sparkpost", {"secrets": [PASSWORD]}),
    "mandrill": ("mandrill", {"secrets": [SECRET]}),
    "mailjet": ("mailjet", {"secrets": [PASSWORD]}),
    "brevo": ("brevo", {"secrets": [PASSWORD]}),
    "resend": ("resend", {"secrets": [WHSEC]}),
    "mailersend": ("mailersend", {"secrets": [SECRET]}),
    "g-hmac": ("generic", {"scheme": "hmac", "secrets": [SECRET]}),
    "g-github": ("generic", {"scheme": "hmac", "header": "X-Hub-Signature-256", "secrets": [SECRET]}),
    "g-stripe": ("generic", {"scheme": "stripe", "secrets": [SECRET]}),
    "g-standard": ("generic", {"scheme": "standard-webhooks", "secrets": [WHSEC]}),
    "g-basic": ("generic", {"scheme": "basic", "secrets": [PASSWORD]}),
    "g-bearer": ("generic", {"scheme": "bearer", "secrets": [SECRET]}),
    "g-header": ("generic", {"scheme": "header", "secrets": [SECRET]}),
}
KEYED = {"sendgrid": "sendgrid", "postal": "postal", "g-v1a": "generic"}
PROVIDERS = ["sendgrid", "mailgun", "postmark", "ses", "sparkpost", "mandrill", "mailjet", "brevo",
             "resend", "mailersend", "postal"]


def run(*args, check=True):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROTLINE_")}
    done = subprocess.run([BIN / "trotline", *map(str, args)], capture_output=True, text=True,
                          timeout=DEADLINE_S, env=env | {"TROTLINE_SECRET": "native-secret-0000000"})
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stderr or done.stdout
    return done


class Senders:
    """Keys in a folder, and the sources that go with them."""

    def __init__(self, folder):
        self.keys, self.public = {}, {}
        for name, provider in KEYED.items():
            self.keys[name] = folder / f"{name}.pem"
            self.public[name] = run("send", "--provider", provider, "--new-key",
                                    self.keys[name]).stdout.strip()
        self.keys["ses"] = folder / "ses.pem"
        run("send", "--provider", "ses", "--new-key", self.keys["ses"])
        self.config = None

    def sources(self):
        blocks = [{"name": name, "provider": provider, **more}
                  for name, (provider, more) in BLOCKS.items()]
        for name, provider in KEYED.items():
            block = {"name": name, "provider": provider, "secrets": [self.public[name]]}
            blocks.append(block | ({"scheme": "standard-webhooks"} if provider == "generic" else {}))
        return blocks

    def write(self, path):
        path.write_text(json.dumps({"listen": "127.0.0.1:18080", "sources": self.sources()}))
        self.config = path
        return self

    def send(self, source, event, *more, signed=True, config=None, check=True):
        """signed=False: SES as raw delivery, which needs no certificate."""
        key = ["--key", self.keys[source]] if signed and source in self.keys else []
        return run("send", "-c", config or self.config, "--source", source, "--event", event, *key,
                   *more, check=check)

    def verify(self, source, path, *more):
        block = next(block for block in self.sources() if block["name"] == source)
        args = ["verify", "--provider", block["provider"]]
        for flag, key in (("--scheme", "scheme"), ("--header-name", "header")):
            args += [flag, block[key]] if key in block else []
        args += [arg for secret in block.get("secrets", []) for arg in ("--secret", secret)]
        if source == "ses":
            args += ["--topic", TOPIC, "--cert", f"{CERT_URL}={self.keys['ses']}"]
        return json.loads(run(*args, *more, path, check=False).stdout)


def events_of(provider):
    """(name, type, bounce class) of each event that can be sent."""
    rows = []
    for line in run("send", "--provider", provider, "--events").stdout.splitlines():
        name, _, kind = line.rpartition(" ")
        kind, _, bounce_class = kind.partition(":")
        rows.append((name.strip(), kind, bounce_class or None))
    return rows
