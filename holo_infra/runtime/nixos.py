"""Brings a machine with NixOS to a configuration, and back where it does not become ready.

The work is done by `nixos-rebuild` and `nixos-anywhere`, which run here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote

from holo_infra.runtime.apply import Outcome
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.local import work
from holo_infra.runtime.lock import PATIENCE, locked
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.readiness import Lacking, Waiting
from holo_infra.runtime.ssh import SshMachine
from holo_infra.runtime.trouble import troubles
from holo_infra.runtime.units import systemctl

Reach = Callable[[float], AbstractContextManager[SshMachine]]
"""Reaches a machine anew, within so many seconds."""

SYSTEM = "/run/current-system"
PROFILE = "/nix/var/nix/profiles/system"
EARLIER = "/nix/var/nix/gcroots/holo-earlier"
"""There from before a switch until the machine is ready or has its earlier system, which it names.

So a run that was killed leaves the way back to the next, and garbage collection spares it.
"""
_INSTALLER = '^VARIANT_ID="?installer'
"""In the os-release of the NixOS that nixos-anywhere runs from memory while it installs."""
_ACTIVATION = "/run/nixos/switch-to-configuration.lock"
"""Held by NixOS's own `switch-to-configuration`, which outlives a connection that is cut."""
_UNITS_FAILED = 4
"""Its status where all is done, and some unit did not start."""
_SWITCH = 1800.0
"""Seconds for going back to a system that is there."""
_LEFT = 600.0
"""Seconds for a switch to end whose connection was cut."""
_BUILD = 4 * 3600.0
"""Seconds for building a system, copying it and switching to it."""
_INSTALL = 2 * 3600.0
"""Seconds for building a system and putting it on a disk."""


def switch(  # noqa: PLR0913 - the last by name
    machine: SshMachine,
    flake: Path,
    bundle: Bundle,
    timeout: float,
    tell: Tell = quiet,
    *,
    patience: float = PATIENCE,
) -> Outcome:
    """Switch to the flake's configuration of a host, and wait until it is ready.

    `bundle` is the same host for any systemd: it names what must come up. What is not ready after
    `timeout` seconds is told, and the machine has its earlier system again. Another switch that is
    under way is waited for, `patience` seconds at most. Raises Failure where the earlier system
    cannot be had, or the configuration cannot be built or switched to.
    """
    configuration = _configuration(flake, bundle.host)
    if _system(machine) is None:
        raise Failure(f"{machine.name}: this is no NixOS", "install it: holo switch --install")
    with locked(machine, patience):
        return _switch(machine, configuration, bundle, timeout, tell)


def _switch(
    machine: SshMachine, configuration: str, bundle: Bundle, timeout: float, tell: Tell
) -> Outcome:
    _await_activation(machine)
    earlier = _keep_earlier(machine)
    try:
        lacking = _go(machine, configuration, bundle, timeout, tell)
        told = troubles(machine, lacking, bundle)
    except (Failure, KeyboardInterrupt) as failure:
        try:
            is_back, _ = _return(machine, earlier)
        except Failure as second:
            first = failure.message if isinstance(failure, Failure) else "interrupted"
            hint = "the machine is left between two systems: run switch again"
            raise Failure(f"{first}\ngoing back: {second.message}", hint) from None
        if isinstance(failure, Failure) and is_back:
            news = f"{failure.message}\nrolled back: the earlier system is in place again"
            raise Failure(news, failure.hint) from None
        raise
    if not lacking:
        changed = (SYSTEM,) if _system(machine) != earlier else ()
        succeed(machine, ["rm", "-f", EARLIER])
        return Outcome(changed, (), ())
    try:
        is_back, left = _return(machine, earlier)
    except Failure as failure:
        is_back, left = False, (Lacking(None, earlier, failure.message, is_lost=True),)
    return Outcome((), (), (), told, rolled_back=is_back, not_restored=left)


def _go(
    machine: SshMachine, configuration: str, bundle: Bundle, timeout: float, tell: Tell
) -> list[Lacking]:
    """Switch, and wait; what is not ready."""
    was, had_failed = _system(machine), _failed(machine)
    problem = None
    try:
        _rebuild(machine, configuration)
    except Failure as failure:
        # It fails as well where all is in place and some unit has failed, whichever that is.
        if not _is_other(machine, was):
            raise
        problem = failure
    waiting = Waiting(machine, bundle.host, bundle.wanted, bundle.containers, tell)
    lacking = waiting.until_ready(timeout)
    if problem is not None and not lacking:
        failed = _failed(machine)
        lacking = [Lacking(None, unit, "failed", is_lost=True) for unit in failed - had_failed]
        if not failed:
            raise problem
    return lacking


def _is_other(machine: Machine, was: str | None) -> bool:
    """Whether the machine runs and boots another system than before."""
    try:
        return was != _system(machine) == _booted(machine)
    except Failure:  # what made it so is told
        return False


def install(reach: Reach, flake: Path, host: str, timeout: float, patience: float) -> bool:
    """Put NixOS on a machine that has another Linux; its disks are formatted.

    Nothing is done where it has NixOS, and False returned. Its host keys stay, and are asked for
    throughout. Raises Failure where it has not booted NixOS `timeout` seconds afterwards.
    """
    configuration = _configuration(flake, host)
    with reach(0) as machine:
        if _system(machine) is not None:
            return False
        # The lock ends with the system that is there.
        with locked(machine, patience), _verifying_ssh(machine) as folder:
            command = ["nixos-anywhere", "--flake", configuration, "--copy-host-keys"]
            path = f"{folder}:{os.environ.get('PATH', os.defpath)}"
            work([*command, "--target-host", machine.target], {"PATH": path}, _INSTALL)
        name = machine.name
    _await_boot(reach, name, timeout)
    return True


def _await_boot(reach: Reach, name: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            with reach(max(0, deadline - time.monotonic())) as machine:
                if _system(machine) is not None:
                    return
                why = "what answers is not the NixOS that was installed"
        except Failure as failure:
            why = failure.message
        if time.monotonic() >= deadline:
            raise Failure(
                f"{name}: NixOS is installed, and not reached {timeout:g} s later: {why}",
                "see on its console whether it boots; whoever logs in needs a key in the"
                " configuration, at users.users.NAME.openssh.authorizedKeys.keys",
            )
        time.sleep(1)


def _configuration(flake: Path, host: str) -> str:
    """A host's configuration, for Nix. Raises Failure where what it is made of is not fixed."""
    # Of a path that is no URL, Nix would see only what Git knows.
    url = f"path:{quote(str(flake.resolve()))}"
    lock = flake / "flake.lock"
    if not lock.is_file():
        raise Failure(f"{lock}: not there", f"fix the flake's inputs: nix flake lock {url}")
    return f"{url}#{host}"


def _system(machine: Machine) -> str | None:
    """The system that runs, None where there is no NixOS, or one that runs from memory."""
    if machine.run(["test", "-e", "/etc/NIXOS"]).returncode != 0:
        return None
    installer = ["grep", "-E", "--quiet", _INSTALLER, "/etc/os-release"]
    if machine.run(installer).returncode == 0:
        return None
    return succeed(machine, ["readlink", "--canonicalize", SYSTEM]).strip()


def _booted(machine: Machine) -> str:
    """The system that the machine boots."""
    return succeed(machine, ["readlink", "--canonicalize", PROFILE]).strip()


def _failed(machine: Machine) -> set[str]:
    """Units that have failed."""
    listed = ["list-units", "--state=failed", "--plain", "--no-legend"]
    lines = succeed(machine, [*systemctl(), *listed]).splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def _keep_earlier(machine: Machine) -> str:
    """The system to go back to: that of a run which did not end, else the one that runs."""
    found = machine.run(["readlink", "--canonicalize-existing", EARLIER])
    if found.returncode == 0:
        return found.stdout.decode().strip()
    system = succeed(machine, ["readlink", "--canonicalize", SYSTEM]).strip()
    succeed(machine, ["mkdir", "-p", str(Path(EARLIER).parent)])
    succeed(machine, ["ln", "-sfn", system, EARLIER])
    return system


def _await_activation(machine: Machine) -> None:
    """Wait for a switch whose connection was cut: it goes on there, and lets no other begin."""
    wait = f'test ! -e "$1" || flock --timeout={_LEFT:g} "$1" true'
    if machine.run(["sh", "-c", wait, "sh", _ACTIVATION], timeout=_LEFT + 60).returncode != 0:
        raise Failure(f"{machine.name}: a switch is under way there", "wait until it has ended")


def _rebuild(machine: SshMachine, configuration: str) -> None:
    command = ["nixos-rebuild", "switch", "--flake", configuration, "--no-update-lock-file"]
    command.append("--use-substitutes")
    if not machine.is_root:
        command.append("--sudo")
    environment = {"NIX_SSHOPTS": shlex.join(machine.options)}
    work([*command, "--target-host", machine.target], environment, _BUILD)


def _return(machine: Machine, system: str) -> tuple[bool, tuple[Lacking, ...]]:
    """Go back to a system; False where it runs already, and is what the machine boots.

    And the units of it that have failed.
    """
    _await_activation(machine)
    left: tuple[Lacking, ...] = ()
    is_there = _booted(machine) == system == _system(machine)
    if not is_there:
        succeed(machine, ["nix-env", "--profile", PROFILE, "--set", system])
        command = [f"{system}/bin/switch-to-configuration", "switch"]
        script = f'"$@" || test $? = {_UNITS_FAILED}'
        succeed(machine, ["sh", "-c", script, "sh", *command], timeout=_SWITCH)
        failed = sorted(_failed(machine))
        left = tuple(Lacking(None, unit, "failed", is_lost=True) for unit in failed)
    succeed(machine, ["rm", "-f", EARLIER])
    return not is_there, left


@contextmanager
def _verifying_ssh(machine: SshMachine) -> Iterator[str]:
    """A folder with an `ssh` that reaches the machine as we do, and asks for its host key.

    nixos-anywhere tells ssh to accept any; of an option that is given twice, ssh takes the first.
    """
    program = shutil.which("ssh") or "ssh"
    words = [program, *_for_any_user(machine.options)]
    for option in ("UserKnownHostsFile", "StrictHostKeyChecking"):
        words += ["-o", f"{option}={_effective(machine, option)}"]
    # The machine boots anew, and connections with it.
    words += ["-o", "ControlPath=none"]
    with tempfile.TemporaryDirectory(prefix="holo-") as folder:
        wrapper = Path(folder, "ssh")
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        wrapper.chmod(0o700)
        yield folder


def _for_any_user(options: Sequence[str]) -> Iterator[str]:
    """Ssh's options without the user, who is another in between, and without our connection."""
    for name, value in zip(options[::2], options[1::2], strict=True):
        if name != "-l" and not value.startswith("Control"):
            yield from (name, value)


def _effective(machine: SshMachine, option: str) -> str:
    """What an option is for this machine, whoever has set it."""
    command = ["ssh", *machine.options, "-G", machine.target]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(
        value
        for name, _, value in (line.partition(" ") for line in told.splitlines())
        if name == option.lower()
    )
