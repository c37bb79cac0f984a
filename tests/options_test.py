"""The reference of the options: what Nix sees in the modules is what `holo docs options` prints."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from holo_infra.cli import USAGE, main
from holo_infra.model.options import ForwardOptions
from holo_infra.model.services import Services
from holo_infra.targets.modules import modules
from holo_infra.targets.reference import (
    Option,
    anchor,
    code,
    declaring,
    filled,
    on_one_line,
    options,
    reference,
    words,
)
from nixgen import types
from nixgen.literals import INTEGER_MAX, INTEGER_MIN
from nixgen.options import type_node
from nixgen.pattern import Pattern
from nixgen.printer import print_expression
from scripts import docs
from tests.support.nix import Nix
from tests.support.reference import Told, meant, parsed, seen


def printed(capsys: pytest.CaptureFixture[str], *names: str) -> str:
    assert main(["docs", "options", *names]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as the definitions make them now."""
    folder = tmp_path_factory.mktemp("generated")
    for name, content in modules().items():
        assert isinstance(content, str)
        (folder / name).write_text(content)
    return folder


@pytest.fixture(scope="module")
def expected(nix: Nix, nixpkgs: Path) -> dict[str, dict[str, Any]]:
    """What the page says of each option."""
    return meant(nix, nixpkgs, reference([*declaring().values()]))


@pytest.mark.needs("nix")
def test_what_the_page_says_is_what_nix_sees(
    nix: Nix, nixpkgs: Path, generated: Path, expected: dict[str, Any]
) -> None:
    assert seen(nix, nixpkgs, generated) == expected
    assert {"holo.containers.<name>.forwards.<name>.hostPort", "holo.hub"} <= {*expected}
    # There are options of every kind: derived, with examples, of packages, below lists of names.
    derived = {name for name, told in expected.items() if "config." in (told["default"] or "")}
    assert "holo.containers.<name>.hostAddress" in derived
    assert expected["holo.gateway.package"]["default"].endswith('-holo-infra"')
    assert json.loads(expected["holo.units.<name>.environment"]["example"]) == {"LEVEL": "info"}


FORWARD = "holo.containers.<name>.forwards.<name>"
MUTANTS = {
    "a default": (
        "socat.nix",
        'default = "tcp"',
        'default = "udp"',
        "holo.forwarders.<name>.protocol",
    ),
    "a lost default": (
        "firewall.nix",
        r"(nullOr ipv4;)\s*default = null;",
        r"\1",
        "holo.hub",
    ),
    "a default more": (
        "containers.nix",
        r"(hostPort = lib.mkOption \{)",
        r"\1 default = 80;",
        f"{FORWARD}.hostPort",
    ),
    "a default of a package": (
        "hc-http-gw.nix",
        "default = pkgs.hc-http-gw",
        "default = pkgs.hello",
        "holo.hc-http-gw.package",
    ),
    "a derived default": (
        "containers.nix",
        'literalExpression "config.port"',
        'literalExpression "config.hostPort"',
        f"{FORWARD}.innerPort",
    ),
    "a derived default without its text": (
        "containers.nix",
        r'defaultText = lib.literalExpression "config.port";',
        "",
        f"{FORWARD}.innerPort",
    ),
    "an upper bound": (
        "containers.nix",
        "ints.between 0 99999",
        "ints.between 0 9999",
        "holo.containers.<name>.index",
    ),
    "a lower bound": (
        "containers.nix",
        "ints.between 1 100000",
        "ints.between 0 100000",
        "holo.containers.<name>.limits.cpuPercent",
    ),
    "no bound": ("containers.nix", "types.port", "types.int", f"{FORWARD}.hostPort"),
    "a pattern": (
        "containers.nix",
        r"strMatching \"\[1-9\]",
        'strMatching "[0-9]',
        "holo.containers.<name>.limits.memory",
    ),
    "a choice more": (
        "containers.nix",
        r'enum \[ "private"',
        'enum [ "public" "private"',
        "holo.containers.<name>.network",
    ),
    "null for a value": (
        "socat.nix",
        r"type = lib.types.port",
        "type = lib.types.nullOr lib.types.port",
        "holo.forwarders.<name>.port",
    ),
    "no null": (
        "containers.nix",
        r"nullOr lib.types.package",
        "package",
        "holo.containers.<name>.system",
    ),
    "an empty command": (
        "units.nix",
        "nonEmptyListOf",
        "listOf",
        "holo.units.<name>.execStart",
    ),
    "data that JSON does not know": (
        "holochain.nix",
        r"\(pkgs\.formats\.json \{ \}\)\.type",
        "lib.types.anything",
        "holo.holochain.conductorConfigOverrides",
    ),
    "a renamed option": (
        "containers.nix",
        "allowedPeers = lib.mkOption",
        "peers = lib.mkOption",
        "holo.containers.<name>.allowedPeers",
    ),
    "a lost option": (
        "containers.nix",
        r"writable = lib.mkOption \{[^}]*\};",
        "",
        "holo.containers.<name>.bindMounts.<name>.writable",
    ),
    "an option more": (
        "firewall.nix",
        r"(options\.holo = \{)",
        r'\1 extra = lib.mkOption { type = lib.types.str; description = ""; };',
        "holo.extra",
    ),
    "an example": (
        "units.nix",
        'LEVEL = "info"',
        'LEVEL = "warn"',
        "holo.units.<name>.environment",
    ),
    "a lost example": (
        "units.nix",
        r"example\.LEVEL = \"info\";",
        "",
        "holo.units.<name>.environment",
    ),
    "a description": (
        "containers.nix",
        "Processes and threads",
        "Processes",
        "holo.containers.<name>.limits.tasks",
    ),
}


@pytest.mark.needs("nix")
@pytest.mark.parametrize("what", MUTANTS)
def test_a_planted_difference_is_found_at_its_option(
    nix: Nix, nixpkgs: Path, generated: Path, expected: dict[str, Any], what: str
) -> None:
    file, old, new, name = MUTANTS[what]
    mutant = generated.parent / f"mutant-{what.replace(' ', '-')}"
    shutil.copytree(generated, mutant)
    source, count = re.subn(old, new, (mutant / file).read_text(), count=1)
    assert count == 1, f"the mutant has nothing to change: {old}"
    (mutant / file).write_text(source)
    found = seen(nix, nixpkgs, mutant)
    differing = {n for n in {*found, *expected} if found.get(n) != expected.get(n)}
    renamed = {"holo.containers.<name>.peers"} if what == "a renamed option" else set()
    assert differing == {name} | renamed


def random_type(rng: random.Random, depth: int = 3) -> types.Type:
    """A type that options can have."""
    leaves: list[types.Type] = [
        types.Bool(),
        types.Int(0, 65535),
        types.Int(INTEGER_MIN, INTEGER_MAX),
        types.Int(-3, rng.randint(0, 9)),
        types.Str(),
        types.Str(Pattern(rng.choice(["[a-z]+", "a|b", '[^"]*', "x{2}"]))),
        types.Enum(("one",)),
        types.Enum(("one", "two words")),
        types.Package(),
        types.StorePath(),
        types.Json(),
        types.Submodule(ForwardOptions),
    ]
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(leaves)
    of = random_type(rng, depth - 1)
    return rng.choice(
        [types.NullOr(of), types.ListOf(of), types.ListOf(of, non_empty=True), types.AttrsOf(of)]
    )


@pytest.mark.needs("nix")
def test_types_are_told_in_the_words_of_nixpkgs(nix: Nix, nixpkgs: Path) -> None:
    rng = random.Random(1)
    made = list({words(type_): type_ for type_ in (random_type(rng) for _ in range(300))}.values())
    listed = "\n".join(f"({print_expression(type_node(type_, 'x'))})" for type_ in made)
    found = nix.eval_json(f"""
      let
        nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
        inherit (nixpkgs) lib;
        pkgs = nixpkgs.legacyPackages.x86_64-linux;
      in
      map (type: type.description) [ {listed} ]
    """)
    assert found == [words(type_) for type_ in made]
    assert len(found) > 100
    kinds = ("null or (", "(submodule)", "(JSON value)", "non-empty (list of ", '(one of "one"')
    assert all(any(kind in words_ for words_ in found) for kind in kinds)


def test_the_page_has_all_that_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        Told(
            name,
            option._replace(
                type=on_one_line(option.type), names=option.names and on_one_line(option.names)
            ),
        )
        for name, module in declaring().items()
        for option in options(module)
    ]
    assert parsed(printed(capsys)) == told
    assert all(option.description for _, option in told)
    by_name = {option.name: option for _, option in told}
    assert len(by_name) == len(told)
    assert by_name[f"{FORWARD}.hostPort"] == Option(
        name=f"{FORWARD}.hostPort",
        python="host_port",
        type="16 bit unsigned integer; between 0 and 65535 (both inclusive)",
        names=None,
        first=None,
        default=None,
        example=None,
        description="The port on the host.",
    )
    assert by_name["holo.containers.<name>.limits.cpuPercent"].python == "limits.cpu_percent"
    assert by_name["holo.containers.<name>.limits.tasks"].python is None
    assert by_name["holo.containers"].names == "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    first = by_name["holo.units.<name>.execStart"].first
    assert first
    assert Pattern(first).matches("busybox")


def test_the_python_names_of_services_are_fields_of_a_fleet() -> None:
    services = 0
    for module in declaring().values():
        _, _, last = module.path.partition("holo.")
        if not last:
            continue
        services += 1
        annotation = Services.model_fields[last.replace("-", "_")].annotation
        (model, _) = get_args(annotation)
        for option in options(module):
            if "<" in option.name or option.name == f"{module.path}.enable":
                continue
            value = model()
            for part in (option.python or option.name.removeprefix(f"{module.path}.")).split("."):
                assert part in type(value).model_fields, option.name
                value = getattr(value, part)
    assert services == len(Services.model_fields)


def test_every_link_of_the_page_has_its_place() -> None:
    page = reference([*declaring().values()])
    places = re.findall(r'^<a id="(.+)"></a>$', page, re.MULTILINE)
    assert len({*places}) == len(places) == page.count("\n### ")
    links = re.findall(r"\]\(#([\w.-]+)\)", page)
    assert {*links} <= {*places, *declaring()}
    assert [link for link in links if link in declaring()] == list(declaring())
    assert anchor("holo.a.<name>.b.*.c") == "opt-holo.a._name_.b._.c"


def test_the_committed_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.OPTIONS.read_text() == printed(capsys), "run `just docs`"


def test_named_modules_are_told_alone(capsys: pytest.CaptureFixture[str]) -> None:
    told = parsed(printed(capsys, "units", "firewall"))
    assert {module for module, _ in told} == {"units", "firewall"}
    assert told[0].module == "units"


@pytest.mark.parametrize(
    ("words_", "said"),
    [
        (["options", "container"], "did you mean containers?"),
        (["options", "ports"], "no module 'ports' declares options"),
        (["option"], "'option'"),
        ([], "required"),
    ],
)
def test_what_is_not_there_is_a_wrong_call(
    capsys: pytest.CaptureFixture[str], words_: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as error:
        main(["docs", *words_])
    assert error.value.code == USAGE
    assert said in capsys.readouterr().err


def test_text_is_filled_without_becoming_a_list() -> None:
    for mark in ("-", "+", "*", "1.", "2)", "#", ">"):
        text = f"{'x' * 97} {mark} y"
        assert filled(text) == f"{'x' * 97} {mark}\ny"
    assert filled("a b\n\nc") == "a b\n\nc"
    assert code("a`b``c`") == "``` a`b``c` ```"
