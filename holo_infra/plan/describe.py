"""Changes as text that an engineer reads before a deploy: by host and container, a line a change.

Hosts, and containers of a host, that change alike are told once. Long values are cut, and what is
no printable character is escaped.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from holo_infra.model.options import ContainerOptions, ForwardOptions
from holo_infra.plan.difference import SERVICES, Change, Path, View, leaves
from nixgen import literals
from nixgen.nodes import Raw

_WIDTH = 100
"""Columns of a line, where names leave room for values."""
_ROOM = 32
"""Columns that values have at least."""
_NAMES = 8
"""How many names stand before "and 92 more"."""

_MARKS = {"add": "+", "remove": "-", "change": "~", "rename": "→"}
_COLOURS = {"+": 32, "-": 31, "~": 33, "→": 33}
_KINDS = ("host", "container")
"""What has lines of its own below it, by depth."""
_ADDRESS = {"index", "network", "hostAddress", "address"}
_MACHINE = {"boot", "networking", "nixpkgs", "system"}
"""Options of a new container that its heading tells, and those that its host has too."""


@dataclass(frozen=True, slots=True)
class _Line:
    depth: int
    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """A host or container with what is told below it, or several that change alike."""

    mark: str
    names: list[str]
    note: str
    body: tuple[_Line, ...]


def describe(changes: Iterable[Change], *, coloured: bool = False) -> str:
    """The changes in their order; those alike stand with the first of them."""
    return "".join(
        f"{'  ' * line.depth}{mark(line.mark, coloured=coloured)} {line.text}\n"
        for line in _things(list(changes), 0)
    )


def mark(sign: str, *, coloured: bool) -> str:
    """One of `+ - ~ →`, in its colour."""
    return f"\033[{_COLOURS[sign]}m{sign}\033[0m" if coloured else sign


def summary(changes: Iterable[Change]) -> str:
    """How many there are of each: `2 to add, 1 to change, 0 to remove, 1 renamed`."""
    of = Counter(change.action for change in changes)
    counts = f"{of['add']} to add, {of['change']} to change, {of['remove']} to remove"
    return f"{counts}, {of['rename']} renamed" if of["rename"] else counts


def printable(text: str) -> str:
    """The text with escapes for what would move a terminal's cursor or the order of characters."""
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)


def _things(changes: Sequence[Change], depth: int) -> Iterator[_Line]:
    """Hosts at depth 0, the containers of a host at depth 1."""
    at = 2 * depth + 1  # where in a path the name stands
    blocks: list[_Block] = []
    alike: dict[tuple[_Line, ...], list[str]] = {}  # what is told -> those that it holds for
    for name, of_name in groupby(changes, key=lambda change: change.path[at]):
        inner: list[Change] = []
        sign, note = "~", ""
        for change in of_name:
            if len(change.path) > at + 1:
                inner.append(change)
            elif change.action == "rename":
                sign, note = "→", f" (was {printable(change.old)})"
            else:
                blocks.append(_whole(change, depth))
        if inner or note:
            block = _Block(sign, [name], note, tuple(_body(inner, depth + 1)))
            if not note and block.body in alike:
                alike[block.body].append(name)
                continue
            blocks.append(block)
            if not note:
                alike[block.body] = block.names
    for block in blocks:
        heading = f"{_KINDS[depth]}{'s' * (len(block.names) > 1)} {_names(block.names)}"
        yield _Line(depth, block.mark, f"{heading}{block.note}")
        yield from block.body


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    told = ", ".join(map(printable, names[:_NAMES]))
    return f"{told} and {more} more" if more > 0 else told


def _body(changes: Sequence[Change], depth: int) -> Iterator[_Line]:
    """What changes in a host or container that stays: its options and parts, its containers."""
    below = [c for c in changes if depth == 1 and c.path[2] == "containers"]
    for change in changes[: len(changes) - len(below)]:  # they come last
        yield _Line(depth, _MARKS[change.action], _text(change, depth))
    if below:
        yield from _things(below, depth)


def _text(change: Change, depth: int) -> str:
    if change.action == "rename":
        return f"{change.kind} {printable(change.new)} (was {printable(change.old)})"
    if change.kind != "option":
        value = change.new if change.action == "add" else change.old
        return _part(change.kind, change.path[-1], value, depth)
    name = _option(change.path[2 * depth :])
    room = max(_ROOM, _WIDTH - 2 * depth - len(name) - 4)
    if change.action == "change":
        return f"{name}: {_pair(_value(change.old), _value(change.new), room)}"
    return f"{name}: {_cut(_value(change.old if change.action == 'remove' else change.new), room)}"


def _option(path: Path) -> str:
    return printable(".".join(map(literals.attribute, path)))


def _whole(change: Change, depth: int) -> _Block:
    """A host or container that comes or goes."""
    sign = _MARKS[change.action]
    value = change.new if change.action == "add" else change.old
    name = change.path[-1]
    body: list[_Line] = []
    if change.kind == "host":
        containers = value["containers"]
        services = _services(value.get("holo", {}))
        note = f"  {len(containers)} container{'s' * (len(containers) != 1)}"
        note += f"; services: {', '.join(services)}" if services else ""
        if change.action == "add":
            body += _set_options({"holo": services} if services else {}, depth + 1, sign)
        for inner, container in sorted(containers.items()):
            text = f"container {printable(inner)}{_glance(container)}"
            body.append(_Line(depth + 1, sign, _cut(text, _WIDTH - 2 * depth - 4)))
            if change.action == "add":  # what it may do is to be seen before it does
                body += _set_options(container, depth + 2, sign)
    elif change.action == "remove":
        note = _glance(value)
    else:
        note = f"  {_address(value)}"
        for part in ("forwards", "units"):
            for inner, of_part in sorted(value[part].items()):
                text = _part(part.removesuffix("s"), inner, of_part, depth + 1)
                body.append(_Line(depth + 1, sign, text))
        body += _set_options(value, depth + 1, sign)
    return _Block(sign, [name], note, tuple(body))


def _services(options: View) -> View:
    """The services among some options."""
    return {name: options[name] for name in sorted(SERVICES & options.keys())}


def _set_options(thing: View, depth: int, sign: str) -> Iterator[_Line]:
    """What is set besides a container's address, its forwards and its units."""
    elsewhere = {*_ADDRESS, *_MACHINE, "forwards", "units"}
    options = {name: value for name, value in thing.items() if name not in elsewhere}
    told = {(name, "enable") for name in SERVICES}  # by the heading
    for leaf, value in sorted(leaves(options)):
        if leaf[-2:] in told:
            continue
        text = f"{_option(leaf)}: {_value(value)}"
        yield _Line(depth, sign, _cut(text, _WIDTH - 2 * depth - 2))


def _glance(container: View) -> str:
    """A container on one line: address, units and services, what listens on the host for it."""
    units = ", ".join([*sorted(container["units"]), *_services(container)]) or "no units"
    forwards = (f"{n} {_listener(f)}" for n, f in sorted(container["forwards"].items()))
    return printable(
        f"  {_address(container)}  {'; '.join(filter(None, [units, ', '.join(forwards)]))}"
    )


def _address(container: View) -> str:
    if container.get("network") == "shared":
        return "the host's network"
    if "address" not in container and "index" in container:  # follows from the number
        return ContainerOptions.model_validate({"index": container["index"]}).address
    return printable(container.get("address", "no address"))


def _listener(forward: View) -> str:
    bind = forward.get("bind", ForwardOptions.model_fields["bind"].default)
    protocol = forward.get("protocol", "tcp")
    return f"{bind}:{forward.get('hostPort', '?')}{'' if protocol == 'tcp' else f'/{protocol}'}"


def _part(kind: str, name: str, value: View, depth: int) -> str:
    """A forward or unit on one line: the way from port to port, or the command."""
    if kind == "unit":
        told = shlex.join(value.get("execStart", []))
    else:
        ways = [_listener(value), value.get("innerPort"), value.get("port")]
        told = " -> ".join(str(way) for way in ways if way is not None)
        told += f"  ({value['engine']})" if "engine" in value else ""
    return _cut(printable(f"{kind} {name}  {told}"), _WIDTH - 2 * depth - 2)


def _value(value: object) -> str:
    """A value as Nix has it, on one line."""
    match value:
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case str():
            return printable(literals.string(value))
        case Raw(path):
            return path
        case list():
            return " ".join(["[", *map(_value, value), "]"])
        case dict():
            bindings = (f"{literals.attribute(n)} = {_value(v)};" for n, v in value.items())
            return printable(" ".join(["{", *bindings, "}"]))
        case _:
            return str(value)


def _pair(old: str, new: str, room: int) -> str:
    """Both values; where they are too long, the part in which they begin to differ."""
    room -= len(" -> ")
    if len(old) + len(new) > room:
        half = room // 2
        differ = (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
        start = next(differ, min(len(old), len(new)))
        start = min(start - half // 2, max(len(old), len(new)) - half + 1)
        if start > 1:
            old, new = f"…{old[start:]}", f"…{new[start:]}"
        old, new = _cut(old, max(half, room - len(new))), _cut(new, max(half, room - len(old)))
    return f"{old} -> {new}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
