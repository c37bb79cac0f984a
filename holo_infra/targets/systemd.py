"""The target `systemd`: plain unit files of each host and of each of its containers.

`systemd/HOST/host/` belongs in `/etc/systemd/system`, `systemd/HOST/containers/` in
`/etc/holo/containers` of the host.
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
    contents = {name: evaluate(content) for name, content in fleet.classes.items()}
    files: Files = {}
    for name, host in fleet.hosts.items():
        bundle = _host(host, contents)
        files |= {f"systemd/{name}/{path}": content for path, content in bundle.items()}
    return files


def _host(host: LoweredHost, contents: dict[str, Any]) -> Files:
    config = evaluate(host.options)
    files: Files = {
        f"host/{name}.service": render(unit) for name, unit in _services(config).items()
    }
    for path, entry in config.get("environment", {}).get("etc", {}).items():
        files[path.removeprefix("holo/")] = entry["text"]
    for container, class_name in host.classes.items():
        for name, unit in _services(contents[class_name]).items():
            folder = f"containers/{container}/units"
            files[f"{folder}/{name}.service"] = render(unit)
            for target in unit.get("wantedBy", []):
                link = f"{folder}/{target}.wants/{name}.service"
                files[link] = Link(f"../{name}.service")
        files[f"containers/{container}/presets/00-holo.preset"] = PRESET
    return files


def _services(config: Any) -> dict[str, Any]:
    services: dict[str, Any] = config.get("systemd", {}).get("services", {})
    return services
