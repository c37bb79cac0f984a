"""A fleet and its hosts: the tree of a stack reads as the fleet does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from holo_infra.deploy.commands import Way, below, command
from holo_infra.deploy.credentials import Credentials, CredentialsArgs, reread
from holo_infra.deploy.deployments import (
    Deployment,
    NixosDeployment,
    NixosDeploymentArgs,
    UnitDeployment,
    UnitDeploymentArgs,
)
from holo_infra.deploy.places import Place, find

_BOOT = "600"
"""Seconds for a machine's first boot of NixOS."""


@dataclass(frozen=True, slots=True)
class HostArgs:
    """A host: what was compiled for it, and where it is."""

    place: Place
    platform: Literal["nixos", "systemd"]
    content: str
    """The digest of what was compiled for it."""
    drain: Sequence[str] = ()
    """A command that runs on it before it is taken away."""
    credentials: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Absolute path on the host -> the secret."""
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Path of a secret -> the units that start anew when it is another."""
    install: bool = False
    """Whether NixOS is put there first, by nixos-anywhere, which formats the disks."""
    timeout: float = 120.0
    """Seconds that it may take to become ready."""


@dataclass(frozen=True, slots=True)
class FleetArgs:
    """A fleet, and where things are on the computer of whoever deploys."""

    fleet: str
    """Its name."""
    file: str
    """Its file, relative to the stack's folder."""
    out: str
    """The folder that `holo compile` wrote, relative to the stack's folder."""
    hosts: Mapping[str, HostArgs]
    ssh_config: str | None = None
    """For ssh's `-F`, relative to the stack's folder."""


class Host(pulumi.ComponentResource):
    """A machine, the secrets on it, what was deployed to it, and what runs before it goes."""

    url: pulumi.Output[str]
    """How it is reached."""
    content: pulumi.Output[str]
    """The digest of what is there."""

    def __init__(
        self,
        name: str,
        args: HostArgs,
        fleet: FleetArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("holo:index:Host", name, None, opts)
        way, needs = find(f"{name}.machine", args.place, below(self, opts), fleet.ssh_config)
        attempts: list[pulumi.Input[str]] = []
        if args.install:
            needs += [_install(name, fleet, way, below(self, opts, *needs))]
        if args.credentials:
            told = CredentialsArgs(way, args.credentials)
            secrets = Credentials(f"{name}.credentials", told, below(self, opts, *needs))
            needs += [secrets]
            attempts += secrets.attempts
        deployed = _deployment(name, args, fleet, way, below(self, opts, *needs))
        readers = {path: args.readers.get(path, ()) for path in args.credentials}
        if any(readers.values()):
            command(
                f"{name}.reread",
                below(self, opts, deployed),
                run=reread(way, readers),
                then=deployed.check,
                triggers=attempts,
            )
        if args.drain:
            command(
                f"{name}.drain",
                below(self, opts, deployed),
                undo=way.at(*args.drain),
                again=False,
            )
        self.url = pulumi.Output.from_input(way.url)
        self.content = deployed.content
        self.register_outputs({"url": self.url, "content": self.content})


def _deployment(
    name: str, args: HostArgs, fleet: FleetArgs, way: Way, opts: pulumi.ResourceOptions
) -> Deployment:
    if args.platform == "systemd":
        units = UnitDeploymentArgs(
            way, fleet.fleet, fleet.file, name, args.content, timeout=args.timeout
        )
        return UnitDeployment(f"{name}.units", units, opts)
    system = NixosDeploymentArgs(way, fleet.file, fleet.out, name, args.content, args.timeout)
    return NixosDeployment(f"{name}.nixos", system, opts)


def _install(
    name: str, fleet: FleetArgs, way: Way, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """NixOS on a machine without; nothing where it is, so that a disk is formatted once."""
    words = ["holo", "switch", fleet.file, name, "--flake", fleet.out, *way.to, "--install"]
    run = [*words, "--timeout", _BOOT]
    return command(f"{name}.install", opts, run=run, triggers=way.anew)


class Fleet(pulumi.ComponentResource):
    """All hosts of a fleet."""

    hosts: Mapping[str, Host]

    def __init__(
        self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:Fleet", name, None, opts)
        self.hosts = {
            host: Host(host, told, args, below(self, opts))
            for host, told in sorted(args.hosts.items())
        }
        self.register_outputs({"hosts": {host: made.url for host, made in self.hosts.items()}})
