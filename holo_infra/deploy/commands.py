"""Commands of a stack: what runs on the computer of whoever deploys.

Any other input makes the provider run a command again. So a command holds no path of that computer,
only what is relative to the stack's folder, and finds its programs on PATH.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import local


@dataclass(frozen=True, slots=True)
class Way:
    """How `holo` reaches a machine."""

    url: pulumi.Input[str]
    """`ssh://[user@]host[:port]`."""
    host_key: pulumi.Input[str] | None = None
    """The machine's public key; without it, who deploys must know the machine."""
    ssh_config: str | None = None
    """For ssh's `-F`, relative to the stack's folder."""
    machine: pulumi.CustomResource | None = None
    """What goes with all that is on it, where the stack has made it."""

    @property
    def anew(self) -> list[pulumi.Input[str]]:
        """Triggers of what is done on a machine: another one where it is made anew."""
        return [] if self.machine is None else [self.machine.id]

    @property
    def options(self) -> list[pulumi.Input[str]]:
        """All but the URL, as arguments of `holo`."""
        words: list[pulumi.Input[str]] = []
        if self.ssh_config is not None:
            words += ["--ssh-config", self.ssh_config]
        if self.host_key is not None:
            words += ["--host-key", self.host_key]
        return words

    @property
    def to(self) -> list[pulumi.Input[str]]:
        """All of it, for commands that take `--to`."""
        return ["--to", self.url, *self.options]

    def at(self, *command: pulumi.Input[str]) -> list[pulumi.Input[str]]:
        """What runs a command there, as root."""
        return ["holo", "at", *self.options, self.url, "--", *command]


def below(
    parent: pulumi.Resource,
    opts: pulumi.ResourceOptions | None,
    *after: pulumi.Resource,
    goes_with: pulumi.Resource | None = None,
) -> pulumi.ResourceOptions:
    """Options of a component's child: it waits for `after`, and for what its parent waits for.

    The engine does not hand that down by itself. Nothing is undone of what `goes_with` a machine.
    """
    waits = pulumi.ResourceOptions(depends_on=None if opts is None else opts.depends_on)
    ours = pulumi.ResourceOptions(parent=parent, depends_on=list(after), deleted_with=goes_with)
    return pulumi.ResourceOptions.merge(waits, ours)


def line(words: Sequence[pulumi.Input[str]]) -> pulumi.Output[str]:
    """Words as one line for a shell, each quoted."""
    return pulumi.Output.all(*words).apply(lambda known: shlex.join(str(word) for word in known))


def command(  # noqa: PLR0913 - what a command may have, each by its name
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    run: Sequence[pulumi.Input[str]] | None = None,
    then: Sequence[pulumi.Input[str]] | None = None,
    undo: Sequence[pulumi.Input[str]] | None = None,
    stdin: pulumi.Input[str] | None = None,
    triggers: Sequence[pulumi.Input[str]] | None = None,
    again: bool = True,
) -> local.Command:
    """`run` (and `then`) when it is new, and `again` when anything changes; `undo` when it goes.

    A command that is given `triggers` is updated by another of them, not replaced: an update that
    fails is tried again by the next, and `undo` of the old one does not run after the new one.
    """
    doing = None if run is None else line(run)
    if doing is not None and then is not None:
        doing = pulumi.Output.concat(doing, " && ", line(then))
    return local.Command(
        name,
        opts,
        create=doing,
        update=doing if again else "true",
        delete=None if undo is None else line(undo),
        stdin=stdin,
        triggers=triggers,
        # What was printed before is no input of ours, and environments are seen by others.
        add_previous_output_in_env=False,
    )


def attempted(
    name: str, opts: pulumi.ResourceOptions, way: Way, *triggers: pulumi.Input[str]
) -> pulumi.Output[str]:
    """A number that is another for each try to bring something to a machine: a trigger of it.

    It is left before the try begins. So where that fails, or is killed, and the triggers are the
    earlier ones again, what it has changed is put back.
    """
    run = ["date", "+%s%N"]
    return command(name, opts, run=run, triggers=[*triggers, *way.anew]).stdout
