"""What machines and switches have in common: they run, last or not, and commands run in them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from vmtests.places.enter import (
    Command,
    Door,
    Result,
    Stream,
    attend_inside,
    run_inside,
    start_inside,
)
from vmtests.places.namespace import MachineError, Namespaces

COMMAND_TIMEOUT = 60.0
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class CommandTimeout(MachineError):  # noqa: N818 (it says what happened)
    """A command that took too long and was killed, with what it had written until then."""

    def __init__(self, text: str, stdout: bytes, stderr: bytes) -> None:
        super().__init__(text)
        self.stdout = stdout
        self.stderr = stderr


class Place(ABC):
    """Namespaces with a name, that run from `start` on or in a `with` block.

    They end with the block, by `kill`, and with this process, unless they are detached.
    """

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"name {name!r}: must be [a-z][a-z0-9-]*, 63 characters")
        self.name = name
        self._namespaces: Namespaces | None = None

    @abstractmethod
    def start(self) -> None:
        """Make it; MachineError where that fails."""

    @abstractmethod
    def _door(self) -> Door:
        """The way to where its commands run."""

    @property
    def namespaces(self) -> Namespaces:
        """Its namespaces; MachineError when there are none."""
        if self._namespaces is None:
            raise MachineError(f"{self.name}: not started; use `with` or start()")
        return self._namespaces

    @property
    def is_on(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._namespaces is not None and not self._namespaces.wait(0)

    @property
    def pid(self) -> int:
        """A process in its network namespace; MachineError when it is off."""
        return self._open_door().pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def detach(self) -> None:
        """Let it outlive this process, in which it stays usable; `attach` gives it to others.

        To lose none, write its `record()` to disk before: whatever kills this process meanwhile,
        what then runs on has a record, and what has a record and is gone, `attach` tells.
        """
        self.namespaces.detach()

    def kill(self) -> None:
        """Pull the plug, and return when nothing is left; nothing if it is off."""
        if self._namespaces is not None:
            self._namespaces.end()
            self._namespaces = None

    def console(self) -> str:
        """The last lines of the console."""
        return self.namespaces.output()

    def execute(
        self, argv: Sequence[str], timeout: float | None = COMMAND_TIMEOUT, stdin: bytes = b""
    ) -> Result:
        """Run a command inside, as root, in /, with a bare environment and no shell.

        For a shell, ask: `["sh", "-c", "echo $HOME"]`. It reads `stdin`. The status is nsenter's
        127 where there is no such program. Raises CommandTimeout when it takes longer than
        `timeout` seconds.
        """
        door = self._open_door(argv)
        try:
            done = run_inside(door, argv, timeout, stdin)
        except subprocess.TimeoutExpired as late:
            message = f"{self.name}: {shlex.join(argv)}: not done after {timeout:g} s"
            stdout, stderr = late.stdout or b"", late.stderr or b""
            raise CommandTimeout(message + _outputs(stdout, stderr), stdout, stderr) from None
        except ProcessLookupError:
            raise self._gone() from None
        if done.returncode < 0:
            self._nudge()
        return done

    def succeed(
        self, argv: Sequence[str], timeout: float = COMMAND_TIMEOUT, stdin: bytes = b""
    ) -> str:
        """What the command wrote to standard output; MachineError unless its status is 0."""
        done = self.execute(argv, timeout, stdin)
        if done.returncode != 0:
            raise self._complaint(argv, done, "")
        return done.stdout.decode(errors="replace")

    def fail(self, argv: Sequence[str], timeout: float = COMMAND_TIMEOUT) -> str:
        """What the command wrote to standard output; MachineError if its status is 0."""
        done = self.execute(argv, timeout)
        if done.returncode == 0:
            raise self._complaint(argv, done, ", but it should have failed")
        return done.stdout.decode(errors="replace")

    def popen(
        self,
        argv: Sequence[str],
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.DEVNULL,
    ) -> Command:
        """Start a command as `execute` does, and leave it to the caller.

        `terminate()` and `kill()` are for the command and all that it has started, `send_signal`
        too. It ends with the place at the latest; use it in a `with` block to reap it.
        """
        door = self._open_door(argv)
        try:
            command = start_inside(door, argv, stdin=stdin, stdout=stdout, stderr=stderr)
        except ProcessLookupError:
            raise self._gone() from None
        self.namespaces.add(command)
        return command

    def interact(self, argv: Sequence[str]) -> int:
        """Run a command on this process's own terminal, and return its status.

        Else as `execute`, with TERM from this process's environment. Ctrl-C is for the command.
        """
        env = {"TERM": os.environ.get("TERM", "dumb")}
        status = attend_inside(self._open_door(argv), argv, env)
        if status < 0:
            self._nudge()
        return status

    def _open_door(self, argv: Sequence[str] = ()) -> Door:
        if isinstance(argv, str):
            raise TypeError(f"a list of arguments, please, as in ['sh', '-c', {argv!r}]")
        if self.namespaces.wait(0):
            raise self._gone()
        return self._door()

    def _gone(self) -> MachineError:
        return MachineError(f"{self.name}: it is off\n{self.console()}")

    def _signal(self, number: int) -> None:
        if not self.namespaces.wait(0):
            with suppress(ProcessLookupError):
                os.kill(self._door().pid, number)

    def _nudge(self) -> None:
        """Make an init that killed a command at shutdown look whether the command is gone.

        It waits for a SIGCHLD, which the command's parent had: a process outside.
        """
        self._signal(signal.SIGCHLD)

    def _complaint(self, argv: Sequence[str], done: Result, but: str) -> MachineError:
        outputs = _outputs(done.stdout, done.stderr)
        status = f"status {done.returncode}{but}"
        return MachineError(f"{self.name}: {shlex.join(argv)}: {status}{outputs}")


def _outputs(stdout: bytes | None, stderr: bytes | None) -> str:
    named = {"stdout": stdout, "stderr": stderr}
    return "".join(
        f"\n{name}: {text.decode(errors='replace').rstrip()}"
        for name, text in named.items()
        if text
    )
