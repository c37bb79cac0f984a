"""Ports on this computer's loopback that lead into machines."""

from __future__ import annotations

import os
import shutil
import socket
import struct
from pathlib import Path

from vmtests.places.enter import Door, start_inside
from vmtests.places.namespace import MachineError
from vmtests.places.place import Place
from vmtests.places.process import Process, ProcessRecord

LOOPBACK = "127.0.0.1"
_PROXY = "lib/systemd/systemd-socket-proxyd"
_TIMEOUT = 10.0
_BACKLOG = 4096
# Away from this process, to the keeper, which reaps at once: the kernel ends no pid namespace
# before. The byte that it writes tells this computer's number of the process (unix(7):
# SO_PASSCRED). sd_listen_fds(3): the first socket is descriptor 3, for the process that is named.
_SERVE = 'echo; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 0</dev/null >/dev/null'
_DAEMON = ["setsid", "--fork", "sh", "-c", _SERVE, "sh"]
_CREDENTIALS = struct.Struct("3i")


class Publication(ProcessRecord):
    """A port of this computer that leads into a machine; JSON."""

    port: int
    target: str


def publish(machine: Place, port: int, target: str, *, connections: int = 1024) -> Publication:
    """Let 127.0.0.1:`port` of this computer lead to `target` as seen in the machine or switch.

    `port` 0: any that is free; the answer tells which. `target`: ADDRESS:PORT, of the machine's own
    loopback, too. `connections`: at a time. The port is open until `unpublish` or the end of the
    machine, whichever process ends it. Raises MachineError when the port is in use.
    """
    network = f"/proc/{machine.pid}/ns/net"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise MachineError(
                f"{machine.name}: {LOOPBACK}:{port}: {os.strerror(error.errno or 0)}"
            ) from None
        # Among the keeper's processes, with which it ends, but on this computer's files.
        door = Door(machine.namespaces.process.pid, [f"--net={network}"])
        proxy = [_proxy(), f"--connections-max={connections}", target]
        process = _start_daemon(door, [*_DAEMON, *proxy], listener)
        return {**process.record(), "port": listener.getsockname()[1], "target": target}


def is_published(publication: Publication) -> bool:
    """Whether the port is open still, as far as its proxy runs."""
    return Process.find(publication) is not None


def unpublish(publication: Publication) -> None:
    """Close the port; nothing if that is done. Connections end."""
    if process := Process.find(publication):
        process.kill()
        process.wait(_TIMEOUT)


def _start_daemon(door: Door, argv: list[str], listener: socket.socket) -> Process:
    """The process that says on its standard output that it goes on alone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_TIMEOUT)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with start_inside(door, argv, stdin=listener.fileno(), stdout=theirs.fileno()):
            theirs.close()
            _, told, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
    pid, _, _ = _CREDENTIALS.unpack(told[0][2])
    return Process(pid)


def _proxy() -> str:
    """systemd-socket-proxyd, which is on no PATH, but stands beside what is."""
    systemctl = shutil.which("systemctl")
    proxy = Path(systemctl or "/usr/bin/systemctl").resolve().parents[1] / _PROXY
    if not proxy.is_file():
        raise MachineError(f"{proxy} is not installed (Debian: apt-get install systemd)")
    return str(proxy)
