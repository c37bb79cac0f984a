"""The target `nixos`: a flake with a configuration a host, and a system a class of containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from holo_infra.lower import Class, LoweredFleet, LoweredHost
from holo_infra.model.options import Holo
from holo_infra.targets import Files
from nixgen import types
from nixgen.nodes import (
    Attrs,
    Call,
    Function,
    Items,
    Lambda,
    Let,
    Literal,
    Node,
    Raw,
    Select,
    Var,
    children,
)
from nixgen.options import set_values, value_node
from nixgen.printer import print_expression
from nixgen.values import print_values
from nixgen.views import node, variable


@dataclass(frozen=True, slots=True)
class FlakeInputs:
    """Where the flake takes its inputs from."""

    nixpkgs: str = "github:NixOS/nixpkgs/nixos-26.05"
    holo_infra: str = "github:holo-host/holo-infra"


PKGS = " pkgs."
"""How a module's use of packages looks; text of a user in it at most adds an argument."""


def nixos(fleet: LoweredFleet, inputs: FlakeInputs) -> Files:
    """The flake and what it imports."""
    files: Files = {"flake.nix": _flake_file(fleet, inputs)}
    for name, host in fleet.hosts.items():
        settings = print_values(_host(name, host))
        needs = [*(["classes"] if host.classes else []), *(["pkgs"] if PKGS in settings else [])]
        head = f"{_comment(fleet, f'host {name}')}{{ {', '.join([*needs, '...'])} }}:\n"
        files[f"hosts/{name}.nix"] = f"{head}{settings}\n"
    for name, class_ in fleet.classes.items():
        files[f"classes/{name}.nix"] = _class_file(fleet, name, class_)
    return files


def _comment(fleet: LoweredFleet, subject: str) -> str:
    return f"# Fleet {fleet.name}: {subject}. Made by `holo compile`; do not edit.\n"


def _machine(host_name: str, system: str, state_version: str) -> dict[str, Any]:
    return {
        "networking": {"hostName": host_name},
        "nixpkgs": {"hostPlatform": system},
        "system": {"stateVersion": state_version},
    }


def _host(name: str, host: LoweredHost) -> dict[str, Any]:
    """The settings of a host's module."""
    holo = _with_packages(Holo, host.settings)
    if host.classes:
        holo["containers"] = {
            container: {
                **{key: of for key, of in settings.items() if key != "files"},
                "system": _system(host.classes[container]),
            }
            for container, settings in holo["containers"].items()
        }
    imports = {"imports": [Raw(f"../{path}") for path in host.model.imports]}
    return {
        **(imports if host.model.imports else {}),
        **_machine(name, host.model.system, host.model.state_version),
        **({"holo": holo} if holo else {}),
    }


def _with_packages(model: type[BaseModel], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of services with the names of packages as what they are in Nix."""
    made = dict(settings)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in made and key != "containers":  # there are many, and none has a package
            match types.of_field(field, name):
                case types.Package() | types.NullOr(types.Package()) as type_:
                    made[key] = value_node(made[key], type_)
                case types.Submodule(inner):
                    made[key] = _with_packages(inner, made[key])
    return made


@lru_cache(maxsize=4096)
def _system(class_name: str) -> Raw:
    return Raw(f"classes.{class_name}")


def _class_file(fleet: LoweredFleet, name: str, class_: Class) -> str:
    """A module with what containers of a class have in common; name and address come at start."""
    machine = _machine("", class_.system, class_.state_version)
    machine["networking"]["useDHCP"] = False  # its address comes with its network namespace
    settings = Attrs(
        (
            ("boot", _set(isContainer=Literal(value=True), isNspawnContainer=Literal(value=True))),
            *((key, node(value)) for key, value in machine.items()),
            ("holo", set_values(class_.content)),
        ),
    )
    arguments = ("pkgs", "...") if _uses(settings, "pkgs.") else ("...",)
    body = print_expression(Function(arguments, settings))
    return f"{_comment(fleet, f'containers {name}')}{body}\n"


def _uses(tree: Node, prefix: str) -> bool:
    below = any(_uses(child, prefix) for child in children(tree))
    return below or (isinstance(tree, Raw) and tree.path.startswith(prefix))


def _call(function: str, *arguments: Node) -> Call:
    return Call(Raw(function), arguments)


def _set(**bindings: Node) -> Attrs:
    return Attrs(tuple(bindings.items()))


def _classes(fleet: LoweredFleet) -> Attrs:
    return Attrs(tuple((name, Raw(f"./classes/{name}.nix")) for name in sorted(fleet.classes)))


def _hosts(fleet: LoweredFleet) -> Attrs:
    return Attrs(tuple((name, _host_module(name, of)) for name, of in sorted(fleet.hosts.items())))


def _host_module(name: str, host: LoweredHost) -> Node:
    """A host's file, with what machines of its provider need."""
    path = Raw(f"./hosts/{name}.nix")
    if host.model.provider == "existing":
        return path
    return _set(imports=Items((Raw(f"holo-infra.nixosModules.{host.model.provider}"), path)))


def _flake_file(fleet: LoweredFleet, inputs: FlakeInputs) -> str:
    return f"{_comment(fleet, 'flake')}{print_expression(_flake(fleet, inputs))}\n"


def _flake(fleet: LoweredFleet, inputs: FlakeInputs) -> Node:
    nixpkgs = _set(url=Literal(inputs.nixpkgs))
    # One nixpkgs for hosts and for the packages that this project builds for them.
    follows = _set(nixpkgs=_set(follows=Literal("nixpkgs")))
    holo_infra = _set(url=Literal(inputs.holo_infra), inputs=follows)
    name, _ = variable("name", types.Unknown())
    path, path_view = variable("path", types.Unknown())
    module, module_view = variable("module", types.Unknown())

    def each(parameter: Var, body: Node, over: Node) -> Node:
        return _call("builtins.mapAttrs", Lambda((name, parameter), body), over)

    imports = Items((Raw("holo-infra.nixosModules.default"), node(path_view)))
    class_system = _call("nixpkgs.lib.nixosSystem", _set(modules=imports))
    host_module = _set(imports=imports, _module=_set(args=_set(classes=Raw("classes"))))
    host_system = _call("nixpkgs.lib.nixosSystem", _set(modules=Items((node(module_view),))))
    toplevel: Node = class_system
    for attribute in ("config", "system", "build", "toplevel"):
        toplevel = Select(toplevel, attribute)
    outputs = Let(
        (
            ("classes", each(path, toplevel, _classes(fleet))),
            ("nixosModules", each(path, host_module, _hosts(fleet))),
        ),
        _set(
            # A host's module, for a flake that adds what makes it bootable.
            nixosModules=Raw("nixosModules"),
            nixosConfigurations=each(module, host_system, Raw("nixosModules")),
        ),
    )
    return _set(
        description=Literal(f"The NixOS hosts of the fleet {fleet.name}"),
        inputs=Attrs((("nixpkgs", nixpkgs), ("holo-infra", holo_infra))),
        outputs=Function(("nixpkgs", "holo-infra", "..."), outputs),
    )
