"""The target `nixos`: a flake with a configuration a host, and a system a class of containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holo_infra.lower import LoweredFleet, LoweredHost
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
from nixgen.options import set_values
from nixgen.printer import print_expression
from nixgen.views import node, variable


@dataclass(frozen=True, slots=True)
class FlakeInputs:
    """Where the flake takes its inputs from."""

    nixpkgs: str = "github:NixOS/nixpkgs/nixos-26.05"
    holo_infra: str = "github:holo-host/holo-infra"


def nixos(fleet: LoweredFleet, inputs: FlakeInputs) -> Files:
    """The flake and what it imports."""
    files: Files = {"flake.nix": _file(fleet, "flake", _flake(fleet, inputs))}
    for name, host in fleet.hosts.items():
        files[f"hosts/{name}.nix"] = _module(fleet, f"host {name}", _host(name, host))
    for name, content in fleet.classes.items():
        host = next(host for host in fleet.hosts.values() if name in host.classes.values())
        files[f"classes/{name}.nix"] = _module(fleet, f"containers {name}", _class(content, host))
    return files


def _file(fleet: LoweredFleet, subject: str, body: Node) -> str:
    comment = f"# Fleet {fleet.name}: {subject}. Made by `holo compile`; do not edit.\n"
    return f"{comment}{print_expression(body)}\n"


def _module(fleet: LoweredFleet, subject: str, settings: Attrs) -> str:
    """A NixOS module that sets options; it asks for the arguments that its values use."""
    arguments = tuple(name for name in ("classes", "pkgs") if _uses(settings, f"{name}."))
    return _file(fleet, subject, Function((*arguments, "..."), settings))


def _uses(node: Node, prefix: str) -> bool:
    below = any(_uses(child, prefix) for child in children(node))
    return below or (isinstance(node, Raw) and node.path.startswith(prefix))


def _call(function: str, *arguments: Node) -> Call:
    return Call(Raw(function), arguments)


def _set(**bindings: Node) -> Attrs:
    return Attrs(tuple(bindings.items()))


def _paths(folder: str, names: Iterable[str]) -> Attrs:
    return Attrs(tuple((name, Raw(f"./{folder}/{name}.nix")) for name in sorted(names)))


def _flake(fleet: LoweredFleet, inputs: FlakeInputs) -> Node:
    urls = (("nixpkgs", inputs.nixpkgs), ("holo-infra", inputs.holo_infra))
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
            ("classes", each(path, toplevel, _paths("classes", fleet.classes))),
            ("nixosModules", each(path, host_module, _paths("hosts", fleet.hosts))),
        ),
        _set(
            # A host's module, for a flake that adds what makes it bootable.
            nixosModules=Raw("nixosModules"),
            nixosConfigurations=each(module, host_system, Raw("nixosModules")),
        ),
    )
    return _set(
        description=Literal(f"The NixOS hosts of the fleet {fleet.name}"),
        inputs=Attrs(tuple((name, _set(url=Literal(url))) for name, url in urls)),
        outputs=Function(("nixpkgs", "holo-infra", "..."), outputs),
    )


def _machine(host: LoweredHost, name: str) -> list[tuple[str | Node, Node]]:
    return [
        ("networking", _set(hostName=Literal(name))),
        ("nixpkgs", _set(hostPlatform=Literal(host.model.system))),
        ("system", _set(stateVersion=Literal(host.model.state_version))),
    ]


def _host(name: str, host: LoweredHost) -> Attrs:
    containers = Attrs(
        tuple(
            (name, set_values(options, {"system": Raw(f"classes.{host.classes[name]}")}))
            for name, options in host.options.containers.items()
        ),
    )
    return Attrs(
        (*_machine(host, name), ("holo", set_values(host.options, {"containers": containers}))),
    )


def _class(content: Holo, host: LoweredHost) -> Attrs:
    return Attrs(
        (
            ("boot", _set(isContainer=Literal(value=True))),
            # Its name and its address are given to it when it starts.
            *_machine(host, ""),
            ("holo", set_values(content)),
        ),
    )
