"""What there is of a machine or a switch on this computer: tests see to it that nothing is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from vmtests.places.place import Place

# Of the machines of this test: namespaces as the kernel names them, and descriptors which see to it
# that no namespace made meanwhile, by another test, gets the same name.
NAMESPACES: list[str] = []
PINS: list[int] = []
KINDS = ("mnt", "net", "pid", "uts", "ipc", "cgroup")


def forget_namespaces() -> None:
    for pin in PINS:
        os.close(pin)
    PINS.clear()
    NAMESPACES.clear()


def pids_of(place: Place) -> tuple[int, int]:
    """Of the keeper's parent and of the machine's init; a switch has the former only."""
    return place.namespaces.process.pid, place.pid


def remember_namespaces(keeper: int, leader: int) -> None:
    links = [Path(f"/proc/{keeper}/ns/{kind}") for kind in ("mnt", "net")]
    if keeper != leader:
        links += [Path(f"/proc/{leader}/ns/{kind}") for kind in KINDS]
    PINS.extend(os.open(link, os.O_RDONLY) for link in links)
    NAMESPACES.extend(str(link.readlink()) for link in links)
    assert len(set(NAMESPACES)) == len(links)
    assert not set(NAMESPACES) & {str(link.readlink()) for link in Path("/proc/self/ns").iterdir()}


def remember_namespaces_of(pids: Iterable[int]) -> None:
    """All namespaces that these processes live in or have given names, but this computer's own.

    Of those that are gone meanwhile, none.
    """
    ours = {str(link.readlink()) for link in Path("/proc/self/ns").iterdir()}
    for pid in pids:
        links = [Path(f"/proc/{pid}/ns/{kind}") for kind in KINDS]
        with suppress(OSError):
            links += Path(f"/proc/{pid}/root/run/netns").iterdir()
        for link in links:
            with suppress(OSError):  # gone meanwhile
                pin = os.open(link, os.O_RDONLY)
                name = str(Path(f"/proc/self/fd/{pin}").readlink())
                # A name in /run/netns may have lost its namespace.
                if name.startswith("/") or name in ours or name in NAMESPACES:
                    os.close(pin)
                else:
                    PINS.append(pin)
                    NAMESPACES.append(name)


def _held(process: Path) -> list[str]:
    """The namespaces that a process lives in or keeps open; our own pins do not count."""
    links = [*(process / "ns").iterdir()]
    if process.name != str(os.getpid()):
        links += (process / "fd").iterdir()
    found = []
    for link in links:
        with suppress(OSError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def traces(name: str) -> list[str]:
    """What there is of a machine: processes, cgroups, mounts, files."""
    return _named(name) + _nameless()


def _named(name: str) -> list[str]:
    """What bears its name, or is in its namespaces."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "cgroup").read_bytes()
            lives = _held(process)
        except OSError:  # gone meanwhile
            continue
        marks = [f"vmtests-{name}-".encode(), f"--machine={name}\0".encode()]
        if any(mark in told for mark in marks) or set(lives) & set(NAMESPACES):
            found.append(f"{process}: {told!r}")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            found += map(str, Path(line.split()[4]).glob(f"vmtests-{name}-*"))
        if any(namespace in line for namespace in NAMESPACES):
            found.append(line)
    return found


def _nameless() -> list[str]:
    """What some machine has left, nobody can tell which."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line for line in mounts if "vmtests" in line or "/run/tree" in line]
    return found + sorted(nspawn_files() - FILES_BEFORE)


def nspawn_files() -> set[str]:
    """Where nspawn puts temporary files, and we might."""
    folders = [Path("/tmp"), Path("/var/tmp"), Path("/run")]  # noqa: S108
    return {
        str(path)
        for folder in folders
        for name in ("nspawn-*", "vmtests*")
        for path in folder.glob(name)
        if not _is_of_another(path)
    }


def _is_of_another(path: Path) -> bool:
    """Whether it is the disk of a machine of the harness, which is that of another test."""
    return path.name.startswith("vmtests-disk-")


FILES_BEFORE = nspawn_files()


def assert_gone(name: str, within: float = 0.0) -> None:
    """Nothing is there of a machine after so many seconds.

    What has no name may be on its way, and of a machine that another test runs just now.
    """
    _wait(lambda: _named(name), within)
    _wait(_nameless, within + 5)


def _wait(look: Callable[[], list[str]], within: float) -> None:
    deadline = time.monotonic() + within
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == [], "\n".join(left)
