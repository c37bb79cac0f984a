"""Rules over a whole fleet and its numbers: what each part by itself cannot know."""

from __future__ import annotations

from holo_infra.allocate import Allocation
from holo_infra.check.addresses import check_addresses
from holo_infra.check.listeners import check_listeners
from holo_infra.check.references import check_references
from holo_infra.check.services import check_services
from holo_infra.diagnostics import Diagnostic
from holo_infra.model.fleet import Fleet


def check_fleet(fleet: Fleet, allocation: Allocation, *, whole: bool = True) -> list[Diagnostic]:
    """All that is wrong or doubtful in a fleet, as far as its allocation has not told it.

    In a fleet that is not `whole`, faulty parts were left out: what refers to them is not told.
    """
    return [
        *check_addresses(fleet, allocation),
        *check_listeners(fleet, allocation),
        *check_references(fleet, allocation, whole=whole),
        *check_services(fleet),
    ]
