"""The Nix language in Python: literals, printing and evaluation, against the real evaluator."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holo_infra.model.options import Holo
from nixgen import RefusedValueError, nodes, primitives, types
from nixgen.evaluator import evaluate
from nixgen.layout import layout
from nixgen.nodes import Node
from nixgen.options import set_values
from nixgen.printer import Printer, print_expression
from nixgen.views import node, variable
from tests.support.expressions import Scope, Zoo, any_expression
from tests.support.modules import stub_programs
from tests.support.nix import Nix
from tests.support.values import KEYWORDS, integer, of_model, text

ROOT = Path(__file__).parent.parent


def random_value(rng: random.Random, depth: int = 3) -> Any:
    """A value with text, numbers, booleans, nulls, lists and attribute sets of hostile names."""
    kinds = ["text", "text", "integer", "boolean", "null"] + ["list", "attrs", "attrs"] * (
        depth > 0
    )
    match rng.choice(kinds):
        case "text":
            return text(rng)
        case "integer":
            return integer(rng)
        case "boolean":
            return rng.random() < 0.5
        case "null":
            return None
        case "list":
            return [random_value(rng, depth - 1) for _ in range(rng.randrange(5))]
        case _:
            names = [rng.choice([text(rng), rng.choice(KEYWORDS)]) for _ in range(rng.randrange(5))]
            return {name: random_value(rng, depth - 1) for name in names}


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(1 + leaves(inner) for inner in value.values())
    return sum(map(leaves, value)) if isinstance(value, list) else 1


@pytest.mark.needs("nix")
def test_random_values_and_names_survive_printing_and_evaluation(nix: Nix) -> None:
    rng = random.Random(1)
    values = [random_value(rng) for _ in range(2000)]
    assert sum(map(leaves, values)) > 6000
    source = "[\n" + "\n".join(f"({print_expression(node(value))})" for value in values) + "\n]"
    assert nix.eval_json(source) == values


@pytest.mark.needs("nix")
@pytest.mark.parametrize("name", ["outPath", "__toString"])
def test_names_with_a_meaning_of_their_own_survive_beside_others(nix: Nix, name: str) -> None:
    # As attribute of a whole set they change what toJSON makes of it, in nixpkgs too.
    source = f"builtins.attrNames {print_expression(node({name: 'x', 'a': 1}))}"
    assert nix.eval_json(source) == sorted([name, "a"])


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 2**63, -(2**63) - 1])
def test_what_nix_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(RefusedValueError, match=r"NUL|Unicode|does not fit"):
        node(value)


def short_escapes(value: Any) -> Any:
    """Nix 2.8 writes the JSON escapes \\b and \\f as code points; later ones and Python do not."""
    if isinstance(value, str):
        return value.replace("\\u0008", "\\b").replace("\\u000c", "\\f")
    if isinstance(value, list):
        return [short_escapes(item) for item in value]
    if isinstance(value, dict):
        return {short_escapes(name): short_escapes(item) for name, item in value.items()}
    return value


def programs(package: str, name: str) -> str:
    return f"{stub_programs(package, 'x').removesuffix('x')}{name}"


NODES = [v for v in vars(nodes).values() if isinstance(v, type) and issubclass(v, Node)]
PRINTED_ONLY = {nodes.Raw, nodes.Call, nodes.Function, nodes.Let, nodes.Lambda, nodes.Prose}
CONFIGURATION = {nodes.MkIf, nodes.MkMerge, nodes.MkDefault}  # compared by whole modules
ELSEWHERE = {nodes.RunTime, nodes.PackageNamed}  # in exec lines of whole modules
KINDS = {*NODES} - {Node} - PRINTED_ONLY - CONFIGURATION - ELSEWHERE
RECORDED: set[object] = {*KINDS}
RECORDED |= {value for value in vars(primitives).values() if isinstance(value, nodes.Primitive)}
RECORDED -= {primitives.ESCAPE_SPECIFIERS}  # in units of whole modules


def constituents(tree: Node) -> set[object]:
    """The kinds of nodes and the primitives in a tree."""
    kind: object = tree.primitive if isinstance(tree, nodes.Apply) else type(tree)
    below = (constituents(child) for child in nodes.children(tree))
    return {type(tree), kind}.union(*below)


def random_tree(rng: random.Random) -> tuple[int, Node]:
    root, cfg = variable("cfg", types.Submodule(Zoo))
    zoo: Any = cfg
    return root.key, node(any_expression(Scope(rng, zoo)))


@pytest.mark.needs("nix")
def test_python_and_nix_agree_on_random_expressions(nix: Nix, nixpkgs: Path) -> None:
    rng = random.Random(7)
    sources: list[str] = []
    expected: list[Any] = []
    kinds: set[str] = set()
    used: set[object] = set()
    while len(sources) < 1000:
        zoo = of_model(rng, Zoo)
        key, tree = random_tree(rng)
        used |= constituents(tree)
        try:
            value = evaluate(tree, {key: zoo.model_dump(by_alias=True)}, programs)
        except Exception as error:  # noqa: BLE001 - see the test of refusals below
            kinds.add(type(error).__name__)
            continue
        printed = layout(Printer({key: "cfg"}).scope(tree, frozenset()))
        options = print_expression(set_values(zoo))
        sources.append(f"(let cfg = defaults {options}; in {printed})")
        expected.append(json.loads(json.dumps(value)))
    assert kinds <= {"MergeConflictError"}
    assert used >= RECORDED
    results = nix.eval_json(f"""
      let
        lib = import {nixpkgs}/lib;
        utils = import {nixpkgs}/nixos/utils.nix {{ inherit lib; }};
        pkgs = import {nixpkgs}/pkgs.nix {{ inherit lib; system = "x86_64-linux"; }};
        animal = values: {{ legs = 4; tame = false; }} // values;
        defaults = values: values // {{
          keeper = animal values.keeper;
          animals = builtins.mapAttrs (_: animal) values.animals;
        }};
      in
      [ {" ".join(sources)} ]
    """)
    for source, result, value in zip(sources, results, expected, strict=True):
        assert short_escapes(result) == short_escapes(value), source


@pytest.mark.needs("nix")
def test_two_computed_names_that_are_one_are_refused_by_both(nix: Nix) -> None:
    root, cfg = variable("cfg", types.Submodule(Zoo))
    zoo: Any = cfg
    tree = node({zoo.motto: 1, "a": 2})
    with pytest.raises(Exception, match="defined twice"):
        evaluate(tree, {root.key: {"motto": "a"}}, programs)
    printed = layout(Printer({root.key: "cfg"}).doc(tree))
    with pytest.raises(Exception, match="already defined"):
        nix.eval_json(f'let cfg.motto = "a"; in {printed}')


@pytest.mark.needs("nix")
def test_every_generated_file_parses(nix: Nix, compiled_example: Path) -> None:
    files = [
        *(ROOT / "modules").glob("*.nix"),
        *compiled_example.rglob("*.nix"),
        ROOT / "flake.nix",
    ]
    names = {path.name for path in files}
    assert {"socat.nix", "nats-server.nix", "flake.nix", "alpha.nix"} <= names
    nix.parse(*files)


def test_output_is_stable_to_the_byte(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.py"
    fleet.write_text((ROOT / "examples/private/fleet.py").read_text())
    trees = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "holo_infra", "compile", fleet, "--out", out],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        trees.append(
            {
                str(path.relative_to(out)): path.read_bytes()
                for path in sorted(out.rglob("*"))
                if path.is_file()
            },
        )
    assert trees[0] == trees[1]
    assert len(trees[0]) > 40


def test_random_configurations_print_within_the_width_where_strings_allow() -> None:
    rng = random.Random(3)
    source = print_expression(set_values(of_model(rng, Holo)))
    long = [line for line in source.splitlines() if len(line) > 100 and line.count('"') < 2]
    assert not long
