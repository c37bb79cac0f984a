"""What brings a host to what was compiled for it; the health check and the way back are its own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from holo_infra.deploy.commands import Way, below, command


@dataclass(frozen=True, slots=True)
class UnitDeploymentArgs:
    """A host of platform `systemd`."""

    way: Way
    fleet: str
    """The fleet's name."""
    file: str
    """The fleet's file, relative to the stack's folder."""
    host: str
    content: pulumi.Input[str]
    """The digest of the host's compiled unit bundle: another one is deployed."""
    timeout: float = 120.0
    """Seconds that the host may take to become ready."""


class Deployment(pulumi.ComponentResource):
    """A host with what was compiled for it."""

    content: pulumi.Output[str]
    """The digest of what is there."""


class UnitDeployment(Deployment):
    """Units on a machine with systemd, by `holo apply`; taken off by `holo remove`."""

    def __init__(
        self, name: str, args: UnitDeploymentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:UnitDeployment", name, None, opts)
        # Of a run whose engine was killed, a command may still be at work, or putting things back.
        patience = [*args.way.to, "--patience", f"{2 * args.timeout:g}"]
        # On its own, so that a host's units are taken off by no change of their deployment.
        removal = command(
            f"{name}.remove",
            below(self, opts),
            undo=["holo", "remove", f"{args.fleet}/{args.host}", *patience],
            again=False,
        )
        apply = ["holo", "apply", args.file, args.host, *patience]
        timeout = ["--timeout", f"{args.timeout:g}"]
        done = command(
            f"{name}.apply",
            below(self, opts, removal),
            run=[*apply, *timeout, "--content", args.content],
            triggers=[args.content],
        )
        self.content = pulumi.Output.all(args.content, done.id).apply(lambda known: str(known[0]))
        self.register_outputs({"content": self.content})


@dataclass(frozen=True, slots=True)
class NixosDeploymentArgs:
    """A host of platform `nixos`."""

    way: Way
    file: str
    """The fleet's file, relative to the stack's folder."""
    flake: str
    """The folder that `holo compile` wrote, relative to the stack's folder."""
    host: str
    content: pulumi.Input[str]
    """The digest of what was compiled for the host: another one is deployed."""
    install: bool = False
    """Whether the machine has no NixOS yet: nixos-anywhere puts it there, and formats its disks."""
    timeout: float = 600.0
    """Seconds that the host may take to become ready after the switch."""


class NixosDeployment(Deployment):
    """A NixOS configuration, by nixos-anywhere and then by `holo switch`."""

    def __init__(
        self, name: str, args: NixosDeploymentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:NixosDeployment", name, None, opts)
        before: list[pulumi.Resource] = []
        switch = ["holo", "switch", args.file, args.host, "--flake", args.flake, *args.way.to]
        if args.install:
            before = [
                command(
                    f"{name}.install",
                    below(self, opts),
                    run=[*switch, "--install"],
                    again=False,  # whatever changes: a disk is formatted once
                )
            ]
        done = command(
            f"{name}.switch",
            below(self, opts, *before),
            run=[*switch, "--timeout", f"{args.timeout:g}"],
            triggers=[args.content],
        )
        self.content = pulumi.Output.all(args.content, done.id).apply(lambda known: str(known[0]))
        self.register_outputs({"content": self.content})
