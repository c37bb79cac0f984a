"""Where services keep their state: no two in one folder, and none in what is something else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from holo_infra.check.paths import is_below, normal
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.services import Services

_OURS = "/var/lib/holo"
_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(["/var/lib/private", "/var/lib/systemd"], "systemd"),
    "/var/lib/nixos": "NixOS",
    **dict.fromkeys([f"{_OURS}/state", f"{_OURS}/containers"], "containers"),
    f"{_OURS}/units": "units",
}
"""Folders in which no service may keep anything, and whose they are."""
_FIXED: Mapping[str, str] = {
    key: f"{_OURS}/{key.replace('_', '-')}"
    for key in ("host_agent", "orchestrator", "gateway", "holochain")
}
"""Folders of services that cannot be chosen."""


def state_folders(services: Services) -> dict[FieldPath, str]:
    """The state folders of the services of a place, by what of them has it."""
    present = {key for key, _ in services.present()}
    found: dict[FieldPath, str] = {
        (key,): folder for key, folder in _FIXED.items() if key in present
    }
    server, gateway = services.nats_server, services.gateway
    for key, proxied in (("nats_server", server), ("gateway", gateway)):
        if proxied is not None and proxied.caddy.enable:
            found[key, "caddy"] = f"{_OURS}/holo-{key.replace('_', '-')}-caddy"
    return found | chosen_folders(services)


def chosen_folders(services: Services) -> dict[FieldPath, str]:
    """Those that are said by a field, which has this path."""
    server, agent = services.nats_server, services.host_agent
    found: dict[FieldPath, str] = {}
    if server is not None:
        found["nats_server", "jetstream", "store_dir"] = server.jetstream.store_dir
    if agent is not None and agent.nats.hub.url is not None:
        found["host_agent", "nats", "store_dir"] = agent.nats.store_dir
    return found


def check_folders(
    path: FieldPath, services: Services, kept: Mapping[FieldPath, str]
) -> Iterator[Diagnostic]:
    """Chosen folders that are another's, hold it or are in it; `kept` are those of containers."""
    taken = {(*path, *way): folder for way, folder in state_folders(services).items()}
    told: set[FieldPath] = set()
    for way, folder in chosen_folders(services).items():
        where = (*path, *way)
        if whose := next((_OTHERS[other] for other in _OTHERS if _meet(folder, other)), None):
            yield _told(where, f"{folder} is no folder of its own, but of {whose}")
            continue
        for other, place in {**taken, **kept}.items():
            if other != where and other not in told and _meet(folder, normal(place)):
                told.add(where)
                yield _told(where, f"{folder} is where {dotted(other)} keeps its state")
                break


def _meet(one: str, other: str) -> bool:
    return is_below(one, other) or is_below(other, one)


def _told(path: FieldPath, message: str) -> Diagnostic:
    return Diagnostic("HI234", path, message, "give another folder, or leave it out")
