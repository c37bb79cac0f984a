"""What on a machine is not as compiled: files, units, namespaces, addresses, rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from holo_infra.lower import LoweredHost
from holo_infra.runtime.bundle import UNITS, Bundle
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.files import fetch
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.record import RECORD, read_record
from holo_infra.runtime.rules import RULES, compiled_table, live_table
from holo_infra.runtime.units import UnitState, ask, states, systemctl
from holo_infra.services.containers import LINK, container_unit

Kind = Literal["apply", "file", "unit", "namespace", "address", "rules", "service"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is otherwise than compiled."""

    kind: Kind
    name: str
    expected: str
    found: str


def drift(machine: Machine, bundle: Bundle, host: LoweredHost) -> list[Drift]:
    """All that is otherwise on a machine. Changes nothing there."""
    record = read_record(machine)
    if not record.files:
        raise Failure(f"{machine.name}: nothing was applied here", "run holo apply")
    found = []
    if not record.is_settled:
        found.append(Drift("apply", RECORD, "came to its end", "was cut off: run apply again"))
    found += [*_files(machine, bundle, record.files), *_units(machine, bundle)]
    found += _links(machine, host)
    found += _rules(machine, bundle)
    found += _services(machine, bundle)
    return found


def _files(machine: Machine, bundle: Bundle, recorded: Iterable[str]) -> Iterator[Drift]:
    there = fetch(machine, {*bundle.files, *recorded})
    for path, content in sorted(bundle.files.items()):
        if path not in there:
            yield Drift("file", path, "is there", "missing")
        elif there[path] != content:
            yield Drift("file", path, "as compiled", "changed")
    for path in sorted(there.keys() - bundle.files.keys()):
        yield Drift("file", path, "gone", "is there")


def _units(machine: Machine, bundle: Bundle) -> Iterator[Drift]:
    drop_ins = _drop_ins(machine)
    found = states(machine, bundle.units)
    for state in found.values():
        ways = drop_ins.get(state.name, [])
        yield from _unit("", state, ways, is_wanted=state.name in bundle.wanted)
    for name, facts in bundle.containers.items():
        if found[container_unit(name)].is_up:  # else that is told
            for state in states(machine, bundle.inside(name), name).values():
                yield from _unit(f"{name}/", state, [], is_wanted=state.name in facts.units)
    command = [*systemctl(), "list-units", "--plain", "--no-legend"]
    listed = succeed(machine, [*command, "container@*", "netns-*.service"])
    for line in listed.splitlines():
        name, _, active = line.split()[:3]
        if name not in bundle.units and active not in {"inactive", "failed"}:
            yield Drift("unit", name, "gone", active)


def _unit(
    place: str,
    state: UnitState,
    drop_ins: list[str],
    *,
    is_wanted: bool,
) -> Iterator[Drift]:
    name = f"{place}{state.name}"
    if not state.loaded:
        yield Drift("unit", name, "loaded", "not loaded")
        return
    if is_wanted and not state.is_up:
        yield Drift("unit", name, "active", state.word)
    if state.fragment and state.fragment != f"{UNITS}/{state.name}":
        yield Drift("unit", name, f"from {UNITS}", f"from {state.fragment}")
    if ways := sorted({*state.drop_ins, *drop_ins}):
        yield Drift("unit", name, "no drop-ins", ", ".join(ways))
    if state.is_stale:
        yield Drift("unit", name, "as its file says", "file changed after it was loaded")


def _drop_ins(machine: Machine) -> dict[str, list[str]]:
    """Drop-ins by unit, also those that systemd has not read yet."""
    folders = ["/etc/systemd/system", "/run/systemd/system"]
    command = ["find", *folders, "-mindepth", "2", "-maxdepth", "2", "-path", "*.d/*.conf"]
    found: dict[str, list[str]] = {}
    for path in machine.run(command).stdout.decode(errors="replace").splitlines():
        found.setdefault(path.split("/")[-2].removesuffix(".d"), []).append(path)
    return found


def _links(machine: Machine, host: LoweredHost) -> Iterator[Drift]:
    """Namespaces, and addresses at both ends of each container's link."""
    private = {
        name: container
        for name, container in host.options.containers.items()
        if container.network == "private"
    }
    namespaces = {each["name"] for each in _json(machine, ["ip", "-j", "netns", "list"])}
    for name in sorted(private.keys() - namespaces):
        yield Drift("namespace", name, "is there", "missing")
    outside = _addresses(machine, ["ip", "-j", "address", "show"])
    for name, container in private.items():
        link = f"{LINK}{container.index}"
        yield from _address(
            f"{link} of the host", f"{container.host_address}/30", outside.get(link)
        )
        if name in namespaces:
            inside = _addresses(machine, ["ip", "-j", "-n", name, "address", "show"])
            yield from _address(f"host0 of {name}", f"{container.address}/30", inside.get("host0"))
    links = {f"{LINK}{container.index}" for container in private.values()}
    for link in sorted(outside.keys() - links):
        if link.startswith(LINK) and link.removeprefix(LINK).isdigit():
            yield Drift("address", f"{link} of the host", "gone", ", ".join(outside[link]) or "up")


def _address(link: str, expected: str, found: list[str] | None) -> Iterator[Drift]:
    if found is None:
        yield Drift("address", link, expected, "no such link")
    elif found != [expected]:
        yield Drift("address", link, expected, ", ".join(found) or "none")


def _addresses(machine: Machine, command: list[str]) -> dict[str, list[str]]:
    return {
        link["ifname"]: [
            f"{address['local']}/{address['prefixlen']}"
            for address in link["addr_info"]
            if address["family"] == "inet"
        ]
        for link in _json(machine, command)
    }


def _rules(machine: Machine, bundle: Bundle) -> Iterator[Drift]:
    wanted = bundle.files.get(RULES)
    live = live_table(machine)
    if wanted is None:
        if live is not None:
            yield Drift("rules", "inet holo", "gone", "is there")
        return
    if live is None:
        yield Drift("rules", "inet holo", "is there", "missing")
        return
    compiled = compiled_table(machine, str(wanted))
    for part in sorted(compiled - live):
        yield Drift("rules", _told(part), "is there", "missing")
    for part in sorted(live - compiled):
        yield Drift("rules", _told(part), "gone", "is there")


def _told(part: str) -> str:
    ((kind, said),) = json.loads(part).items()
    where = said.get("chain") or said.get("name", "")
    if kind == "rule":
        return f"a rule of chain {where}: {json.dumps(said['expr'])}"
    elements = f" with {json.dumps(said['elem'])}" if "elem" in said else ""
    return f"{kind} {where}{elements}"


def _services(machine: Machine, bundle: Bundle) -> Iterator[Drift]:
    ready = [unit for facts in bundle.containers.values() for unit in facts.probed]
    for unit, answers in ask(machine, ready).items():
        if not answers:
            yield Drift("service", unit, "answers", "no answer")


def _json(machine: Machine, command: list[str]) -> list[Mapping[str, Any]]:
    text = succeed(machine, command).strip()
    told: list[Mapping[str, Any]] = json.loads(text) if text else []
    return told
