"""The target `systemd`: plain unit files of each host and of each of its containers.

Units are enabled by links beside them. `systemd/HOST/host/` belongs in `/etc/systemd/system` of the
host, `systemd/HOST/containers/` in its `/etc/holo/containers`.
"""

from __future__ import annotations

from typing import Any

from holo_infra.lower import LoweredFleet, LoweredHost, evaluate
from holo_infra.targets import Files, Link
from nixgen.unitfile import render

PRESET = "disable *\n"
"""In a container booted from the host's `/usr`: of what is installed there, nothing starts."""


def systemd(fleet: LoweredFleet) -> Files:
    """The unit bundle of every host."""
    contents = {name: evaluate(class_.content) for name, class_ in fleet.classes.items()}
    files: Files = {}
    for name, host in fleet.hosts.items():
        bundle = _host(host, contents)
        files |= {f"systemd/{name}/{path}": content for path, content in bundle.items()}
    return files


def _host(host: LoweredHost, contents: dict[str, Any]) -> Files:
    config = evaluate(host.options)
    files = _units("host", config)
    for path, entry in config.get("environment", {}).get("etc", {}).items():
        files[path.removeprefix("holo/")] = entry["text"]
    for container, class_name in host.classes.items():
        files |= _units(f"containers/{container}/units", contents[class_name])
        files[f"containers/{container}/presets/00-holo.preset"] = PRESET
    return files


def _units(folder: str, config: Any) -> Files:
    """Unit files, and the links by which they are enabled: the folder as systemd reads it."""
    files: Files = {}
    for name, unit in config.get("systemd", {}).get("services", {}).items():
        files[f"{folder}/{name}.service"] = render(unit)
        for target in unit.get("wantedBy", []):
            files[f"{folder}/{target}.wants/{name}.service"] = Link(f"../{name}.service")
    return files
