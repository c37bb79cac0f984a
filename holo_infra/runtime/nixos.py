"""Brings a machine with NixOS to a configuration, and back where it does not become ready.

The work is done by `nixos-rebuild` and `nixos-anywhere`, which run here.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from holo_infra.runtime.apply import Outcome
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.readiness import Waiting
from holo_infra.runtime.ssh import SshMachine
from holo_infra.runtime.trouble import troubles

SYSTEM = "/run/current-system"
PROFILE = "/nix/var/nix/profiles/system"
_SWITCH = 1800.0
"""Seconds for going back to a system that is there."""


def switch(
    machine: SshMachine, flake: str, bundle: Bundle, timeout: float, tell: Tell = quiet
) -> Outcome:
    """Switch to the flake's configuration of a host, and wait until it is ready.

    `bundle` is the same host for any systemd: it names what must come up. What is not ready after
    `timeout` seconds is told, and the machine has its earlier system again. Raises Failure where
    that cannot be had, or the configuration cannot be built or switched to.
    """
    earlier = _system(machine)
    if earlier is None:
        raise Failure(f"{machine.name}: this is no NixOS", "install it: holo switch --install")
    try:
        _rebuild(machine, f"{flake}#{bundle.host}")
        waiting = Waiting(machine, bundle.host, bundle.wanted, bundle.containers, tell)
        lacking = waiting.until_ready(timeout)
    except Failure as failure:
        if _return(machine, earlier):
            news = f"{failure.message}\nrolled back: the earlier system is in place again"
            raise Failure(news, failure.hint) from None
        raise
    if not lacking:
        changed = (SYSTEM,) if _system(machine) != earlier else ()
        return Outcome(changed, (), ())
    told = troubles(machine, lacking, bundle)
    return Outcome((), (), (), told, rolled_back=_return(machine, earlier))


def install(machine: SshMachine, flake: str, host: str) -> None:
    """Put NixOS on a machine that has another Linux; its disks are formatted.

    Nothing is done where it has NixOS. Its host keys stay.
    """
    if _system(machine) is not None:
        return
    command = ["nixos-anywhere", "--flake", f"{flake}#{host}", "--copy-host-keys"]
    for option in _options(machine.options):
        command += ["--ssh-option", option]
    _local([*command, "--target-host", machine.target], {})


def _system(machine: Machine) -> str | None:
    """The system that runs, None where there is no NixOS."""
    if machine.run(["test", "-e", "/etc/NIXOS"]).returncode != 0:
        return None
    return succeed(machine, ["readlink", "--canonicalize", SYSTEM]).strip()


def _rebuild(machine: SshMachine, configuration: str) -> None:
    command = ["nixos-rebuild", "switch", "--flake", configuration, "--use-substitutes"]
    if not machine.is_root:
        command.append("--sudo")
    _local(
        [*command, "--target-host", machine.target], {"NIX_SSHOPTS": shlex.join(machine.options)}
    )


def _return(machine: Machine, system: str) -> bool:
    """Go back to a system; False where it runs already, and is what the machine boots."""
    booted = succeed(machine, ["readlink", "--canonicalize", PROFILE]).strip()
    if booted == system == _system(machine):
        return False
    succeed(machine, ["nix-env", "--profile", PROFILE, "--set", system])
    succeed(machine, [f"{system}/bin/switch-to-configuration", "switch"], timeout=_SWITCH)
    return True


def _options(arguments: Sequence[str]) -> Iterator[str]:
    """Ssh's arguments as options of the form NAME=VALUE."""
    names = {"-l": "User=", "-p": "Port=", "-o": ""}
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        if name not in names:
            raise Failure("nixos-anywhere takes no configuration of ssh", "give the host key")
        if not value.startswith("Control"):  # the machine boots anew, and connections with it
            yield f"{names[name]}{value}"


def _local(command: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(command, env={**os.environ, **environment}, check=False)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed", "install it, or run in nix shell") from None
    if done.returncode != 0:
        raise Failure(f"{shlex.join(command)}: status {done.returncode}")
