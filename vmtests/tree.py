"""The root of a machine: this computer's /usr, read-only, and an /etc of its own. Knows no nspawn.

`systemd-nspawn --directory=/ --volatile=yes` makes such a root too, but leaves no moment in which
to put files there before boot: each would be a mount, read-only, and a mount unit inside.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from vmtests.namespace import Namespaces

# Both in the tmpfs that `Namespaces` has on /run.
TREE = Path("/run/tree")
_STAGE = Path("/run/stage")

# Where `files` cannot lie: of this computer, read-only, or the kernel's.
_NOT_OURS = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "proc", "sys", "dev"}
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
# A login prompt on a console that nobody writes to: it would only cost time.
_MASKED = ["console-getty.service"]


def build_tree(
    space: Namespaces,
    files: Mapping[str, str | bytes],
    binds: Mapping[str, Path],
    enable: Sequence[str],
) -> list[str]:
    """Build the root at TREE, and say what is to be bound into it read-only: `SOURCE:PATH`.

    `files`, `binds` and `enable` are those of NspawnMachine, whose errors they raise.
    """
    tree, stage = (space.root.joinpath(*path.parts[1:]) for path in (TREE, _STAGE))
    for folder in (tree / "usr", stage):
        _make(folder)
    space.run("mount", "--bind", "-o", "ro", "/usr", str(TREE / "usr"))
    # With an identity this is no first boot, in which systemd would enable what is installed here,
    # as its presets say, and ask for a locale.
    identity = f"{uuid.uuid4().hex}\n"
    ours = {"/etc/machine-id": identity, "/etc/hosts": _HOSTS, "/etc/nsswitch.conf": _NSSWITCH}
    copied = {path: Path(path).read_bytes() for path in _FROM_ETC if Path(path).is_file()}
    bound = {path: Path(path) for path in _FROM_ETC if Path(path).is_dir()}
    for number, (path, content) in enumerate({**ours, **copied, **files}.items()):
        names = _names(path)
        if names[0] in _NOT_OURS:
            raise ValueError(f"files: {path}: /{names[0]} is not the machine's own")
        if names[0] in _TMPFS:
            _write(stage / str(number), content)
            bound[path] = _STAGE / str(number)
        else:
            _write(tree.joinpath(*names), content)
    bound |= {path: source.resolve(strict=True) for path, source in binds.items()}

    units = tree / "etc/systemd/system"
    links = {f"multi-user.target.wants/{unit}": f"../{unit}" for unit in enable}
    links |= dict.fromkeys(_MASKED, "/dev/null")
    links["default.target"] = "multi-user.target"
    for name, target in links.items():
        _make((units / name).parent)
        if not os.path.lexists(units / name):
            (units / name).symlink_to(target)
    return [_bind(source, path) for path, source in bound.items()]


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


def _write(path: Path, content: str | bytes) -> None:
    _make(path.parent)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o644)
