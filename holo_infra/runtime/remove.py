"""Takes off a machine all that `apply` has put there; what containers have stored stays."""

from __future__ import annotations

from holo_infra.runtime.apply import Outcome, apply
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.files import remove
from holo_infra.runtime.lock import PATIENCE
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import RECORD, read_record


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

    Raises Failure where another fleet's host is there.
    """
    record = read_record(machine)
    if not record.files and not record.containers and record.is_settled:
        outcome = Outcome((), (), ())
    else:
        nothing = Bundle(fleet, host, {}, {})
        outcome = apply(machine, nothing, timeout, tell, patience=patience)
    if not outcome.troubles:
        remove(machine, [RECORD])
    return outcome
