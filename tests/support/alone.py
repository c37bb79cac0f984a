"""One service's module by itself: in Nix, in Python, and as units that systemd is shown."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from nixgen import Module, Options, evaluate_modules, types
from nixgen.options import set_values
from nixgen.printer import print_expression
from nixgen.unitfile import parse, render
from tests.support.modules import Meaning
from tests.support.nix import Nix
from tests.support.values import ZEROS, data, of_model

O = TypeVar("O", bound=Options)  # noqa: E741 - a service's options
SYSTEM_UNITS = Path("/usr/lib/systemd/system")


def folder(module: Module, path: Path) -> Path:
    """The module as a folder of modules that has no other."""
    path.mkdir()
    (path / f"{module.name}.nix").write_text(module.nix("a test"))
    (path / "default.nix").write_text(f"{{ imports = [ ./{module.name}.nix ]; }}\n")
    return path


def printed(module: Module, options: Options) -> str:
    """The options as a NixOS module."""
    values = print_expression(set_values(options))
    return f"({{ pkgs, ... }}: {{ {module.path} = {values}; }})"


def configured(module: Module, options: Options, programs: str = ZEROS) -> Any:
    """The configuration that the module gives in Python; `programs` begins a program's path."""

    def find(package: str, name: str) -> str:
        return f"{programs}{package}/bin/{name}" if programs == ZEROS else f"{programs}{name}"

    return evaluate_modules([module], options, find, module.path)


def configuration(rng: random.Random, model: type[O]) -> O:
    """Random options of a service; most are of one that runs."""
    made = of_model(rng, model)
    changed: dict[str, Any] = {"enable": rng.random() < 0.9}
    if "conductor_config_overrides" in model.model_fields and rng.random() < 0.3:
        # Names that the configuration has itself, and data below them.
        names = rng.sample(["network", "keystore", "dpki", "type", "signal_url", "a"], k=3)
        changed["conductor_config_overrides"] = {
            name: rng.choice([data(rng), {inner: data(rng) for inner in names}]) for name in names
        }
    return made.model_copy(update=changed)


def in_python(module: Module, options: Options) -> Meaning:
    """What the module makes of the options in Python."""
    config = configured(module, options)
    etc = config.get("environment", {}).get("etc", {})
    firewall = config.get("networking", {}).get("firewall", {})
    return {
        "units": {
            f"{name}.service": parse(render(unit))
            for name, unit in config["systemd"].get("services", {}).items()
        },
        "etc": {name: entry["text"] for name, entry in etc.items()},
        "tcp": sorted(set(firewall.get("allowedTCPPorts", []))),
        "udp": sorted(set(firewall.get("allowedUDPPorts", []))),
    }


def units(module: Module, options: Options, path: Path) -> list[Path]:
    """The units of a machine without Nix, written into a folder."""
    path.mkdir()
    made = configured(module, options, "/usr/bin/")["systemd"].get("services", {})
    for name, unit in made.items():
        (path / f"{name}.service").write_text(render(unit))
    return sorted(path.iterdir())


def verified(files: Sequence[Path], root: Path) -> str:
    """What systemd-analyze says of units, over a root with stubs of their programs."""
    system = root / "usr/lib/systemd/system"
    system.mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    for target in SYSTEM_UNITS.glob("*.target"):
        shutil.copy(target, system)
    for file in files:
        shutil.copy(file, root / "etc/systemd/system")
        for program in re.findall(r'"(/usr/bin/[^"]+)"', file.read_text()):
            stub = root / program.lstrip("/")
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text("#!/bin/sh\n")
            stub.chmod(0o755)
    names = [file.name for file in files]
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", "--man=no", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}" + (f"status {done.returncode}" if done.returncode else "")


def exposure(unit: Path) -> float:
    """The score of `systemd-analyze security`: 0 is none, 10 is all."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


def options_in_nix(nix: Nix, nixpkgs: Path, modules: Path, path: str) -> dict[str, Any]:
    """Each option below a path: its type's name, and its default; of a package, its name."""
    made: dict[str, Any] = nix.eval_json(f"""
      let
        inherit ((import {nixpkgs}/flake.nix).outputs {{ self = null; }}) lib legacyPackages;
        pkgs = legacyPackages.x86_64-linux;
        tree = lib.evalModules {{
          modules = [ {modules} {{
            config._module = {{ check = false; args = {{ inherit pkgs; utils = {{ }}; }}; }};
          }} ];
        }};
        plain = value: if lib.isAttrs value && value ? outPath then value.name else value;
      in
      lib.mapAttrs (_: option: {{
        type = option.type.name;
        default = plain option.default;
      }}) tree.options.{path}
    """)
    return made


def options_of(model: type[Options]) -> dict[str, Any]:
    """The same of a model."""
    defaults = model().model_dump(by_alias=True)
    return {
        field.alias or name: {
            "type": _type_name(types.of_field(field, name)),
            "default": defaults[field.alias or name],
        }
        for name, field in model.model_fields.items()
    }


def _type_name(of: types.Type) -> str:  # noqa: PLR0911 - a table
    match of:
        case types.Bool():
            return "bool"
        case types.Int():
            return "intBetween"
        case types.Str(pattern):
            return f"strMatching {_quoted(pattern.text)}" if pattern else "str"
        case types.Enum():
            return "enum"
        case types.Package():
            return "package"
        case types.NullOr():
            return "nullOr"
        case types.ListOf():
            return "listOf"
        case types.AttrsOf():
            return "attrsOf"
        case _:
            raise TypeError(of)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + escaped.replace("\t", "\\t") + '"'
