"""A compiled host as a machine with a real systemd: its bundle put where its units expect it."""

from __future__ import annotations

from pathlib import Path

from vmtests import NspawnMachine


def machine(bundle: Path, host: str, binds: dict[str, Path] | None = None) -> NspawnMachine:
    """The machine of one host of a compiled fleet; `binds` are folders that it sees besides."""
    folder = bundle / "systemd" / host
    units = folder / "host"
    return NspawnMachine(
        host,
        files={f"/etc/systemd/system/{p.name}": p.read_text() for p in units.glob("*.service")},
        binds={
            **{f"/etc/holo/{p.name}": p for p in folder.iterdir() if p != units},
            **{f"/etc/systemd/system/{path.name}": path for path in units.glob("*.wants")},
            **(binds or {}),
        },
    )
