"""The root of a machine, on which it writes without a trace. Knows no nspawn.

It is this computer's /usr, read-only, with an /etc of its own; or a root tree that somebody made,
under an overlay, with that tree's /etc.

`systemd-nspawn --directory=/ --volatile=yes` makes such a root too, but leaves no moment in which
to put files there before boot: each would be a mount, read-only, and a mount unit inside.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vmtests.places.namespace import MachineError, Namespaces

# Both in the tmpfs that `Namespaces` has on /run.
TREE = Path("/run/tree")
_STAGE = Path("/run/stage")

_LOWER, _UPPER, _WORK = Path("/run/lower"), Path("/run/upper"), Path("/run/work")
_DISK = Path("/run/disk")
_BUILT = "built"  # a file on a disk that has all that is to be there at the first boot

# Where `files` cannot lie: the kernel's, and of this computer, read-only.
_KERNELS = {"proc", "sys", "dev"}
_COMPUTERS = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}
# Where nspawn or systemd mounts a tmpfs over the tree, and what lies there needs a bind.
_TMPFS = {"run", "tmp"}
# What programs of /usr miss in a fresh /etc and systemd does not make there by itself, as it makes
# passwd, group and mtab. Folders are bound; files are copied, for a mapped file stays mounted.
_FROM_ETC = [
    "/etc/alternatives",  # where Debian's /usr/bin/nc, awk, iptables … lead
    "/etc/ld.so.cache",  # libraries outside the loader's default folders
    "/etc/ld.so.conf",  # for an ldconfig in the machine, which would lose them
    "/etc/ld.so.conf.d",
    "/etc/ssl",  # certificates for curl and Python
]
# What glibc needs to know "localhost" and the users of DynamicUser=.
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
_NSSWITCH = "passwd: files systemd\ngroup: files systemd\nhosts: files dns\n"
_MAX_STEPS = 1000
# A login prompt, which a console that nobody writes to needs as little as one with a shell.
_MASKED = ["console-getty.service"]


@dataclass(frozen=True)
class Link:
    """A symbolic link among `files`."""

    target: str


class Base(NamedTuple):
    """What the root is made of: NspawnMachine's `tree` and `disk`."""

    source: Path | None
    disk: Path | None


Content = str | bytes | Link
"""What a file has in it, or where a link leads."""


def build_tree(
    space: Namespaces,
    base: Base,
    files: Mapping[str, Content],
    binds: Mapping[str, Path],
    enable: Sequence[str],
) -> list[str]:
    """Build the root at TREE, and say what is to be bound into it read-only: `SOURCE:PATH`.

    `files`, `binds` and `enable` are NspawnMachine's and raise its errors. A disk that has been
    booted from before is left as it is, but for what lies under /run and /tmp.
    """
    source, disk = base
    is_new = disk is None or not (disk / _BUILT).exists()
    tree, stage = (_here(space, path) for path in (TREE, _STAGE))
    _make(stage)
    # With an identity this is no first boot, in which systemd would enable what is installed here,
    # as its presets say, and ask for a locale.
    identity = f"{uuid.uuid4().hex}\n"
    contents: dict[str, Content] = {"/etc/machine-id": identity}
    needed = {"/etc/hosts": _HOSTS, "/etc/nsswitch.conf": _NSSWITCH}
    bound: dict[str, Path] = {}
    if source is None:
        _mount_usr(space, disk)
        contents |= needed
        contents |= {path: Path(path).read_bytes() for path in _FROM_ETC if Path(path).is_file()}
        bound |= {path: Path(path) for path in _FROM_ETC if Path(path).is_dir()}
    else:
        _mount_overlay(space, source, disk)
        if is_new:
            _free(tree, "/etc/hostname")  # the name is the machine's, not that of where it was made
        contents |= {
            path: text for path, text in needed.items() if not _inside(tree, path).is_file()
        }
    contents |= files
    for number, (path, content) in enumerate(contents.items()):
        top = _inside(tree, path).relative_to(tree).parts[0]
        if top in _KERNELS or (source is None and top in _COMPUTERS):
            raise ValueError(f"files: {path}: /{top} is not the machine's own")
        if top in _TMPFS:
            _write(stage / str(number), content)
            bound[path] = _STAGE / str(number)
        elif is_new:
            _write(_free(tree, path), content)
    bound |= {path: file.resolve(strict=True) for path, file in binds.items()}

    links = {f"multi-user.target.wants/{unit}": f"../{unit}" for unit in enable}
    links |= dict.fromkeys(_MASKED, "/dev/null")
    links["default.target"] = "multi-user.target"
    for name, target in links.items():
        link = _inside(tree, f"/etc/systemd/system/{name}")
        _make(link.parent)
        if not os.path.lexists(link):
            link.symlink_to(target)
    if disk is not None:
        (disk / _BUILT).touch()
    return [_bind(file, path) for path, file in bound.items()]


def _here(space: Namespaces, path: Path) -> Path:
    """A path among the namespaces' mounts, as this process sees it."""
    return space.root.joinpath(*path.parts[1:])


def _mount_usr(space: Namespaces, disk: Path | None) -> None:
    _make(_here(space, TREE))
    if disk is not None:
        _make(disk / "root")
        space.run("mount", "--bind", str(disk / "root"), str(TREE))
        # /tmp, where disks are, may be mounted as one for files of no trust.
        space.run("mount", "-o", "remount,bind,dev,suid,exec", str(TREE))
    _make(_here(space, TREE / "usr"))
    space.run("mount", "--bind", "-o", "ro", "/usr", str(TREE / "usr"))


def _mount_overlay(space: Namespaces, source: Path, disk: Path | None) -> None:
    if disk is not None:
        disk.chmod(0o755)
        for folder in (_UPPER, _WORK):
            _make(disk / folder.name)
        # Both below one mount, as an overlay wants it.
        _make(_here(space, _DISK))
        space.run("mount", "--bind", str(disk), str(_DISK))
    for folder in (TREE, _LOWER, _UPPER, _WORK):
        _make(_here(space, folder))
    # By a name without the characters that mean something among the options of an overlay.
    space.run("mount", "--bind", "-o", "ro", str(source.resolve(strict=True)), str(_LOWER))
    if disk is not None and _stacks(space, str(_DISK)):
        return
    # In memory, too, where the disk's file system is none that an overlay can write to.
    if not _stacks(space, "/run"):
        raise MachineError(f"{source}: this kernel mounts no overlay over it")


def _stacks(space: Namespaces, top: str) -> bool:
    """Whether an overlay that writes to folders below `top` can be mounted."""
    overlay = f"lowerdir={_LOWER},upperdir={top}/{_UPPER.name},workdir={top}/{_WORK.name}"
    try:
        space.run("mount", "-t", "overlay", "-o", overlay, "vmtests", str(TREE))
    except MachineError:
        return False
    return True


def _inside(tree: Path, path: str) -> Path:
    """Where a path of the machine is. Links on the way lead where they lead in the machine."""
    done: list[str] = []
    left = list(_names(path))
    for _ in range(_MAX_STEPS):
        step = tree.joinpath(*done, left[0])
        if left[0] == "..":
            del left[0], done[-1:]
        elif len(left) > 1 and step.is_symlink():
            target = step.readlink()
            if target.is_absolute():
                done.clear()
            left[:1] = [name for name in target.parts if name != "/"]
        else:
            done.append(left.pop(0))
        if not left:
            return tree.joinpath(*done)
    raise ValueError(f"{path!r}: leads through too many links")


def _free(tree: Path, path: str) -> Path:
    """Where a file can be written: not where a link there, perhaps out of the tree, leads."""
    file = _inside(tree, path)
    if os.path.lexists(file) and not file.is_dir():
        file.unlink()
    return file


def _names(path: str) -> tuple[str, ...]:
    """The names in an absolute path; ValueError for a path that leads elsewhere."""
    root, *names = PurePosixPath(path).parts or ("",)
    if root != "/" or not names or ".." in names:
        raise ValueError(f"{path!r}: must be an absolute path in the machine, without ..")
    return tuple(names)


def _bind(source: Path, path: str) -> str:
    _names(path)
    return ":".join(part.replace("\\", r"\\").replace(":", r"\:") for part in (str(source), path))


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask


def _write(path: Path, content: Content) -> None:
    _make(path.parent)
    if isinstance(content, Link):
        path.symlink_to(content.target)
        return
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o644)
