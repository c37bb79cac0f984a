"""Commands in a machine, and how a failure of one reads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from vmtests.backend import CommandTimeout
from vmtests.failure import RequestedAssertionFailed, told
from vmtests.life import Life
from vmtests.places import MachineError, Result
from vmtests.script import TIMEOUT, polling_condition, retry

TIMED_OUT = 124  # what timeout(1) makes of a command that takes too long
UNIT = re.compile(
    r"[\w@.:\\-]+\.(?:service|socket|target|path|timer|mount|slice|scope|device|automount|swap)\b"
)
_SIGNALLED = 128
_NOT_ASKED, _NOT_WAITED_FOR = -1, -2  # the driver's, for the status of such a command
_JOURNAL_LINES = 15


class Commands(Life):
    """A machine that runs commands of bash's."""

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: float | None = TIMEOUT,
    ) -> tuple[int, str]:
        """Run a command of bash's with `set -euo pipefail`; its status and standard output.

        It ends when its standard output is closed by all that it has started. After `timeout` it
        is killed, and its status 124. `check_return=False` gives a status of -1, and takes it if
        the machine goes down meanwhile; `check_output=False` does not wait, and gives (-2, "").
        What is no UTF-8 is replaced: `run` gives bytes.
        """
        self._check_conditions()
        self.connect()
        if not check_output:

            def run_aside() -> None:
                with suppress(MachineError):
                    self._bash(command, timeout)

            threading.Thread(target=run_aside, daemon=True).start()
            return _NOT_WAITED_FOR, ""
        try:
            done = self._bash(command, timeout)
        except MachineError:
            if check_return:
                raise
            return _NOT_ASKED, ""
        status = done.returncode if check_return else _NOT_ASKED
        return status, done.stdout.decode(errors="replace")

    def run(self, command: str, timeout: float | None = TIMEOUT, stdin: bytes = b"") -> Result:
        """As `execute`, but exact: status, and the bytes of standard output and standard error.

        `stdin` is what it reads. A command that is killed after `timeout` has the status 124.
        """
        self._check_conditions()
        self.connect()
        return self._bash(command, timeout, stdin)

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
        """Run commands one after the other, of which each must succeed; their standard output."""
        output = ""
        for command in commands:
            start = time.monotonic()
            done = self._logged(f"must succeed: {command}", command, timeout)
            if done.returncode != 0:
                raise self._command_failed(f"command `{command}` failed", command, done, start)
            self._note(command)
            output += done.stdout.decode(errors="replace")
        return output

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        """As `succeed`, for commands of which each must fail."""
        output = ""
        for command in commands:
            start = time.monotonic()
            done = self._logged(f"must fail: {command}", command, timeout)
            if done.returncode == 0:
                what = f"command `{command}` unexpectedly succeeded"
                raise self._command_failed(what, command, done, start)
            self._note(command)
            output += done.stdout.decode(errors="replace")
        return output

    def wait_until_succeeds(self, command: str, timeout: float = TIMEOUT) -> str:
        """Repeat a command, at most 100 ms apart, until it succeeds; its standard output then."""
        return self._repeat(command, timeout, lambda status: status == 0, "success")

    def wait_until_fails(self, command: str, timeout: float = TIMEOUT) -> str:
        """Repeat a command until it fails; its standard output then."""
        return self._repeat(command, timeout, lambda status: status != 0, "failure")

    def sleep(self, secs: float) -> None:
        """Wait, by the machine's clock."""
        self.succeed(f"sleep {secs}")

    def _bash(self, command: str, timeout: float | None, stdin: bytes = b"") -> Result:
        argv = ["bash", "-c", f"set -euo pipefail; {command}"]
        try:
            done = self.backend.run(argv, timeout, stdin)
        except CommandTimeout as late:
            return Result(TIMED_OUT, late.stdout, late.stderr)
        status = done.returncode
        return done if status >= 0 else Result(_SIGNALLED - status, done.stdout, done.stderr)

    def _logged(self, title: str, command: str, timeout: float | None) -> Result:
        with self.nested(title):
            return self.run(command, timeout)

    def _repeat(
        self, command: str, timeout: float, is_done: Callable[[int], bool], what: str
    ) -> str:
        start = time.monotonic()
        with self.nested(f"waiting for {what}: {command}"):
            done = Result(0, b"", b"")

            def ask(last_try: bool) -> bool:
                nonlocal done
                done = self.run(command, timeout)
                if last_try and not is_done(done.returncode):
                    waited = f"no {what} of `{command}`"
                    raise self._command_failed(waited, command, done, start)
                return is_done(done.returncode)

            retry(ask, timeout)
        self._note(command)
        return done.stdout.decode(errors="replace")

    def _note(self, command: str) -> None:
        """Of what a command asks systemd, it tells something about the units that it names."""
        if "systemctl" in command or "journalctl" in command:
            self.asserted.update(UNIT.findall(command))

    def _check_conditions(self) -> None:
        for condition in tuple(polling_condition.active):
            condition.maybe_raise()

    def _command_failed(
        self, what: str, command: str, done: Result, start: float
    ) -> RequestedAssertionFailed:
        named = sorted(set(UNIT.findall(command)))
        units: Sequence[str | None] = named or [None]
        return self._failed(f"{what} (exit code {done.returncode})", done, units, start)

    def _failed(
        self,
        what: str,
        done: Result | None = None,
        units: Sequence[str | None] = (),
        start: float | None = None,
    ) -> RequestedAssertionFailed:
        elapsed = "" if start is None else f" after {time.monotonic() - start:.1f} s"
        text = f"{self.name}: {what}{elapsed}"
        if done is not None:
            text += told("standard output", done.stdout.decode(errors="replace"))
            text += told("standard error", done.stderr.decode(errors="replace"))
        for unit in units:
            with suppress(MachineError):
                title = "journal" if unit is None else f"journal of {unit}"
                text += told(title, self._journal(unit, _JOURNAL_LINES))
        return RequestedAssertionFailed(text)
