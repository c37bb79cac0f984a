"""A machine that remembers which units were active on it and in its containers, and were tested."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vmtests.backend import Backend
from vmtests.life import KEEPING
from vmtests.machine import Machine
from vmtests.nested import Nested
from vmtests.places import MachineError, Result

_TIMEOUT = 20.0
_STARTED = "39f53479d3a045ac8e11786248231fbf"  # systemd's catalogue: a start job is done
_ENTRIES = ["journalctl", "--no-pager", "--quiet", "--output=json"]
_SHOW = ["systemctl", "show", "--property=Id,ActiveState,ActiveEnterTimestampMonotonic", "--"]
# What systemd prints on the console of a container; what is too long for a line has no middle.
_CONSOLE = re.compile(
    r"(?:Started|Finished|Listening on|Reached target|Mounted|Created slice) (\S+)"
)
_CODES = re.compile(r"\x1b\[[0-9;]*m")
# A command that may end units, or containers with all that they know.
_ENDS = re.compile(
    r"\b(?:stop|restart|kill|isolate|poweroff|reboot|halt|shutdown|terminate|disable)\b"
)


class Tracked(Machine):
    """A machine of which is asked, before anything of it is lost, what was active.

    `units`: those that count, the machine's own under "", those of a container under its name.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        units: Mapping[str, tuple[str, ...]] | None = None,
        artefacts: Path | None = None,
    ) -> None:
        super().__init__(backend, artefacts=artefacts)
        self.units = dict(units or {})
        self.reached: dict[str, set[str]] = {name: set() for name in self.units}
        self._inner: dict[str, list[Machine]] = {}
        self._named: dict[str, set[str]] = {}

    def asserted_by_container(self) -> dict[str, set[str]]:
        """The units that a test has asked after; those of the machine itself under ""."""
        found = {"": set(self.asserted)}
        for name in self.units.keys() - {""}:
            inner = (machine.asserted for machine in self._inner.get(name, ()))
            found[name] = set().union(self._named.get(name, ()), *inner)
        return found

    def restore(self, name: str) -> None:
        """As Machine's."""
        self._look()
        super().restore(name)

    def container(self, name: str) -> Machine:
        """As Machine's."""
        inner = super().container(name)
        self._inner.setdefault(name, []).append(inner)
        return inner

    def _bash(self, command: str, timeout: float | None, stdin: bytes = b"") -> Result:
        if _ENDS.search(command):
            self._look()
        return super()._bash(command, timeout, stdin)

    def _note(self, command: str) -> None:
        """What asks systemd, and names a container and units of it, asks after these."""
        super()._note(command)
        if "systemctl" not in command and "journalctl" not in command:
            return
        for name, units in self.units.items():
            if name and _names(command, name):
                named = {unit for unit in units if _names(command, unit)}
                self._named.setdefault(name, set()).update(named)

    def _keep(self, timeout: float = KEEPING) -> None:
        self._look()
        super()._keep(timeout)

    def _look(self) -> None:
        """Ask what has been active, as far as the machine answers."""
        if not self.units or not self._answers():
            return
        with suppress(MachineError, ValueError):
            self._look_at(self.backend, "")
            self._look_at_consoles()
        for name in self.units.keys() - {""}:
            with suppress(MachineError, ValueError):  # it is off; its console has told
                self._look_at(Nested(self.backend, name), name)

    def _look_at(self, backend: Backend, container: str) -> None:
        units = set(self.units[container])
        backend.run(["journalctl", "--sync"], _TIMEOUT)
        # A unit that does one thing is never active; its start is done nevertheless.
        fields = ["--output-fields=UNIT,JOB_RESULT", f"MESSAGE_ID={_STARTED}"]
        for entry in _entries(backend, fields):
            if entry.get("JOB_RESULT") == "done":
                self.reached[container] |= units & {str(entry.get("UNIT"))}
        if units:
            shown = backend.run([*_SHOW, *sorted(units)], _TIMEOUT).stdout.decode()
            for block in shown.split("\n\n"):
                told = dict(line.split("=", 1) for line in block.splitlines() if line)
                was_active = told.get("ActiveEnterTimestampMonotonic", "0") not in {"", "0"}
                if was_active or told.get("ActiveState") == "active":
                    self.reached[container] |= units & {told.get("Id", "")}

    def _look_at_consoles(self) -> None:
        """Of containers that are off, what they have printed is in the machine's journal.

        Not all of it, at times: a line may be lost, e.g. where a getty hangs up the console.
        """
        fields = ["--output-fields=_SYSTEMD_UNIT,MESSAGE", "--identifier=systemd-nspawn"]
        for entry in _entries(self.backend, fields):
            told = _CONSOLE.findall(_CODES.sub("", _text(entry.get("MESSAGE"))))
            outer = str(entry.get("_SYSTEMD_UNIT")).removesuffix(".service")
            for name, units in self.units.items():
                for word in told if name and _names(outer, name) else ():
                    beginning, cut, _ = word.partition("…")
                    fitting = {u for u in units if (u.startswith if cut else u.__eq__)(beginning)}
                    if len(fitting) == 1:
                        self.reached[name] |= fitting


def _entries(backend: Backend, matches: list[str]) -> list[dict[str, object]]:
    lines = backend.run([*_ENTRIES, *matches], _TIMEOUT).stdout.splitlines()
    return [json.loads(line) for line in lines]


def _text(message: object) -> str:
    """A message of the journal, which has what is not for print as a list of bytes."""
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)


def _names(text: str, name: str) -> bool:
    """Whether a text names something, not only something longer."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None
