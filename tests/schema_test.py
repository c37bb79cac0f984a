"""`holo schema`: the JSON Schema says of a fleet.yaml what reading it would, and is current."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from holo_infra.cli import main
from holo_infra.model.fleet import Fleet
from holo_infra.source import load
from holo_infra.targets.schema import schema

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "docs" / "fleet.schema.json"
EXAMPLES = sorted((ROOT / "examples").glob("*/fleet.yaml"))
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def complaints(fleet: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(fleet)]


def schemas(made: Any) -> Iterator[dict[str, Any]]:
    """The schema and all in it."""
    yield made
    for key in ("properties", "$defs"):
        for of in made.get(key, {}).values():
            yield from schemas(of)
    for key in ("items", "propertyNames", "additionalProperties"):
        if isinstance(made.get(key), dict):
            yield from schemas(made[key])
    for key in ("anyOf", "prefixItems"):
        for of in made.get(key, []):
            yield from schemas(of)


def referred(made: dict[str, Any]) -> dict[str, Any]:
    """What a schema refers to: pydantic leaves a description there where both have the same."""
    found = SCHEMA["$defs"].get(made.get("$ref", "").removeprefix("#/$defs/"), {})
    assert isinstance(found, dict)
    return found


def patterns() -> list[str]:
    return sorted({made["pattern"] for made in schemas(SCHEMA) if "pattern" in made})


def test_the_committed_schema_is_what_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == COMMITTED.read_text(), "holo schema > docs/fleet.schema.json"


def test_it_is_a_schema_of_its_draft_and_names_no_place_of_its_own() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"]
    assert not [made for made in schemas(SCHEMA) if "$id" in made]


def test_its_example_is_a_fleet(tmp_path: Path) -> None:
    (example,) = SCHEMA["examples"]
    assert not complaints(example)
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump(example))
    assert main(["check", str(fleet)]) == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_name_the_schema_and_are_valid(path: Path) -> None:
    comment = re.match(r"# yaml-language-server: \$schema=(.+)\n", path.read_text())
    assert comment
    assert (path.parent / comment[1]).resolve() == COMMITTED
    assert not complaints(yaml.safe_load(path.read_text()))


def test_every_field_is_described_and_every_object_closed() -> None:
    lacking = [
        f"{made.get('title')}.{name}"
        for made in schemas(SCHEMA)
        for name, of in made.get("properties", {}).items()
        if not (of.get("description") or referred(of).get("description"))
    ]
    assert not lacking
    names = {name for made in schemas(SCHEMA) for name in made.get("properties", {})}
    assert {"exec_start", "host_port", "allowed_peers", "pool"} <= names
    assert {"nats_server", "hc_http_gw", "allowed_fns_per_app_id", "passphrase_file"} <= names
    assert not [name for name in names if "-" in name or name.lower() != name]
    for made in schemas(SCHEMA):
        if made.get("type") == "object":
            assert made["additionalProperties"] is not True, made
            of_any_form = made["additionalProperties"] == {"$ref": "#/$defs/Json"}
            assert "properties" in made or "propertyNames" in made or of_any_form, made


def test_patterns_are_what_ecmascript_and_python_read_alike() -> None:
    found = patterns()
    assert len(found) > 15
    for pattern in found:
        re.compile(pattern)
        assert "[:" not in pattern  # a named class of POSIX
        # Neither assertions and groups of one engine only, nor classes that depend on flags.
        assert not re.search(r"\(\?[^:]|\\[AZzdwsbpPhRK]|[*+?}][+]|\[\[", pattern), pattern
        assert pattern.startswith("^(?:")
        assert pattern.endswith(")$")


@pytest.mark.needs("node")
@pytest.mark.parametrize("flag", ["", "u"])
def test_node_compiles_the_patterns_and_matches_the_same(flag: str) -> None:
    texts = [
        *("", "-", "web0", "A_b", "tcp", "a.nix", "512M", "26.05", "10.0.0.1", "10.0.0.256"),
        *("0.0.0.0:22/udp", "http:/x?y=1", "/a b", "/a\x01", "\\", "x\ty\nz", "é 漢🜨", "/é🜨"),
    ]
    program = (
        "const [patterns, texts, flag] = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(patterns.map(p =>"
        " texts.map(t => new RegExp(p, flag).test(t)))))"
    )
    done = subprocess.run(
        ["node", "-e", program],
        input=json.dumps([patterns(), texts, flag]).encode(),
        capture_output=True,
        check=True,
    )
    expected = [[bool(re.fullmatch(p, text)) for text in texts] for p in patterns()]
    assert json.loads(done.stdout) == expected


GOOD = """
name: spoiled
hub: alpha
networks: {wide: {scheme: packed, pool: 10.77.0.0/24}}
hosts:
  alpha:
    address: 192.0.2.1
    listens: ["0.0.0.0:22"]
    services:
      nats_server:
        accounts:
          HOLO: {users: {gw: {nkey: UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}}}
        extra_attrs: {debug: true, lists: [1, {a: null}]}
    containers:
      web0:
        services:
          hc_http_gw: {allowed_fns_per_app_id: {forum: "posts/get"}, allowed_app_ids: [forum]}
          holochain: {version: "0.5", passphrase_file: key, features: ["a\\tb"]}
        network: wide
        egress: internet
        units: {web: {exec_start: [busybox, httpd], environment: {A: "b"}}}
        forwards: {http: {port: 8000, probe: "http:/x"}}
        limits: {memory: 1G, tasks: 9}
        bind_mounts: {/data: {source: /srv}}
        secrets: {key: /run/keys/key}
"""

SPOILED = {
    "a field is missing": ("name: spoiled\n", ""),
    "a fleet's field is not known": ("hub:", "hubs:"),
    "a container's field is not known": ("egress:", "egres:"),
    "text for a number": ("port: 8000", 'port: "8000"'),
    "a number for text": ("memory: 1G", "memory: 1"),
    "a fraction": ("tasks: 9", "tasks: 9.5"),
    "a number out of range": ("port: 8000", "port: 65536"),
    "no port at all": ("port: 8000, ", ""),
    "a name in capitals": ("web0:", "Web0:"),
    "a name with a hyphen at its end": ("web0:", "web0-:"),
    "a forward's name with a hyphen": ("{http:", "{http-x:"),
    "no such choice": ("egress: internet", "egress: all"),
    "an octet too large": ("192.0.2.1", "192.0.2.256"),
    "a prefix too long": ("10.77.0.0/24", "10.77.0.0/33"),
    "a listener without a port": (":22", ""),
    "no program": ("[busybox, httpd]", "[]"),
    "a program with a prefix of systemd's": ("[busybox, httpd]", "[+busybox]"),
    "a command line as text": ("[busybox, httpd]", "busybox httpd"),
    "a relative mount": ("/data:", "data:"),
    "a relative source": ("source: /srv", "source: srv"),
    "a variable's name": ("{A:", "{A-B:"),
    "a variable that is no text": ('"b"', "true"),
    "a probe that is none": ("http:/x", "https:/x"),
    "a secret's path": ("/run/keys/key", "keys/key"),
    "a service that is none": ("nats_server:", "nats-server:"),
    "an option by its name in Nix": ("allowed_app_ids", "allowedAppIds"),
    "no such version": ('version: "0.5"', 'version: "0.6"'),
    "a version that is a number": ('version: "0.5"', "version: 0.5"),
    "a function without its zome": ("posts/get", "get"),
    "a secret in the store": ("passphrase_file: key", "passphrase_file: /nix/store/key"),
    "a feature with a control character": ('"a\\tb"', '"a\\x01b"'),
    "a user's key that is an account's": ("UAAAAA", "AAAAAA"),
    "a fraction in data": ("debug: true", "debug: 0.5"),
    "a fraction deep in data": ("a: null", "a: 0.5"),
    "a whole number that Nix cannot hold": ("lists: [1,", "lists: [10000000000000000000,"),
    "a list for data": ("extra_attrs: {debug: true, lists: [1, {a: null}]}", "extra_attrs: []"),
    "a list of hosts": ("  alpha:\n", "  - alpha:\n"),
}


def test_the_fleet_that_is_spoiled_below_is_valid(tmp_path: Path) -> None:
    assert not complaints(yaml.safe_load(GOOD))
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(GOOD)
    assert load(fleet).whole


@pytest.mark.parametrize("what", SPOILED)
def test_what_reading_refuses_the_schema_refuses(tmp_path: Path, what: str) -> None:
    old, new = SPOILED[what]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if what == "a list of hosts":
        text = text.replace("\n    ", "\n      ")
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(text)
    assert complaints(yaml.safe_load(text))
    assert load(fleet).diagnostics


def test_a_fleet_without_what_has_a_default_is_valid() -> None:
    assert not complaints({"name": "bare"})
    assert not complaints(Fleet(name="bare").model_dump(mode="json"))
