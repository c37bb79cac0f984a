"""Fleets that are more or less broken, as YAML and as programs: repeatable, and harmless to read.

No program touches a file or the network, loops without end, or stops the process.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any

import yaml
from pydantic import BaseModel

from holo_infra.model.fleet import Fleet, Host
from tests.support.values import HOSTILE, of_model

GOOD = """\
name: private
hub: alpha
networks:
  lab: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha:
    address: 192.0.2.1
    containers:
      web0: &web
        units: &units
          web:
            exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000"]
            environment: {LEVEL: info, "TEXT": 'it''s: "quoted"'}
        forwards:
          admin: {port: 8000}
          httpgw: {port: 4000, host_port: 8080, probe: "http:/health"}
      web1:
        <<: *web
        network: lab
        forwards: {}
      web2:
        network: shared
        units: *units
  beta:
    containers: {}
"""
PROGRAM = """\
from holo_infra import BindMount, Container, Fleet, Forward, Host, Limits, Network, Unit

units = {"web": Unit(exec_start=["busybox", "httpd", "-p", "127.0.0.1:8000"])}
web0 = Container(
    units=units,
    forwards={
        "admin": Forward(port=8000),
        "httpgw": Forward(port=4000, host_port=8080, probe="http:/health"),
    },
    limits=Limits(memory="512M", cpu_percent=50),
    bind_mounts={"/srv": BindMount(source="/var/srv", writable=True)},
)
web1 = Container(network="shared", units=units)
fleet = Fleet(
    name="private",
    networks={"lab": Network(scheme="packed", pool="10.64.0.0/16")},
    hosts={
        "alpha": Host(address="192.0.2.1", containers={"web0": web0, "web1": web1}),
        "beta": Host(),
    },
)
"""

_PIECES = [
    *HOSTILE,
    *("yes", "null", "~", "26.05", "0x1F", "0o17", "1e400", ".nan", "-.inf", "9" * 5000, "-1"),
    *("&a", "*a", "*web", "*units", "<<: *web", "<<: 3", "!!int ", "!!binary ", "!x ", "? ", "- "),
    *("--- ", "...", "|", ">-", "\t", ": ", "{a: ", "[", "]", "}", "%YAML 1.2", "@", "`", "\0"),
    *('"\\u0000"', '"\\x1b[31m"', "[[[[", "{{{{", "&b [*b]", "# ", "\ufeff", "\ufffe", "\u202e"),
]
_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 65536, 10**40, 26.05, float("nan"), float("inf"), "", "x"),
    *("8000", "yes", "\x00", "\x1b[31m", "a" * 70_000, [], {}, [[]], [None], {"x": 1}, {"": {}}),
    *({"Web_0": {}}, {"a.b": None}, ["+x"], "300.1.1.1", "/nix/store/x", *HOSTILE),
    *(["x", 1], {8000: 1}, {None: 1}, {True: {}}, "é" * 40_000, {"exec_start": ["x"]}),
    *({"exec_start": []}, {"units": {"x": {"exec_start": []}}}),
]

_WEIRD = {
    "builtins": "import builtins\n",
    "sys": "import sys\n",
    "Weird": """
class Weird:
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __repr__
""",
    "WeirdText": """
class WeirdText(str):
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __eq__ = __getitem__ = __repr__
    __hash__ = str.__hash__
""",
    "WeirdNumber": """
class WeirdNumber(int):
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __index__ = __format__ = __repr__
""",
    "WeirdDict": """
class WeirdDict(dict):
    def items(self): raise RuntimeError("no items")
    __iter__ = keys = __getitem__ = items
""",
    "WeirdError": """
class WeirdError(Exception):
    def __str__(self): raise RuntimeError("no message")
""",
    "Liar": """
class Liar:
    __class__ = Fleet
""",
    "Another": """
class Another(Fleet):
    more: int = 3
""",
    "Stop": "class Stop(BaseException): pass\n",
    "round": "round = {}; round['round'] = round\n",
    "deep": """
deep = []
for _ in range(3000): deep = [deep]
""",
}
"""What expressions and statements use, by the name that they use."""
_EXPRESSIONS = [
    *("None", "True", "0", "-1", "65536", "10 ** 40", "10 ** 5000", "26.05", "float('nan')", "''"),
    *("'x'", "'8000'", "b'x'", "[]", "{}", "()", "{'x'}", "[None]", "{'Web_0': Container()}"),
    *("'\\0'", "'\\ud800'", "'\\x1b[31m'", "'a' * 70_000", "...", "object()", "Host", "print"),
    *("Weird()", "WeirdText('x')", "WeirdNumber(3)", "WeirdDict(a=1)", "round", "deep", "Liar()"),
    *("Host()", "Container()", "Forward(port=1)", "Forward(port=0)", "Fleet(name='x')", "units"),
    *("Unit(exec_start=[])", "{3: Host()}", "{WeirdText('x'): Host()}", "nothing", "1 / 0"),
    *("Container.model_construct(zzz=1)", "Host.__new__(Host)", "{(1, 2): 3}", "[].pop()"),
    *("{'\\ud800': Host()}", "Unit.model_construct()", "Another(name='x')", "range(3)", "Unit"),
]
_STATEMENTS = [
    *("fleet.hosts['../x'] = Host()", "fleet.hosts['beta'] = 3", "fleet.hosts[3] = Host()"),
    *("fleet.hosts.clear()", "fleet.hosts['x'] = round", "fleet.hosts['x'] = Weird()"),
    *("fleet.hosts[WeirdText('x')] = Host()", "fleet.hosts[Weird] = Host()", "fleet = None"),
    *("fleet.hosts['alpha'].containers['web0'].forwards['admin'] = 3", "fleet.name = 'x'"),
    *("fleet.hosts['alpha'].containers['\\x1b'] = Container()", "fleet = Weird()", "del fleet"),
    *("fleet.__dict__['name'] = WeirdText('x')", "fleet.__dict__['hosts'] = WeirdDict(a=1)"),
    *("fleet.__dict__['hosts'] = deep", "fleet.__dict__['more'] = 1", "fleet.__dict__.clear()"),
    *("fleet = Fleet.model_construct(hosts=3)", "fleet = Fleet.__new__(Fleet)", "fleet = Fleet"),
    *("fleet = Another(name='x')", "fleet = Liar()", "fleet = fleet.model_copy(update={'x': 1})"),
    *("web0.forwards['admin'].__dict__['port'] = float('nan')", "web0.__dict__['units'] = None"),
    *("fleet = fleet.model_copy(update={'hosts': {'a': Container()}})", "web0.units.clear()"),
    *("raise WeirdError", "raise Stop", "raise KeyError(Weird())", "raise SystemExit(Weird())"),
    *("1 / 0", "import nowhere", "sys.exit()", "sys.exit(3)", "sys.exit('\\x1b[31m')", "assert 0"),
    *("raise ExceptionGroup('x', [ValueError(1)])", "raise SyntaxError('x', ('y', 'z', 1, 2))"),
    *("exec('x = (')", "print('said')", "sys.stdout = None", "sys.path.clear()", "fleet.x"),
    *("builtins.isinstance = None", "del builtins.len", "builtins.BaseException = None"),
    *("builtins.repr = builtins.str = 1 .__add__", "builtins.__dict__.clear()", "web0 = 3"),
    *("sys.setrecursionlimit(60)", "sys.modules.clear()", "def f(): f()\nf()", "units['web'] = 3"),
    *("raise MemoryError", "raise GeneratorExit if False else StopIteration", "global x", "return"),
    *("try:\n    Forward(port=0)\nexcept ValueError:\n    pass", "Forward(port='x')", "((((((("),
    *("class Mine(Container):\n    more: int\nMine(more='x')", "Fleet.model_validate({})"),
    *("from dataclasses import dataclass\n@dataclass\nclass D:\n    x: 'int' = 0", "'\\N{x}'"),
]


def yaml_texts(rng: random.Random, n: int) -> list[bytes]:
    """Files that begin as good fleets; about one in eight stays as it was."""
    bases = [GOOD, *(_dumped(rng) for _ in range(12))]
    changes: list[Callable[[random.Random, str], str]] = [_value, _piece, _lines, _limit]
    made = []
    for _ in range(n):
        text = rng.choice(bases) if rng.random() < 0.5 else GOOD
        if rng.random() < 0.875:
            # Values are changed first, while the text can still be parsed in good time.
            for kind in sorted(rng.choices(range(4), [5, 3, 2, 1], k=rng.choice([1, 1, 1, 2, 4]))):
                text = changes[kind](rng, text)
        content = text.encode("utf-8", "surrogatepass")
        made.append(_flipped(rng, content) if rng.random() < 0.15 else content)
    return made


def python_programs(rng: random.Random, n: int) -> list[str]:
    """Programs that begin as good fleets; about one in eight stays as it was."""
    bases = [PROGRAM, *(_program(rng) for _ in range(12))]
    made = []
    for _ in range(n):
        text = rng.choice(bases) if rng.random() < 0.3 else PROGRAM
        kind = rng.choices(["same", "argument", "statement", "both", "lines"], [2, 6, 5, 2, 1])[0]
        head, rest = text.split("\n", 1)
        if kind in {"argument", "both"}:
            for _ in range(rng.choice([1, 1, 2])):
                rest = _argument(rng, rest)
        if kind in {"statement", "both"}:
            rest = f"{rest}{rng.choice(_STATEMENTS)}\n"
            if rng.random() < 0.2:
                rest = f"{rest}{rng.choice(_STATEMENTS)}\n"
        if kind == "lines":
            rest = _lines(rng, rest)
        used = "".join(text for name, text in _WEIRD.items() if re.search(rf"\b{name}\b", rest))
        made.append(f"{head}\n{used}{rest}")
    return made


def _fleet(rng: random.Random) -> Fleet:
    hosts = {f"host{number}": of_model(rng, Host) for number in range(rng.randrange(3))}
    return Fleet(name="random", hosts=hosts)


def _dumped(rng: random.Random) -> str:
    data = _fleet(rng).model_dump(exclude_defaults=rng.random() < 0.5)
    flow = rng.choice([None, False, True])
    return yaml.safe_dump(data, default_flow_style=flow, allow_unicode=rng.random() < 0.3)


def _program(rng: random.Random) -> str:
    """A program that builds a random fleet, with the names that statements change."""
    head, rest = PROGRAM.split("\n", 1)
    start, _ = rest.split("fleet = ")
    return f"{head}\n{start}fleet = {_code(_fleet(rng))}\n"


def _code(value: Any) -> str:
    if isinstance(value, BaseModel):
        given = ((name, getattr(value, name)) for name in sorted(value.model_fields_set))
        arguments = ", ".join(f"{name}={_code(item)}" for name, item in given)
        return f"{type(value).__name__}({arguments})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_code(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _value(rng: random.Random, text: str) -> str:
    """One value anywhere replaced by one of any type; or a key by another."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    places = list(_places(data))
    if not places:
        return text
    owner, key = rng.choice(places)
    value = copy.deepcopy(rng.choice(_VALUES))
    if isinstance(owner, dict) and rng.random() < 0.3:
        owner[rng.choice([*HOSTILE, "naem", "x-y", "Web", "port", 8000, None])] = owner.pop(key)
    else:
        owner[key] = value
    flow = rng.choice([None, False, True])
    try:
        return yaml.dump(data, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    except UnicodeEncodeError:
        return text


def _places(data: Any) -> list[tuple[Any, Any]]:
    keys = data.keys() if isinstance(data, dict) else range(len(data) if _is_list(data) else 0)
    own = [(data, key) for key in keys]
    return own + [place for _, key in own for place in _places(data[key])]


def _is_list(data: Any) -> bool:
    return isinstance(data, list)


def _piece(rng: random.Random, text: str) -> str:
    """A piece put in, or in the place of a word."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    piece = rng.choice(_PIECES)
    words[at] = rng.choice([piece, words[at] + piece, piece + words[at], f"{words[at]} {piece}"])
    return " ".join(words)


def _lines(rng: random.Random, text: str) -> str:
    """A line dropped, doubled, moved or indented otherwise."""
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(rng.randrange(len(lines)), lines.pop(at))
        case 3:
            lines[at] = " " * rng.randrange(1, 5) + lines[at]
        case 4:
            lines[at] = lines[at].lstrip(" ")
    return "".join(lines)


def _limit(rng: random.Random, text: str) -> str:
    """Structures that are deep, long, or large by their aliases."""
    depth = rng.choice([20, 99, 101, 3000])
    bomb = "\n".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]" for i in range(9))
    merges = "\n".join(f"x{i + 1}: &x{i + 1} {{<<: *x{i}, k{i}: 1}}" for i in range(40))
    more = [
        f"x: {'[' * depth}{']' * depth}",
        f"x: {'{a: ' * depth}1{'}' * depth}",
        "\n".join(f"{' ' * i}a:" for i in range(min(depth, 300))),
        "x: " + "- " * depth,
        f"x0: &x0 [a]\n{bomb}",
        f"x0: &x0 {{a: 1}}\n{merges}",
        f"hub: {'a' * rng.choice([64, 70_000])}",
        "---\nname: another",
        "x: &x [*x]",
        "x: &x {<<: *x}",
    ]
    return f"{text}{rng.choice(more)}\n"


def _flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 3])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _argument(rng: random.Random, text: str) -> str:
    """One argument, item or key of a program replaced by an expression; or a name by another."""
    marks = [i for i, c in enumerate(text) if c in "=:[" and text[i + 1 : i + 2] not in {"", "\n"}]
    at = rng.choice(marks) + 1
    depth, end = 0, at
    while end < len(text) and (depth or text[end] not in ",)]}\n"):
        depth += (text[end] in "([{") - (text[end] in ")]}")
        end += 1
    if rng.random() < 0.15:
        names = ["port", "units", "forwards", "hosts", "containers", "Host", "Forward", "name"]
        return text.replace(rng.choice(names), rng.choice(["nmae", "Container", "port_"]), 1)
    return f"{text[:at]} {rng.choice(_EXPRESSIONS)}{text[end:]}"
