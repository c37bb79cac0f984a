"""A QEMU in namespaces, its console, its channel and its monitor. Knows no guest.

QEMU connects to sockets that this process listens on: nothing printed is lost, nothing is polled.
"""

from __future__ import annotations

import select
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from vmtests.places import MachineError
from vmtests.places.enter import Door
from vmtests.places.namespace import Namespaces
from vmtests.places.place import Place

PROGRAM = "qemu-system-x86_64"
NICS = 4
PORT = "vmtests"
_LINES = ("console", "commands", "monitor")
_LOOK = 0.05
_BRIDGE = """\
link add name br.{0} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
link set dev br.{0} addrgenmode none up
link set dev tap.{0} master br.{0} addrgenmode none up
link set dev {1} master br.{0}
"""


class Emulator(Place):
    """The namespaces with the QEMU in them, which has no way out; cables lead into them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lines: dict[str, socket.socket] = {}

    def start(self) -> None:
        """Not without arguments: `boot`."""
        raise NotImplementedError

    def boot(self, argv: Sequence[str], env: dict[str, str], timeout: float) -> None:
        """Start a program that becomes a QEMU with `devices()`, and return when it has called."""
        if shutil.which(PROGRAM) is None:
            raise MachineError(f"{PROGRAM} is not installed (Debian: qemu-system-x86)")
        if self._namespaces is not None:
            raise MachineError(f"{self.name}: already started")
        deadline = time.monotonic() + timeout
        space = Namespaces.create(self.name, timeout)
        listening: dict[str, socket.socket] = {}
        self.lines.clear()
        try:
            for line in _LINES:
                listening[line] = socket.socket(socket.AF_UNIX)
                listening[line].bind(str(space.root / "run" / line))
                listening[line].listen()
            space.start(argv, env, timeout, tells=False)
            for line, listener in listening.items():
                _await(listener, space, deadline)
                self.lines[line], _ = listener.accept()
        except BaseException as error:
            space.end()
            for called in self.lines.values():
                called.close()
            if isinstance(error, MachineError):
                raise MachineError(f"{self.name}: {error}") from None
            raise
        finally:
            for listener in listening.values():
                listener.close()
        self._namespaces = space

    def plug(self, number: int, interface: str) -> None:
        """Join an interface of these namespaces, which a cable ends in, to a card."""
        self.namespaces.run("ip", "-batch", "-", stdin=_BRIDGE.format(number, interface))

    def _door(self) -> Door:
        return Door(self.namespaces.process.pid, ["--mount", "--net"])


def _await(listener: socket.socket, space: Namespaces, deadline: float) -> None:
    """Return when QEMU has called, which it does unless it has ended."""
    while not select.select([listener], [], [], _LOOK)[0]:
        if space.wait(0):
            raise MachineError(f"QEMU: it ended\n{space.output()}")
        if time.monotonic() > deadline:
            raise MachineError(f"QEMU: it has not begun in time\n{space.output()}")


def devices() -> list[str]:
    """QEMU's arguments for console, channel, monitor, cards and the like; it waits for `cont`."""
    flags = ["-S", "-nodefaults", "-display", "none", "-vga", "none"]
    flags += [
        part for line in _LINES for part in ("-chardev", f"socket,id={line},path=/run/{line}")
    ]
    flags += ["-mon", "chardev=monitor,mode=control", "-device", "isa-serial,chardev=console"]
    flags += ["-device", "virtio-serial-pci"]
    flags += ["-device", f"virtserialport,chardev=commands,name={PORT}"]
    # A new number tells a copy that it is another machine.
    flags += ["-device", "vmgenid,guid=auto", "-device", "virtio-rng-pci"]
    for number in range(NICS):
        tap = f"tap,id=net{number},ifname=tap.{number},script=no,downscript=no"
        card = f"virtio-net-pci,netdev=net{number},id=nic{number},mac={mac(number)},romfile="
        flags += ["-netdev", tap, "-device", card]
    return flags


def mac(number: int) -> str:
    """The address that a card has when it is new."""
    return f"52:54:00:76:6d:{number:02x}"


def drive(disk: Path) -> list[str]:
    """QEMU's arguments for a disk, a qcow2 file."""
    # A full disk is the guest's to see. What a crash of this computer leaves of it does not matter.
    options = "if=none,id=disk,format=qcow2,werror=report,rerror=report,cache=unsafe"
    return ["-drive", f"{options},file={disk}", "-device", "virtio-blk-pci,drive=disk"]


def overlay(folder: Path, disk: Path, kind: str) -> Path:
    """A new disk in a folder, which writes to itself and reads from another what it lacks."""
    path = folder / "disk"
    run_tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(disk), str(path))
    return path


def run_tool(*argv: str) -> str:
    """What one of QEMU's tools prints."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise MachineError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
