"""Puts NixOS on a machine that has another Linux, by `nixos-anywhere`, which runs here."""

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

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.local import work
from holo_infra.runtime.lock import locked
from holo_infra.runtime.nixos import configuration_of, running_system
from holo_infra.runtime.ssh import SshMachine

Reach = Callable[[float], AbstractContextManager[SshMachine]]
"""Reaches a machine anew, within so many seconds."""

_INSTALL = 2 * 3600.0
"""Seconds for building a system and putting it on a disk."""


def install(reach: Reach, flake: Path, host: str, timeout: float, patience: float) -> bool:
    """Put NixOS on a machine that has another Linux; its disks are formatted.

    Nothing is done where it has NixOS, and False returned. Its host keys stay, and are asked for
    throughout. Raises Failure where it has not booted NixOS `timeout` seconds afterwards.
    """
    configuration = configuration_of(flake, host)
    with reach(0) as machine:
        if running_system(machine) is not None:
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
                if running_system(machine) is not None:
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
