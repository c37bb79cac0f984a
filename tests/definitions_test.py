"""How definitions are written: what is recorded, and what is refused while the tree is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from holo_infra.model.fleet import Fleet
from holo_infra.model.options import Holo
from holo_infra.source.fields import bare, is_model
from nixgen import (
    DefinitionError,
    JsonObject,
    MergeConflictError,
    Options,
    Text,
    checks,
    choose,
    concat,
    default,
    define,
    derived,
    each,
    evaluate_modules,
    exe,
    head,
    if_given,
    json_text,
    matching,
    merge,
    named,
    only_if,
    tail,
    text,
    true_false,
    types,
    when,
)
from nixgen.evaluator import evaluate
from nixgen.nodes import Attrs, Map, MkMerge
from nixgen.options import declarations
from nixgen.pattern import Pattern
from nixgen.printer import print_expression
from nixgen.systemd import exec_line, run_time, unit
from nixgen.views import node, variable
from tests.support.expressions import Zoo
from tests.support.modules import stub_programs
from tests.support.nix import Nix


def zoo() -> Any:
    return variable("cfg", types.Submodule(Zoo))[1]


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "if": (lambda z: 1 if z.open else 2, "use when, if_, only_if"),
    "and": (lambda z: z.open and z.open, "use when, if_, only_if"),
    "not": (lambda z: not z.open, "use when, if_, only_if"),
    "chained comparison": (lambda z: 1 < z.gate < 3, "use when, if_, only_if"),
    "for": (lambda z: [sound for sound in z.sounds], "use each, map_list"),  # noqa: C416
    "star": (lambda z: [*z.sounds], "use each, map_list"),
    "in": (lambda z: "a" in z.sounds, "use any_"),
    "len": (lambda z: len(z.sounds), r"len\(\)"),
    "f-string": (lambda z: f"{z.motto}", "use text"),
    "str": (lambda z: str(z.motto), "use text"),
    "boolean in text": (lambda z: text(z.open), "use true_false"),
    "null in text": (lambda z: text(z.guest), "use if_given or coalesce"),
    "list in text": (lambda z: text(z.sounds), "are not text"),
    "float": (lambda _: text(1.5), "has no place"),  # type: ignore[arg-type]
    "unknown option": (lambda z: z.moto, "no option 'moto'"),
    "option of text": (lambda z: z.motto.size, "has no options"),
    "wrong enum value": (lambda z: z.size == "huge", "not one of small, large"),
    "missing case": (lambda z: choose(z.size, {"small": 1}), "one case for each"),
    "comparison never true": (lambda z: z.motto == 1, "never true"),
    "order of text": (lambda z: z.motto < "a", "orders integers only"),
    "sum past 64 bits": (lambda z: z.visitors + (2**63 - 1), "wraps around"),
    "sum of text": (lambda z: z.motto + "a", "join strings by text"),
    "condition that is text": (lambda z: when(z.motto, 1), "takes a value of type Bool"),
    "given value": (lambda z: if_given(z.motto, lambda m: [m]), "may be null"),
    "head of a list": (lambda z: head(z.sounds), "may be empty"),
    "tail of a list": (lambda z: tail(z.sounds), "may be empty"),
    "concatenated text": (lambda z: concat(z.motto, z.sounds), "type ListOf"),
    "default around a condition": (lambda z: default(only_if(z.open, 1)), "inside only_if"),
    "default of a set": (lambda _: default({"a": 1}), "not an attribute set"),
    "program of user text": (lambda z: exec_line(z.motto), r"starts with exe"),
    "boolean argument": (lambda z: exec_line(exe("a", "b"), z.open), "text and lists"),
    "run time in plain text": (lambda _: unit(run_time("X")), "must be text"),
    "run time beside user text": (lambda z: text(run_time("X"), z.motto), "not escaped"),
    "text as description": (lambda z: unit(z.motto), "control characters"),
    "text as value": (lambda z: unit("a", service=[{"A": z.motto}]), "control characters"),
    "null as value": (lambda z: unit("a", service=[{"A": z.guest}]), "must be text"),
    "line break in a value": (lambda _: unit("a\nb"), "one line"),
    "text as unit name": (lambda z: unit("a", after=[z.motto]), "not the name"),
    "number in environment": (lambda z: unit("a", environment={"A": z.gate}), "is text"),
    "text in environment": (lambda z: unit("a", environment={"A": z.motto}), "control"),
    "true_false of text": (lambda z: true_false(z.motto), "type Bool"),
    "a definition in a list": (lambda z: concat([only_if(z.open, 1)]), "part of a configur"),
    "a definition in data": (lambda z: json_text({"a": only_if(z.open, 1)}), "part of a configur"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused_with_a_hint(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(DefinitionError, match=message):
        build(zoo())


def test_a_property_folds_on_a_model_with_values() -> None:
    values = {"motto": "m", "guest": None, "size": "small", "gate": 1, "visitors": 0, "open": True}
    keeper = {"name": "Ann", "legs": 2}
    made = Zoo.model_validate(
        {
            **values,
            "sounds": [],
            "food": ["a"],
            "animals": {},
            "labels": {},
            "notes": {},
            "keeper": keeper,
        },
    )
    assert made.keeper.title == "the Ann on 2"


def test_operators_record_what_they_say() -> None:
    root, view = variable("cfg", types.Submodule(Zoo))
    cfg: Any = view
    for value in (4, 5, 6):
        seen = [
            evaluate(node(made), {root.key: {"gate": value}}, stub_programs)
            for made in (cfg.gate < 5, cfg.gate <= 5, cfg.gate > 5, cfg.gate >= 5)
        ]
        assert seen == [value < 5, value <= 5, value > 5, value >= 5]
        added = (cfg.gate == 5, cfg.gate != 5, cfg.gate + 1, 1 + cfg.gate)
        results = [evaluate(node(m), {root.key: {"gate": value}}, stub_programs) for m in added]
        assert results == [value == 5, value != 5, value + 1, value + 1]


Name = Annotated[str, matching("[a-z][a-z0-9-]*")]


class Part(Options):
    """A part."""

    port: Annotated[int, Field(ge=1, le=9)] = 3
    """A number."""
    url: Text = derived(lambda config: text("http://host:", config.port))
    """A default that depends on another option."""


class Parts(Options):
    """The options of the modules below."""

    parts: dict[Name, dict[Name, Part]] = {}
    """Parts by two names."""
    extra: bool = False
    """A condition."""


@define("sample", path="sample", declares=["parts", "extra"])
def sample(cfg: Parts) -> dict[str, Any]:
    """A sample."""
    return {
        "made": merge(
            each(
                cfg.parts,
                lambda a, group: each(group, lambda b, part: {text(a, "-", b): part.url}),
            ),
            {"fixed": default("mine"), "also": only_if(cfg.extra, "yes")},
        ),
    }


def made(parts: dict[str, Any], *, extra: bool = False) -> Any:
    values = Parts.model_validate({"parts": parts, "extra": extra})
    return evaluate_modules([sample], values, stub_programs, "sample")


def test_parts_are_merged_and_absent_ones_left_out() -> None:
    assert made({"a": {"b": {}}}) == {"made": {"a-b": "http://host:3", "fixed": "mine"}}
    assert made({}, extra=True) == {"made": {"also": "yes", "fixed": "mine"}}


def test_a_default_gives_way() -> None:
    values = Parts(parts={"a": {"b": Part()}})

    @define("other", path="sample")
    def other(_: Parts) -> dict[str, Any]:
        """Another module."""
        return {"made": {"fixed": "yours"}}

    both = evaluate_modules([sample, other], values, stub_programs, "sample")
    assert both["made"]["fixed"] == "yours"


def test_two_values_under_one_name_are_a_conflict_with_its_path() -> None:
    # `a` with `b-c` and `a-b` with `c` give one name.
    clash = {"a": {"b-c": {"port": 1}}, "a-b": {"c": {"port": 2}}}
    with pytest.raises(MergeConflictError, match=r"made\.a-b-c: conflicting values"):
        made(clash)


def test_the_printed_module_reads_well() -> None:
    assert sample.nix("just modules") == SAMPLE


SAMPLE = """\
# A sample.
#
# Made by `just modules` from tests.definitions_test; do not edit.
{
  config,
  lib,
  ...
}:

let
  cfg = config.sample;
in
{
  options.sample = {
    parts = lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf (lib.types.submodule (
        { config, ... }:
        {
          options = {
            port = lib.mkOption {
              type = lib.types.ints.between 1 9;
              default = 3;
              description = "A number.";
            };
            url = lib.mkOption {
              type = lib.types.str;
              default = "http://host:${toString config.port}";
              defaultText = lib.literalExpression "\\"http://host:\\${toString config.port}\\"";
              description = "A default that depends on another option.";
            };
          };
        }
      )));
      default = { };
      description = "Parts by two names.";
      apply = lib.mapAttrs (
        name: value:
        lib.throwIf (builtins.match "[a-z][a-z0-9-]*" name == null) (
          "sample.parts: the name does not match [a-z][a-z0-9-]*: " + name
        ) (
          lib.mapAttrs (
            name2: value2:
            lib.throwIf (builtins.match "[a-z][a-z0-9-]*" name2 == null) (
              "sample.parts.<name>: the name does not match [a-z][a-z0-9-]*: " + name2
            ) value2
          ) value
        )
      );
    };
    extra = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "A condition.";
    };
  };

  config.made = lib.mkMerge [
    (lib.mkMerge (lib.mapAttrsToList (
      a: group:
      lib.mkMerge (lib.mapAttrsToList (b: part: {
        "${a}-${b}" = part.url;
      }) group)
    ) cfg.parts))
    {
      fixed = lib.mkDefault "mine";
      also = lib.mkIf cfg.extra "yes";
    }
  ];
}
"""


def test_programs_of_systemd_are_found_where_nixos_has_them() -> None:
    proxy = print_expression(node(exe("systemd", "systemd-socket-proxyd")))
    assert proxy == '"${config.systemd.package}/lib/systemd/systemd-socket-proxyd"'
    nspawn = print_expression(node(exe("systemd", "systemd-nspawn")))
    assert nspawn == 'lib.getExe\' config.systemd.package "systemd-nspawn"'
    assert print_expression(node(exe("socat", "socat"))) == 'lib.getExe\' pkgs.socat "socat"'


def test_variables_that_would_clash_are_renamed() -> None:
    view = zoo()
    nested = each(view.animals, lambda lib, _: {lib: named("lib", text("x", lib))})
    printed = print_expression(_closed(nested))
    assert "lib2: name:" in printed
    assert 'lib3 = "x${lib2}";' in printed


def _closed(value: Any) -> Any:
    """The expression with the configuration replaced by an empty set."""
    tree = node(value)
    assert isinstance(tree, MkMerge)
    assert isinstance(tree.parts, Map)
    inner = tree.parts
    return MkMerge(Map(inner.into, inner.parameters, inner.body, Attrs(())))


DESCRIPTIONS = {
    "notes": "attribute set of (JSON value)",
    "motto": "string",
    "guest": "null or string",
    "size": 'one of "small", "large"',
    "gate": "16 bit unsigned integer; between 0 and 65535 (both inclusive)",
    "visitors": "integer between -1000 and 1000 (both inclusive)",
    "open": "boolean",
    "sounds": "list of string",
    "food": "non-empty (list of string)",
    "animals": "attribute set of (submodule)",
    "labels": "attribute set of string",
}


def test_data_that_is_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(98):
        deep = [deep]
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(JsonObject)
    assert adapter.validate_python({"a": deep}) == {"a": deep}
    with pytest.raises(ValidationError, match="more than 100 sets and lists"):
        adapter.validate_python({"a": [[deep]]})


@pytest.mark.needs("nix")
def test_types_of_a_model_are_those_that_nix_sees(nix: Nix, nixpkgs: Path) -> None:
    options = print_expression(declarations(Zoo, "config.zoo", "zoo"))
    seen = nix.eval_json(f"""
      let
        lib = import {nixpkgs}/lib;
        pkgs = import {nixpkgs}/pkgs.nix {{ inherit lib; system = "x86_64-linux"; }};
        zoo = (lib.evalModules {{ modules = [ {{ options.zoo = {options}; }} ]; }}).options.zoo;
      in
      builtins.mapAttrs (_: o: o.type.description) (removeAttrs zoo [ "keeper" ])
      // {{ legs = zoo.keeper.legs.type.description; default = zoo.keeper.legs.default; }}
    """)
    legs = "integer between -100 and 100 (both inclusive)"
    assert seen == {**DESCRIPTIONS, "legs": legs, "default": 4}


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (str, r"write nixgen\.Text"),
        (float, "float has no option type"),
        (int | bool, "only `X | None`"),
        (dict[str, bool], r"write nixgen\.Text"),
        (tuple[int, ...], "has no option type"),
    ],
)
def test_a_field_without_option_type_is_refused(annotation: Any, message: str) -> None:
    model = type("Bad", (Options,), {"__annotations__": {"field": annotation}, "__module__": "x"})
    with pytest.raises(DefinitionError, match=message):
        declarations(model, "config", "x")


class Shelf(Options):
    """Mappings at every depth."""

    things: dict[Annotated[str, matching("[A-Za-z_]+")], Text] = {}
    """Text by names."""
    nested: dict[
        Annotated[str, matching("[a-z]+")], dict[Annotated[str, matching("[A-Za-z_]+")], bool]
    ] = {}
    """Mappings by names."""
    listed: list[dict[Annotated[str, matching("[A-Za-z_]+")], bool]] | None = None
    """A list of mappings."""
    data: JsonObject = {}
    """Anything."""


class Cupboard(Options):
    """A part that holds others."""

    shelves: dict[Annotated[str, matching("[a-z]+")], Shelf] = {}
    """Shelves by names."""


@pytest.mark.parametrize("name", sorted(checks.NAMES_OF_NIX))
@pytest.mark.parametrize(
    ("shelf", "place"),
    [
        (lambda name: {"things": {"a": "b", name: "c"}}, ("things", "NAME", "[key]")),
        (lambda name: {"nested": {"a": {name: True}}}, ("nested", "a", "NAME", "[key]")),
        (lambda name: {"listed": [{}, {name: True}]}, ("listed", 1, "NAME", "[key]")),
        (lambda name: {"data": {name: "if"}}, ("data", "NAME", "[key]")),
        (lambda name: {"data": {"a": [1, [{"b": {name: "/a"}}]]}}, ("data",)),
    ],
)
def test_a_name_that_nix_reads_is_refused_at_every_depth(
    shelf: Callable[[str], Any], place: tuple[str | int, ...], name: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        Cupboard.model_validate({"shelves": {"top": shelf(name)}})
    (error,) = raised.value.errors()
    assert error["msg"] == f"Value error, Nix gives the name '{name}' a meaning of its own"
    expected = (name if part == "NAME" else part for part in place)
    assert error["loc"] == ("shelves", "top", *expected)


def test_what_only_looks_like_such_a_name_is_taken() -> None:
    given: Any = {"things": {"outpath": "outPath", "type": "_type"}, "data": {"a": "__toString"}}
    assert Shelf(**given).model_dump(exclude_defaults=True) == given


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those of its parts."""
    yield model
    for field in model.model_fields.values():
        annotation = bare(field.annotation)
        while not is_model(annotation) and get_args(annotation):
            annotation = bare(get_args(annotation)[-1])
        if is_model(annotation):
            yield from models(annotation)


@pytest.mark.parametrize("root", [Fleet, Holo])
def test_no_mapping_of_a_fleet_or_its_options_takes_a_name_that_nix_reads(
    root: type[BaseModel],
) -> None:
    mappings = 0
    for model in models(root):
        for name, field in model.model_fields.items():
            if get_origin(bare(field.annotation)) is not dict:
                continue
            mappings += 1
            with pytest.raises(ValidationError) as raised:
                model.model_validate({name: dict.fromkeys(checks.NAMES_OF_NIX)})
            told = {error["loc"][1:] for error in raised.value.errors()}
            assert told >= {(key, "[key]") for key in checks.NAMES_OF_NIX}, (model, name)
    assert mappings > 10


def test_an_option_without_description_is_refused() -> None:
    class Silent(BaseModel):
        field: bool = False

    with pytest.raises(DefinitionError, match="needs a description"):
        declarations(Silent, "config", "x")


@pytest.mark.parametrize(
    "pattern",
    [
        *("a.b", "^a", "a$", r"\d", "a*?", "a++", "(?:a)", "[^a]", "[^a]b", "[^a]{2}", "[a&&b]"),
        *("([^a]+){2}", "[^a]+[^b]+", "[^x]+([^b]+x)?", "[^a]+(b?)[^c]+", "([^a]+|b)[^c]+"),
        *(r"a\-b", r"a\/b", r"a\]", r"a\}", "[[:alpha:]-z]", "[z-a]", "*a", "a{1}{2}", "(a", "a)"),
        *("é", "[é]", r"[\n]", "[[:word:]]", "[]", "a**", "(?i)a"),
    ],
)
def test_a_pattern_that_means_two_things_is_refused(pattern: str) -> None:
    with pytest.raises(DefinitionError, match="pattern"):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("[a-z]+", ["a", "zz"], ["", "a\n", "A", "é"]),
        ("/[^[:cntrl:]]*", ["/", "/a b%é"], ["a", "/\n", "/\x7f"]),
        (r"[^\\ ]+( [^\\ ]+)*", ["a b", "é"], ["a ", "a\\b", "a  b"]),
        ("a{2}|b", ["aa", "b"], ["a", "aab", "bb"]),
    ],
)
def test_a_pattern_matches_the_whole_in_pydantic_as_here(
    pattern: str,
    yes: list[str],
    no: list[str],
) -> None:
    checked = Pattern(pattern)
    model = create_model("Model", field=(Annotated[str, matching(pattern)], ...))
    for value in yes:
        assert checked.matches(value)
        model.model_validate({"field": value})
    for value in no:
        assert not checked.matches(value)
        with pytest.raises(ValidationError):
            model.model_validate({"field": value})


def test_a_pattern_knows_which_characters_can_occur() -> None:
    assert Pattern("[a-c]+x").may_hold == frozenset("abcx")
    assert "%" in Pattern("/[^[:cntrl:]]*").may_hold
    assert "\n" not in Pattern("/[^[:cntrl:]]*").may_hold
    assert "\n" in Pattern("[^a]*").may_hold
