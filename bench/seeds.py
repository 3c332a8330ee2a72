"""Journals with millions of events in them, each filled once and used by all rows that need it."""

import pathlib
import shutil
import subprocess
import tempfile
import time

from receiver import BIN, ENVIRONMENT, Failure, write_config

# Nobody takes events of this type: they wait. Every run that is compared has the same settings.
WAITING_TYPE = "email_forwarded"
SETTINGS = {"journal": {"max_size": "8GiB"}, "handlers": [{"name": "forwarded", "processes": 0}]}


class Seeds:
    def __init__(self, say):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="trotline-bench-"))
        self.say = say

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def remembered(self, count):
        """A folder whose journal remembers so many events that have come to their end."""
        return self.ready(f"remembered-{count}", ["remembered", count])

    def waiting(self, count):
        """A folder whose journal holds so many events without an end."""
        return self.ready(f"waiting-{count}", ["waiting", count, WAITING_TYPE])

    def ready(self, name, what):
        """What an earlier run has left goes, but for the journal: it finds its own effects only."""
        folder = self.root / name
        if not folder.exists():
            self.fill(folder, what)
        for path in (folder / "data").iterdir():
            if path.is_file():
                path.unlink()
            elif path.name != "journal":
                shutil.rmtree(path)
        return folder

    @staticmethod
    def lose_index(folder):
        """The next event has it built anew."""
        (folder / "data/journal/dedup.idx").unlink()

    def fill(self, folder, what):
        (folder / "data").mkdir(parents=True)
        begun = time.monotonic()
        command = [BIN / "bench-seed", write_config(folder, SETTINGS, 1, 2), *what]
        if subprocess.run([str(part) for part in command], env=ENVIRONMENT, check=False).returncode:
            raise Failure(f"{folder.name} could not be filled")
        self.say(f"{folder.name} filled in {time.monotonic() - begun:.0f} s")
