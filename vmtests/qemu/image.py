"""What a machine boots from."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vmtests.places import MachineError

_MAKER = Path(__file__).parents[2] / "scripts" / "debian-image"
# A clock that is the same after a snapshot, and no defences of a processor that is none.
_COMMAND_LINE = "root=/dev/vda rw net.ifnames=0 systemd.firstboot=off tsc=reliable mitigations=off"
_QCOW2 = b"QFI\xfb"


@dataclass(frozen=True)
class Image:
    """A disk, raw or qcow2, that is never written to, and how to get to a shell of root's on ttyS0.

    The disk boots by itself, or with a kernel, an initrd and a command line of this computer's.
    """

    disk: Path
    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str = "root=/dev/vda rw"
    """Besides console=ttyS0, which is always there. Only with `kernel`."""
    user: str = "root"
    password: str = ""

    @property
    def format(self) -> str:
        """`raw` or `qcow2`."""
        with self.disk.open("rb") as file:
            return "qcow2" if file.read(len(_QCOW2)) == _QCOW2 else "raw"

    @property
    def digest(self) -> str:
        """A name that changes with all this, and when one of the files is another."""
        files = [path for path in (self.disk, self.kernel, self.initrd) if path]
        stats = [(status.st_size, status.st_mtime_ns) for status in map(Path.stat, files)]
        return hashlib.sha256(repr((self, stats)).encode()).hexdigest()[:16]


@cache
def debian_image(*packages: str) -> Image:
    """Debian with systemd and these packages; made once, then kept in ~/.cache.

    It wants this project's scripts beside this package, root, and once half a minute.
    """
    if not _MAKER.is_file():
        raise MachineError(f"{_MAKER} is not there: give an image")
    command = [str(_MAKER), *packages]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise MachineError(f"{shlex.join(command)}: {done.stderr.strip()}")
    folder = Path(done.stdout.strip())
    return Image(folder / "disk", folder / "kernel", folder / "initrd", _COMMAND_LINE)
