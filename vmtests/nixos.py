"""The backend `nixos`: the script `run-<host>-vm` that NixOS makes of a host's configuration.

It is the flake's `nixosConfigurations.<host>.config.system.build.vm`. This module knows of it only
the variables that it reads, and that it execs QEMU.
"""

from __future__ import annotations

from pathlib import Path

from vmtests.disk import new_disk
from vmtests.places import MachineError
from vmtests.qemu.emulator import devices
from vmtests.qemu.virtual import Virtual


class NixosVm(Virtual):
    """A host of a flake. `user`, who is root or becomes root by login, and `password` log in.

    It boots with its boot loader, where it has one, and its login prompt on ttyS0; on its own, for
    whatever its configuration says of user networks leads nowhere here. KVM is used only where
    `accel` is "kvm". It takes no snapshots: its store is a folder of this computer's.
    """

    kind = "nixos"
    can_snapshot = False

    def __init__(  # noqa: PLR0913 (by keyword all but two)
        self,
        name: str,
        script: Path,
        *,
        user: str = "root",
        password: str = "",
        accel: str = "tcg",
        console_log: Path | None = None,
    ) -> None:
        super().__init__(name, user=user, password=password, console_log=console_log)
        self.script = script
        self._accel = accel
        self._folder: Path | None = None

    def _launch(self, timeout: float) -> bool:
        if not self.script.is_file():
            raise MachineError(f"{self.name}: {self.script}: no such script")
        self._folder = self._folder or new_disk(self, self.place.kill)
        env = {
            "NIX_DISK_IMAGE": str(self._folder / "disk.qcow2"),
            "USE_TMPDIR": "1",
            "TMPDIR": str(self._folder),
            # The last `accel` counts, and the script's would try KVM first.
            "QEMU_OPTS": " ".join(["-machine", f"accel={self._accel}", *devices()]),
            "QEMU_KERNEL_PARAMS": "console=ttyS0",
            "QEMU_NET_OPTS": "",
        }
        self._switch_on([str(self.script.resolve())], env, timeout).execute("cont")
        return False

    def snapshot(self, name: str) -> None:
        """Not with a store that is a folder."""
        raise MachineError(f"{self.name}: nixos takes no snapshots ({name})")

    restore = snapshot
