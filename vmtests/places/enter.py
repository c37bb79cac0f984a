"""Commands in the namespaces of another process: exact arguments, bytes and status, no shell.

A command is this process's own child, although it stands in another pid namespace: nobody between
the two has to be killed, woken or reaped. (`nsenter --pid` would stay between them: it stops when
its child is stopped, which systemd does at shutdown to all processes before it kills them, and
then nobody makes it go on.)
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO

ALL = ("--mount", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_CLONE_NEWPID = 0x20000000
_libc = ctypes.CDLL(None, use_errno=True)

Stream = int | IO[bytes] | None
"""What subprocess.Popen takes for a stream; None is this process's own."""


@dataclass(frozen=True)
class Result:
    """How a command ended: status (-N: by signal N) and the exact bytes it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Door:
    """A way into namespaces."""

    pid: int
    """The process whose pid namespace, as its children have it, is entered."""
    flags: Sequence[str]
    """nsenter's for all else, relative to that process."""


class Command(subprocess.Popen[bytes]):
    """A command with a session of its own. Signals go to it and to what it has started.

    At the end of a `with` block it is waited for; when the block raises, killed before.
    """

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self.kill()
            self.wait()  # which Popen does not after Ctrl-C; its pid namespace could not end
        super().__exit__(exc_type, value, traceback)

    def wait(self, timeout: float | None = None) -> int:
        """The status. Popen's own, given a time-out, looks and sleeps in turn, 0.5 ms at least."""
        if timeout is not None and self.poll() is None:
            with suppress(ProcessLookupError):  # another thread has just seen its end
                descriptor = os.pidfd_open(self.pid)
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                try:
                    has_ended = poll.poll(max(0.0, timeout) * 1000)
                finally:
                    os.close(descriptor)
                if not has_ended:
                    raise subprocess.TimeoutExpired(self.args, timeout)
        return super().wait()

    def send_signal(self, sig: int) -> None:
        """Signal the process group, while the command runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, sig)


def start_inside(
    door: Door,
    argv: Sequence[str],
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
) -> Command:
    """Start a command behind the door, with a bare environment.

    Its capabilities and cgroup are this process's, not those of the process entered. Raises
    ProcessLookupError when that has ended.
    """
    with _children_in_pid_namespace_of(door.pid):
        return Command(
            nsenter(door, argv),
            executable=shutil.which("nsenter"),  # by this PATH, not by that of `env`
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=ENVIRONMENT,
            start_new_session=True,
        )


def run_inside(
    door: Door, argv: Sequence[str], timeout: float | None, stdin: bytes = b""
) -> Result:
    """Run a command behind the door, and give it `stdin` to read.

    It is over when it has ended and nobody has its standard output open any more.

    After `timeout` seconds it is killed, save what of it has made itself a daemon, and
    subprocess.TimeoutExpired raised with the output so far.
    """
    pipe = subprocess.PIPE
    source = pipe if stdin else subprocess.DEVNULL
    with (
        tempfile.TemporaryFile() as errors,  # jobs in the background may keep it open
        start_inside(door, argv, stdin=source, stdout=pipe, stderr=errors) as command,
    ):
        try:
            stdout, _ = command.communicate(stdin or None, timeout)
        except subprocess.TimeoutExpired as late:
            command.kill()
            late.stderr = _all_of(errors)
            raise
        except BaseException:
            command.kill()
            raise
        return Result(command.returncode, stdout, _all_of(errors))


def _all_of(file: IO[bytes]) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def attend_inside(door: Door, argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command with this process's own terminal, and return its status (-N: by signal N).

    `env` is added to the bare environment. Ctrl-C is for the command; this process waits on.
    """
    with _interrupts_unheard():
        with _children_in_pid_namespace_of(door.pid):
            command = subprocess.Popen(
                nsenter(door, argv), executable=shutil.which("nsenter"), env={**ENVIRONMENT, **env}
            )
        return command.wait()


@contextmanager
def _interrupts_unheard() -> Iterator[None]:
    """Ctrl-C does nothing to this process, but all to a child: a handler does not outlive exec.

    KeyboardInterrupt could be raised when the child is reaped and its status not yet kept.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which signals interrupt no wait of
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def nsenter(door: Door, argv: Sequence[str]) -> list[str]:
    """What enters all namespaces but the pid namespace, which only a child can be born in."""
    return ["nsenter", f"--target={door.pid}", *door.flags, "--", *argv]


@contextmanager
def _children_in_pid_namespace_of(pid: int) -> Iterator[None]:
    """Whatever this thread starts meanwhile stands in the pid namespace of `pid`'s children."""
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        try:
            theirs = os.open(f"/proc/{pid}/ns/pid_for_children", os.O_RDONLY)
        except FileNotFoundError:
            raise ProcessLookupError(pid) from None
        try:
            _set_pid_namespace(theirs)
        finally:
            os.close(theirs)
        try:
            yield
        finally:
            _set_pid_namespace(ours)
    finally:
        os.close(ours)


def _set_pid_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWPID):  # os.setns, from Python 3.12
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
