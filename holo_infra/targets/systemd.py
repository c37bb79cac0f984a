"""The target `systemd`: plain unit files of each host and of each of its containers.

Units are enabled by links beside them. `systemd/HOST/host/` belongs in `/etc/systemd/system` of the
host, `systemd/HOST/containers/` in its `/etc/holo/containers`.
"""

from __future__ import annotations

from typing import Any

from holo_infra.lower import LoweredFleet, evaluate
from holo_infra.targets import Files, Link
from nixgen.unitfile import render

PRESET = "disable *\n"
"""In a container booted from the host's `/usr`: of what is installed there, nothing starts."""


NO_UNITS: Files = {"README": "This container has no units of its own.\n"}
"""The folder is there all the same: the container mounts it."""


def systemd(fleet: LoweredFleet) -> Files:
    """The unit bundle of every host."""
    folders = {name: _units(evaluate(class_.content)) for name, class_ in fleet.classes.items()}
    files: Files = {}
    for name, host in fleet.hosts.items():
        bundle = f"systemd/{name}"
        config = evaluate(host.options)
        _put(files, f"{bundle}/host", _units(config))
        for path, entry in config.get("environment", {}).get("etc", {}).items():
            files[f"{bundle}/{path.removeprefix('holo/')}"] = entry["text"]
        for container, class_name in host.classes.items():
            folder = f"{bundle}/containers/{container}"
            _put(files, f"{folder}/units", folders[class_name] or NO_UNITS)
            files[f"{folder}/presets/00-holo.preset"] = PRESET
    return files


def _put(files: Files, folder: str, made: Files) -> None:
    for path, content in made.items():
        files[f"{folder}/{path}"] = content


def _units(config: Any) -> Files:
    """Unit files, and the links by which they are enabled: a folder as systemd reads it."""
    files: Files = {}
    made = config.get("systemd", {})
    for kind in ("service", "socket"):
        for name, unit in made.get(f"{kind}s", {}).items():
            file = f"{name}.{kind}"
            files[file] = render(unit)
            for target in unit.get("wantedBy", []):
                files[f"{target}.wants/{file}"] = Link(f"../{file}")
    return files
