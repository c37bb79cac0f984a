"""A machine that a QEMU runs, however that was started: all but the start. Knows no image."""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend, CommandTimeout
from vmtests.console import Console
from vmtests.places import MachineError, Place, Result
from vmtests.qemu.channel import Channel
from vmtests.qemu.emulator import NICS, Emulator, mac
from vmtests.qemu.login import PANIC, install, log_in
from vmtests.qemu.qmp import Qmp
from vmtests.vlan import Vlan

_NEVER = 365 * 24 * 3600.0
_ANSWER = 30.0
_SAVING = 120.0
_COMEBACK = 10.0  # for the server of commands, which systemd starts anew
_SNAPSHOT = re.compile(r"[a-z0-9-]+")
_SET_UP = """\
for link in /sys/class/net/*; do
    read -r mac <$link/address
    case $mac in $1|$2) old=${link##*/} ;; esac
done
ip link set dev $old down address $2
if [ $old != $3 ]; then
    if [ -e /sys/class/net/$3 ]; then ip link set dev $3 name idle$RANDOM; fi
    ip link set dev $old name $3
fi
ip link set dev $3 up
if [ -n "$4" ]; then ip address replace "$4" dev $3 $5; fi
"""


class Virtual(Backend):
    """What all machines on QEMU share. The guest has systemd, bash and a login of root's on ttyS0.

    Its disk outlives a crash and a shutdown, and goes with this object.
    """

    can_snapshot = True

    def __init__(
        self, name: str, *, user: str, password: str, console_log: Path | None = None
    ) -> None:
        super().__init__(name, console_log)
        self.place = Emulator(name)
        """Its end of the cables, for `vmtests.Vlan`."""
        self._user, self._password = user, password
        self._console: Console | None = None
        self._channel: Channel | None = None
        self._qmp: Qmp | None = None
        self._seed = secrets.token_hex(8)
        self._snapshots: set[str] = set()
        self._is_new = False  # it has booted and nobody has logged in

    @abstractmethod
    def _launch(self, timeout: float) -> bool:
        """Call `_switch_on`. Whether it then runs with a server of commands, from a snapshot."""

    @property
    def console(self) -> Console:
        """The serial console ttyS0, with a login."""
        if self._console is None:
            raise MachineError(f"{self.name}: not started")
        return self._console

    @property
    def is_on(self) -> bool:
        """Whether it has been started and not ended since."""
        return self.place.is_on

    @property
    def answers(self) -> bool:
        """Whether the server of commands is there."""
        return self.is_on and self._channel is not None and self._channel.is_open

    def start(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Boot, or go on from a snapshot of a machine that has; commands run then."""
        if self.is_on:
            raise MachineError(f"{self.name}: already started")
        deadline = time.monotonic() + timeout
        self.crash()
        self.is_blocked = False
        try:
            if not self._launch(timeout):
                self._log_in(deadline)
            self._plug_in()
        except BaseException:
            self.crash()
            raise

    def run(self, argv: Sequence[str], timeout: float | None, stdin: bytes = b"") -> Result:
        """Run a command over the channel, which is set up anew where the machine has rebooted."""
        channel = self._running()
        try:
            if not channel.is_open and (self._is_new or not channel.wait(_COMEBACK)):
                self._log_in(time.monotonic() + BOOT_TIMEOUT)
                self._plug_in()
            return channel.run(argv, timeout, stdin)
        except CommandTimeout as late:
            raise CommandTimeout(f"{self.name}: {late}", late.stdout, late.stderr) from None
        except MachineError as error:
            raise self._told(f"{shlex.join(argv)[:200]}: {error}") from None

    def wait_for_shutdown(self, timeout: float | None = None) -> bool:
        """Whether QEMU has ended within `timeout`."""
        is_off = not self.is_on or self.place.namespaces.wait(
            _NEVER if timeout is None else timeout
        )
        if is_off:
            self.crash()
        return is_off

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Power off as `systemctl poweroff` does."""
        self._ask_init("poweroff")
        if not self.wait_for_shutdown(timeout):
            self.crash()
            raise self._told(f"not off after {timeout:g} s")

    def reboot(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Reboot as `systemctl reboot` does, in the same QEMU."""
        deadline = time.monotonic() + timeout
        self._ask_init("reboot")
        self._log_in(deadline)
        self._plug_in()

    def crash(self) -> None:
        """Kill QEMU. What the guest has written to its disk is there at the next `start`."""
        self.place.kill()
        for end in (self._qmp, self._channel, self._console):
            if end is not None:
                end.close()

    def connect(self, vlan: Vlan, interface: str, address: str | None = None) -> None:
        """Lead a card to a network, which gets this name in the machine; also after a reboot."""
        if len(self.cables) == NICS:
            raise MachineError(f"{self.name}: {interface}: has {NICS} cards, all in use")
        self._running()
        vlan.connect(self.place, interface)
        self.place.plug(len(self.cables), interface)
        self.cables.append((vlan, interface, address))
        self._set_links()
        self._set_up(len(self.cables) - 1)

    @property
    def cable_end(self) -> Place:
        """What QEMU stands in."""
        return self.place

    def block(self) -> None:
        """Cut the cables, on both sides of what QEMU stands in: all ends lose their carrier.

        Who has asked meanwhile for a neighbour's address in vain may be told so once more after
        `unblock`, as on any network, and asks again within a second.
        """
        super().block()
        self.is_blocked = True
        self._set_links()

    def unblock(self) -> None:
        """Mend them."""
        super().unblock()
        self.is_blocked = False
        self._set_links()

    def unplug(self) -> None:
        """Take the cables off the cards."""
        for number, (vlan, interface, _) in enumerate(self.cables):
            with suppress(MachineError):  # its network is gone
                vlan.disconnect(self.place, interface)
            self.place.namespaces.run("ip", "link", "delete", "dev", f"br.{number}")
        self.cables.clear()
        self.is_blocked = False
        self._set_links()

    def slow(self, milliseconds: int) -> None:
        """Let each packet that the guest sends leave so much later; 0: at once."""
        for _, interface, _ in self.cables:
            device = ["tc", "qdisc", "replace", "dev", interface, "root"]
            delay = ["netem", "delay", f"{milliseconds}ms", "limit", "100000"]
            done = self.run([*device, *delay], _ANSWER)
            if done.returncode != 0:
                raise self._told(f"slow: {done.stderr.decode(errors='replace').strip()}")

    def snapshot(self, name: str) -> None:
        """Keep memory and disk beside the disk; an older one of this name is replaced."""
        self._check(name)
        self._running().sync()
        self._monitor().monitor(f"savevm {name}", _SAVING)
        self._snapshots.add(name)

    def restore(self, name: str) -> None:
        """Go back. What runs meanwhile is lost; cables stay as they are outside the guest."""
        self._check(name)
        channel = self._running()
        if name not in self._snapshots:  # QEMU would stop the machine to say so
            raise MachineError(f"{self.name}: there is no snapshot {name}")
        channel.reset("the machine has gone back to a snapshot", is_open=True)
        monitor = self._monitor()
        monitor.execute("stop")  # a guest that runs keeps QEMU from answering for a while
        monitor.monitor(f"loadvm {name}", _SAVING)
        self._set_links()
        monitor.execute("cont")
        channel.push(b"\n")  # what was sent of a message ends here
        self.run(["date", "--utc", "--set", f"@{time.time():.3f}"], _ANSWER)

    def _switch_on(self, argv: Sequence[str], env: dict[str, str], timeout: float) -> Qmp:
        """Start a program that becomes a QEMU with `devices()`, which then waits for `cont`."""
        self.place.boot(argv, env, timeout)
        lines = self.place.lines
        self._console = Console(lines["console"].detach(), self.console_log)
        self._channel = Channel(lines["commands"])
        try:
            self._qmp = Qmp(lines["monitor"], self._heed)
        except MachineError as error:
            raise MachineError(f"{self.name}: {error}\n{self.place.console()}") from None
        watch = (self._console, self._channel)
        threading.Thread(target=_watch, args=watch, name="panics", daemon=True).start()
        self._set_links()
        return self._qmp

    def _heed(self, event: str) -> None:
        """Know what QEMU says of the guest, at once."""
        if self._channel is not None and event == "RESET":
            self._is_new = True
            self._channel.reset("the machine has rebooted")

    def _log_in(self, deadline: float) -> None:
        channel = self._running()
        self._is_new = False
        try:
            log_in(self.console, self._user, self._password, deadline)
            install(self.console, channel, deadline)
        except TimeoutError as error:
            raise self._told(f"{error} within the time given") from None
        except MachineError as error:
            raise self._told(str(error)) from None

    def _ask_init(self, verb: str) -> None:
        """Have systemd do what ends the channel; its answer may get lost."""
        with suppress(MachineError):
            self.run(["systemctl", "--no-block", verb], _ANSWER)

    def _set_links(self) -> None:
        for number in range(NICS):
            is_up = number < len(self.cables) and not self.is_blocked
            self._monitor().execute("set_link", name=f"net{number}", up=is_up)

    def _plug_in(self) -> None:
        """Connect anew what was connected; of a reboot the guest's side only."""
        for number, (vlan, interface, _) in enumerate(self.cables):
            with suppress(MachineError):  # it is there
                vlan.connect(self.place, interface)
                self.place.plug(number, interface)
            self._set_up(number)

    def _set_up(self, number: int) -> None:
        _, interface, address = self.cables[number]
        digest = hashlib.sha256(f"{self._seed} {interface}".encode()).hexdigest()
        own = ":".join(["02", *(digest[at : at + 2] for at in range(0, 10, 2))])
        quick = "nodad" if address and ":" in address else ""
        words = [mac(number), own, interface, address or "", quick]
        done = self.run(["bash", "-ec", _SET_UP, "bash", *words], _ANSWER)
        if done.returncode != 0:
            raise self._told(f"{interface}: {done.stderr.decode(errors='replace').strip()}")

    def _running(self) -> Channel:
        if self._channel is None:
            raise MachineError(f"{self.name}: not started")
        if not self.is_on:
            raise self._told("it is off")
        return self._channel

    def _monitor(self) -> Qmp:
        if self._qmp is None:
            raise MachineError(f"{self.name}: not started")
        return self._qmp

    def _check(self, name: str) -> None:
        if not _SNAPSHOT.fullmatch(name):
            raise ValueError(f"snapshot {name!r}: must be {_SNAPSHOT.pattern}")

    def _told(self, what: str) -> MachineError:
        """An error with the console's last lines."""
        return MachineError(f"{self.name}: {what}\n{self.console.last_lines()}")


def _watch(console: Console, channel: Channel) -> None:
    """Tell all who wait for commands that the kernel has panicked."""
    with suppress(MachineError):
        found = console.wait_for(f"{PANIC}\n")
        channel.fail(found[0].strip())
