"""The present state of what was applied: containers, their units, their forwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from holo_infra.runtime.bundle import UNITS, ContainerFacts
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import Applied, read_record
from holo_infra.runtime.units import UnitState, ask, states
from holo_infra.services.containers import FIREWALL, container_unit

MACHINE = "machine"
"""What the row of a host itself says in place of a unit."""


@dataclass(frozen=True, slots=True)
class Row:
    """A unit of a host or of a container of it, or a service behind a forward."""

    host: str
    container: str | None
    address: str | None
    """The container's, or `127.0.0.1:8000` of a forward."""
    unit: str
    state: str
    since: int | None
    """Seconds since 1970."""
    restarts: int
    is_good: bool


def status(machine: Machine, host: str) -> list[Row]:
    """What runs on a machine. Services behind forwards are asked whether they answer."""
    record = read_record(machine)
    found = states(machine, _host_units(record))
    what = "running" if record.is_settled and record.files else "running, not as it should be"
    rows = [Row(host, None, None, MACHINE, what, None, 0, what == "running")]
    if FIREWALL in found:
        rows.append(_firewall(machine, _row(host, None, None, found[FIREWALL])))
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
