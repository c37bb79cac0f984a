"""Runs a stack on Pulumi's engine, through its Automation API. Knows no machine."""

from __future__ import annotations

import os
import re
import socket
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pulumi import automation
from pulumi.automation.events import DiagnosticEvent, EngineEvent, OpType, StepEventMetadata
from yaml import YAMLError

from holo_infra.deploy.program import program
from holo_infra.runtime.failure import Failure

Operation = Literal["preview", "up", "refresh", "destroy"]
Tell = Callable[[str, str, str], None]
"""Told of each step: the host or the fleet, the part of it, what is done."""

_WORDS: Mapping[OpType, tuple[str, str]] = {
    OpType.CREATE: ("creating", "created"),
    OpType.UPDATE: ("updating", "updated"),
    OpType.DELETE: ("deleting", "deleted"),
    OpType.CREATE_REPLACEMENT: ("creating anew", "created anew"),
    OpType.DELETE_REPLACED: ("deleting the old one", "deleted, of old"),
    OpType.REPLACE: ("replacing", "replaced"),
    OpType.REFRESH: ("refreshing", "refreshed"),
}
"""What is done to a resource: while it is, and then."""


_STACK = "pulumi:pulumi:Stack"
"""The resource that is the stack itself."""
_OF_ENGINE = (_STACK, "pulumi:providers:")
"""How the types of resources begin of which nobody is told."""


_HOLDER = re.compile(
    r"(?P<lock>file://\S+): created by .*@(?P<host>\S+) \(pid (?P<pid>[0-9]+)\) at "
)
"""A stack's lock that is a file, and who holds it, as the engine says it."""


_DIGEST = re.compile("[0-9a-f]{64}")
"""What is not known yet stands in the state as something else."""


_AGAIN = ("an unhandled error occurred", "update failed", "preview failed")
"""How messages of the stack begin that tell what was told."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an operation runs."""

    parallel: int | None = None
    """How many steps at once at most."""
    hosts: Sequence[str] = ()
    """Only these; all, if none is named."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A host in a stack's state."""

    url: str
    content: str
    """The digest of what was deployed."""


class Stack:
    """A stack: the settings `Pulumi.NAME.yaml` beside a `Pulumi.yaml`."""

    def __init__(self, folder: Path, name: str, *, make: bool = False) -> None:
        """`make`: whether a stack that is not there is made.

        Raises Failure where there is no project, no engine, or no stack.
        """
        if not (folder / "Pulumi.yaml").is_file():
            raise Failure(f"{folder}: no Pulumi.yaml", "give the stack's folder with --project")
        # The commands of a stack call `holo`; beside it stands what else was installed with it.
        path = f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', '')}"
        variables = {"PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        options = automation.LocalWorkspaceOptions(work_dir=str(folder), env_vars=variables)
        get = automation.create_or_select_stack if make else automation.select_stack
        with _told():
            try:
                project = automation.LocalWorkspace(**vars(options)).project_settings().name
                self._stack = get(name, project, program=partial(program, folder), opts=options)
            except FileNotFoundError:
                raise Failure("pulumi is not installed", "see pulumi.com/docs/install") from None
            except automation.StackNotFoundError:
                raise Failure(
                    f"{folder}: no stack {name}", f"holo deploy up {name} makes it"
                ) from None
        self.name = name

    def run(self, operation: Operation, options: Options, tell: Tell) -> dict[str, int]:
        """Runs it; how many resources were `created`, `updated` and so on, or are to be.

        The lock that a killed run of this computer's has left is taken away, where it is a file.
        Raises Failure with what the engine says was wrong.
        """
        try:
            return self._run(operation, options, tell)
        except _Locked as locked:
            if not locked.left:
                raise
            # One by one: another run may be taking them away, too, and have its own by now.
            for lock in locked.left:
                try:
                    lock.unlink(missing_ok=True)
                except OSError as error:
                    raise Failure(f"{lock}: {error.strerror}", locked.hint) from None
        return self._run(operation, options, tell)

    def _run(self, operation: Operation, options: Options, tell: Tell) -> dict[str, int]:
        events = _Events(tell, is_preview=operation == "preview")
        targets = _targets(operation, options.hosts)
        try:
            match operation:
                case "preview":
                    with without_checkpoints(self._stack.workspace):
                        self._stack.preview(
                            parallel=options.parallel,
                            target=targets,
                            on_event=events.hear,
                            color="never",
                        )
                case "up":
                    self._stack.up(
                        parallel=options.parallel,
                        continue_on_error=True,
                        target=targets,
                        on_event=events.hear,
                        color="never",
                        show_secrets=False,
                    )
                case "refresh":
                    self._stack.refresh(
                        parallel=options.parallel,
                        target=targets,
                        on_event=events.hear,
                        color="never",
                        show_secrets=False,
                        clear_pending_creates=True,
                    )
                case "destroy":
                    self._stack.destroy(
                        parallel=options.parallel,
                        continue_on_error=True,
                        target=targets,
                        target_dependents=bool(targets) or None,
                        on_event=events.hear,
                        color="never",
                        show_secrets=False,
                        run_program=False,
                    )
        except automation.ConcurrentUpdateError as error:
            raise _Locked(self.name, str(error)) from None
        except automation.CommandError as error:
            raise Failure("\n".join(dict.fromkeys(events.errors)) or _reason(str(error))) from None
        return dict(events.steps)

    def settings(self) -> dict[str, str]:
        """The stack's settings that are no secrets: name without `holo:` -> text, or JSON.

        Raises Failure where one is lacking that every stack has.
        """
        with _told():
            config = self._stack.get_all_config()
        told = {
            name.removeprefix("holo:"): one.value
            for name, one in config.items()
            if name.startswith("holo:") and not one.secret
        }
        if lacking := [name for name in ("fleet", "out", "hosts") if name not in told]:
            raise Failure(f"Pulumi.{self.name}.yaml: holo:{lacking[0]} is not set")
        return told

    def deployed(self) -> dict[str, Deployed]:
        """The hosts that are there as they were to be; not those that lately failed."""
        return {
            name: Deployed(outputs["url"], outputs["content"])
            for name, outputs in self._hosts().items()
            if _DIGEST.fullmatch(outputs.get("content", ""))
        }

    def hosts(self) -> set[str]:
        """The hosts of which anything is there."""
        return {*self._hosts()}

    def _hosts(self) -> dict[str, dict[str, str]]:
        """What the state holds of each host."""
        with _told():
            state = self._stack.export_stack().deployment or {}
        found = [one for one in state.get("resources", []) if one["type"] == "holo:index:Host"]
        return {_names(one["urn"])[0]: one.get("outputs", {}) for one in found}

    def cancel(self) -> None:
        """Ends a run that is under way, or takes away the lock of one that was killed."""
        with _told():
            self._stack.cancel()


def _targets(operation: Operation, hosts: Sequence[str]) -> list[str] | None:
    """Patterns of all resources of hosts, and of the fleet that they are part of.

    With the fleet, all that is part of it would be destroyed.
    """
    if not hosts:
        return None
    names = [pattern for host in hosts for pattern in (f"**::{host}", f"**::{host}.**")]
    return names if operation == "destroy" else ["**::holo:index:Fleet::*", *names]


@contextmanager
def without_checkpoints(workspace: automation.Workspace) -> Iterator[None]:
    """The engine puts the whole state together once, not at each step: for what keeps none."""
    before = workspace.env_vars
    workspace.env_vars = {**before, "PULUMI_SKIP_CHECKPOINTS": "true"}
    try:
        yield
    finally:
        workspace.env_vars = before


@contextmanager
def _told() -> Iterator[None]:
    """What the command line and its files say is wrong becomes a Failure."""
    try:
        yield
    except automation.CommandError as error:
        raise Failure(_reason(str(error))) from None
    except automation.InvalidVersionError as error:
        raise Failure(str(error), "see pulumi.com/docs/install") from None
    except YAMLError as error:
        raise Failure(f"Pulumi's settings: {error}") from None


class _Locked(Failure):
    """A stack's lock is held; `told` is what the engine says of it."""

    def __init__(self, stack: str, told: str) -> None:
        super().__init__(
            f"stack {stack}: another run is under way, or was killed",
            f"when none is: holo deploy cancel {stack}",
        )
        holders = _HOLDER.findall(told)
        here = socket.gethostname()
        is_left = all(host == here and not _is_pulumi(pid) for _, host, pid in holders)
        self.left = [Path(unquote(urlsplit(lock).path)) for lock, _, _ in holders if is_left]
        """Its files, where all that hold it were processes of this computer, and are gone."""


def _is_pulumi(pid: str) -> bool:
    try:
        return Path("/proc", pid, "comm").read_text().strip() == "pulumi"
    except OSError:
        return False


class _Events:
    """What the engine tells while it runs."""

    def __init__(self, tell: Tell, *, is_preview: bool) -> None:
        self.errors: list[str] = []
        self.steps: Counter[str] = Counter()
        self._tell = tell
        self._is_preview = is_preview

    def hear(self, one: EngineEvent) -> None:
        """One event, in the order of their coming."""
        if one.resource_pre_event is not None:
            self._step(one.resource_pre_event.metadata, is_begun=True)
        elif one.res_outputs_event is not None:
            self._step(one.res_outputs_event.metadata, is_begun=False)
        elif one.res_op_failed_event is not None:
            self._tell(*_names(one.res_op_failed_event.metadata.urn), "failed")
        elif one.diagnostic_event is not None and one.diagnostic_event.severity == "error":
            self._error(one.diagnostic_event)

    def _step(self, step: StepEventMetadata, *, is_begun: bool) -> None:
        if step.op not in _WORDS or step.type.startswith(_OF_ENGINE):
            return
        doing, done = _WORDS[step.op]
        if is_begun == self._is_preview:
            self.steps[done] += 1
            self._tell(*_names(step.urn), f"to be {done}" if is_begun else done)
        elif is_begun and not step.type.startswith("holo:"):
            self._tell(*_names(step.urn), doing)

    def _error(self, one: DiagnosticEvent) -> None:
        message = one.message.strip()
        if not message.startswith(_AGAIN):
            urn = one.urn or ""
            of_host = urn and _STACK not in urn.rpartition("$")[2]
            self.errors.append(f"{_names(urn)[0]}: {message}" if of_host else message)


def _names(urn: str) -> tuple[str, str]:
    """The host and the part of it that a resource belongs to; its name says so."""
    host, _, part = urn.rpartition("::")[2].partition(".")
    return host, part


def _reason(told: str) -> str:
    """What an error of the engine's says, without what it was called with."""
    lines = [line for line in told.splitlines() if "error:" in line]
    return "\n".join(lines) or told
