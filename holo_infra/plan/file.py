"""One file or link at a time: made new, or put in place of another as a whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from holo_infra.targets import Link

_MODE = 0o644
"""Of a new file, before the umask."""


def replace(path: Path, content: str | Link) -> None:
    """Puts a file or link in place of what is there, whole or not at all, and on the disk.

    Text goes to where a symbolic link leads; the link stays. Folders on the way are made.
    """
    target = path if isinstance(content, Link) else Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".holo-{secrets.token_hex(8)}")
    try:
        create(str(temporary), content)
        if not isinstance(content, Link):
            _flush(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(target.parent)


def create(path: str, content: str | Link, mode: int | None = None) -> None:
    """Makes a file, UTF-8 as it stands, or a link where nothing is. Raises OSError.

    `mode` is what it has whatever the umask.
    """
    if isinstance(content, Link):
        os.symlink(content.target, path)  # noqa: PTH211 - a Path for each of a million is slow
        return
    data = content.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - no path
        if mode is not None:
            os.fchmod(descriptor, mode)
        file.write(data)


def _flush(path: Path) -> None:
    """Waits until a file's text, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
