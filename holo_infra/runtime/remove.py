"""Takes off a machine all that `apply` has put there; what containers have stored stays."""

from __future__ import annotations

from holo_infra.runtime.apply import Outcome, apply
from holo_infra.runtime.bundle import Bundle
from holo_infra.runtime.events import Tell, quiet
from holo_infra.runtime.files import remove
from holo_infra.runtime.machine import Machine
from holo_infra.runtime.record import RECORD, read_record


def remove_host(
    machine: Machine, fleet: str, host: str, timeout: float, tell: Tell = quiet
) -> Outcome:
    """Stop a host's units and delete their files. Nothing is done where nothing is.

    Raises Failure where another fleet's host is there.
    """
    record = read_record(machine)
    if not record.files and not record.containers and record.is_settled:
        outcome = Outcome((), (), ())
    else:
        outcome = apply(machine, Bundle(fleet, host, {}, {}), timeout, tell)
    if not outcome.troubles:
        remove(machine, [RECORD])
    return outcome
