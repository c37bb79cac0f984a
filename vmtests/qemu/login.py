"""From power-on to a shell of root's on the console, and from there to the channel."""

from __future__ import annotations

import re
import time

from pexpect.exceptions import EOF, TIMEOUT

from vmtests.console import Console
from vmtests.places import MachineError
from vmtests.qemu.channel import SERVER, Channel
from vmtests.qemu.emulator import PORT

_LOGIN, _PASSWORD = r"login: ", r"(?i)password: ?"
_PROMPT = r"[#$>%](?:\x1b\[[0-9;?]*[A-Za-z])* (?:\x1b\[[0-9;?]*[A-Za-z])*$"
_MENU = r"GNU GRUB +version|Press enter to boot the selected|Boot in \d+ s"
PANIC = r"Kernel panic - not syncing[^\r\n]*"
_RESCUE = r"You are in emergency mode|Give root password for maintenance|\(initramfs\) $"
_WRONG = r"Login incorrect"
_STEPS = [_LOGIN, _PASSWORD, _PROMPT, _MENU, _RESCUE, _WRONG]
_PROBE, _PROBED = 'echo VM"TESTS-"$((6*7))', "VMTESTS-42"
_PATIENCE = 10.0
# One line. The script comes over the port itself, before the unit opens that.
_INSTALL = (
    'stty -echo; modprobe -q virtio_console; P=; until [ -n "$P" ]; do'
    " P=$(grep -lx {port} /sys/class/virtio-ports/*/name); done 2>/dev/null;"
    " P=${{P%/name}}; P=/dev/${{P##*/}}; head -c {size} $P >/run/vmtests.sh;"
    " systemctl stop vmtests-commands 2>/dev/null;"
    " systemd-run --quiet --collect --unit=vmtests-commands --description='Commands of a test'"
    " -p Restart=always -p RestartSec=0 -p StartLimitIntervalSec=0 -p IgnoreSIGPIPE=no"
    " -p TasksMax=infinity -p WorkingDirectory=/ -p StandardOutput=null -p StandardError=null"
    ' --setenv=PATH="$PATH" --setenv=HOME=/root --setenv=LANG=C.UTF-8'
    ' "$(command -v bash)" /run/vmtests.sh $P /run/vmtests; exit'
)


def log_in(console: Console, user: str, password: str, deadline: float) -> None:
    """Go through boot loader and login; MachineError at once where no shell will ever come."""
    while (step := _expect(console, _STEPS, deadline)) != _PROMPT:
        if step == _LOGIN:
            console.sendline(user)
        elif step == _PASSWORD:
            console.sendline(password)
        elif step == _MENU:
            console.send("\r")
        else:
            raise MachineError(f"no login: {_found(console)}")
    while True:
        # Its echo does not match. A message of the kernel's may have spoiled the prompt.
        console.sendline(_PROBE)
        soon = min(deadline, time.monotonic() + _PATIENCE)
        try:
            _expect(console, [_PROBED], soon)
        except TimeoutError:
            if soon < deadline:
                continue
            raise
        return


def install(console: Console, channel: Channel, deadline: float) -> None:
    """From the shell: start the server of commands, and leave the console as it was."""
    script = SERVER.read_bytes()
    channel.reset("the machine has booted")
    console.sendline(_INSTALL.format(port=PORT, size=len(script)))
    channel.push(script)
    if not channel.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError("no commands can be run")


def _expect(console: Console, patterns: list[str], deadline: float) -> str:
    """The pattern that came; TimeoutError when none has."""
    left = max(0.0, deadline - time.monotonic())
    found = console.expect([*patterns, PANIC, EOF, TIMEOUT], timeout=left)
    if found < len(patterns):
        return patterns[found]
    if found == len(patterns):
        raise MachineError(_found(console))
    if found == len(patterns) + 1:
        raise MachineError("the console was closed: QEMU has ended")
    raise TimeoutError("no login")


def _found(console: Console) -> str:
    match = console.match
    return match.group().strip() if isinstance(match, re.Match) else ""
