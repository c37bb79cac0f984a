"""Puts a host's bundle on a machine: what changed is started anew, what is gone is stopped.

A machine's state goes from one bundle to another by `_go`; a roll-back is the same in the other
direction. The record on the machine says from the first change to the last which units are not yet
settled, so that a run that was cut off is taken up by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holo_infra.runtime.bundle import Bundle, nothing_of
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.files import fetch, put, remove
from holo_infra.runtime.lock import PATIENCE, locked
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.moves import Move, between, by_container, names, of_host
from holo_infra.runtime.readiness import Lacking, Waiting
from holo_infra.runtime.record import RECORD, Applied, applied, read_record, write_record
from holo_infra.runtime.requirements import check_machine
from holo_infra.runtime.rules import RULES, compiled_table, live_table, remove_table
from holo_infra.runtime.trouble import Trouble, troubles
from holo_infra.runtime.units import UnitState, forget_failures, order, states, systemctl
from holo_infra.services.containers import FIREWALL, container_unit
from holo_infra.targets import Files

RELOADS = "X-ReloadIfChanged=true"
_STOP = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an apply ended."""

    restarted: tuple[str, ...]
    """Units that were there and were started anew; those of a container as `container/unit`."""
    started: tuple[str, ...]
    """Units that are new."""
    stopped: tuple[str, ...]
    """Units that are gone."""
    troubles: tuple[Trouble, ...] = ()
    """What is not ready, with its last log lines and a hint; nothing after a success."""
    rolled_back: bool = False
    """Whether the earlier state is in place again."""
    not_restored: tuple[Lacking, ...] = ()
    """What of the earlier state has not come up again after the roll-back."""


def apply(  # noqa: PLR0913 - the last two by name
    machine: Machine,
    bundle: Bundle,
    timeout: float,
    tell: Tell = quiet,
    *,
    keep_failed: bool = False,
    patience: float = PATIENCE,
) -> Outcome:
    """Put a bundle on a machine and wait until it is ready, at most `timeout` seconds.

    Another apply that is under way is waited for, `patience` seconds at most. What is not ready
    after `timeout` is told, and the machine has its earlier state again, unless `keep_failed`.
    Raises Failure where nothing was changed: the machine cannot be reached or lacks something,
    another fleet's host is there, files of others are in the way, another apply runs.
    """
    check_machine(machine, bundle)
    with locked(machine, patience):
        return apply_locked(machine, bundle, timeout, tell, keep_failed=keep_failed)


def apply_locked(
    machine: Machine, bundle: Bundle, timeout: float, tell: Tell, *, keep_failed: bool = False
) -> Outcome:
    """The same for who holds the machine's lock, and has checked that it has what is needed."""
    record = read_record(machine)
    _check_identity(machine, bundle, record)
    found = fetch(machine, {*record.files, *bundle.files})
    _check_way(machine, bundle, record, found)
    # What was changed by hand differs from what was applied, and is put right as well.
    present = replace(nothing_of(bundle), files=found, containers=record.containers)
    move = between(present, bundle, record.unsettled)
    restarted = tuple(sorted({*move.restarted, *_amended_rules(machine, present, bundle)}))
    reloads = move.reloads or not record.is_settled
    move = replace(move, restarted=restarted, reloads=reloads)
    outcome = Outcome(move.restarted, move.started, move.stopped)
    lacking: list[Lacking] = []
    try:
        _go(machine, present, bundle, move)
        lacking = _wait(machine, bundle, timeout, tell)
        if lacking:
            outcome = replace(outcome, troubles=troubles(machine, lacking, bundle))
    except (Failure, KeyboardInterrupt) as failure:
        if keep_failed:
            raise
        try:
            _roll_back(machine, bundle, present, timeout, tell)
        except Failure as second:
            first = failure.message if isinstance(failure, Failure) else "interrupted"
            hint = "the machine is left between two states: run apply again"
            raise Failure(f"{first}\nrolling back: {second.message}", hint) from None
        if isinstance(failure, Failure):
            news = f"{failure.message}\nrolled back: the earlier state is in place again"
            raise Failure(news, failure.hint) from None
        raise
    if not lacking:
        if move.reloads or record != applied(bundle):
            write_record(machine, applied(bundle))
        return outcome
    if keep_failed:
        write_record(machine, applied(bundle))
        return outcome
    left = _roll_back(machine, bundle, present, timeout, tell)
    return replace(outcome, rolled_back=True, not_restored=tuple(left))


def _amended_rules(machine: Machine, present: Bundle, bundle: Bundle) -> list[str]:
    """The firewall's unit, where the rules that hold are not those that it has loaded."""
    rules = bundle.files.get(RULES)
    if rules is None or present.files.get(RULES) != rules:
        return []  # they are loaded anyway
    return [FIREWALL] if live_table(machine) != compiled_table(machine, str(rules)) else []


def _check_identity(machine: Machine, bundle: Bundle, record: Applied) -> None:
    was, now = f"{record.fleet}/{record.host}", f"{bundle.fleet}/{bundle.host}"
    if record.files and was != now:
        raise Failure(
            f"{machine.name}: this is {was}, not {now}",
            f"give the address of {now}; or if it was renamed, remove {RECORD} there, and"
            " what apply then says is in the way",
        )


def _check_way(machine: Machine, bundle: Bundle, record: Applied, found: Files) -> None:
    """Raises Failure where a file is not ours and not as it would be."""
    ways = [
        path
        for path, content in found.items()
        if path not in record.files and path in bundle.files and content != bundle.files[path]
    ]
    if ways:
        named = ", ".join(sorted(ways)[:3]) + (f" and {len(ways) - 3} more" if ways[3:] else "")
        raise Failure(
            f"{machine.name}: in the way, and not put there by holo: {named}",
            "move it away, or name the container or unit otherwise",
        )


def _go(machine: Machine, old: Bundle, new: Bundle, move: Move) -> None:
    """Goes from one bundle to the other, and leaves systemd at work."""
    if move.reloads:
        files = {**applied(old).files, **applied(new).files}
        containers = {**old.containers, **new.containers}
        record = Applied(new.fleet, new.host, files, containers)
        write_record(machine, replace(record, is_settled=False, unsettled=move.restarted))
    _stop(machine, of_host(move.stopped))
    if RULES in move.removed:
        remove_table(machine)
    put(machine, move.written)
    remove(machine, move.removed)
    if move.reloads:
        succeed(machine, [*systemctl(), "daemon-reload"])
    reloading = [n for n in of_host(move.restarted) if RELOADS in new.units[n]]
    anew = [n for n in of_host(move.restarted) if n not in reloading]
    order(machine, "reload-or-restart", reloading, timeout=_STOP)
    # Restarts only what runs: what waits for a question goes on waiting.
    order(machine, "try-restart", anew)
    forget_failures(machine, new.wanted)
    order(machine, "start", new.wanted)
    failures = []
    for name, units in by_container((*move.restarted, *move.started, *move.stopped)).items():
        if name in new.containers:
            try:
                _go_inside(machine, name, new, units, move)
            except Failure as failure:
                if _container(machine, name).is_up:  # else it starts with its new units
                    failures.append(failure.message)
    if failures:
        raise Failure("\n".join(failures))


def _container(machine: Machine, name: str) -> UnitState:
    unit = container_unit(name)
    return states(machine, [unit])[unit]


def _go_inside(machine: Machine, name: str, new: Bundle, units: Sequence[str], move: Move) -> None:
    """Starts anew what changed in a container that goes on running."""
    state = _container(machine, name)
    if state.active == "activating":
        # It may have read the earlier files, and wait for what never is.
        order(machine, "restart", [state.name])
    if not state.is_up:
        return  # it starts with its new units
    wanted = new.containers[name].units
    _stop(machine, [unit for unit in units if f"{name}/{unit}" in move.stopped], name)
    succeed(machine, [*systemctl(name), "daemon-reload"])
    anew = [unit for unit in units if f"{name}/{unit}" in move.restarted]
    order(machine, "try-restart", anew, name)
    forget_failures(machine, wanted, name)
    order(machine, "start", wanted, name)


def _stop(machine: Machine, units: Sequence[str], container: str | None = None) -> None:
    """Stops units, as far as systemd knows them: it may never have read the file of one."""
    known = states(machine, units, container)
    order(machine, "stop", [n for n, s in known.items() if s.loaded], container, _STOP)
    forget_failures(machine, units, container)


def _wait(machine: Machine, bundle: Bundle, timeout: float, tell: Tell) -> list[Lacking]:
    waiting = Waiting(machine, bundle.host, bundle.wanted, bundle.containers, tell)
    stopped: dict[str, list[str]] = {}
    for one in waiting.look():
        if one.container is not None and one.state in {"inactive", "failed"}:
            stopped.setdefault(one.container, []).append(one.unit)
    for container, units in stopped.items():  # by hand, in a container that runs
        forget_failures(machine, units, container)
        order(machine, "start", units, container)
    return waiting.until_ready(timeout)


def _roll_back(
    machine: Machine, failed: Bundle, earlier: Bundle, timeout: float, tell: Tell
) -> list[Lacking]:
    """Puts the earlier state in place; what of it is not up again after `timeout` seconds."""
    found = fetch(machine, {*failed.files, *earlier.files})
    present = replace(failed, files=found)
    move = between(present, earlier, ())
    # All that the failed one has touched: it may run by files that are there no more.
    again = {*move.restarted, *between(earlier, failed, ()).restarted}
    _go(machine, present, earlier, replace(move, restarted=tuple(sorted(again & names(earlier)))))
    left = _wait(machine, earlier, timeout, tell)
    if earlier.files:
        write_record(machine, applied(earlier))
    else:
        remove(machine, [RECORD])
    return left
