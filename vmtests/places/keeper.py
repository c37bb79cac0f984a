"""The keeper of namespaces: a small program that is pid 1 of the pid namespace. Knows no machine.

It is run by path (`python -I -S keeper.py CGROUP PARENT`), therefore without this package and
site-packages. Its standard input is one end of a line to the process that asked for it, PARENT a
process descriptor of that. On the line come requests, each of one line of JSON: `["start", ARGV,
ENVIRONMENT, TERMINAL, TELLS]` starts the one program it can run, in the cgroup, on the terminal
that this descriptor is, if it is not null; `["detach"]` makes it forget line and parent. It answers
each with a byte when that is done; a start, where TELLS is true, when the program says so.

It ends when the program ends, when line or parent come to their end, or when it is sent `END=1` on
NOTIFY. Before, it kills the cgroup and removes it; all else goes with the namespaces.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

POLL = 0.02
CGROUPS = Path("/sys/fs/cgroup")
NOTIFY = Path("/run/notify")
END = b"END=1"


def remove_cgroup(cgroup: Path) -> None:
    """Kill what stands in a cgroup and remove it, if it is there."""
    if cgroup.is_dir():
        (cgroup / "cgroup.kill").write_text("1")
        while "populated 1" in (cgroup / "cgroup.events").read_text():
            time.sleep(POLL)
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()


def _keep(name: str, parent: int) -> None:
    os.chdir("/")  # no folder of this computer is kept in use
    _mount("-t", "tmpfs", "-o", "mode=755", "vmtests", "/run")
    # The kernel refuses what is mounted there already, as where init is systemd: not so above this.
    _mount("-t", "tmpfs", "vmtests", str(CGROUPS))
    _mount("-t", "cgroup2", "vmtests", str(CGROUPS))
    # Those that others start in this pid namespace and leave behind; the kernel reaps them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    cgroup = CGROUPS / name
    cgroup.mkdir()
    try:
        with (
            socket.socket(fileno=0) as line,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        ):
            notify.bind(str(NOTIFY))
            line.sendall(b"\n")
            _serve(cgroup, parent, line, notify)
    finally:
        remove_cgroup(cgroup)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _serve(cgroup: Path, parent: int, line: socket.socket, notify: socket.socket) -> None:
    """Return when it is time to end."""
    news = notify.fileno()
    askers = [line.fileno(), parent]
    programs: list[int] = []
    with line.makefile("rb") as requests:
        while True:
            readable, _, _ = select.select([news, *askers, *programs], [], [])
            if news in readable:
                words = notify.recv(65536).splitlines()
                if END in words:
                    return
                if b"READY=1" in words and askers:
                    line.sendall(b"\n")
            # First the line: who has died since may have detached before.
            if line.fileno() in readable:
                match json.loads(requests.readline() or "null"):
                    case ["start", argv, env, terminal, tells]:
                        programs.append(_spawn(argv, env, terminal, cgroup))
                        if terminal is not None:
                            os.close(terminal)
                        line.sendall(b"" if tells else b"\n")
                    case ["detach"]:
                        askers.clear()
                        with suppress(BrokenPipeError):
                            line.sendall(b"\n")
                    case _:
                        return
            elif not {parent, *programs}.isdisjoint(readable):
                return


def _spawn(argv: list[str], env: dict[str, str], terminal: int | None, cgroup: Path) -> int:
    """A process descriptor of the program, which stands in `cgroup` from its first instruction."""
    reaped_by_the_kernel = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        program = os.pidfd_open(pid)  # even if it has ended already
        signal.signal(signal.SIGCHLD, reaped_by_the_kernel)
        return program
    try:
        (cgroup / "cgroup.procs").write_text("0")
        if terminal is None:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        else:
            for stream in range(3):
                os.dup2(terminal, stream)
            os.close(terminal)
        os.execvpe(argv[0], argv, {**os.environ, **env, "NOTIFY_SOCKET": str(NOTIFY)})  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    _keep(sys.argv[1], int(sys.argv[2]))
