"""What a stack's program registers, as the engine would be told it: secrets keep their marks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from google.protobuf import json_format
from pulumi.runtime import mocks, set_all_config, settings
from pulumi.runtime.stack import run_in_stack

from holo_infra.deploy.program import program
from tests.support.command_stand_in import is_marked, plain
from tests.support.holo import holo

NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Registered:
    """A resource."""

    type: str
    name: str
    parent: str
    """The parent's name; empty for the stack."""
    inputs: dict[str, Any]
    dependencies: frozenset[str]
    """By name."""
    deleted_with: str
    """The name of what takes it along."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """What a component has registered."""

    def is_secret(self, key: str) -> bool:
        """Whether it is one, or holds one."""
        return is_marked(self.inputs.get(key))

    def text(self, key: str) -> str:
        """An input, secret or not."""
        value = self.inputs.get(key, "")
        return str(plain(value))

    def plain(self) -> str:
        """All that is not secret."""
        return json.dumps({key: one for key, one in self.inputs.items() if not self.is_secret(key)})


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        made = {
            "hcloud:index/server:Server": {"ipv4Address": "198.51.100.7"},
            "command:local:Command": {"stdout": f"what {args.name} printed"},
        }
        return f"{args.name}-id", {**args.inputs, **made.get(args.typ, {})}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


class _Monitor(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Mocks())
        self.graph: dict[str, Registered] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        if request.type != "pulumi:pulumi:Stack":
            name = request.name
            assert name not in self.graph, f"two resources are called {name}"
            self.graph[name] = Registered(
                request.type,
                name,
                _name(request.parent),
                json_format.MessageToDict(request.object),
                frozenset(map(_name, request.dependencies)),
                _name(request.deletedWith),
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call] # pulumi has none

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        if name := _name(request.urn):
            self.graph[name].outputs.update(json_format.MessageToDict(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call] # the same


def _name(urn: str) -> str:
    return "" if "pulumi:pulumi:Stack" in urn.rpartition("$")[2] else urn.rpartition("::")[2]


def compiled(example: Path, folder: Path) -> Path:
    """A copy of an example's folder, with its fleet compiled."""
    copy = folder / example.name
    shutil.copytree(example, copy, ignore=shutil.ignore_patterns("out"))
    holo("compile", copy / "fleet.yaml", "--out", copy / "out", "--target", "pulumi")
    return copy


def graph(
    folder: Path, file: str, secrets: dict[str, str], others: Mapping[str, str] = NONE
) -> dict[str, Registered]:
    """The resources of a stack by name. `secrets` are settings that the file does not hold.

    `others` take the place of settings in the file.
    """
    told = yaml.safe_load((folder / file).read_text())["config"]
    plain = {key: one if isinstance(one, str) else json.dumps(one) for key, one in told.items()}
    return registered(lambda: program(folder), {**plain, **others, **secrets}, list(secrets))


def registered(
    make: Callable[[], object], config: Mapping[str, str], secrets: list[str]
) -> dict[str, Registered]:
    """The resources that are made with these settings, some of which are secrets."""
    set_all_config({**config}, secrets)
    monitor = _Monitor()
    mocks.set_mocks(_Mocks(), project="project", stack="production", monitor=monitor)
    settings.ROOT.set(None)  # set_mocks makes a stack that is done; here a program makes its own

    def made() -> None:
        make()

    pulumi.runtime.sync_await._sync_await(run_in_stack(made))
    return monitor.graph
