"""Whether secrets are seen where every user of a computer can look: arguments and environments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

INTERVAL = 0.05


@dataclass
class Watched:
    """What was seen."""

    processes: int = 0
    """How many times a process was looked at."""
    found: set[str] = field(default_factory=set)
    """The arguments or environments that held a secret."""

    def look(self, secrets: Sequence[bytes]) -> None:
        """Look at all processes once."""
        for folder in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    content = (folder / name).read_bytes()
                    self.processes += 1
                    if any(secret in content for secret in secrets):
                        self.found.add(content.replace(b"\0", b" ").decode(errors="replace"))


@contextmanager
def watch_processes(secrets: Sequence[str]) -> Iterator[Watched]:
    """Look at all processes of this computer and of machines on it, again and again."""
    watched = Watched()
    over = Event()
    sought = [secret.encode() for secret in secrets]

    def watch() -> None:
        while not over.wait(INTERVAL):
            watched.look(sought)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()
