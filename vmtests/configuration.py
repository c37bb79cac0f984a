"""What a machine is made of, whatever its backend. Knows neither tests nor fleets."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmtests.backend import Backend
from vmtests.machine import Machine
from vmtests.places import Content, Link, MachineError

if TYPE_CHECKING:
    from vmtests.qemu import Image

BACKENDS = ("nspawn", "qemu")
_WANTS = "/etc/systemd/system/multi-user.target.wants"
_UNPACK = (
    "tar --extract --preserve-permissions --no-same-owner --no-overwrite-dir"
    " --keep-directory-symlink --directory=/"
)
_WANTED = re.compile(r"/etc/systemd/system/([^/]+\.target)\.(?:wants|requires)/")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A machine before its boot; two that are equal are interchangeable.

    `files`, `binds`, `enable` are those of `vmtests.Nspawn`, for every backend. `containers` and
    `tree` are for nspawn; `image`, the disk that it starts from, and `memory`, in MiB, for qemu.
    """

    backend: str = "nspawn"
    files: Mapping[str, Content] = field(default_factory=dict)
    binds: Mapping[str, Path] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    containers: bool = True
    tree: Path | None = None
    image: Image | None = None
    memory: int = 512

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            known = ", ".join(BACKENDS)
            raise ValueError(f"backend {self.backend!r}: must be one of {known}")

    @property
    def digest(self) -> str:
        """A name for it, that of no other."""
        parts = [sorted(self.files.items()), sorted(self.binds.items()), self.enable]
        parts += [self.backend, self.containers, self.tree, self.image, self.memory]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def backend_for(name: str, configuration: Configuration, log: Path | None = None) -> Backend:
    """A backend that is off. `log`: a file for the text of its console.

    On qemu, `put_all` gives the machine its files when it runs.
    """
    of = configuration
    if of.backend == "nspawn":
        from vmtests.nspawn import Nspawn  # noqa: PLC0415 (a backend is imported when it is used)

        return Nspawn(
            name,
            files=of.files,
            binds=of.binds,
            enable=of.enable,
            containers=of.containers,
            tree=of.tree,
            console_log=log,
        )
    from vmtests.qemu import Qemu, debian_image  # noqa: PLC0415 (the same)

    image = of.image or debian_image()
    return Qemu(name, image, memory=of.memory, console_log=log)


def put_all(machine: Machine, configuration: Configuration) -> None:
    """Give a machine that runs what nspawn has before the boot, and start what that enables."""
    files: dict[str, Content | Path] = {**configuration.files, **configuration.binds}
    files |= {f"{_WANTS}/{unit}": Link(f"../{unit}") for unit in configuration.enable}
    if configuration.backend != "nspawn" and files:
        put(machine, files)


def put(machine: Machine, files: Mapping[str, Content | Path]) -> None:
    """Put files on the disk of a machine that runs, and start what is wanted then.

    A Path is a file or folder of this computer.
    """
    # Of a target that is active, only what it wants itself is started, nothing further away.
    targets = {found[1] for path in files if (found := _WANTED.match(path))}
    start = f"systemctl start default.target {shlex.join(sorted(targets))}"
    done = machine.run(f"{_UNPACK}; systemctl daemon-reload; {start}", stdin=_packed(files))
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip()
        raise MachineError(f"{machine.name}: files cannot be put there: {told}")


def _packed(files: Mapping[str, Content | Path]) -> bytes:
    parcel = io.BytesIO()
    now = int(time.time())
    with tarfile.open(fileobj=parcel, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path.removeprefix("/"))
            member.mtime = now
            if isinstance(content, Path):
                tar.add(content.resolve(strict=True), member.name, filter=_of_root)
            elif isinstance(content, Link):
                member.type, member.linkname = tarfile.SYMTYPE, content.target
                tar.addfile(member)
            else:
                data = content.encode() if isinstance(content, str) else content
                member.size, member.mode = len(data), 0o644
                tar.addfile(member, io.BytesIO(data))
    return parcel.getvalue()


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
