"""The backend `qemu`: a whole machine in software, from an image or from a snapshot of it."""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path
from typing import TypedDict

from vmtests.disk import new_disk
from vmtests.places import MachineError
from vmtests.qemu import login, warm
from vmtests.qemu.channel import SERVER
from vmtests.qemu.emulator import PROGRAM, devices, drive, overlay, run_tool
from vmtests.qemu.image import Image
from vmtests.qemu.virtual import Virtual

MEMORY = 512
KVM_TIMEOUT = 60.0
_ANSWER = 60.0
_SETTLED = ["systemctl", "is-system-running", "--wait"]
# What a copy must not share. Journals are found by the identity that their folder is named after.
_IDENTITY = """\
date --utc --set "@$1" >/dev/null
echo "$2" >/proc/sys/kernel/hostname
echo "$2" >/etc/hostname
old=$(</etc/machine-id)
echo "$3" >/etc/machine-id
# The kernel takes a seed at once only when told so by RNDRESEEDCRNG, else within half a minute.
perl -e 'sysopen F, "/dev/urandom", 1; syswrite F, $ARGV[0]; ioctl F, 0x5207, 0' "$4" ||
    echo "$4" >/dev/urandom
for logs in /run/log/journal /var/log/journal; do
    if [ -d $logs/$old ]; then mv $logs/$old $logs/$3; ln -s $3 $logs/$old; fi
done
"""


class Options(TypedDict):
    """What a snapshot depends on, besides the image."""

    memory: int
    cpus: int
    accel: str


class Qemu(Virtual):
    """A machine that QEMU emulates; `memory` in MiB.

    The first `start` goes on from a snapshot of the image just booted, which is made once and kept
    in ~/.cache; `fresh=True` boots. Later ones boot from the disk as it was left. KVM is used only
    where `accel` is "kvm", and a start with it takes a minute at most, since KVM may hang.
    """

    kind = "qemu"

    def __init__(  # noqa: PLR0913 (by keyword all but two)
        self,
        name: str,
        image: Image,
        *,
        memory: int = MEMORY,
        cpus: int = 1,
        accel: str = "tcg",
        fresh: bool = False,
        console_log: Path | None = None,
    ) -> None:
        super().__init__(name, user=image.user, password=image.password, console_log=console_log)
        if accel not in {"tcg", "kvm"}:
            raise ValueError(f"accel {accel!r}: must be tcg or kvm")
        self.image = image
        self.options: Options = {"memory": memory, "cpus": cpus, "accel": accel}
        self._memory, self._cpus, self._accel, self._fresh = memory, cpus, accel, fresh
        self._disk: Path | None = None

    def _launch(self, timeout: float) -> bool:
        if self._accel == "kvm":
            timeout = min(timeout, KVM_TIMEOUT)
        deadline = time.monotonic() + timeout
        if self._disk is None:
            folder = new_disk(self, self.place.kill)
            if not self._fresh:
                make = partial(self._make_snapshot, deadline=deadline)
                kept = warm.find_or_make(self._settings(), make, deadline, self)
                self._disk = overlay(folder, kept / "disk", "qcow2")
                self._go_on(kept, deadline - time.monotonic())
                return True
            self._disk = overlay(folder, self.image.disk, self.image.format)
        memory = f"memory-backend-ram,id=ram,size={self._memory}M"
        self._switch_on(self._command(memory), {}, timeout).execute("cont")
        return False

    def _log_in(self, deadline: float) -> None:
        if self._accel == "kvm":
            deadline = min(deadline, time.monotonic() + KVM_TIMEOUT)
        super()._log_in(deadline)

    def _make_snapshot(self, folder: Path, deadline: float) -> None:
        """Boot another machine with the same options, and keep it in a folder."""
        booting = Qemu("warm", self.image, **self.options)
        booting._disk = overlay(folder, self.image.disk, self.image.format)
        try:
            memory = warm.memory(folder, self._memory, "on")
            qmp = booting._switch_on(booting._command(memory), {}, deadline - time.monotonic())
            qmp.execute("cont")
            booting._log_in(deadline)
            booting.run(_SETTLED, max(1.0, deadline - time.monotonic()))
            booting.run(["sync"], max(1.0, deadline - time.monotonic()))
            warm.save(qmp, folder)
            qmp.execute("quit")
            booting.wait_for_shutdown(_ANSWER)
        except MachineError as error:
            raise MachineError(f"{self.name}: no snapshot of the image: {error}") from None
        finally:
            booting.crash()

    def _go_on(self, kept: Path, timeout: float) -> None:
        memory = warm.memory(kept, self._memory, "off")
        qmp = self._switch_on([*self._command(memory), "-incoming", "defer"], {}, timeout)
        warm.load(qmp, kept)
        self._set_links()
        qmp.execute("cont")
        self._running().reset("", is_open=True)
        words = [f"{time.time():.3f}", self.name, secrets.token_hex(16), secrets.token_hex(32)]
        done = self.run(["bash", "-ec", _IDENTITY, "bash", *words], _ANSWER)
        if done.returncode != 0:
            raise MachineError(f"{self.name}: {done.stderr.decode(errors='replace').strip()}")

    def _command(self, memory: str) -> list[str]:
        """QEMU's command line, for a memory."""
        accel = "tcg,thread=multi" if self._accel == "tcg" else "kvm"
        argv = [PROGRAM, "-no-user-config", "-name", self.name, "-accel", accel]
        argv += ["-cpu", "max", "-M", "pc,memory-backend=ram", "-m", f"{self._memory}M"]
        argv += ["-smp", str(self._cpus), "-object", memory, *devices()]
        if self._disk is not None:
            argv += drive(self._disk)
        if self.image.kernel is not None:
            line = f"console=ttyS0 {self.image.command_line}"
            identity = f"systemd.hostname={self.name} systemd.machine_id={secrets.token_hex(16)}"
            argv += ["-kernel", str(self.image.kernel), "-append", f"{line} {identity}"]
        if self.image.initrd is not None:
            argv += ["-initrd", str(self.image.initrd)]
        return argv

    def _settings(self) -> str:
        """What a snapshot of the image depends on."""
        code = [path.read_text() for path in (SERVER, Path(login.__file__), Path(__file__))]
        version = run_tool(PROGRAM, "--version")
        return f"{self.image.digest} {self.options} {version} {devices()} {code}"
