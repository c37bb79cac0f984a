r"""A machine with systemd as its init, booted by systemd-nspawn.

    with NspawnMachine("host", files={"/etc/systemd/system/hello.service": unit}) as machine:
        machine.wait_for_unit("hello.service")
        assert machine.succeed(["uname", "-n"]) == "host\n"

Every nspawn flag that was needed stands in `_FLAGS` and `_HOST_FLAGS` with its reason, and what the
machine's root is made of in the module `tree`. Measured with systemd 252 and Linux 6.18.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from vmtests.places.enter import ALL, Door
from vmtests.places.keeper import POLL
from vmtests.places.namespace import MachineError, Namespaces, Record
from vmtests.places.place import Place
from vmtests.places.tree import TREE, Base, Content, build_tree

BOOT_TIMEOUT = 90.0
UNIT_TIMEOUT = 60.0
SHUTDOWN_TIMEOUT = 30.0
_JOURNAL_LINES = 25
_AWAKE = 0.1


# Left out because measured to change nothing here: --kill-signal, --console and --resolv-conf
# (these are the defaults), SYSTEMD_NSPAWN_API_VFS_WRITABLE (--private-network does it), a preset
# file and systemd.firstboot=off (the machine-id does it).
_FLAGS = [
    f"--directory={TREE}",
    "--boot",  # systemd as pid 1
    "--notify-ready=yes",  # READY=1 when its boot is over; otherwise, when it was started
    "--register=no",  # there may be no systemd-machined here, and no bus to reach it
    "--keep-unit",  # nor a systemd to ask for a scope: stay in the cgroup given
    "--private-network",  # /proc/sys/net can be written, lo is up, the machine may configure it
    "--link-journal=no",  # nothing in this computer's /var/log/journal
    "--timezone=off",  # UTC wherever this runs
    "--system-call-filter=bpf",  # else IPAddressDeny=, DevicePolicy= … pass and do nothing
]
_ENVIRONMENT = {"TERM": "dumb"}  # no colours on the console
# A unit that asks for a capability which init lacks does not get it (AmbientCapabilities=) and
# says nothing. Two remain out of reach: nothing inside loads modules here or sets the clock.
_HOST_FLAGS = ["--capability=all", "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME"]

# Not a login: a fresh /etc has no PAM.
_SHELL: Mapping[str, Content] = {
    "/etc/systemd/system/vmtests-console.service": """\
[Unit]
Description=Shell on the console
After=systemd-user-sessions.service
[Service]
Type=idle
ExecStart=/bin/bash --login
Environment=TERM=dumb HOME=/root
WorkingDirectory=-/root
StandardInput=tty-force
StandardOutput=tty
TTYPath=/dev/console
Restart=always
RestartSec=0
SendSIGHUP=yes
IgnoreSIGPIPE=no
UtmpIdentifier=cons
"""
}
_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
_WATCHERS = """
the kernel allows one user no more watchers of files: run fewer machines at a time, or raise it,
e.g. sysctl fs.inotify.max_user_instances=1024"""
_JOURNAL = ["--no-pager", "--quiet", "--output=short-monotonic", "--no-hostname"]


class MachineRecord(Record):
    """What another process needs to find a machine again, or what is left of it; JSON."""

    name: str
    leader: int
    """The process that is the machine's init."""


class NspawnMachine(Place):
    """A machine that boots on `start` or `with`, and of which nothing is left after the block.

    `name`: `[a-z][a-z0-9-]*`, its host name.
    `files`: absolute path in the machine -> content (mode 0644) or Link, there before boot. What
    lies under /run or /tmp is read-only; nothing can lie under /proc, /sys, /dev and this
    computer's /usr.
    `binds`: absolute path in the machine -> file or folder of this computer (not under /run),
    read-only.
    `enable`: units that multi-user.target wants at boot. Nothing else that is installed on this
    computer is enabled.
    `containers`: whether its units may be given what a host of containers gives its own, every
    capability but two; otherwise nspawn's ordinary set, with which plain containers run as well.
    `tree`: a root tree with systemd to boot from, instead of this computer's /usr. Its /etc counts,
    and units enabled there are, but not its host name and machine-id. It stays as it is.
    `disk`: an empty folder for what it writes, or that of an earlier run, which then goes on: of
    `files` and `enable` only the first boot takes notice. Else all is in memory.
    `terminal`: one end of a pty as its console, with a shell of root's. Else that is only written.
    """

    def __init__(  # noqa: PLR0913 (by keyword all but the name)
        self,
        name: str,
        *,
        files: Mapping[str, Content] | None = None,
        binds: Mapping[str, Path] | None = None,
        enable: Sequence[str] = (),
        containers: bool = True,
        tree: Path | None = None,
        disk: Path | None = None,
        terminal: int | None = None,
    ) -> None:
        super().__init__(name)
        if slashed := [unit for unit in enable if "/" in unit]:
            raise ValueError(f"enable: {slashed}: must be names of units, without a folder")
        self.files: dict[str, Content] = dict(files or {})
        self.binds = dict(binds or {})
        self.enable = tuple(enable)
        self.containers = containers
        self.tree = tree
        self.disk = disk
        self.terminal = terminal
        self._leader = 0

    @classmethod
    def attach(cls, record: MachineRecord) -> Self:
        """The machine of a record, wherever it was started; MachineError if it is gone."""
        machine = cls(record["name"])
        try:
            machine._namespaces = Namespaces.attach(record)
        except MachineError as error:
            raise MachineError(f"{machine.name}: {error}") from None
        machine._leader = record["leader"]
        return machine

    def record(self) -> MachineRecord:
        """What `attach` and, when the machine is gone, `sweep` take."""
        return {**self.namespaces.record(), "name": self.name, "leader": self._leader}

    def start(self, timeout: float = BOOT_TIMEOUT, early: Callable[[], None] | None = None) -> None:
        """Boot, and return when every job of the boot is done, be it in failed units.

        `early` is called as soon as the machine has a network, which it may lead to switches: its
        init has just begun, and no unit runs yet.
        Raises MachineError where nspawn cannot work, and with the last lines of the console when
        the machine is not up after `timeout` seconds; ValueError for a path in `files` or `binds`
        that cannot be; OSError for a file of this computer that is not there.
        """
        _check_computer()
        if self._namespaces is not None:
            raise MachineError(f"{self.name}: already started; kill() or shutdown() comes first")
        space = self._namespaces = Namespaces.create(self.name, timeout, self.terminal)
        try:
            flags = [*_FLAGS, *(_HOST_FLAGS if self.containers else [])]
            files, enable = self.files, self.enable
            if self.terminal is not None:
                flags.append("--console=interactive")
                files, enable = {**files, **_SHELL}, (*enable, *map(os.path.basename, _SHELL))
            binds = build_tree(space, Base(self.tree, self.disk), files, self.binds, enable)
            flags += [f"--machine={self.name}", *(f"--bind-ro={bind}" for bind in binds)]
            argv = ["systemd-nspawn", *flags]

            def call_early() -> None:
                if early is not None and self._has_init(space, timeout):
                    early()

            space.start(argv, _ENVIRONMENT, timeout, self.terminal, early=call_early)
            self._leader = _init(space)
        except BaseException as error:
            self._namespaces = None
            space.end()
            if isinstance(error, MachineError):
                hint = _WATCHERS if "inotify object: Too many open files" in str(error) else ""
                raise MachineError(f"{self.name}: {error}{hint}") from None
            raise

    def _has_init(self, space: Namespaces, timeout: float) -> bool:
        """Whether nspawn has come as far as to start an init; else it has ended, or is late."""
        deadline = time.monotonic() + timeout
        while not space.wait(POLL / 10) and time.monotonic() < deadline:
            with suppress(OSError, IndexError):
                self._leader = _init(space)
                return True
        return False

    def systemctl(self, *args: str) -> str:
        """What `systemctl ARGS` wrote; MachineError unless its status is 0."""
        return self.succeed(["systemctl", "--no-pager", *args])

    def journal(self, unit: str) -> str:
        """What a unit, and systemd about it, has logged since boot: one line a message."""
        self.succeed(["journalctl", "--sync"])
        return self.succeed(["journalctl", *_JOURNAL, f"--unit={unit}"])

    def wait_for_unit(self, unit: str, timeout: float = UNIT_TIMEOUT) -> None:
        """Return when the unit is active.

        Raises MachineError with the unit's last journal lines when that is not so after `timeout`
        seconds, and at once when it never will be: the unit failed, systemd cannot load it, or it
        is inactive and no job is left that could start it.
        """
        deadline = time.monotonic() + timeout
        while True:
            # Jobs first: what a job that ends in between has done is then seen in the state.
            jobs = self.systemctl("list-jobs", "--no-legend", "--plain")
            shown = self.systemctl("show", "--property=LoadState,ActiveState,SubState,Result", unit)
            state = dict(line.split("=", 1) for line in shown.splitlines())
            active = state["ActiveState"]
            if active == "active":
                return
            never = active == "failed" or (active == "inactive" and not jobs)
            never = never or state["LoadState"] != "loaded"
            if never or time.monotonic() > deadline:
                why = "" if never else f" after {timeout:g} s"
                lines = "\n".join(self.journal(unit).splitlines()[-_JOURNAL_LINES:])
                raise MachineError(
                    f"{self.name}: {unit} is not active{why}: {', '.join(shown.split())}\n{lines}"
                )
            time.sleep(POLL)

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT, *, to_reboot: bool = False) -> None:
        """Power off as `systemctl poweroff` does, and return when nothing is left.

        `to_reboot`: as `systemctl reboot` does, for one that is then started again on its disk.
        Raises MachineError with the console's last lines, and kills, after `timeout` seconds.
        """
        space = self.namespaces
        # systemd(1): they start poweroff.target and reboot.target.
        self._signal(signal.SIGRTMIN + (5 if to_reboot else 4))
        deadline = time.monotonic() + timeout
        while not (done := space.wait(_AWAKE)) and time.monotonic() < deadline:
            self._nudge()
        self.kill()
        if not done:
            raise MachineError(f"{self.name}: not off after {timeout:g} s\n{space.output()}")

    def _door(self) -> Door:
        return Door(self._leader, ALL)


def _init(space: Namespaces) -> int:
    """The process that is the machine's init."""
    init = space.cgroup / "payload/init.scope/cgroup.procs"
    return int(init.read_text().split()[0])


def _check_computer() -> None:
    if os.geteuid() != 0:
        raise MachineError("systemd-nspawn works for root only: run as root")
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise MachineError(f"{program} is not installed (Debian: apt-get install {package})")
