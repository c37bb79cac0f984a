"""Brings a machine with NixOS to a configuration, and back where it does not become ready.

The work is done by `nixos-rebuild`, which runs here.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from holo_infra.runtime.apply import Outcome
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.local import work
from holo_infra.runtime.lock import PATIENCE, locked
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.nixos import SYSTEM, configuration_of, running_system
from holo_infra.runtime.readiness import Lacking, Waiting
from holo_infra.runtime.ssh import SshMachine
from holo_infra.runtime.trouble import troubles
from holo_infra.runtime.units import systemctl

PROFILE = "/nix/var/nix/profiles/system"
EARLIER = "/nix/var/nix/gcroots/holo-earlier"
"""There from before a switch until the machine is ready or has its earlier system, which it names.

So a run that was killed leaves the way back to the next, and garbage collection spares it.
"""
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
    configuration = configuration_of(flake, bundle.host)
    if running_system(machine) is None:
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
        changed = (SYSTEM,) if running_system(machine) != earlier else ()
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
    was, had_failed = running_system(machine), _failed(machine)
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
        return was != running_system(machine) == _booted(machine)
    except Failure:  # what made it so is told
        return False


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
    is_there = _booted(machine) == system == running_system(machine)
    if not is_there:
        succeed(machine, ["nix-env", "--profile", PROFILE, "--set", system])
        command = [f"{system}/bin/switch-to-configuration", "switch"]
        script = f'"$@" || test $? = {_UNITS_FAILED}'
        succeed(machine, ["sh", "-c", script, "sh", *command], timeout=_SWITCH)
        failed = sorted(_failed(machine))
        left = tuple(Lacking(None, unit, "failed", is_lost=True) for unit in failed)
    succeed(machine, ["rm", "-f", EARLIER])
    return not is_there, left
