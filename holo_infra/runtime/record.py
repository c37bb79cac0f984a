"""What a machine remembers of what was applied to it: files with digests, containers, open work."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from holo_infra.runtime.bundle import Bundle, ContainerFacts, digest, from_plain, plain
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.files import fetch, replace
from holo_infra.runtime.machine import Machine

RECORD = "/etc/holo/applied.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Applied:
    """What was put on a machine, by the last `apply` that began there."""

    fleet: str = ""
    host: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """Path -> SHA-256, or `-> target` of a link."""
    containers: dict[str, ContainerFacts] = field(default_factory=dict)
    is_settled: bool = True
    """Whether that apply has come to its end."""
    unsettled: tuple[str, ...] = ()
    """Units that may run by an earlier file of theirs; those of a container as `container/unit`."""


def applied(bundle: Bundle) -> Applied:
    """The record of a bundle."""
    files = {path: digest(content) for path, content in sorted(bundle.files.items())}
    return Applied(bundle.fleet, bundle.host, files, bundle.containers)


def read_record(machine: Machine) -> Applied:
    """The record of a machine, empty where nothing was applied. Raises Failure for another form."""
    text = fetch(machine, [RECORD]).get(RECORD)
    if text is None:
        return Applied()
    try:
        return _from_plain(json.loads(str(text)))
    except (ValueError, KeyError, TypeError, Failure) as error:
        raise Failure(
            f"{machine.name}: {RECORD} cannot be read: {error}",
            "use the version of holo that wrote it, or put it right if it was changed",
        ) from None


def _from_plain(told: Any) -> Applied:  # noqa: ANN401 - JSON
    if told["version"] != _VERSION:
        raise ValueError(f"version {told['version']}")
    files, unsettled = told["files"], tuple(told["unsettled"])
    containers = from_plain(told["containers"])
    return Applied(told["fleet"], told["host"], files, containers, told["settled"], unsettled)


def write_record(machine: Machine, record: Applied) -> None:
    """Put a record on a machine."""
    told = {
        "version": _VERSION,
        "fleet": record.fleet,
        "host": record.host,
        "files": record.files,
        "containers": plain(record.containers),
        "settled": record.is_settled,
        "unsettled": record.unsettled,
    }
    replace(machine, RECORD, json.dumps(told, indent=1) + "\n")
