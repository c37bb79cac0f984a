"""What brings a host to what was compiled for it; the health check and the way back are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from holo_infra.deploy.commands import Way, attempted, below, command

_STOPPING = 120
"""Seconds that stopping units may take, besides the waits for what is started."""


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

    check: Sequence[pulumi.Input[str]]
    """Changes nothing where all is as it should be; else tells, and puts it right."""

    def _deploy(
        self,
        name: str,
        verb: str,
        args: UnitDeploymentArgs | NixosDeploymentArgs,
        opts: pulumi.ResourceOptions,
        more: Sequence[pulumi.Input[str]] = (),
    ) -> None:
        """Run `check`, and `more`, where the content is another or a try did not end well."""
        tried = attempted(f"{name}.attempt", opts, args.way, args.content)
        run = [*self.check, *more]
        done = command(f"{name}.{verb}", opts, run=run, triggers=[args.content, tried])
        # What a command has printed is not known where it has failed.
        told = pulumi.Output.all(args.content, done.stdout)
        self.content = told.apply(lambda known: str(known[0]))
        self.register_outputs({"content": self.content})


class UnitDeployment(Deployment):
    """Units on a machine with systemd, by `holo apply`; taken off by `holo remove`."""

    def __init__(
        self, name: str, args: UnitDeploymentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:UnitDeployment", name, None, opts)
        patience = [*args.way.to, "--patience", _patience(args.timeout)]
        # On its own, so that a host's units are taken off by no change of their deployment.
        removal = command(
            f"{name}.remove",
            below(self, opts, goes_with=args.way.machine),
            undo=["holo", "remove", f"{args.fleet}/{args.host}", *patience],
            again=False,
        )
        apply = ["holo", "apply", args.file, args.host, *patience]
        self.check = [*apply, "--timeout", f"{args.timeout:g}"]
        content = ["--content", args.content]
        self._deploy(name, "apply", args, below(self, opts, removal), content)


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
    timeout: float = 120.0
    """Seconds that the host may take to become ready after the switch."""


class NixosDeployment(Deployment):
    """A NixOS configuration, by `holo switch`."""

    def __init__(
        self, name: str, args: NixosDeploymentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:NixosDeployment", name, None, opts)
        switch = ["holo", "switch", args.file, args.host, "--flake", args.flake, *args.way.to]
        patience = ["--patience", _patience(args.timeout)]
        self.check = [*switch, *patience, "--timeout", f"{args.timeout:g}"]
        self._deploy(name, "switch", args, below(self, opts))


def _patience(timeout: float) -> str:
    """Seconds to wait for others on a machine.

    Of a run whose engine was killed, a command may still be at work, or putting things back.
    """
    return f"{2 * timeout + _STOPPING:g}"
