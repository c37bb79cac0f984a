"""What the rules of allocation share: a host, what the lock file knows of it, where to complain."""

from __future__ import annotations

from collections.abc import Container as Container_
from collections.abc import Mapping
from typing import NamedTuple

from holo_infra.allocate.numbers import ContainerNumbers, HostNumbers
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Fleet, Host, Network

SHARED = "shared"
"""The network that is the host's own."""
PRIVATE = Network()
"""The network `private`, unless the fleet has one of this name."""


class Scope(NamedTuple):
    """A host while it gets its numbers."""

    path: FieldPath
    host: Host
    lock: HostNumbers
    before: Mapping[str, ContainerNumbers]
    """What containers had, by their present names; those that the lock file does not know lack."""
    problems: list[Diagnostic]

    def way(self, *rest: str | int) -> FieldPath:
        """The path of a container's field."""
        return (*self.path, "containers", *rest)

    def tell(self, code: str, rest: tuple[str, ...], message: str, hint: str) -> None:
        """Tells what is wrong with a container's field."""
        self.problems.append(Diagnostic(code, self.way(*rest), message, hint))

    def tell_moved(self, rest: tuple[str, ...], number: str, other: FieldPath, field: str) -> None:
        """Tells that a number which the lock file keeps for an owner is now fixed for another."""
        message = f"{number}, which it had, is now fixed for {dotted(other)}"
        hint = f"choose another number there, or say by {field} which one this has from now on"
        self.tell("HI119", rest, message, hint)


def known_as(
    name: str,
    renamed_from: str | None,
    locked: Container_[str],
    present: Container_[str],
) -> str:
    """The name under which the lock file knows a thing: its own, or the one that it had before.

    A rename counts until its numbers have gone to the new name: then the lock has the old no more.
    It may take the name of another thing that is gone.
    """
    if renamed_from in locked and (name not in locked or renamed_from not in present):
        return str(renamed_from)
    return name


def networks_of(fleet: Fleet) -> Mapping[str, Network]:
    """All networks that a container of the fleet may name, but `shared`."""
    networks = {name: network for name, network in fleet.networks.items() if name != SHARED}
    return {"private": PRIVATE, **networks}


def listener(text: str) -> tuple[str, int, str]:
    """Address, port and protocol of what a `Listener` says."""
    where, _, protocol = text.partition("/")
    address, _, port = where.rpartition(":")
    return address, int(port), protocol or "tcp"
