"""What a scenario is: a fleet, and a script that asks its machines. Knows no scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from holo_infra.model.fleet import Fleet


@dataclass(frozen=True)
class Scenario:
    """A fleet and what must hold of it, for machines of any kind."""

    name: str
    """As the check of the flake is called."""

    fleet: Fleet

    script: Callable[..., None]
    """A function on the machines of all hosts, in the fleet's order. It uses nothing but what test
    scripts of NixOS have as well."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Files below /etc that every host has at boot, for what a fleet names and does not have,
    and for what the script needs to be in the way of a boot."""

    packages: tuple[str, ...] = ()
    """Packages of nixpkgs whose programs the script runs, besides those of every NixOS."""

    also: tuple[str, ...] = ()
    """Other names of the check."""
