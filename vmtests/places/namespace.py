"""Namespaces and a cgroup, which end with the process that asked for them or outlive it.

`Namespaces` is what a process holds of them; their keeper is the program of the module `keeper`.
They end when the keeper's one program ends and when they are ended. Until they are detached they
also end when `Namespaces` is collected as garbage or left behind by an interpreter that exits, and
when the asking process dies in whatever way. Processes, mounts and networks go with the namespaces,
even those of a keeper that was killed; of a cgroup `sweep` then removes what is left. Knows no
nspawn.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from vmtests.places import keeper
from vmtests.places.process import Process, ProcessRecord

_END_TIMEOUT = 10.0
_SWEEP_TIMEOUT = 30.0
_LAST_LINES = 25
_CGROUP = re.compile(r"vmtests-[a-z0-9-]+")
_TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|M)")
# What systemd shows while it waits. Which unit it waits for, it has said in "Starting ...".
_SPINNER = re.compile(r"\[[* ]{6}\] ")


class MachineError(Exception):
    """What a machine was asked for did not happen; the text says what, and what it printed."""


class Record(ProcessRecord):
    """What another process needs to find namespaces again, or what is left of them; JSON."""

    cgroup: str


class Namespaces:
    """Mount, network and pid namespaces and a cgroup2 for one program; needs root.

    The network is empty: no packet leaves it. The mounts are a private copy of this computer's,
    with an empty tmpfs on /run and the whole cgroup2 hierarchy on /sys/fs/cgroup, whatever stands
    there outside (cgroup v1, on many a computer whose init is not systemd). Where init is systemd,
    one thing differs: the cgroup stands beside systemd's slices in a hierarchy that systemd takes
    for its own. It leaves alone what it did not make.
    """

    def __init__(
        self, process: Process, cgroup: str, output: IO[bytes], line: socket.socket | None
    ) -> None:
        """Of a keeper that is set up; ask `create` or `attach` for one."""
        self.process = process
        """The keeper's parent, which is in its namespaces and lives as long as it does."""
        self._cgroup = cgroup
        self._output = output
        self._line = line
        weakref.finalize(self, output.close)
        self._commands: list[subprocess.Popen[bytes]] = []
        self._end = weakref.finalize(self, _end, process, line, self._commands, os.getpid())
        if line is None:
            self._end.detach()
        # Their mounts as this computer sees them, and what of them outlives the namespaces.
        self.root = Path(f"/proc/{process.pid}/root")
        self.cgroup = self.root.joinpath(*keeper.CGROUPS.parts[1:], cgroup)
        cgroups = os.open(self.cgroup.parent, os.O_PATH)
        weakref.finalize(self, os.close, cgroups)
        self._lasting_cgroup = Path(f"/proc/self/fd/{cgroups}") / cgroup

    @classmethod
    def create(cls, name: str, timeout: float, terminal: int | None = None) -> Self:
        """New namespaces. `name` is part of the cgroup's; `timeout`: seconds to set up.

        `terminal`: a descriptor that the program is to have as its terminal, by that number.
        """
        cgroup = f"vmtests-{name}-{secrets.token_hex(4)}"
        output = tempfile.TemporaryFile()  # noqa: SIM115 (has no name, lives as long as they do)
        line, theirs = socket.socketpair()
        # A process descriptor: PR_SET_PDEATHSIG would also fire at the end of a mere thread.
        parent = os.pidfd_open(os.getpid())
        try:
            unshare = subprocess.Popen(
                [
                    *("unshare", "--mount", "--propagation=private", "--net"),
                    *("--pid", "--fork", "--kill-child", "--mount-proc", "--"),
                    *(sys.executable, "-I", "-S", keeper.__file__, cgroup, str(parent)),
                ],
                stdin=theirs.fileno(),
                stdout=output,
                stderr=output,
                pass_fds=[parent] if terminal is None else [parent, terminal],
                start_new_session=True,  # Ctrl-C is for the asking process
            )
            process = Process(unshare.pid)
            unshare.returncode = 0  # else Popen complains of what may outlive it
        finally:
            os.close(parent)
            theirs.close()
        try:
            _await(line, "set-up", timeout, output)
            return cls(process, cgroup, output, line)
        except BaseException:
            _end(process, line, [], os.getpid())
            output.close()
            raise

    @classmethod
    def attach(cls, record: Record) -> Self:
        """Namespaces that were detached, in this process or another; MachineError if gone."""
        if process := Process.find(record):
            with suppress(FileNotFoundError):  # it ends just now
                output = Path(f"/proc/{process.pid}/fd/1").open("rb")  # noqa: SIM115 (as above)
                return cls(process, record["cgroup"], output, None)
        raise MachineError("gone: it has ended or was killed")

    def record(self) -> Record:
        """What `attach` and `sweep` take."""
        return {**self.process.record(), "cgroup": self._cgroup}

    def detach(self) -> None:
        """Let them outlive this process; they stay usable here. Nothing if that is done.

        To lose none, write the record to disk before.
        """
        if self._line is not None:
            self._request(["detach"], _END_TIMEOUT)
            self._end.detach()
            self._line.close()
            self._line = None

    def run(self, *argv: str, stdin: str = "") -> str:
        """What a command of this computer prints among the mounts and in the network.

        Raises MachineError unless its status is 0.
        """
        return run_among(self.process.pid, ["--mount", "--net"], argv, stdin)

    def start(  # noqa: PLR0913 (by keyword what is seldom given)
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        timeout: float,
        terminal: int | None = None,
        *,
        tells: bool = True,
        early: Callable[[], None] | None = None,
    ) -> None:
        """Start the one program and return when it has sent READY=1, as sd_notify(3) does.

        `env` is added to this process's environment; `terminal` is one that `create` was given.
        `tells=False`: the program sends nothing, and this returns when it has been started.
        `early` is called while that is waited for.
        Raises MachineError with the last lines of output when the program ends first, or after
        `timeout` seconds. Not after `detach`.
        """
        self._request(["start", list(argv), dict(env), terminal, tells], timeout, early)

    def add(self, command: subprocess.Popen[bytes]) -> None:
        """Take charge of a command that this process has inside: before all ends, it is reaped.

        The kernel ends no pid namespace before, and the caller may be about to wait for it later.
        """
        self._commands[:] = [known for known in self._commands if known.poll() is None]
        self._commands.append(command)

    def wait(self, timeout: float | None) -> bool:
        """Whether the program ended, and everything with it, within `timeout` seconds."""
        for command in self._commands:
            command.poll()
        return self.process.wait(timeout)

    def output(self) -> str:
        """The last lines of what program and keeper printed, but none empty or for the eye only."""
        return _last_lines(self._output)

    def end(self) -> None:
        """Kill everything inside and return when nothing is left; nothing if that is done."""
        if self._end.alive:
            self._end()
        elif not self.process.wait(0):
            _end(self.process, None, self._commands, os.getpid())
        keeper.remove_cgroup(self._lasting_cgroup)  # gone, unless the keeper was killed itself

    def _request(
        self, words: list[object], timeout: float, meanwhile: Callable[[], None] | None = None
    ) -> None:
        if self._line is None:
            raise MachineError(f"{words[0]}: not after detaching")
        try:
            with suppress(BrokenPipeError):
                self._line.sendall(json.dumps(words).encode() + b"\n")
            if meanwhile is not None:
                meanwhile()
            _await(self._line, str(words[0]), timeout, self._output)
        except BaseException:
            self.end()
            raise


def sweep(*records: Record) -> None:
    """Remove what namespaces or machines that were killed have left, which can only be cgroups.

    Raises MachineError when one still runs.
    """
    for record in records:
        if not _CGROUP.fullmatch(record["cgroup"]):
            raise ValueError(f"cgroup {record['cgroup']!r}: no machine's")
        if Process.find(record):
            raise MachineError(f"{record['cgroup']}: still runs; attach and kill it")
    # This computer need not mount the cgroup2 hierarchy.
    space = Namespaces.create("sweep", _SWEEP_TIMEOUT)
    try:
        for record in records:
            keeper.remove_cgroup(space.cgroup.parent / record["cgroup"])
    finally:
        space.end()


def run_among(pid: int, kinds: Sequence[str], argv: Sequence[str], stdin: str = "") -> str:
    """What a command of this computer prints in some kinds of namespaces of a process.

    Raises MachineError unless its status is 0.
    """
    enter = ["nsenter", f"--target={pid}", *kinds, "--", *argv]
    done = subprocess.run(enter, check=False, capture_output=True, text=True, input=stdin)
    if done.returncode != 0:
        complaint = f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}{stdin}"
        raise MachineError(complaint.rstrip())
    return done.stdout


def _end(
    process: Process,
    line: socket.socket | None,
    commands: Iterable[subprocess.Popen[bytes]],
    maker: int,
) -> None:
    """Ask the keeper to end, on the line or when it is detached, and see to it."""
    if os.getpid() != maker:  # a child that was forked, at its exit
        return
    for command in commands:
        command.kill()
        command.wait()
    if line is not None:
        with suppress(OSError):  # a thread that waits for a word would keep it open
            line.shutdown(socket.SHUT_RDWR)
        line.close()
    else:
        notify = keeper.NOTIFY.relative_to("/")
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
            asking.sendto(keeper.END, f"/proc/{process.pid}/root/{notify}")
    if not process.wait(_END_TIMEOUT):
        process.kill()  # the keeper dies with unshare, and with it the whole pid namespace
        process.wait(_END_TIMEOUT)


def _await(line: socket.socket, what: str, timeout: float, output: IO[bytes]) -> None:
    """Wait for the keeper's next word, a byte."""
    line.settimeout(timeout)
    try:
        why = "it ended"
        if line.recv(1):
            return
    except TimeoutError:
        why = f"not done after {timeout:g} s"
    raise MachineError(f"{what} failed: {why}; the last lines it printed:\n{_last_lines(output)}")


def _last_lines(output: IO[bytes]) -> str:
    size = os.fstat(output.fileno()).st_size
    text = os.pread(output.fileno(), size, 0).decode(errors="replace")
    plain = (line.strip() for line in _TERMINAL_CODE.sub("", text).splitlines())
    return "\n".join([line for line in plain if line and not _SPINNER.match(line)][-_LAST_LINES:])
