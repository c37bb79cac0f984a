"""A machine of a test, in the words of the NixOS test driver, on any backend.

Times are in seconds. What a test asks for in vain raises RequestedAssertionFailed; what the machine
itself cannot do - boot, run commands - raises MachineError.
"""

from __future__ import annotations

import io
import shlex
import tarfile
import time
from pathlib import Path, PurePosixPath

from vmtests.console import Console
from vmtests.nested import Nested
from vmtests.places import MachineError, Result
from vmtests.script import TIMEOUT, retry, subtest
from vmtests.units import Units
from vmtests.vlan import Vlan

_LISTENS = "00010000"  # /proc/net/unix: __SO_ACCEPTCON
_DATAGRAM = "0002"


class Machine(Units):
    """A machine on a backend. `start` boots it, at once and in the background.

        with Machine(Nspawn("web", enable=["nginx.service"])) as web:
            web.wait_for_open_port(80)
            assert "hello" in web.succeed("curl -sf http://localhost")

    Whatever needs a running machine starts it and waits for it. After the block, or `release`, it
    is gone, and `artefacts`, where given, has its console's text and its journal.
    """

    subtest = staticmethod(subtest)
    retry = staticmethod(retry)

    def wait_for_file(self, filename: str, timeout: float = TIMEOUT) -> None:
        """Return when a file is there."""
        self._repeat(f"test -e {filename}", timeout, lambda status: status == 0, "success")

    def wait_for_open_port(
        self, port: int, addr: str = "localhost", timeout: float = TIMEOUT
    ) -> None:
        """Return when a TCP port takes connections from the machine itself."""
        self._await_port(port, addr, timeout, is_open=True)

    def wait_for_closed_port(
        self, port: int, addr: str = "localhost", timeout: float = TIMEOUT
    ) -> None:
        """Return when a TCP port takes no connections from the machine itself."""
        self._await_port(port, addr, timeout, is_open=False)

    def wait_for_open_unix_socket(
        self,
        addr: str,
        is_datagram: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        """Return when somebody listens on the Unix socket at a path."""

        def is_open(_last_try: bool) -> bool:
            for line in self.execute("cat /proc/net/unix")[1].splitlines():
                _, _, _, flags, kind, _, _, *path = line.split()
                is_wanted = kind == _DATAGRAM if is_datagram else flags == _LISTENS
                if path == [addr] and is_wanted:
                    return True
            return False

        with self.nested(f"waiting for somebody on {addr}"):
            retry(is_open, timeout)

    def copy_from_host(self, source: str | Path, target: str) -> None:
        """Copy a file or folder of this computer into the machine.

        `target` is its path there or, if a folder is there, what it is put into. Links are
        followed, rights stay, all belongs to root.
        """
        path = PurePosixPath(target)
        if self.run(f"test -d {shlex.quote(target)}").returncode == 0:
            path /= Path(source).name
        parcel = io.BytesIO()

        def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            return member

        with tarfile.open(fileobj=parcel, mode="w", dereference=True) as tar:
            tar.add(source, arcname=path.name, filter=of_root)
        parent = shlex.quote(str(path.parent))
        unpack = f"mkdir -p {parent}; tar -x -p -C {parent}"
        done = self.run(unpack, stdin=parcel.getvalue())
        if done.returncode != 0:
            raise self._failed(f"copying {source} to {target}", done)

    copy_from_host_via_shell = copy_from_host

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copy a file or folder out of the machine, to `target_dir` below its artefacts.

        MachineError where the machine was given no folder for artefacts.
        """
        if self.artefacts is None:
            raise MachineError(f"{self.name}: {source}: there is no folder for artefacts")
        path = PurePosixPath(source)
        where = f"{shlex.quote(str(path.parent))} {shlex.quote(path.name)}"
        look = f"ls -d -- {shlex.quote(source)} >/dev/null"
        # 1: of a folder, something could not be read, as a link that leads nowhere.
        done = self.run(f"{look}; tar -c -h --ignore-failed-read -C {where} || [ $? = 1 ]")
        if done.returncode != 0:
            quiet = Result(done.returncode, b"", done.stderr)
            raise self._failed(f"copying {source} out of the machine", quiet)
        folder = self.artefacts / target_dir
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extractall(folder, filter=_only_files)  # noqa: S202 (that is the filter for it)

    copy_from_vm = copy_from_machine

    @property
    def console(self) -> Console:
        """Its console under pexpect."""
        return self.backend.console

    def wait_for_console_text(self, regex: str, timeout: float | None = None) -> None:
        """Return when the console has printed what matches.

        What an earlier call has matched, and what stood before it, does not count.
        """
        if not self.is_started:
            self.start()
        with self.nested(f"waiting for {regex} to appear on console"):
            try:
                seen = max(self._seen, self.backend.console_begin)
                found = self._console(timeout).wait_for(regex, timeout, seen)
            except MachineError as error:
                raise self._failed(str(error)) from None
        self._seen = found.end()

    def get_console_log(self) -> str:
        """All that the console has printed since boot, without what is only for the eye."""
        return self.console.plain()[self.backend.console_begin :]

    def send_console(self, chars: str) -> None:
        """Type on the console."""
        self.console.send(chars)

    def attach(self, vlan: Vlan, interface: str = "eth1", address: str | None = None) -> None:
        """Lead an interface of the machine to a network, with an address and its length or none.

        On nspawn this may come before the start: then it is there early in the boot.
        """
        if self.is_started or not self.backend.connects_early:
            self.connect()
        self.backend.connect(vlan, interface, address)

    def block(self) -> None:
        """Cut the cables to all networks."""
        self.connect()
        self.backend.block()

    def unblock(self) -> None:
        """Undo `block`."""
        self.connect()
        self.backend.unblock()

    def lose(self, percent: int) -> None:
        """Let all cables lose so many packets of a hundred, each way, by chance; 0 mends them."""
        self.connect()
        self.backend.lose(percent)

    def slow(self, milliseconds: int) -> None:
        """Let each packet that it sends leave so much later; 0: at once.

        It forgets that at a reboot. MachineError where the backend cannot: on qemu it can.
        """
        self.connect()
        self.backend.slow(milliseconds)

    def container(self, name: str) -> Machine:
        """A container that systemd-nspawn runs inside as a machine of that name.

        It has what needs commands only. Raises MachineError, at its first command, when it is off.
        """
        inner = Machine(Nested(self.backend, name), artefacts=self.artefacts)
        inner.connect()
        return inner

    def _await_port(self, port: int, addr: str, timeout: float, *, is_open: bool) -> None:
        start = time.monotonic()
        state = "open" if is_open else "closed"
        # Not for longer, where packets are lost.
        command = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{addr}/{port}' 2>/dev/null"

        def is_done(last_try: bool) -> bool:
            if (self.run(command).returncode == 0) == is_open:
                return True
            if last_try:
                listeners = self.run("ss --no-header --listening --tcp --numeric --processes")
                raise self._failed(f"port {port} of {addr} is not {state}", listeners, start=start)
            return False

        with self.nested(f"waiting for TCP port {port} on {addr} to be {state}"):
            retry(is_done, timeout)

    def _console(self, timeout: float | None) -> Console:
        """The console, as soon as the boot in the background has one."""
        deadline = time.monotonic() + (self.boot_timeout if timeout is None else timeout)
        while True:
            boot = self._boot
            is_coming = boot is not None and boot.is_alive() and time.monotonic() < deadline
            try:
                console = self.backend.console
            except MachineError:
                if not is_coming:
                    self._await_boot()
                    raise
            else:
                if not (is_coming and console.closed):  # that of an earlier run
                    return console
            time.sleep(0.02)


def _only_files(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Of what is copied, no sockets, pipes and devices."""
    return tarfile.data_filter(member, folder) if member.isfile() or member.isdir() else None
