"""QEMU's machine protocol: commands, and events as they come. Knows no machine."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from vmtests.places import MachineError

_TIMEOUT = 30.0


class Qmp:
    """One connection. `heed` is called with each event's name, by the thread that reads."""

    def __init__(self, line: socket.socket, heed: Callable[[str], None]) -> None:
        self._line = line
        self._line.settimeout(None)
        self._heed = heed
        self._numbers = itertools.count()
        self._news = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._is_over = False
        self._thread = threading.Thread(target=self._receive, name="qmp", daemon=True)
        self._thread.start()
        try:
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, timeout: float = _TIMEOUT, **arguments: object) -> Any:  # noqa: ANN401 (JSON)
        """What a command returns; MachineError where it fails or QEMU is gone."""
        number = next(self._numbers)
        request = {"execute": command, "arguments": arguments, "id": number}
        with suppress(OSError):
            self._line.sendall(json.dumps(request).encode() + b"\n")
        with self._news:
            self._news.wait_for(lambda: number in self._answers or self._is_over, timeout)
            answer = self._answers.pop(number, None)
        if answer is None:
            why = "QEMU has ended" if self._is_over else f"no answer in {timeout:g} s"
            raise MachineError(f"{command}: {why}")
        if "error" in answer:
            raise MachineError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def monitor(self, line: str, timeout: float) -> None:
        """Run a line of the human monitor, which says nothing unless it fails."""
        told = self.execute("human-monitor-command", timeout, **{"command-line": line})
        if told.strip():
            raise MachineError(f"{line}: {told.strip()}")

    def close(self) -> None:
        """Hang up; nothing if that is done."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(_TIMEOUT)
        self._line.close()

    def _receive(self) -> None:
        with suppress(OSError), self._line.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                if "id" in said:
                    with self._news:
                        self._answers[said["id"]] = said
                        self._news.notify_all()
                elif "event" in said:
                    self._heed(said["event"])
        with self._news:
            self._is_over = True
            self._news.notify_all()
