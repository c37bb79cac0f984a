"""What differs between two compilations of a fleet, in the fleet's own terms. Knows no disk.

Both are read from the files that were compiled, by one function: what the files say, the difference
tells. A container's class has a name that only means its content, so the content stands under each
container, and the name nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from holo_infra.model.fleet import DEFAULT_ENGINES, Container, Fleet, Forward, Host
from holo_infra.model.options import Holo
from holo_infra.model.services import Services
from nixgen.nodes import Raw
from nixgen.values import read_values

View = dict[str, Any]
"""`{"hosts": {name: HOST}}`, HOST: NixOS's options and `{"containers": {name: CONTAINER}}`,
CONTAINER: its options, those of its class, and `{"forwards": {name: …}, "units": {name: …}}`.
Containers of one class share parts, so nothing in a view is ever changed."""

Path = tuple[str, ...]
"""The way to a value in a view: `("hosts", "alpha", "containers", "web0", "limits", "memory")`."""

Renames = Mapping[Path, Mapping[str, str]]
"""Path above -> name -> earlier name."""

Read = Callable[[str], str | None]
"""Gives the text of a file of the output folder by its path, None where there is none."""

Kind = Literal["host", "container", "forward", "unit", "option"]

_PARTS: Mapping[str, Mapping[str, Kind]] = {
    "fleet": {"hosts": "host"},
    "host": {"containers": "container"},
    "container": {"forwards": "forward", "units": "unit"},
}
"""The named things that a thing has, and what they are; all else in it are options."""

_BOTH_HALVES = {
    "socat": {"innerPort", "port", "probe", "protocol"},
    "nftables": {"engine", "port", "protocol"},
}
"""Options that the two halves of a forward have alike, by the engine of the half inside."""


SERVICES = frozenset(Holo.model_fields[name].alias or name for name in Services.model_fields)
"""The options of services. In these an empty set says something: an account that is there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. A thing that comes or goes is one, with all that is in it."""

    action: Literal["add", "remove", "change", "rename"]
    kind: Kind
    path: Path
    """By the new names, down to a thing that is gone, or a leaf of the options."""
    old: Any = None
    """The value before, for a rename the name; None for `add`."""
    new: Any = None
    """The value after, for a rename the name; None for `remove`."""


def view(hosts: Iterable[str], read: Read) -> View:
    """What the files of these hosts say, of those that there are.

    An option set to an empty set is left out, as it says nothing; in services it stays. Raises
    ValueError for files that compile has not written.
    """
    texts = {name: text for name in hosts if (text := read(f"hosts/{name}.nix"))}
    return {"hosts": {name: _host(text, read) for name, text in texts.items()}}


def renames(fleet: Fleet) -> Renames:
    """The earlier names that a fleet tells."""
    told: dict[Path, dict[str, str]] = {}

    def tell(path: Path, things: Mapping[str, Host | Container | Forward]) -> None:
        if names := {n: t.renamed_from for n, t in things.items() if t.renamed_from is not None}:
            told[path] = names

    tell(("hosts",), fleet.hosts)
    for host_name, host in fleet.hosts.items():
        path = ("hosts", host_name, "containers")
        tell(path, host.containers)
        for name, container in host.containers.items():
            tell((*path, name, "forwards"), container.forwards)
    return told


def due(told: Mapping[str, str], old: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """The renames that are still to be done among things of these names: new name -> old name.

    What has its old name no more was renamed before: the fleet tells an old story. A name that was
    there already may be taken by a rename when the old one is gone. Of two that claim one old name,
    the first has it.
    """
    names, there = set(old), set(new)
    found: dict[str, str] = {}
    for name in sorted(told.keys() & there):
        earlier = told[name]
        if earlier not in names or earlier in found.values():
            continue
        if name not in names or earlier not in there:
            found[name] = earlier
    return found


def compare(old: View, new: View, told: Renames) -> tuple[Change, ...]:
    """What makes `new` of `old`, in the order of names; `told` is what `renames` gives."""
    return tuple(_inside("fleet", (), old, new, told))


def _inside(kind: str, path: Path, old: View, new: View, told: Renames) -> Iterator[Change]:
    """The differences in a thing that both have."""
    parts = _PARTS.get(kind, {})
    yield from _options(
        path,
        {name: value for name, value in old.items() if name not in parts},
        {name: value for name, value in new.items() if name not in parts},
    )
    for part, inner in parts.items():
        if old[part] is not new[part]:  # as the units of one class are
            yield from _things(inner, (*path, part), old[part], new[part], told)


def _things(kind: Kind, path: Path, old: View, new: View, told: Renames) -> Iterator[Change]:
    was = due(told.get(path, {}), old, new)
    left = old.keys() - was.values()
    gone = left - (new.keys() - was.keys())  # a rename may take a name from what is gone
    was |= {name: name for name in left - gone}
    for name in sorted(gone | new.keys()):
        here = (*path, name)
        if name in gone:
            yield Change("remove", kind, here, old[name])
        if name in was:
            if was[name] != name:
                yield Change("rename", kind, here, was[name], name)
            yield from _inside(kind, here, old[was[name]], new[name], told)
        elif name in new:
            yield Change("add", kind, here, None, new[name])


def _options(path: Path, old: View, new: View) -> Iterator[Change]:
    before, after = dict(leaves(old)), dict(leaves(new))
    for leaf in sorted(before.keys() | after.keys()):
        here = (*path, *leaf)
        if leaf not in after:
            yield Change("remove", "option", here, before[leaf])
        elif leaf not in before:
            yield Change("add", "option", here, None, after[leaf])
        # To Python 1 is True, to Nix it is not.
        elif before[leaf] != after[leaf] or repr(before[leaf]) != repr(after[leaf]):
            yield Change("change", "option", here, before[leaf], after[leaf])


def leaves(tree: View, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The options of a tree that hold no others, each with its way; lists are leaves."""
    for name, value in tree.items():
        if type(value) is dict and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _host(text: str, read: Read) -> View:
    values = read_values(text)
    holo = values.pop("holo", {})
    containers = holo.pop("containers", {})
    options = _without_empty({**values, "holo": holo})
    made = {name: _container(settings, read) for name, settings in containers.items()}
    return _joined(options, {"containers": made})


def _container(settings: View, read: Read) -> View:
    system = settings.get("system")
    text = read(f"{system.path.replace('.', '/', 1)}.nix") if type(system) is Raw else None
    class_ = _class(text) if text else _EMPTY
    options = {n: v for n, v in settings.items() if n != "system" or type(v) is not Raw}
    outer = options.pop("forwards", {})
    inner = {n: v for n, v in class_.forwarders.items() if n not in outer}
    forwards = {n: _forward(_without_empty(v), class_.forwarders.get(n)) for n, v in outer.items()}
    return _joined(
        _without_empty({**options, **({"forwarders": inner} if inner else {})}),
        class_.options,
        {"forwards": forwards, "units": class_.units},
    )


def _forward(outer: View, inner: View | None) -> View:
    """A forward with its half in the container, where that says more than the host's half."""
    if inner is None:
        return outer
    engine = inner.get("engine", "socat")
    is_of_it = engine == outer.get("engine", DEFAULT_ENGINES.get(outer.get("protocol", "tcp")))
    alike = _BOTH_HALVES.get(engine, set())
    if is_of_it and inner == {name: value for name, value in outer.items() if name in alike}:
        return outer
    return {**outer, "forwarder": inner}


@dataclass(frozen=True, slots=True)
class _Class:
    units: View
    forwarders: View
    options: View


_EMPTY = _Class({}, {}, {})


@lru_cache(maxsize=65536)
def _class(text: str) -> _Class:
    values = read_values(text)
    holo = values.pop("holo", {})
    units = {name: _without_empty(unit) for name, unit in holo.pop("units", {}).items()}
    forwarders = _without_empty(holo.pop("forwarders", {}))
    return _Class(units, forwarders, _without_empty(_joined(holo, values)))


def _joined(*parts: View) -> View:
    joined = {name: value for part in parts for name, value in part.items()}
    if len(joined) < sum(map(len, parts)):
        raise ValueError(f"one name for two things: {sorted(joined)}")
    return joined


def _without_empty(options: View) -> View:
    made = {}
    for name, value in options.items():
        kept = _without_empty(value) if type(value) is dict and name not in SERVICES else value
        if kept != {}:
            made[name] = kept
    return made
