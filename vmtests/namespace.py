"""Namespaces and a cgroup that end with the process that asked for them. Knows no nspawn.

Both sides stand here: `Namespaces`, which the asking process holds, and below it the keeper, a
small program (`python -I -S namespace.py`) that is pid 1 of the new pid namespace. The keeper runs
one program in a cgroup of its own. It ends when that program ends, when `Namespaces` is ended,
collected as garbage or left behind by an interpreter that exits, and when the asking process dies
in whatever way. Before it ends it kills the cgroup and removes it; processes, mounts and networks
go with the namespaces.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

POLL = 0.02
_CGROUPS = Path("/sys/fs/cgroup")
_NOTIFY = Path("/run/notify")
_END_TIMEOUT = 10.0
_LAST_LINES = 25
_TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|M)")
# What systemd shows while it waits. Which unit it waits for, it has said in "Starting ...".
_SPINNER = re.compile(r"\[[* ]{6}\] ")


class MachineError(Exception):
    """What a machine was asked for did not happen; the text says what, and what it printed."""


class Namespaces:
    """New mount, network and pid namespaces and a new cgroup2 for one program; needs root.

    The network is empty: no packet leaves it. The mounts are a private copy of this computer's,
    with an empty tmpfs on /run and the whole cgroup2 hierarchy on /sys/fs/cgroup, whatever stands
    there outside (cgroup v1, on many a computer whose init is not systemd). Where init is systemd,
    one thing differs: the cgroup stands beside systemd's slices in a hierarchy that systemd takes
    for its own. It leaves alone what it did not make.
    """

    def __init__(self, name: str, timeout: float) -> None:
        """`name`: of the cgroup, unique on this computer. `timeout`: seconds to set up."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (has no name, lives as long as self)
        weakref.finalize(self, self._output.close)
        self._line, theirs = socket.socketpair()
        # A process descriptor: PR_SET_PDEATHSIG would also fire at the end of a mere thread.
        parent = os.pidfd_open(os.getpid())
        try:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--mount", "--propagation=private", "--net"),
                    *("--pid", "--fork", "--kill-child", "--mount-proc", "--"),
                    *(sys.executable, "-I", "-S", __file__, name, str(parent)),
                ],
                stdin=theirs.fileno(),
                stdout=self._output,
                stderr=self._output,
                pass_fds=[parent],
                start_new_session=True,  # Ctrl-C is for the asking process, which then ends this
            )
        finally:
            os.close(parent)
            theirs.close()
        self._end = weakref.finalize(self, _end, self._process, self._line)
        self._await("set-up", timeout)
        # These mounts as this computer sees them, and what of them outlives the namespaces.
        self.root = Path(f"/proc/{self._process.pid}/root")
        self.cgroup = self.root.joinpath(*_CGROUPS.parts[1:], name)
        cgroups = os.open(self.cgroup.parent, os.O_PATH)
        weakref.finalize(self, os.close, cgroups)
        self._lasting_cgroup = Path(f"/proc/self/fd/{cgroups}") / name

    def run(self, *argv: str) -> None:
        """Run a command of this computer among the mounts and in the network; it must succeed."""
        enter = ["nsenter", f"--target={self._process.pid}", "--mount", "--net", "--", *argv]
        done = subprocess.run(enter, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise MachineError(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")

    def start(self, argv: Sequence[str], env: Mapping[str, str], timeout: float) -> None:
        """Start the one program and return when it has sent READY=1, as sd_notify(3) does.

        `env` is added to this process's environment. Raises MachineError with the last lines of
        output when the program ends first, or after `timeout` seconds.
        """
        self._line.sendall(json.dumps([list(argv), dict(env)]).encode() + b"\n")
        self._await("start", timeout)

    def wait(self, timeout: float) -> bool:
        """Whether the program ended, and everything with it, within `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def output(self) -> str:
        """The last lines of what program and keeper printed, but none empty or for the eye only."""
        size = os.fstat(self._output.fileno()).st_size
        text = os.pread(self._output.fileno(), size, 0).decode(errors="replace")
        plain = (line.strip() for line in _TERMINAL_CODE.sub("", text).splitlines())
        return "\n".join(
            [line for line in plain if line and not _SPINNER.match(line)][-_LAST_LINES:]
        )

    def end(self) -> None:
        """Kill everything inside and return when nothing is left; nothing if that is done."""
        if self._end.alive:
            self._end()
            _remove(self._lasting_cgroup)  # which is gone, unless the keeper was killed itself

    def _await(self, what: str, timeout: float) -> None:
        """Wait for the keeper's next word, a byte."""
        self._line.settimeout(timeout)
        try:
            why = "it ended"
            if self._line.recv(1):
                return
        except TimeoutError:
            why = f"not done after {timeout:g} s"
        self._end()
        raise MachineError(f"{what} failed: {why}; the last lines it printed:\n{self.output()}")


def _end(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    try:
        process.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()  # the keeper dies with unshare, and with it the whole pid namespace
        process.wait()


def _remove(cgroup: Path) -> None:
    if cgroup.is_dir():
        (cgroup / "cgroup.kill").write_text("1")
        while "populated 1" in (cgroup / "cgroup.events").read_text():
            time.sleep(POLL)
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()


# The keeper, run by path and therefore without this package and site-packages. Its standard input
# is the other end of the line.


def _keep(name: str, parent: int) -> None:
    _mount("-t", "tmpfs", "-o", "mode=755", "vmtests", "/run")
    _mount("-t", "cgroup2", "vmtests", str(_CGROUPS))
    cgroup = _CGROUPS / name
    cgroup.mkdir()
    try:
        with (
            socket.socket(fileno=0) as line,
            line.makefile("rb") as requests,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        ):
            notify.bind(str(_NOTIFY))
            line.sendall(b"\n")
            if request := requests.readline():
                argv, env = json.loads(request)
                _supervise(_spawn(argv, env, cgroup), parent, line, notify)
    finally:
        _remove(cgroup)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _spawn(argv: list[str], env: dict[str, str], cgroup: Path) -> int:
    """A process descriptor of the program, which stands in `cgroup` from its first instruction."""
    pid = os.fork()
    if pid:
        return os.pidfd_open(pid)
    try:
        (cgroup / "cgroup.procs").write_text("0")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvpe(argv[0], argv, {**os.environ, **env, "NOTIFY_SOCKET": str(_NOTIFY)})  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _supervise(program: int, parent: int, line: socket.socket, notify: socket.socket) -> None:
    """Return when the program, the asking process or the line has come to its end."""
    news = notify.fileno()
    while True:
        readable, _, _ = select.select([news, program, parent, line.fileno()], [], [])
        if news in readable and b"READY=1" in notify.recv(65536).splitlines():
            line.sendall(b"\n")
        if readable != [news]:
            return


if __name__ == "__main__":
    _keep(sys.argv[1], int(sys.argv[2]))
