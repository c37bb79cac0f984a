"""A machine of a test, in the words of the NixOS test driver, on any backend.

Times are in seconds. What a test asks for in vain raises RequestedAssertionFailed; what the machine
itself cannot do - boot, run commands - raises MachineError.
"""

from __future__ import annotations

import io
import re
import shlex
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from vmtests.backend import BOOT_TIMEOUT, SHUTDOWN_TIMEOUT, Backend, CommandTimeout
from vmtests.console import Console
from vmtests.failure import RequestedAssertionFailed, told
from vmtests.nested import Nested
from vmtests.places import MachineError, Result
from vmtests.script import TIMEOUT, log, polling_condition, retry, subtest
from vmtests.vlan import Vlan

TIMED_OUT = 124  # what timeout(1) makes of a command that takes too long
_SIGNALLED = 128
_NOT_ASKED, _NOT_WAITED_FOR = -1, -2  # the driver's, for the status of such a command
_JOURNAL_LINES = 15
_ASIDE = 20.0  # for what a failure asks besides
_JOURNAL = ["journalctl", "--no-pager", "--quiet", "--output=short-monotonic", "--no-hostname"]
_UNIT = re.compile(
    r"[\w@.:\\-]+\.(?:service|socket|target|path|timer|mount|slice|scope|device|automount|swap)\b"
)
_PROPERTY = re.compile(r"^([^=\n]+)=(.*)$", re.MULTILINE)
_LISTENS = "00010000"  # /proc/net/unix: __SO_ACCEPTCON
_DATAGRAM = "0002"


class Machine:
    """A machine on a backend. `start` boots it, at once and in the background.

        with Machine(Nspawn("web", enable=["nginx.service"])) as web:
            web.wait_for_open_port(80)
            assert "hello" in web.succeed("curl -sf http://localhost")

    Whatever needs a running machine starts it and waits for it. After the block, or `release`, it
    is gone, and `artefacts`, where given, has its console's text and its journal.
    """

    subtest = staticmethod(subtest)
    retry = staticmethod(retry)

    def __init__(
        self, backend: Backend, *, artefacts: Path | None = None, boot_timeout: float = BOOT_TIMEOUT
    ) -> None:
        self.name = backend.name
        self.backend = backend
        self.artefacts = artefacts
        self.boot_timeout = boot_timeout
        self.asserted: set[str] = set()
        """The units that a test has asked after, and those of a command that had to succeed."""
        self._boot: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._seen = 0  # of the console, by wait_for_console_text

    def __repr__(self) -> str:
        return f"<Machine {self.name!r} on {self.backend.kind}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    # Its life.

    def start(self, allow_reboot: bool = False) -> None:  # noqa: ARG002 (the driver's)
        """Boot, and do not wait for it; nothing if it runs.

        `allow_reboot` is the driver's: here every machine may reboot.
        """
        if self._boot is None:
            self._seen = 0
            self._in_background(lambda: self.backend.start(self.boot_timeout))

    def connect(self) -> None:
        """Start the machine unless it runs, and return when it runs commands."""
        self.start()
        if self._boot is not None:
            self._boot.join()
        if self._failure is not None:
            failure, self._failure, self._boot = self._failure, None, None
            raise failure

    def is_up(self) -> bool:
        """Whether it runs commands now."""
        return self._boot is not None and not self._boot.is_alive() and self._failure is None

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Power off in good order, and return when it is off; nothing if it is."""
        if self._boot is not None:
            self.connect()
            self._keep_journal()
            self._boot = None
            with self.nested("shutting down"):
                self.backend.shutdown(timeout)

    def wait_for_shutdown(self, timeout: float | None = None) -> None:
        """Return when it is off, which something else brings about."""
        if self._boot is None:
            return
        self._boot.join()
        with self.nested("waiting for the machine to power off"):
            if not self.backend.wait_for_shutdown(timeout):
                raise self._failed(f"is not off after {timeout:g} s")
        self._boot = None

    def crash(self) -> None:
        """Pull the plug, as a power failure does; nothing if it is off."""
        if self._boot is not None:
            self._boot.join()
            self._boot = None
            self.log("forced crash")
            self.backend.crash()

    def reboot(self) -> None:
        """Reboot in good order, in the background as `start` does."""
        self.connect()
        self._keep_journal()
        self.log("reboot")
        self._in_background(lambda: self.backend.reboot(self.boot_timeout))

    def release(self) -> None:
        """Keep its artefacts, and leave nothing else of it; nothing if it is off."""
        if self.is_up():
            self._keep_journal()
        with suppress(MachineError):
            self.crash()

    def snapshot(self, name: str) -> None:
        """Keep memory and disk under a name; MachineError where the backend cannot."""
        self.connect()
        self.backend.snapshot(name)

    def restore(self, name: str) -> None:
        """Go back to a snapshot. The console's text goes on."""
        self.backend.restore(name)

    # Commands.

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: float | None = TIMEOUT,
    ) -> tuple[int, str]:
        """Run a command of bash's with `set -euo pipefail`; its status and standard output.

        It ends when its standard output is closed by all that it has started. After `timeout` it
        is killed, and its status 124. `check_return=False` gives a status of -1, and takes it if
        the machine goes down meanwhile; `check_output=False` does not wait, and gives (-2, "").
        What is no UTF-8 is replaced: `run` gives bytes.
        """
        self._check_conditions()
        self.connect()
        if not check_output:

            def run_aside() -> None:
                with suppress(MachineError):
                    self._bash(command, timeout)

            threading.Thread(target=run_aside, daemon=True).start()
            return _NOT_WAITED_FOR, ""
        try:
            done = self._bash(command, timeout)
        except MachineError:
            if check_return:
                raise
            return _NOT_ASKED, ""
        status = done.returncode if check_return else _NOT_ASKED
        return status, done.stdout.decode(errors="replace")

    def run(self, command: str, timeout: float | None = TIMEOUT, stdin: bytes = b"") -> Result:
        """As `execute`, but exact: status, and the bytes of standard output and standard error.

        `stdin` is what it reads. A command that is killed after `timeout` has the status 124.
        """
        self._check_conditions()
        self.connect()
        return self._bash(command, timeout, stdin)

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
        """Run commands one after the other, of which each must succeed; their standard output."""
        output = ""
        for command in commands:
            start = time.monotonic()
            done = self._logged(f"must succeed: {command}", command, timeout)
            if done.returncode != 0:
                raise self._command_failed(f"command `{command}` failed", command, done, start)
            self._note(command)
            output += done.stdout.decode(errors="replace")
        return output

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        """As `succeed`, for commands of which each must fail."""
        output = ""
        for command in commands:
            start = time.monotonic()
            done = self._logged(f"must fail: {command}", command, timeout)
            if done.returncode == 0:
                what = f"command `{command}` unexpectedly succeeded"
                raise self._command_failed(what, command, done, start)
            self._note(command)
            output += done.stdout.decode(errors="replace")
        return output

    def wait_until_succeeds(self, command: str, timeout: float = TIMEOUT) -> str:
        """Repeat a command, at most 100 ms apart, until it succeeds; its standard output then."""
        return self._repeat(command, timeout, lambda status: status == 0, "success")

    def wait_until_fails(self, command: str, timeout: float = TIMEOUT) -> str:
        """Repeat a command until it fails; its standard output then."""
        return self._repeat(command, timeout, lambda status: status != 0, "failure")

    def sleep(self, secs: float) -> None:
        """Wait, by the machine's clock."""
        self.succeed(f"sleep {secs}")

    # Units.

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Run `systemctl Q`, of the manager of `user` where one is given; as `execute`."""
        if user is not None:
            quoted = q.replace("'", "\\'")
            return self.execute(
                f"su -l {user} --shell /bin/sh -c "
                f"$'XDG_RUNTIME_DIR=/run/user/`id -u` systemctl --user {quoted}'"
            )
        return self.execute(f"systemctl {q}")

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = TIMEOUT) -> None:
        """Return when a unit is active.

        Raises, with its last journal lines, after `timeout`, and at once when it never will be: it
        has failed, cannot be loaded, or is inactive and no job is left that could start it.
        """
        start = time.monotonic()
        with self.nested(f"waiting for unit {unit}"):

            def is_active(last_try: bool) -> bool:
                # Jobs first: what a job that ends in between has done shows in the state.
                _, jobs = self.systemctl("list-jobs --no-legend --plain", user)
                states = self._show(unit, user, "LoadState,ActiveState,SubState,Result")
                active = states["ActiveState"]
                if active == "active":
                    return True
                never = active == "failed" or states["LoadState"] not in {"loaded", "stub"}
                if never or last_try or (active == "inactive" and not jobs.strip()):
                    why = ", ".join(f"{name}={value}" for name, value in states.items())
                    raise self._unit_failed(f"unit {unit} is not active: {why}", unit, start)
                return False

            retry(is_active, timeout)
        self.asserted.add(_full(unit))

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        """All properties of a unit, as `systemctl show` tells them."""
        self.asserted.add(_full(unit))
        return self._show(unit, user)

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:  # noqa: A002
        """One property of a unit."""
        self.asserted.add(_full(unit))
        shown = self._show(unit, user, property)
        if property not in shown:
            raise self._failed(f"unit {unit} has no property {property}")
        return shown[property]

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Raise, with its last journal lines, unless a unit is in this state now."""
        start = time.monotonic()
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            what = f"unit {unit} is {state}, not {require_state}"
            raise self._unit_failed(what, unit, start)

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """`systemctl start JOBNAME`."""
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """`systemctl stop JOBNAME`."""
        return self.systemctl(f"stop {jobname}", user)

    def journal(self, unit: str | None = None, lines: int | None = None) -> str:
        """What has been logged since boot, by a unit and by systemd about it or by all.

        One line a message, the time since boot in front; the last `lines` of them or all.
        """
        self.connect()
        if unit is not None:
            self.asserted.add(_full(unit))
        return self._journal(unit, lines)

    # Files, ports, console.

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
        done = self.run(f"tar -c -h -C {shlex.quote(str(path.parent))} {shlex.quote(path.name)}")
        if done.returncode != 0:
            raise self._failed(f"copying {source} out of the machine", done)
        folder = self.artefacts / target_dir
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extractall(folder, filter="data")

    copy_from_vm = copy_from_machine

    @property
    def console(self) -> Console:
        """Its console under pexpect."""
        return self.backend.console

    def wait_for_console_text(self, regex: str, timeout: float | None = None) -> None:
        """Return when the console has printed what matches.

        What an earlier call has matched, and what stood before it, does not count.
        """
        self.start()
        with self.nested(f"waiting for {regex} to appear on console"):
            try:
                found = self._console(timeout).wait_for(regex, timeout, self._seen)
            except MachineError as error:
                raise self._failed(str(error)) from None
        self._seen = found.end()

    def get_console_log(self) -> str:
        """All that the console has printed since boot, without what is only for the eye."""
        return self.console.plain()

    def send_console(self, chars: str) -> None:
        """Type on the console."""
        self.console.send(chars)

    # Network, containers.

    def attach(self, vlan: Vlan, interface: str = "eth1", address: str | None = None) -> None:
        """Lead an interface of the machine to a network, with an address and its length or none."""
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

    def container(self, name: str) -> Machine:
        """A container that systemd-nspawn runs inside as a machine of that name.

        It has what needs commands only. Raises MachineError, at its first command, when it is off.
        """
        inner = Machine(Nested(self.backend, name), artefacts=self.artefacts)
        inner.connect()
        return inner

    # What it says.

    def log(self, msg: str) -> None:
        """Print a line with the machine's name."""
        log.info(msg, {"machine": self.name})

    def nested(self, msg: str) -> AbstractContextManager[None]:
        """Print a line, and how long the block took."""
        return log.nested(msg, {"machine": self.name})

    # Inside.

    def _in_background(self, do: Callable[[], None]) -> None:
        def work() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001 (raised by `connect`)
                self._failure = error

        self._failure = None
        self._boot = threading.Thread(target=work, name=f"boot {self.name}", daemon=True)
        self._boot.start()

    def _bash(self, command: str, timeout: float | None, stdin: bytes = b"") -> Result:
        argv = ["bash", "-c", f"set -euo pipefail; {command}"]
        try:
            done = self.backend.run(argv, timeout, stdin)
        except CommandTimeout as late:
            return Result(TIMED_OUT, late.stdout, late.stderr)
        status = done.returncode
        return done if status >= 0 else Result(_SIGNALLED - status, done.stdout, done.stderr)

    def _logged(self, title: str, command: str, timeout: float | None) -> Result:
        with self.nested(title):
            return self.run(command, timeout)

    def _repeat(
        self, command: str, timeout: float, is_done: Callable[[int], bool], what: str
    ) -> str:
        start = time.monotonic()
        with self.nested(f"waiting for {what}: {command}"):
            done = Result(0, b"", b"")

            def ask(last_try: bool) -> bool:
                nonlocal done
                done = self.run(command, timeout)
                if last_try and not is_done(done.returncode):
                    waited = f"no {what} of `{command}`"
                    raise self._command_failed(waited, command, done, start)
                return is_done(done.returncode)

            retry(ask, timeout)
        self._note(command)
        return done.stdout.decode(errors="replace")

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

    def _show(self, unit: str, user: str | None, properties: str | None = None) -> dict[str, str]:
        chosen = "" if properties is None else f" --property={properties}"
        status, lines = self.systemctl(f'--no-pager show "{unit}"{chosen}', user)
        if status != 0:
            raise self._failed(f"systemctl show {unit}: exit code {status}")
        return dict(_PROPERTY.findall(lines))

    def _journal(self, unit: str | None, lines: int | None) -> str:
        chosen = [] if unit is None else [f"--unit={unit}"]
        chosen += [] if lines is None else [f"--lines={lines}"]
        self.backend.run(["journalctl", "--sync"], _ASIDE)
        return self.backend.run([*_JOURNAL, *chosen], _ASIDE).stdout.decode(errors="replace")

    def _keep_journal(self) -> None:
        if self.artefacts is not None and not isinstance(self.backend, Nested):
            with suppress(MachineError):
                text = self._journal(None, None)
                self.artefacts.mkdir(parents=True, exist_ok=True)
                with (self.artefacts / "journal.log").open("a") as file:
                    file.write(text)

    def _check_conditions(self) -> None:
        for condition in tuple(polling_condition.active):
            condition.maybe_raise()

    def _note(self, command: str) -> None:
        """Of what a command asks systemd, it tells something about the units that it names."""
        if "systemctl" in command or "journalctl" in command:
            self.asserted.update(_UNIT.findall(command))

    def _console(self, timeout: float | None) -> Console:
        """The console, as soon as the boot in the background has one."""
        deadline = time.monotonic() + (self.boot_timeout if timeout is None else timeout)
        while True:
            try:
                return self.backend.console
            except MachineError:
                if time.monotonic() > deadline or not (self._boot and self._boot.is_alive()):
                    raise
                time.sleep(0.02)

    def _command_failed(
        self, what: str, command: str, done: Result, start: float
    ) -> RequestedAssertionFailed:
        named = sorted(set(_UNIT.findall(command)))
        units: Sequence[str | None] = named or [None]
        return self._failed(f"{what} (exit code {done.returncode})", done, units, start)

    def _unit_failed(self, what: str, unit: str, start: float) -> RequestedAssertionFailed:
        return self._failed(what, None, [unit], start)

    def _failed(
        self,
        what: str,
        done: Result | None = None,
        units: Sequence[str | None] = (),
        start: float | None = None,
    ) -> RequestedAssertionFailed:
        elapsed = "" if start is None else f" after {time.monotonic() - start:.1f} s"
        text = f"{self.name}: {what}{elapsed}"
        if done is not None:
            text += told("standard output", done.stdout.decode(errors="replace"))
            text += told("standard error", done.stderr.decode(errors="replace"))
        for unit in units:
            with suppress(MachineError):
                title = "journal" if unit is None else f"journal of {unit}"
                text += told(title, self._journal(unit, _JOURNAL_LINES))
        return RequestedAssertionFailed(text)


def _full(unit: str) -> str:
    """The name of a unit with its kind, which systemctl takes for a service's."""
    return unit if _UNIT.fullmatch(unit) else f"{unit}.service"
