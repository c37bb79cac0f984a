"""Takes off a machine all that `apply` has put there; what containers have stored stays."""

from __future__ import annotations

from holo_infra.runtime.apply import Outcome, apply_locked
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.files import remove
from holo_infra.runtime.lock import PATIENCE, locked
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import RECORD, read_record
from holo_infra.runtime.requirements import check_machine


def remove_host(  # noqa: PLR0913 - what apply takes, and the host by both of its names
    machine: Machine,
    fleet: str,
    host: str,
    timeout: float,
    tell: Tell = quiet,
    *,
    patience: float = PATIENCE,
) -> Outcome:
    """Stop a host's units and delete their files. Nothing is done where nothing is.

    An apply that is under way is waited for, `patience` seconds at most. Raises Failure where it
    goes on, or another fleet's host is there.
    """
    with locked(machine, patience):
        record = read_record(machine)
        outcome = Outcome((), (), ())
        if record.files or record.containers or not record.is_settled:
            nothing = Bundle(fleet, host, {}, {})
            check_machine(machine, nothing)
            outcome = apply_locked(machine, nothing, timeout, tell)
        if not outcome.troubles:
            remove(machine, [RECORD])
        return outcome
