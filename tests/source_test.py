"""Reading a fleet: every mistake is told, with its code, its place and what to do about it."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yaml.reader import Reader

from holo_infra.diagnostics import Diagnostic, Place
from holo_infra.diagnostics.report import report
from holo_infra.model.fleet import Fleet
from holo_infra.source import Source, load, yaml
from holo_infra.source.forms import forms
from nixgen.checks import NAMES_OF_NIX

CONTAINER = "name: a\nhosts:\n  alpha:\n    containers:\n      web0:\n"
UNIT = f"{CONTAINER}        units:\n          web:\n"
FORWARD = f"{CONTAINER}        forwards:\n          admin:\n"


def read(folder: Path, text: str | bytes, name: str = "fleet.yaml") -> Source:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file)


def told(source: Source) -> list[str]:
    """`line:column code field: message | hint` of each diagnostic, in the order of the file."""
    lines = []
    for one in sorted(source.diagnostics, key=lambda d: str(d.place)):
        assert one.place is not None
        where = f"{one.place.line}:{one.place.column}"
        field = ".".join(map(str, one.path))
        lines.append(f"{where} {one.code} {field}: {one.message} | {one.hint}")
    return lines


MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "a byte that is no UTF-8": (
        b"name: a\nhub: \xff\n",
        "2:6 HI001 : the byte 0xff is not UTF-8 | save the file as UTF-8",
    ),
    "a control character": (
        "name: a\nhub: x\x07\n",
        (
            "2:7 HI002 : the character U+0007 cannot stand in YAML as it is"
            ' | write it in double quotes as "\\x07", or take it out'
        ),
    ),
    "a line break that only some readers know": (
        "name: a\nhub: x\u2028y\n",
        (
            "2:7 HI002 : the character U+2028 cannot stand in YAML as it is"
            ' | write it in double quotes as "\\u2028", or take it out'
        ),
    ),
    "a tab": (
        "name: a\nhosts:\n\talpha: {}\n",
        (
            "3:1 HI002 : found character that cannot start any token"
            " | indent with spaces, not tabs (while scanning for the next token that"
            " begins in line 3)"
        ),
    ),
    "a colon in text": (
        "name: a\nhub: b: c\n",
        (
            "2:7 HI002 : mapping values are not allowed in this context"
            " | put text that holds `: ` in quotes, and indent the keys of a mapping alike"
        ),
    ),
    "an alias of nothing": (
        "name: *a\n",
        "1:7 HI002 : found undefined alias | put text that begins with * in quotes",
    ),
    "empty": (
        "# nothing\n",
        (
            "1:1 HI004 : a fleet is a mapping, and the file is empty"
            " | write `name: …` and `hosts: …`, or begin with `holo init`"
        ),
    ),
    "a list": (
        "- name: a\n",
        (
            "1:1 HI004 : a fleet is a mapping, and the file is a list"
            " | write `name: …` and `hosts: …`, or begin with `holo init`"
        ),
    ),
    "a key twice": (
        "name: a\nhosts:\n  alpha: {}\n  beta: {}\n  alpha: {}\n",
        (
            "5:3 HI005 hosts.alpha: is given twice"
            " | the first is in line 3: take one out, or join the two"
        ),
    ),
    "a number as a key": (
        "name: a\nhosts: {8000: {}}\n",
        '2:9 HI006 hosts.8000: the key is no text: it is read as int | put it in quotes: "8000"',
    ),
    "an empty key": (
        "name: a\nhosts: {~: {}}\n",
        '2:9 HI006 hosts.~: the key is no text: it is empty | put it in quotes: "~"',
    ),
    "a list as a key": (
        "name: a\n[b]: c\n",
        (
            "2:1 HI006 ?: the key is a list or mapping, no text"
            " | text with { or [ in front needs quotes"
        ),
    ),
    "a tag": (
        "name: !shell a\n",
        "1:7 HI007 name: the tag !shell is not known, or does not fit the value | take the tag out",
    ),
    "a tag of YAML 1.1": (
        "name: a\nhosts: !!set {}\n",
        "2:8 HI007 hosts: the tag !!set is not known, or does not fit a mapping | take the tag out",
    ),
    "two documents": (
        "name: a\n---\nname: b\n",
        "2:1 HI007 : a second document begins here | a fleet is one document",
    ),
    "recursion": (
        "name: a\nhosts: &h\n  alpha: *h\n",
        "2:8 HI007 : it contains itself by an alias | write the values out",
    ),
    "a merge of itself": (
        "name: a\nhosts: &h\n  <<: *h\n",
        "2:8 HI007 : it contains itself by an alias | write the values out",
    ),
    "a merge of text": (
        "name: a\nhosts: {<<: b}\n",
        "2:9 HI007 hosts: `<<` takes mappings only | write `<<: *name`",
    ),
    "too deep": (
        f"name: {'[' * 101}{']' * 101}\n",
        "1:105 HI007 : more than 100 levels deep | a fleet has about ten",
    ),
    "far too deep": (
        f"name: {'[' * 100_000}\n",
        (
            "1:1006 HI007 : exceeded maximum nesting depth | a fleet has about ten levels"
            " (while increasing flow level that begins in line 1)"
        ),
    ),
    "too deep by aliases": (
        "x0: &x0 []\n" + "".join(f"x{i}: &x{i} [*x{i - 1}]\n" for i in range(1, 120)),
        "99:6 HI007 : more than 100 levels deep | a fleet has about ten",
    ),
    "a billion laughs": (
        "x0: &x0 [ha]\n"
        + "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]\n" for i in range(1, 10)),
        (
            "7:5 HI007 : aliases make more than 20,000,000 values of it"
            " | write the values out, or use fewer"
        ),
    ),
    "many merges of much": (
        "x: &x {" + ", ".join(f"k{i}: 1" for i in range(10_000)) + "}\n"
        "y: {<<: [" + ", ".join(["*x"] * 10_000) + "]}\n",
        (
            "2:4 HI007 : aliases make more than 20,000,000 values of it"
            " | write the values out, or use fewer"
        ),
    ),
    "a missing field": (
        f"{UNIT}            description: x\n",
        (
            "7:11 HI010 hosts.alpha.containers.web0.units.web.exec_start: is missing"
            " | add `exec_start`: The command line, run without a shell"
        ),
    ),
    "no name": ("hosts: {}\n", "1:1 HI010 name: is missing | add `name`: The fleet's name"),
    "a misspelt field": (
        f"{FORWARD}            prot: 1\n            port: 1\n",
        (
            "8:13 HI011 hosts.alpha.containers.web0.forwards.admin.prot: Forward has no such field"
            " | did you mean `port`?"
        ),
    ),
    "an unknown field": (
        "name: a\nzzz:\n  b: 1\n",
        "2:1 HI011 zzz: Fleet has no such field | its fields are name, hub, networks, hosts",
    ),
    "a number for text": (
        "name: a\nhosts:\n  alpha:\n    state_version: 26.10\n",
        (
            "4:20 HI012 hosts.alpha.state_version: must be text, and is the number 26.10"
            ' | put it in quotes: "26.10"'
        ),
    ),
    "text for a number": (
        f'{FORWARD}            port: "8000"\n',
        (
            "8:19 HI012 hosts.alpha.containers.web0.forwards.admin.port: must be a whole number,"
            " and is the text '8000' | take the quotes away: 8000"
        ),
    ),
    "a fraction for a number": (
        f"{FORWARD}            port: 8e3\n",
        (
            "8:19 HI012 hosts.alpha.containers.web0.forwards.admin.port: must be a whole number,"
            " and is the number 8e3 | write it without a decimal point: 8000"
        ),
    ),
    "yes for true": (
        f"{CONTAINER}        isolated: yes\n",
        (
            "6:19 HI012 hosts.alpha.containers.web0.isolated: must be true or false,"
            " and is the text 'yes' | write true, without quotes"
        ),
    ),
    "text for a list": (
        f"{UNIT}            exec_start: busybox httpd\n",
        (
            "8:25 HI012 hosts.alpha.containers.web0.units.web.exec_start: must be a list,"
            ' and is the text \'busybox httpd\' | write a list: ["busybox", "httpd"]'
        ),
    ),
    "nothing for a container": (
        CONTAINER,
        (
            "5:12 HI012 hosts.alpha.containers.web0: must be a mapping, and is nothing"
            " | leave it out, or write {} for one in which nothing is set"
        ),
    ),
    "a list for a mapping": (
        f"{CONTAINER}        units: [a]\n",
        (
            "6:9 HI012 hosts.alpha.containers.web0.units: must be a mapping, and is a list"
            " | give each item a name: `name: value`"
        ),
    ),
    "a bad name": (
        "name: a\nhosts:\n  Al_pha: {}\n",
        (
            "3:3 HI013 hosts.Al_pha: 'Al_pha' is not a name | a name: lower-case"
            " letters, digits and"
            " hyphens, a letter first, no hyphen last, at most 63 characters; write al-pha"
        ),
    ),
    "a bad address": (
        "name: a\nhosts:\n  alpha: {address: 300.1.1.1}\n",
        (
            "3:20 HI013 hosts.alpha.address: '300.1.1.1' is not an IPv4 address"
            " | an IPv4 address: four numbers of 0 to 255 as in 10.0.85.2"
        ),
    ),
    "a number too large": (
        f"{FORWARD}            port: {'9' * 5000}\n",
        (
            "8:19 HI014 hosts.alpha.containers.web0.forwards.admin.port: must be at most 65535,"
            f" and is {'9' * 80}… | give a number that is at most 65535"
        ),
    ),
    "a hexadecimal number too small": (
        f"{FORWARD}            port: 0x0\n",
        (
            "8:19 HI014 hosts.alpha.containers.web0.forwards.admin.port: must be at least 1,"
            " and is 0x0 | give a number that is at least 1"
        ),
    ),
    "a bad choice": (
        f"{FORWARD}            port: 1\n            protocol: TPC\n",
        (
            "9:23 HI015 hosts.alpha.containers.web0.forwards.admin.protocol: must be"
            " one of tcp, udp,"
            " and is the text 'TPC' | did you mean `tcp`?"
        ),
    ),
    "an empty command": (
        f"{UNIT}            exec_start: []\n",
        (
            "8:13 HI016 hosts.alpha.containers.web0.units.web.exec_start: must have"
            " at least 1 item,"
            " and is empty | give at least one item"
        ),
    ),
    "an unsafe program": (
        f"{UNIT}            exec_start: [+sh]\n",
        (
            "8:13 HI017 hosts.alpha.containers.web0.units.web.exec_start: the text"
            " '+sh' is neither an"
            " absolute path nor the bare name of a program"
            " | begin the command with a path such as /bin/sh, or a name such as busybox"
        ),
    ),
    "NUL": (
        f'{UNIT}            exec_start: [sh, "\\0"]\n',
        (
            "8:30 HI017 hosts.alpha.containers.web0.units.web.exec_start.1: a NUL"
            " character cannot be part of a Nix string: '\\x00'"
            " | change the text: neither Nix nor systemd would carry it"
        ),
    ),
}


NAMED_BY_NIX = """name: a
hosts:
  alpha:
    services:
      nats_server:
        accounts:
          {name}: {{}}
        extra_attrs:
          a: [{{b: {{{name}: if}}}}]
    containers:
      web0:
        secrets: {{{name}: /x}}
        services:
          hc_http_gw: {{allowed_fns_per_app_id: {{{name}: "*"}}}}
          holochain: {{conductor_config_overrides: {{{name}: 1}}}}
        units:
          web:
            exec_start: [sh]
            environment:
              LEVEL: info
              {name}: x
"""


@pytest.mark.parametrize("name", sorted(NAMES_OF_NIX))
def test_a_name_that_nix_reads_is_told_where_it_is_written(tmp_path: Path, name: str) -> None:
    web0 = "hosts.alpha.containers.web0"
    gateway = f"{web0}.services.hc_http_gw.allowed_fns_per_app_id"
    conductor = f"{web0}.services.holochain.conductor_config_overrides"
    places = {
        "7:11": f"hosts.alpha.services.nats_server.accounts.{name}",
        "8:9": "hosts.alpha.services.nats_server.extra_attrs",
        "12:19": f"{web0}.secrets.{name}",
        "14:49": f"{gateway}.{name}",
        "15:52": f"{conductor}.{name}",
        "21:15": f"{web0}.units.web.environment.{name}",
    }
    source = read(tmp_path, NAMED_BY_NIX.format(name=name))
    said = f"Nix gives the name '{name}' a meaning of its own | take another name"
    assert sorted(told(source)) == sorted(f"{at} HI017 {f}: {said}" for at, f in places.items())


class PythonYaml(yaml._Python):
    """PyYAML's own Python, as it stands where libyaml is missing."""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_yaml_is_told_with_code_place_and_hint(tmp_path: Path, name: str) -> None:
    text, expected = MISTAKES[name]
    source = read(tmp_path, text)
    assert told(source) == [expected]
    assert not source.whole


def test_the_reader_without_libyaml_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert issubclass(PythonYaml, Reader)
    texts = [
        GOOD,
        *(
            text
            for text, told in MISTAKES.values()
            if "HI002" not in told and "nesting" not in told
        ),
    ]
    native = [read(tmp_path, text) for text in texts]
    monkeypatch.setattr(yaml, "_LOADER", PythonYaml)
    for text, one in zip(texts, native, strict=True):
        other = read(tmp_path, text)
        assert told(other) == told(one)
        assert other.fleet == one.fleet


GOOD = """\
name: private
networks: {lab: {scheme: packed, pool: 10.64.0.0/16}}
hosts:
  alpha:
    listens: [0.0.0.0:22]
    containers:
      web0: &web
        isolated: false
        units: &units
          on:
            description: "22:22"
            exec_start: [no, yes, on, 1:30, !!str 8000, "~", 'null', "1.5"]
            environment: {NO: off, Y: y, N: "true", E: ''}
        forwards: {admin: {port: 0x1F40, host_port: 0o17500}}
      web1: {<<: *web, forwards: {}}
      web2: {units: *units, "network": "shared"}
"""


def test_yaml_is_read_by_the_core_schema(tmp_path: Path) -> None:
    source = read(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n"), "fleet.yml")
    assert told(source) == []
    assert source.whole
    assert source.fleet is not None
    containers = source.fleet.hosts["alpha"].containers
    unit = containers["web0"].units["on"]
    assert unit.exec_start == ["no", "yes", "on", "1:30", "8000", "~", "null", "1.5"]
    assert unit.environment == {"NO": "off", "Y": "y", "N": "true", "E": ""}
    assert containers["web0"].forwards["admin"].port == 8000
    assert containers["web0"].forwards["admin"].host_port == 8000
    assert not containers["web1"].isolated
    assert containers["web1"].forwards == {}
    assert containers["web1"].units == containers["web2"].units == containers["web0"].units


SEVERAL = """\
name: Private
hub: [alpha]
networks: {lab: {scheme: octett}, good: {}}
hosts:
  alpha:
    containers:
      web0: &web
        units: {web: {exec_start: [sh], nice: 3}}
        forwards: {admin: {port: "1"}, admin: {port: 2}}
      web1: *web
      web2:
        <<: *web
        forwards: {}
      good: {}
  beta:
    platform: debian
    containers: {lost: {}}
"""


def test_all_mistakes_of_a_file_are_told_at_once_and_the_rest_is_read(tmp_path: Path) -> None:
    source = read(tmp_path, SEVERAL)
    places = [" ".join(line.split(" ")[:3]) for line in told(source)]
    assert places == [
        "16:15 HI015 hosts.beta.platform:",
        "1:7 HI013 name:",
        "2:1 HI012 hub:",
        "3:26 HI015 networks.lab.scheme:",
        # Told once, where they stand, and not again for each alias.
        "8:41 HI011 hosts.alpha.containers.web0.units.web.nice:",
        "9:34 HI012 hosts.alpha.containers.web0.forwards.admin.port:",
        "9:40 HI005 hosts.alpha.containers.web0.forwards.admin:",
    ]
    assert source.fleet == Fleet.model_validate(
        {
            "name": "fleet",
            "networks": {"good": {}},
            "hosts": {"alpha": {"containers": {"good": {}}}},
        }
    )
    assert not source.whole
    containers = ("hosts", "alpha", "containers")
    assert set(source.left_out) == {
        *((*containers, "web0"), (*containers, "web1"), (*containers, "web2")),
        *(("hosts", "beta"), ("networks", "lab"), ("hub",), ("name",)),
    }


def test_fields_are_located_through_aliases_and_merges(tmp_path: Path) -> None:
    file = str(tmp_path / "fleet.yaml")
    locate = read(tmp_path, GOOD).locate
    web = ("hosts", "alpha", "containers")
    expected = {
        (): Place(file, 1, 1),
        ("name",): Place(file, 1, 7),
        ("hosts", "alpha"): Place(file, 4, 3),
        ("hosts", "alpha", "listens", 0): Place(file, 5, 15),
        (*web, "web0", "units", "on", "exec_start", 1): Place(file, 12, 30),
        (*web, "web1", "units", "on", "exec_start", 1): Place(file, 12, 30),
        (*web, "web2", "units", "on", "description"): Place(file, 11, 26),
        (*web, "web2", "network"): Place(file, 16, 40),
        (*web, "web1", "isolated"): Place(file, 8, 19),
        # What does not stand in the file is told at what it would stand in.
        (*web, "web1", "forwards", "admin", "port"): Place(file, 15, 24),
        (*web, "web2", "egress"): Place(file, 16, 7),
        ("hosts", "beta"): Place(file, 3, 1),
        ("hosts", "alpha", "listens", 9): Place(file, 5, 5),
    }
    assert {path: locate(path) for path in expected} == expected


@pytest.mark.parametrize("name", ["fleet.toml", "fleet", "fleet.PY"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (one,) = read(tmp_path, "", name).diagnostics
    assert one.code == "HI001"
    assert one.hint == "give the path of a fleet.py or a fleet.yaml"


@pytest.mark.parametrize("name", ["none.py", "none.yaml", "folder.py", "folder.yaml"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    source = load(tmp_path / name)
    assert [(one.code, one.place) for one in source.diagnostics] == [
        ("HI001", Place(str(tmp_path / name)))
    ]
    assert source.fleet is None
    assert source.locate(("name",)) is None


def test_every_pattern_of_the_model_is_told_in_words() -> None:
    def patterns(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
            for key, inner in schema.items():
                if key == "patternProperties":
                    yield from inner
                yield from patterns(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from patterns(inner)

    assert set(patterns(Fleet.model_json_schema())) <= forms().keys()


# Python.

IMPORTS = "from holo_infra import *\n"
PYTHON: dict[str, tuple[str, list[str]]] = {
    "syntax": (
        "fleet = (",
        ["1:9 HI003 : not valid Python: '(' was never closed | mend the line"],
    ),
    "exception": (
        "\nfleet = 1 / 0\n",
        ["2:9 HI003 : ZeroDivisionError: division by zero | the program stops here"],
    ),
    "exit": (
        "import sys\nsys.exit(3)\n",
        [
            (
                "2:1 HI003 : the file ends the program (SystemExit: 3)"
                " | a fleet.py is read, not run as a command: take the exit out"
            )
        ],
    ),
    "an exception of another kind": (
        "class Stop(BaseException): pass\nraise Stop\n",
        ["2:1 HI003 : Stop | the program stops here"],
    ),
    "a missing import": (
        "fleet = Fleet(name='a')\n",
        ["1:9 HI003 : NameError: name 'Fleet' is not defined | add: from holo_infra import Fleet"],
    ),
    "recursion": (
        "def f(): f()\nf()\n",
        ["1:10 HI003 : RecursionError: maximum recursion depth exceeded | the program stops here"],
    ),
    "a change of a frozen part": (
        f"{IMPORTS}fleet = Fleet(name='a')\nfleet.name = 'b'\n",
        [
            (
                "3:1 HI003 Fleet.name: the program changes a part of the fleet that is made already"
                " | give the value when it is made, or use model_copy(update={…})"
            )
        ],
    ),
    "no fleet": (
        "x = 1\n",
        ["0:0 HI004 : the file defines no fleet | end it with: fleet = Fleet(name=…, hosts={…})"],
    ),
    "another fleet": (
        "fleet = 1\n",
        [
            (
                "0:0 HI004 : `fleet` is an object of type int"
                " | end it with: fleet = Fleet(name=…, hosts={…})"
            )
        ],
    ),
    "faulty values in several places": (
        f"""{IMPORTS}
def web(port):
    return Container(forwards={{"admin": Forward(port=port)}})
fleet = Fleet(
    name="a",
    hosts={{
        "alpha": Host(containers={{"web0": web("1"), "web1": web(1)}}),
        "beta": Host(
            platform="nix", containers={{"Web": Container()}}
        ),
    }},
    naem=3,
)
""",
        [
            (
                "4:41 HI012 hosts.alpha.containers.web0.forwards.admin.port: must be"
                " a whole number,"
                " and is the text '1' | take the quotes away: 1"
            ),
            "5:9 HI011 naem: Fleet has no such field | did you mean `name`?",
            (
                "9:17 HI015 hosts.beta.platform: must be one of nixos, systemd, and"
                " is the text 'nix'"
                " | did you mean `nixos`?"
            ),
            (
                "10:48 HI013 hosts.beta.containers.Web: 'Web' is not a name | a name: lower-case"
                " letters, digits and hyphens, a letter first, no hyphen last, at"
                " most 63 characters;"
                " write web"
            ),
        ],
    ),
    "one line that is wrong many times": (
        f"""{IMPORTS}
hosts = {{f"h{{i}}": Host(address="x") for i in range(50)}}
fleet = Fleet(name="a", hosts=hosts)
""",
        [
            (
                "3:19 HI013 hosts.h0.address: 'x' is not an IPv4 address (and 49 times more by this"
                " line) | an IPv4 address: four numbers of 0 to 255 as in 10.0.85.2"
            )
        ],
    ),
    "a faulty value that is no part of the fleet": (
        f"{IMPORTS}Forward(port=0)\nfleet = Fleet(name='a')\n",
        [
            (
                "2:1 HI014 Forward.port: must be at least 1, and is the number 0"
                " | give a number that is at least 1"
            )
        ],
    ),
    "a dict changed after the check": (
        f"""{IMPORTS}
web0 = Container()
fleet = Fleet(name="a", hosts={{"alpha": Host(containers={{"web0": web0}})}})
fleet.hosts["../x"] = Host()
web0.forwards["admin"] = 3
web0.forwards["http"] = Forward(port=1)
web0.forwards["http"].__dict__["port"] = "1"
""",
        [
            (
                "3:8 HI012 hosts.alpha.containers.web0.forwards.admin: must be a mapping,"
                " and is the number 3 | write a Forward: a mapping from its fields to values"
            ),
            (
                "5:23 HI013 hosts.../x: '../x' is not a name | a name: lower-case"
                " letters, digits and"
                " hyphens, a letter first, no hyphen last, at most 63 characters; write x"
            ),
            (
                "7:25 HI012 hosts.alpha.containers.web0.forwards.http.port: must be a whole number,"
                " and is the text '1' | take the quotes away: 1"
            ),
        ],
    ),
}
SERVICES = f"""{IMPORTS}
conductor = Holochain(conductor_config_overrides={{"a": {{"b": [1]}}}})
users = {{"u": {{"password_file": "u", "publish": ["x"]}}}}
server = NatsServer(accounts={{"A": {{"users": users}}}}, extra_attrs={{"a": {{}}}})
gateway = HcHttpGw(allowed_fns_per_app_id={{"app": "*"}})
web0 = Container(services=Services(holochain=conductor), secrets={{"a": "/a"}})
services = Services(nats_server=server, hc_http_gw=gateway)
alpha = Host(containers={{"web0": web0}}, services=services)
fleet = Fleet(name="a", hosts={{"alpha": alpha}})
overrides, attrs = conductor.conductor_config_overrides, server.extra_attrs
account = server.accounts["A"]
"""
CHANGES = {
    'overrides["a"]["b"].append(0.5)': (
        "3:13 HI017 hosts.alpha.containers.web0.services.holochain.conductor_config_overrides:"
        " Nix and Python write fractions differently: use a whole number, or text"
        " | use null, true, false, whole numbers, text, lists and mappings of these"
    ),
    'attrs["a"]["b"] = {1}': (
        "5:10 HI017 hosts.alpha.services.nats_server.extra_attrs: set is nothing that JSON knows"
        " | use null, true, false, whole numbers, text, lists and mappings of these"
    ),
    'attrs["a"]["_type"] = "if"': (
        "5:10 HI017 hosts.alpha.services.nats_server.extra_attrs: Nix gives the name '_type' a"
        " meaning of its own | take another name"
    ),
    'server.accounts["outPath"] = account': (
        "5:10 HI017 hosts.alpha.services.nats_server.accounts.outPath: Nix gives the name"
        " 'outPath' a meaning of its own | take another name"
    ),
    'account.users["outPath"] = account.users["u"]': (
        "5:10 HI017 hosts.alpha.services.nats_server.accounts.A.users.outPath: Nix gives the name"
        " 'outPath' a meaning of its own | take another name"
    ),
    'gateway.allowed_fns_per_app_id["__functor"] = "*"': (
        "6:11 HI017 hosts.alpha.services.hc_http_gw.allowed_fns_per_app_id.__functor: Nix gives the"
        " name '__functor' a meaning of its own | take another name"
    ),
    'web0.secrets["outPath"] = "/x"': (
        "7:8 HI017 hosts.alpha.containers.web0.secrets.outPath: Nix gives the name 'outPath' a"
        " meaning of its own | take another name"
    ),
    'account.users["u"].publish.append("a b c")': (
        "5:10 HI013 hosts.alpha.services.nats_server.accounts.A.users.u.publish.1:"
        " 'a b c' is not a subject | a subject: words with dots between, `*` for one, `>` last,"
        " as in WORKLOAD.*.update"
    ),
    'account.users["v"] = 3': (
        "5:10 HI012 hosts.alpha.services.nats_server.accounts.A.users.v: must be a mapping,"
        " and is the number 3 | write a User: a mapping from its fields to values"
    ),
    'account.users["x y"] = account.users["u"]': (
        "5:10 HI013 hosts.alpha.services.nats_server.accounts.A.users.x y: 'x y' is not a user's"
        " name | a user's name: letters, digits, `_`, `.`, `@` and `-`, a letter or digit first,"
        " at most 100 characters; write x-y"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_program_changes_deep_in_services_is_found(tmp_path: Path, change: str) -> None:
    source = read(tmp_path, f"{SERVICES}{change}\n", "fleet.py")
    assert told(source) == [CHANGES[change]]
    assert not source.whole


def test_data_that_a_program_puts_into_itself_is_told(tmp_path: Path) -> None:
    (only,) = told(read(tmp_path, f"{SERVICES}attrs['self'] = attrs\n", "fleet.py"))
    assert "HI017 hosts.alpha.services.nats_server.extra_attrs: data in more than 100" in only


def test_services_that_are_left_as_they_were_are_read(tmp_path: Path) -> None:
    source = read(tmp_path, SERVICES, "fleet.py")
    assert source.whole
    assert told(source) == []


@pytest.mark.parametrize("name", PYTHON)
def test_a_mistake_in_python_is_told_with_code_line_and_hint(tmp_path: Path, name: str) -> None:
    text, expected = PYTHON[name]
    source = read(tmp_path, text, "fleet.py")
    assert told(source) == sorted(expected)
    assert not source.whole


def test_what_is_right_of_a_failing_program_is_read(tmp_path: Path) -> None:
    text, _ = PYTHON["faulty values in several places"]
    source = read(tmp_path, text, "fleet.py")
    assert source.fleet == Fleet.model_validate(
        {
            "name": "a",
            "hosts": {"alpha": {"containers": {"web1": {"forwards": {"admin": {"port": 1}}}}}},
        }
    )


def test_fields_are_located_by_the_line_that_built_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "parts.py").write_text(
        "from holo_infra import *\n\nunit = Unit(exec_start=['a'])\n"
    )
    source = read(
        tmp_path,
        f"""{IMPORTS}from parts import unit
print("said")
def web():
    return Container(units={{"web": unit}})
fleet = Fleet(name="a", hosts={{"alpha": Host(containers={{"web0": web()}})}})
""",
        "fleet.py",
    )
    assert source.whole
    file = str(tmp_path / "fleet.py")
    container = ("hosts", "alpha", "containers", "web0")
    expected = {
        (): Place(file, 6, 9),
        ("name",): Place(file, 6, 9),
        ("hosts", "alpha"): Place(file, 6, 41),
        (*container, "egress"): Place(file, 5, 12),
        (*container, "limits", "memory"): Place(file, 5, 12),
        (*container, "units", "web", "exec_start", 0): Place(str(tmp_path / "parts.py"), 3, 8),
        (*container, "none"): Place(file, 5, 12),
    }
    assert {path: source.locate(path) for path in expected} == expected
    assert capsys.readouterr() == ("", "said\n")  # the second run is silent
    assert "parts" not in sys.modules


def test_fields_are_located_as_far_as_a_program_that_changes_lets(tmp_path: Path) -> None:
    text = f"""{IMPORTS}
import warnings
runs = warnings.__dict__.setdefault("_runs_of_a_test", [])
runs.append(1)
if len(runs) > 1:
    raise ValueError
fleet = Fleet(name="a")
"""
    source = read(tmp_path, text, "fleet.py")
    assert source.whole
    assert source.locate(("name",)) == Place(str(tmp_path / "fleet.py"))


def test_a_program_may_use_dataclasses_and_models_of_its_own(tmp_path: Path) -> None:
    text = f"""from __future__ import annotations
{IMPORTS}from dataclasses import dataclass
from pydantic import BaseModel
@dataclass
class Site:
    name: str
    hosts: list[Site] | None = None
class Role(BaseModel):
    site: Site | None
Role(site=None)
fleet = Fleet(name=Site("a").name)
"""
    assert told(read(tmp_path, text, "fleet.py")) == []


def test_what_a_program_changes_in_this_process_is_put_back(tmp_path: Path) -> None:
    text = """
import builtins, sys
builtins.more = 1
builtins.isinstance = builtins.BaseException = None
sys.path.clear()
sys.stdout = None
sys.setrecursionlimit(100)
sys.modules["json"] = None
del builtins.len
raise ValueError
"""
    before = sys.path[:], sys.stdout, sys.getrecursionlimit()
    source = read(tmp_path, text, "fleet.py")
    assert [one.code for one in source.diagnostics] == ["HI003"]
    assert (sys.path[:], sys.stdout, sys.getrecursionlimit()) == before
    assert sys.modules["json"] is json
    assert len("ab") == 2
    assert not hasattr(builtins, "more")


def test_an_interrupt_is_not_taken_for_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, "raise KeyboardInterrupt\n", "fleet.py")


# Reports.

FOUND = [
    Diagnostic("HI112", ("networks", "b"), "overlaps", "", Place("b.yaml", 2, 1)),
    Diagnostic(
        "HI104",
        ("hosts", "a", "listens", 0),
        "50%: taken",
        "do\x1b[31m",
        Place("a,b:c.yaml", 10, 3),
    ),
    Diagnostic("HI104", ("hosts", "a", "\x1b]0;x\x07"), "two\nlines", "", Place("a,b:c.yaml", 9)),
    Diagnostic("HI001", (), "no such file", "give another"),
]


def test_a_report_is_sorted_by_place_and_holds_no_control_characters() -> None:
    assert report(FOUND) == (
        "error[HI001] no such file\n"
        "  hint: give another\n"
        "a,b:c.yaml:9: error[HI104] hosts.a.\\x1b]0;x\\x07: two\\nlines\n"
        "a,b:c.yaml:10:3: error[HI104] hosts.a.listens.0: 50%: taken\n"
        "  hint: do\\x1b[31m\n"
        "b.yaml:2:1: warning[HI112] networks.b: overlaps\n"
    )
    assert report([]) == ""


def test_a_report_is_coloured_when_asked() -> None:
    line, hint = report(FOUND[1:2], color=True).splitlines()
    assert "\x1b[31merror[HI104]\x1b[0m" in line
    assert hint == "\x1b[2m  hint: do\\x1b[31m\x1b[0m"
    assert "\x1b[33mwarning[HI112]" in report(FOUND[:1], color=True)


def test_a_report_for_programs_is_json() -> None:
    text = report(FOUND, "json")
    assert text.isascii()
    assert json.loads(text)[2] == {
        "code": "HI104",
        "severity": "error",
        "path": ["hosts", "a", "listens", 0],
        "field": "hosts.a.listens.0",
        "message": "50%: taken",
        "hint": "do\x1b[31m",
        "file": "a,b:c.yaml",
        "line": 10,
        "column": 3,
    }
    assert json.loads(report([], "json")) == []


def test_a_report_for_github_is_escaped_as_its_commands_are() -> None:
    assert report(FOUND, "github").splitlines() == [
        "::error title=HI001::no such file%0Agive another",
        "::error file=a%2Cb%3Ac.yaml,line=9,title=HI104::hosts.a.\\x1b]0;x\\x07: two\\nlines",
        (
            "::error file=a%2Cb%3Ac.yaml,line=10,col=3,title=HI104"
            "::hosts.a.listens.0: 50%25: taken%0Ado\\x1b[31m"
        ),
        "::warning file=b.yaml,line=2,col=1,title=HI112::networks.b: overlaps",
    ]


def test_top_level_keys_of_the_users_own_are_a_place_for_what_is_used_by_alias(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "x-limits: &limits {memory: 1G}\n"
        "name: a\n"
        "hosts: {alpha: {containers: {web0: {limits: *limits, x-mine: 1}}}}\n",
    )
    source = load(path)
    (told,) = source.diagnostics
    assert (told.code, told.path[-1]) == ("HI011", "x-mine")  # at the top only
    path.write_text(path.read_text().replace(", x-mine: 1", ""))
    fleet = load(path).fleet
    assert fleet is not None
    assert fleet.hosts["alpha"].containers["web0"].limits.memory == "1G"
