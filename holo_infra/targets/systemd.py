"""The target `systemd`: plain unit files of each host and of each of its containers.

Units are enabled by links beside them. `systemd/HOST/host/` belongs in `/etc/systemd/system` of the
host, `systemd/HOST/containers/` in its `/etc/holo/containers`.
"""

from __future__ import annotations

from typing import Any

from holo_infra.lower import LoweredFleet, evaluate, fhs_programs
from holo_infra.targets import Files, Link
from nixgen.evaluator import Programs
from nixgen.unitfile import render

PRESET = "disable *\n"
"""In a container booted from the host's `/usr`: of what is installed there, nothing starts."""


NO_UNITS: Files = {"README": "This container has no units of its own.\n"}
"""The folder is there all the same: the container mounts it."""


def systemd(fleet: LoweredFleet, programs: Programs = fhs_programs) -> Files:
    """The unit bundle of every host. `programs` says where programs are."""
    classes = {
        name: _inside(evaluate(class_.content, programs)) for name, class_ in fleet.classes.items()
    }
    files: Files = {}
    for name, host in fleet.hosts.items():
        bundle = f"systemd/{name}"
        config = evaluate(host.options, programs)
        _put(files, f"{bundle}/host", _units(config))
        _put(files, bundle, _etc(config))
        for container, class_name in host.classes.items():
            folder = f"{bundle}/containers/{container}"
            _put(files, folder, classes[class_name])
            files[f"{folder}/presets/00-holo.preset"] = PRESET
    return files


def _put(files: Files, folder: str, made: Files) -> None:
    for path, content in made.items():
        files[f"{folder}/{path}"] = content


def _inside(config: Any) -> Files:
    """The folders that a container mounts: its units, and the files that its services read."""
    files: Files = {}
    _put(files, "units", _units(config) or NO_UNITS)
    return files | _etc(config)


def _etc(config: Any) -> Files:
    """Files below `/etc/holo`, by their paths there."""
    etc = config.get("environment", {}).get("etc", {})
    return {path.removeprefix("holo/"): entry["text"] for path, entry in etc.items()}


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
