"""The labs of this computer: which there are, and one command at a time that changes one."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.lab import LABS, Lab, Say

_NAME = re.compile(r"[a-z][a-z0-9-]{0,49}")


def labs() -> list[str]:
    """The names of the labs that run. Raises Failure for who may not know."""
    check_root()
    return [name for name in remains() if Lab(name).is_running]


def remains() -> list[str]:
    """The names of all labs of which there is anything, be it what a killed command has left."""
    return sorted(path.name for path in LABS.iterdir() if path.is_dir()) if LABS.is_dir() else []


def the_lab(name: str | None) -> Lab:
    """The lab of this name, or the only one. Raises Failure where that is none."""
    known = labs()
    if name is not None:
        if name not in known:
            hint = f"labs: {', '.join(known)}" if known else "holo up starts one"
            raise Failure(f"no lab {name} is running", hint)
        return Lab(name)
    if not known:
        raise Failure("no lab is running", "holo up FLEET starts one")
    if len(known) > 1:
        raise Failure(f"several labs are running: {', '.join(known)}", "say which: --lab NAME")
    return Lab(known[0])


@contextmanager
def locked(name: str, say: Say) -> Iterator[Lab]:
    """The lab of this name, made where there is none; `say` hears of it where others have it."""
    check_root()
    if not _NAME.fullmatch(name):
        raise Failure(
            f"{name!r}: no name of a lab",
            "give it one of [a-z][a-z0-9-]*, at most 50 characters: --lab NAME",
        )
    lab = Lab(name)
    while True:
        lab.folder.mkdir(parents=True, exist_ok=True)
        with _folder(lab) as folder:
            if folder is None:
                continue  # another command has taken it down
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"lab {name}: waiting for another command to end")
                fcntl.flock(folder, fcntl.LOCK_EX)
            if _is_at(folder, lab):
                yield from _whole(lab)
                return


def tidy() -> list[str]:
    """Removes what killed commands have left of labs that do not run; gives their names."""
    check_root()
    removed = []
    for name in remains():
        lab = Lab(name)
        with _folder(lab) as folder, suppress(BlockingIOError):  # it is just coming up
            if folder is not None:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(folder, lab) and not lab.is_running:
                    lab.down(lambda _: None)
                    removed.append(name)
    return removed


@contextmanager
def _folder(lab: Lab) -> Iterator[int | None]:
    """A lab's folder, open; None where there is none."""
    try:
        folder = os.open(lab.folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _is_at(folder: int, lab: Lab) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), lab.folder.stat())
    except FileNotFoundError:
        return False


def _whole(lab: Lab) -> Iterator[Lab]:
    """The lab; of one that came to nothing, nothing is left."""
    try:
        yield lab
    except BaseException:
        if lab.folder.exists() and not lab.machines():
            lab.down(lambda _: None)
        raise


def check_root() -> None:
    """Raises Failure for who may not run machines."""
    if os.geteuid() != 0:
        raise Failure("only root can run machines", "run the command as root: sudo holo …")
