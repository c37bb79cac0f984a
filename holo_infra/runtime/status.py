"""The present state of what was applied: containers, their units, their forwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from holo_infra.runtime.bundle import UNITS, ContainerFacts, own_units, wanted_of
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import Applied, read_record
from holo_infra.runtime.units import UnitState, ask, states
from holo_infra.services.containers import FIREWALL, container_unit

MACHINE = "machine"
"""What the row of a host itself says in place of a unit."""


_LISTENER = re.compile(
    r"(?P<kind>tcp|udp)\s+\w+\s+\d+\s+\d+\s+(?P<address>\S+)\s+\S+\s.*"
    r"cgroup:/system\.slice/(?P<unit>[^/\s]+\.service)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A unit of a host or of a container of it, or a service behind a forward."""

    host: str
    container: str | None
    address: str | None
    """The container's, `127.0.0.1:8000` of a forward, or where a host's unit listens."""
    unit: str
    state: str
    since: int | None
    """Seconds since 1970."""
    restarts: int
    is_good: bool


def status(machine: Machine, host: str) -> list[Row]:
    """What runs on a machine. Services behind forwards are asked whether they answer."""
    record = read_record(machine)
    own = [unit for unit in own_units(record.files, record.containers) if unit != FIREWALL]
    found = states(machine, [*_host_units(record), *own])
    what = "running" if record.is_settled and record.host else "running, not as it should be"
    rows = [Row(host, None, None, MACHINE, what, None, 0, what == "running")]
    if FIREWALL in found:
        rows.append(_firewall(machine, _row(host, None, None, found[FIREWALL])))
    wanted, listeners = wanted_of(record.files, UNITS), _listeners(machine) if own else {}
    for unit in own:
        row = _row(host, None, ", ".join(listeners.get(unit, [])) or None, found[unit])
        is_off = unit not in wanted and row.state == "inactive"  # which nobody starts
        rows.append(replace(row, is_good=row.is_good or is_off))
    up = {name for name in record.containers if found[container_unit(name)].is_up}
    answers = ask(machine, [unit for name in sorted(up) for unit in record.containers[name].probed])
    for name, facts in sorted(record.containers.items()):
        rows.append(_row(host, name, facts.address, found[container_unit(name)]))
        if name in up:
            rows += _inside(machine, host, name, facts)
        rows += _forwards(host, name, facts, found, answers)
    return rows


def off(host: str) -> Row:
    """The row of a host whose machine does not run."""
    return Row(host, None, None, MACHINE, "off", None, 0, is_good=False)


def _firewall(machine: Machine, row: Row) -> Row:
    """The row of the unit that loads the rules, which somebody else may have removed."""
    if machine.run(["nft", "list", "table", "inet", "holo"]).returncode == 0:
        return row
    return replace(row, state="rules are gone", is_good=False)


def _listeners(machine: Machine) -> dict[str, list[str]]:
    """Where units of a machine itself listen, by unit: `127.0.0.1:4222`, `10.0.0.1:53/udp`.

    Its form is that of ss(8) of iproute2 5.9 and later; before it says nothing of control groups.
    """
    command = ["ss", "--no-header", "--listening", "--numeric", "--tcp", "--udp", "--cgroup"]
    found: dict[str, set[str]] = {}
    for line in machine.run(command).stdout.decode(errors="replace").splitlines():
        if match := _LISTENER.match(line):
            kind = "/udp" if match["kind"] == "udp" else ""
            found.setdefault(match["unit"], set()).add(f"{match['address']}{kind}")
    return {unit: sorted(addresses) for unit, addresses in found.items()}


def _host_units(record: Applied) -> list[str]:
    forwards = {unit for facts in record.containers.values() for unit in facts.carriers}
    own = {container_unit(name) for name in record.containers} | forwards
    if f"{UNITS}/{FIREWALL}" in record.files:
        own.add(FIREWALL)
    return sorted(own)


def _inside(machine: Machine, host: str, name: str, facts: ContainerFacts) -> Iterator[Row]:
    try:
        found = states(machine, facts.units, name) if facts.units else {}
    except Failure:  # it went down meanwhile
        return
    yield from (_row(host, name, facts.address, state) for state in found.values())


def _forwards(
    host: str,
    name: str,
    facts: ContainerFacts,
    found: dict[str, UnitState],
    answers: dict[str, bool],
) -> Iterator[Row]:
    for key, forward in sorted(facts.forwards.items()):
        where = f"{forward.bind}:{forward.port}" + ("/udp" if forward.protocol == "udp" else "")
        carrier = found[forward.units[0]] if forward.units else None
        state, good = ("rules", True) if carrier is None else (carrier.word, carrier.is_up)
        if forward.ready is not None:
            answered = answers.get(forward.ready, False)
            state = f"{state}, {'ready' if answered else 'not ready'}"
            good = good and answered
        since = carrier.since if carrier else None
        restarts = carrier.restarts if carrier else 0
        unit = f"forward {key}"
        yield Row(host, name, where, unit, state, since, restarts, good)


def _row(host: str, container: str | None, address: str | None, state: UnitState) -> Row:
    return Row(
        *(host, container, address, state.name, state.word),
        *(state.since, state.restarts, state.is_up),
    )
