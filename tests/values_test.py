"""Files of plain values: printed as the printer prints them, read back as they were."""

from __future__ import annotations

import random
from typing import Any

import pytest

from holo_infra.model.options import Holo
from nixgen import RefusedValueError, nodes
from nixgen.literals import INTEGER_MIN
from nixgen.nodes import Node, Raw
from nixgen.options import set_values
from nixgen.printer import print_expression
from nixgen.values import print_values, read_values
from nixgen.views import node
from tests.support.nix import Nix
from tests.support.values import KEYWORDS, NAMES, integer, of_model, text

ODD_NAMES = ["", "_", "a'b", "0a", "a.b", "true", "outPath2", '"', "x" * 110]


def name(rng: random.Random) -> str:
    return rng.choice([text(rng), rng.choice(KEYWORDS), rng.choice(NAMES), rng.choice(ODD_NAMES)])


def scalar(rng: random.Random) -> Any:
    return rng.choice([text(rng), text(rng) * 9, integer(rng), rng.random() < 0.5, None])


def value(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if depth and kind < 0.55:
        return attrs(rng, depth - 1)
    return [scalar(rng) for _ in range(rng.randrange(7))] if kind < 0.7 else scalar(rng)


def attrs(rng: random.Random, depth: int) -> dict[str, Any]:
    return {name(rng): value(rng, depth) for _ in range(rng.choice([0, 1, 1, 2, 4]))}


def random_values() -> list[dict[str, Any]]:
    rng = random.Random(1)
    return [attrs(rng, 3) for _ in range(1000)]


def tree(values: Any) -> Node:
    """What `node` makes of values, with names among them, which it does not take."""
    if isinstance(values, dict):
        return nodes.Attrs(tuple((key, tree(inner)) for key, inner in values.items()))
    if isinstance(values, list):
        return nodes.Items(tuple(map(tree, values)))
    return values if isinstance(values, Raw) else node(values)


def test_values_are_printed_as_the_printer_prints_them() -> None:
    for values in random_values():
        assert print_values(values) == print_expression(node(values))


def test_what_was_printed_is_read_as_it_was() -> None:
    for values in random_values():
        # To Python 1 is True, and the order of names does not count.
        assert repr(read_values(print_values(values))) == repr(values)


@pytest.mark.needs("nix")
def test_nix_reads_the_same(nix: Nix) -> None:
    printed = "\n".join(f"({print_values(values)})" for values in random_values())
    assert nix.eval_json(f"[\n{printed}\n]") == random_values()


@pytest.mark.parametrize(
    "path",
    [
        *("classes.web-1a2b3c4d", "pkgs.hello", "pkgs.python3Packages.a'b", "truest", "letter.or"),
        *("../machines/alpha.nix", "./x.nix", "../_/0+a.nix", 'pkgs."with"', 'pkgs."if"."or".x'),
    ],
)
def test_a_name_or_path_is_no_text(path: str) -> None:
    values = {"a": Raw(path), "b": [Raw(path), "x"], "c": {"d": Raw(path)}}
    assert print_values(values) == print_expression(tree(values))
    assert read_values(print_values(values)) == values


def test_a_module_is_read_without_its_comments_and_arguments() -> None:
    body = '{ a.b = "c"; a.d = [ (-1) 2 ]; }'
    expected = {"a": {"b": "c", "d": [-1, 2]}}
    heads = [
        "",
        "# x { y\n",
        "{ ... }: ",
        "#\n\n# {}\n{ classes, ... }:\n",
        "{\n  pkgs,\n  ...\n}:",
    ]
    for head in heads:
        assert read_values(head + body) == expected


def test_the_smallest_integer_has_no_literal_and_is_read() -> None:
    source = print_values({"a": INTEGER_MIN, "b": [INTEGER_MIN, -1]})
    assert "- 1)" in source
    assert read_values(source) == {"a": INTEGER_MIN, "b": [INTEGER_MIN, -1]}


def test_the_options_of_a_class_are_read_as_they_were_set() -> None:
    rng = random.Random(2)
    for _ in range(300):
        content = of_model(rng, Holo)
        read = read_values(print_expression(nodes.Function(("pkgs", "..."), set_values(content))))
        again = Holo.from_nix(plain(read))
        assert again == content


def plain(values: Any) -> Any:
    """Values with a package as the name that it has in Python."""
    if isinstance(values, Raw):
        return values.path.removeprefix("pkgs.").replace('"', "")
    if isinstance(values, dict):
        return {key: plain(inner) for key, inner in values.items()}
    if isinstance(values, list):
        return [plain(inner) for inner in values]
    return values


@pytest.mark.parametrize(
    "values",
    [
        {"a": "b\0"},
        {"a": "\ud800"},
        {"a": 2**63},
        {"a": [-(2**63) - 1]},
        {"\0": 1},
        {"a": {"": "\0"}},
    ],
)
def test_what_nix_cannot_hold_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RefusedValueError, match=r"NUL|Unicode|does not fit"):
        print_values(values)


@pytest.mark.parametrize("odd", [1.5, b"x", ("x",), {1}, object()])
def test_what_is_no_plain_value_is_not_printed(odd: Any) -> None:
    for values in ({"a": odd}, {"a": [odd]}):
        with pytest.raises(TypeError, match="no plain value"):
            print_values(values)


@pytest.mark.parametrize(
    "source",
    [
        *("", " ", "# x", "1", '"a"', "[ ]", "null", "x", "{ ... }:", "{ a }: b"),
        *("{", "{ a", "{ a =", "{ a = 1", "{ a = 1;", "{ a = 1 }", "{ a = 1; } x", "{ = 1; }"),
        *("{ a = [ 1; }", "{ a = [ 1", "{ a = (1; }", "{ a = ; }", "{ a = 1 2; }", '{ a = "x; }'),
        # What Nix would compute is no plain value.
        *("rec { a = 1; }", "let a = 1; in { b = a; }", "{ inherit a; }", "{ a = f 1; }"),
        *("{ a = 1 + 2; }", "{ a = 1+2; }", "{ a = b+c; }", "{ a = (b - 1); }", "{ a = (1 - b); }"),
        *(
            '{ a = ("x" - 1); }',
            "{ a = -b; }",
            "{ a = !b; }",
            "{ a = b.c or d; }",
            "{ a = b / c; }",
        ),
        *(
            '{ a = "${b}"; }',
            '{ a = "x$${b}"; }',
            '{ "${b}" = 1; }',
            "{ ${b} = 1; }",
            "{ a = ''b''; }",
        ),
        *("{ a = 1.5; }", "{ a = 1e5; }", "{ a = <nixpkgs>; }", "{ a = ~/b; }", "{ a = b: c; }"),
        *("{ a = 1; /* b */ }", "{ a = 1; # b\n }", "{ a = rec; }", "{ a = https://b; }"),
        # Nix refuses these too.
        *("{ a = 1; a = 2; }", "{ a.b = 1; a = 2; }", "{ a = 1; a.b = 2; }", "{ 1 = 2; }"),
    ],
)
def test_anything_but_plain_values_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(ValueError, match=r"no plain value before offset \d+: "):
        read_values(source)
