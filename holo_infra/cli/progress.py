"""How units come up on hosts, and what an apply has done: told on stderr."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Sequence

from holo_infra.cli.output import counted, is_coloured, say
from holo_infra.runtime.apply import Outcome
from holo_infra.runtime.events import Event
from holo_infra.runtime.trouble import Trouble

_NOT_YET = {"inactive", "no answer", "not reached"}
"""States of which there is nothing to tell: it has not begun."""
_GREEN, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


def summary(outcome: Outcome) -> str:
    """What an apply did, on a line."""
    parts = {
        "started": outcome.started,
        "restarted": outcome.restarted,
        "stopped": outcome.stopped,
    }
    told = [f"{counted(len(units), 'unit')} {done}" for done, units in parts.items() if units]
    state = "ready" if not outcome.troubles else "not ready"
    return f"{state}; {', '.join(told) or 'no change'}"


class Progress:
    """Tells on stderr how units come up.

    On a terminal those that are ready, and on the last line what is waited for; elsewhere every
    change of state.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str | None, str], str] = {}
        self._terminal = sys.stderr.isatty()
        self._coloured = is_coloured(sys.stderr)
        self._begun = time.monotonic()

    def line(self, text: str) -> None:
        """A line of its own."""
        self._print(f"{time.monotonic() - self._begun:6.1f} s  {text}")

    def event(self, event: Event) -> None:
        """A unit's change of state."""
        unit = f"{event.container}/{event.unit}" if event.container else event.unit
        key = (event.host, event.container, event.unit)
        with self._lock:
            if event.is_ready:
                self._waiting.pop(key, None)
            else:
                self._waiting[key] = event.state
        if event.is_ready or not (self._terminal or event.state in _NOT_YET):
            state = self._paint(event.state, _GREEN if event.is_ready else _DIM)
            self.line(f"{event.host}  {unit}  {state}")
        else:
            self._print(None)

    def end(self) -> None:
        """Takes the last line away."""
        with self._lock:
            self._waiting.clear()
        self._print(None)

    def troubles(self, host: str, troubles: Sequence[Trouble]) -> None:
        """What is not ready, with its last log lines and a hint."""
        for trouble in troubles:
            self._print(
                f"{self._paint('not ready', _RED)}: {host}  {trouble.unit}: {trouble.state}"
            )
            for line in trouble.log:
                self._print(f"    {line}")
            if trouble.hint:
                self._print(f"  hint: {trouble.hint}")

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured else text

    def _print(self, text: str | None) -> None:
        with self._lock:
            if not self._terminal:
                if text is not None:
                    say(text)
                return
            lines = "" if text is None else f"\r\x1b[K{text}\n"
            last = "\r\x1b[K"
            if self._waiting:
                (host, container, unit), state = next(iter(self._waiting.items()))
                name = f"{container}/{unit}" if container else unit
                more = f", and {len(self._waiting) - 1} more" if len(self._waiting) > 1 else ""
                width = shutil.get_terminal_size().columns - 1
                last += f"  waiting for {host}  {name} ({state}){more}"[:width]
            sys.stderr.write(lines + last)
            sys.stderr.flush()
