"""The page of options, read back from its Markdown, and what Nix sees of the same options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from holo_infra.targets.reference import Option, on_one_line
from nixgen.literals import string
from tests.support.nix import Nix

LABELS = {
    "Type": "type",
    "Names match": "names",
    "The first item matches": "first",
    "Default": "default",
    "Example": "example",
    "Python": "python",
}


class Told(NamedTuple):
    """An option, and the module in which it is declared."""

    module: str
    option: Option


def parsed(page: str) -> list[Told]:
    """What the page says, read back from its Markdown."""
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        module = section.partition("\n")[0]
        for entry in re.split(r'^<a id="[^"]+"></a>\n\n### ', section, flags=re.MULTILINE)[1:]:
            head, facts = entry.split("\n\n- ", 1)
            name, description = head.split("\n\n", 1)
            paragraphs = [" ".join(paragraph.split()) for paragraph in description.split("\n\n")]
            values = {"description": "\n\n".join(paragraphs), **values_of(facts)}
            found.append(Told(module, Option(name=name.strip("`"), **values)))
    return found


def values_of(facts: str) -> dict[str, Any]:
    """An option's list of facts, by the fields of Option."""
    values: dict[str, Any] = dict.fromkeys(LABELS.values())
    for fact in re.split(r"^- ", facts, flags=re.MULTILINE):
        label, _, text = fact.rstrip("\n").partition(":")
        span = re.fullmatch(r" `([^`]+)`|\n  ```nix\n(.+)\n  ```", text, re.DOTALL)
        assert span, fact
        block = "\n".join(line.removeprefix("  ") for line in (span[2] or "").split("\n"))
        assert values[LABELS[label]] is None
        values[LABELS[label]] = span[1] or block
    return values


SEEN = """
let
  nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
  inherit (nixpkgs) lib;
  evaluated = lib.nixosSystem {{ system = "x86_64-linux"; modules = [ {modules} ]; }};
  below = tree: lib.concatLists (lib.mapAttrsToList (_: all) (removeAttrs tree [ "_module" ]));
  all = x: if lib.isOption x then [ x ] ++ below (x.type.getSubOptions x.loc) else below x;
  json = x:
    let tried = builtins.tryEval (builtins.toJSON x); in
    if tried.success then tried.value else "fails";
  value = x: if lib.isAttrs x && x._type or "" == "literalExpression" then x.text else json x;
  told = o: {{
    name = lib.showOption o.loc;
    files = map (file: baseNameOf file) o.declarations;
    type = o.type.description;
    description = o.description or "";
    default =
      if o ? defaultText && !lib.hasPrefix "pkgs." (value o.defaultText) then value o.defaultText
      else if o ? default then json o.default
      else null;
    example = if o ? example then value o.example else null;
  }};
in
map told (all evaluated.options.holo)
"""
VALUES = """
let
  nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.x86_64-linux;
  config = throw "what other options are, only an evaluation knows";
  json = text: x:
    let tried = builtins.tryEval (builtins.toJSON x); in
    if tried.success then tried.value else text;
in
[ {listed} ]
"""
"""Each expression's value as JSON; of one that depends on other options the expression itself."""


def seen(nix: Nix, nixpkgs: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What Nix sees in the modules, by the options' names."""
    found = nix.eval_json(SEEN.format(nixpkgs=nixpkgs, modules=folder))
    made = {each.pop("name"): each for each in found}
    assert len(made) == len(found)
    for each in made.values():
        each["description"] = " ".join(each["description"].split())
        each["type"] = on_one_line(each["type"])
    return made


def meant(nix: Nix, nixpkgs: Path, page: str) -> dict[str, dict[str, Any]]:
    """What the page says of each option, its values as what they are in Nix."""
    all_told = parsed(page)
    texts = sorted(
        {t for told in all_told for t in (told.option.default, told.option.example) if t}
    )
    listed = "\n".join(f"(json {string(text)} ({text}))" for text in texts)
    found = nix.eval_json(VALUES.format(nixpkgs=nixpkgs, listed=listed))
    values = dict(zip(texts, found, strict=True))
    return {
        told.option.name: {
            "files": [f"{told.module}.nix"],
            "type": told.option.type,
            "description": " ".join(told.option.description.split()),
            "default": told.option.default and values[told.option.default],
            "example": told.option.example and values[told.option.example],
        }
        for told in all_told
    }
