"""Files of a machine, read and written by tar: content, mode and links, many in one step."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.targets import Files, Link

_TAR = ["env", "LC_ALL=C", "tar"]
"""Messages are read."""
_MISSING = "Warning: Cannot stat: No such file or directory"


def fetch(machine: Machine, paths: Iterable[str]) -> Files:
    """What stands at these absolute paths; what is not there is left out.

    What is neither file nor link is told as an empty file: it is in the way of one.
    """
    names = b"".join(f"{path}\0".encode() for path in sorted(paths))
    if not names:
        return {}
    command = [*_TAR, "--create", "--absolute-names", "--no-recursion", "--ignore-failed-read"]
    command += ["--sparse-version=1.0", "--null", "--verbatim-files-from", "--files-from=-"]
    done = machine.run([*command, "--file=-"], stdin=names)
    told = done.stderr.decode(errors="replace").strip().splitlines()
    told = [line for line in told if not line.endswith(_MISSING)]
    if told or done.returncode != 0:
        what = "\n  ".join(told) or f"status {done.returncode}"
        raise Failure(f"{machine.name}: files cannot be read: {what}")
    try:
        return _unpacked(done.stdout)
    except tarfile.TarError as error:
        raise Failure(f"{machine.name}: files cannot be read: {error}") from None


def _unpacked(packed: bytes) -> Files:
    found: Files = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.issym():
                found[member.name] = Link(member.linkname)
            else:
                content = archive.extractfile(member) if member.isfile() or member.islnk() else None
                found[member.name] = content.read().decode(errors="replace") if content else ""
    return found


def put(machine: Machine, files: Files) -> None:
    """Write files, for all to read; each takes the place of what was there."""
    if not files:
        return
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted(_folders(files)):
            member = tarfile.TarInfo(folder.removeprefix("/"))
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path.removeprefix("/"))
            if isinstance(content, Link):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, content.target, 0o777
                archive.addfile(member)
            else:
                data = content.encode()
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
    command = [*_TAR, "--extract", "--file=-", "--directory=/", "--no-same-owner"]
    # Folders that are there, perhaps links of the owner's, stay as they are.
    command += [
        "--keep-directory-symlink",
        "--no-overwrite-dir",
        "--touch",
        "--preserve-permissions",
    ]
    succeed(machine, command, stdin=packed.getvalue())


def replace(machine: Machine, path: str, content: str) -> None:
    """Write a file so that at any moment, be it one of a power failure, it is whole: old or new."""
    new = f"{path}.new"
    put(machine, {new: content})
    succeed(machine, ["sync", new])
    succeed(machine, ["mv", "--no-target-directory", new, path])


def remove(machine: Machine, paths: Iterable[str]) -> None:
    """Remove files and links, and folders of ours that are empty then."""
    names = sorted(paths)
    if not names:
        return
    listed = b"".join(f"{name}\0".encode() for name in names)
    succeed(machine, ["xargs", "--null", "rm", "--force", "--"], stdin=listed)
    folders = sorted(_folders(dict.fromkeys(names, "")), key=len, reverse=True)
    ours = b"".join(f"{folder}\0".encode() for folder in folders)
    # What is not empty stays.
    machine.run(
        ["xargs", "--null", "--no-run-if-empty", "rmdir", "--ignore-fail-on-non-empty", "--"],
        stdin=ours,
    )


def _folders(files: Files) -> set[str]:
    """Folders of these files that are ours: below /etc/holo, and those that hold links of units."""
    found = set()
    for path in files:
        parts = path.split("/")
        for end in range(2, len(parts)):
            folder = "/".join(parts[:end])
            if folder.startswith("/etc/holo") or folder.endswith((".wants", ".requires")):
                found.add(folder)
    return found
