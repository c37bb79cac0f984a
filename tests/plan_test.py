"""`holo plan`: the difference of two fleets is exact, and what compile would do is told before."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from holo_infra.allocate import Allocation, allocate
from holo_infra.cli import main
from holo_infra.lower import LoweredFleet, lower
from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.model.options import ContainerOptions, ForwarderOptions, ForwardOptions, Holo
from holo_infra.model.services import Gateway, HcHttpGw, NatsServer, Services
from holo_infra.model.services.nats_server import Account, Jetstream
from holo_infra.model.unit import Unit
from holo_infra.plan.describe import describe, summary
from holo_infra.plan.difference import Change, View, compare, leaves, renames, view
from holo_infra.targets import Files
from holo_infra.targets.nixos import FlakeInputs, nixos
from nixgen.nodes import Raw
from nixgen.values import print_values, read_values
from tests.support import fleets
from tests.support.values import of_model

M = TypeVar("M", bound=BaseModel)

Thing = tuple[str, str, tuple[str, ...]]
"""Action, kind and path of a change of a host, container, forward or unit."""


class Parts:
    """Random parts of fleets, made once: that takes longer than all that is done with them."""

    def __init__(self, rng: random.Random, number: int = 150) -> None:
        networks = ["private", "private", "shared", *fleets.NETWORKS]
        self.hosts = [
            with_(fleets.host(rng, "192.0.2.2"), listens=["0.0.0.0:22"], containers={})
            for _ in range(number // 3)
        ]
        self.containers = [
            fleets.container(rng, of_model(rng, Container), rng.choice(networks), set())
            for _ in range(number)
        ]
        self.containers = [
            with_(made, forwards={name: numberless(f) for name, f in made.forwards.items()})
            for made in self.containers
        ]
        private = [made for made in self.containers if made.network != "shared"]
        self.forwards = [forward for made in private for forward in made.forwards.values()]
        self.units = [unit for made in self.containers for unit in made.units.values()]


class Mutation:
    """Changes a fleet in random ways, and remembers what that comes to."""

    def __init__(self, rng: random.Random, parts: Parts, often: float) -> None:
        self.rng = rng
        self.parts = parts
        self.often = often
        self.expected: set[Thing] = set()
        self.kept: list[tuple[str, ...]] = []
        """Containers and hosts that were renamed, and nobody else claims their old name."""
        self.unsure: list[tuple[str, ...]] = []
        """Below these, things were exchanged: what comes and goes there was not followed."""
        self._names = (f"{rng.choice('amz')}{number}" for number in count())

    def is_sure(self, thing: Thing) -> bool:
        """Whether `expected` knows what becomes of a thing."""
        path = thing[2]
        return not any(len(p) < len(path) and path[: len(p)] == p for p in self.unsure)

    def fleet(self, old: Fleet) -> Fleet:
        hosts = self.things("host", ("hosts",), dict(old.hosts), self.new_host, self.host)
        return with_(old, hosts=hosts)

    def things(
        self,
        kind: str,
        path: tuple[str, ...],
        old: dict[str, Any],
        fresh: Callable[[], Any],
        alter: Callable[[tuple[str, ...], Any], Any],
    ) -> dict[str, Any]:
        rng, new = self.rng, {}
        for name, thing in old.items():
            chance = rng.random() / self.often
            if chance < 0.15:
                self.expected.add(("remove", kind, (*path, name)))
            elif chance < 0.3 and kind != "unit":
                now = next(self._names)
                new[now] = with_(alter((*path, now), thing), renamed_from=name)
                self.expected.add(("rename", kind, (*path, now)))
                if rng.random() < 0.3:
                    new[name] = self._added(kind, (*path, name), fresh)
                elif rng.random() < 0.3:  # comes too late for the name: m, not a
                    other = f"zz{now}"
                    new[other] = with_(self._added(kind, (*path, other), fresh), renamed_from=name)
                else:
                    self.kept.append((*path, now))
            elif chance < 0.4 and kind != "unit":  # an old story, or a wrong one
                earlier = rng.choice(["never", name, *old])
                new[name] = with_(alter((*path, name), thing), renamed_from=earlier)
            else:
                new[name] = alter((*path, name), thing)
        while rng.random() < 0.3 * self.often:
            name = next(self._names)
            new[name] = self._added(kind, (*path, name), fresh)
        both = [name for name in old if name in new]
        if len(both) > 1 and kind != "unit" and rng.random() < 0.1 * self.often:
            a, b = rng.sample(both, 2)
            new[a], new[b] = with_(new[b], renamed_from=b), with_(new[a], renamed_from=a)
            self.unsure += [(*path, a), (*path, b)]
        if kind != "unit":
            new = {name: self.in_place(name, thing, old, new) for name, thing in new.items()}
        return dict(rng.sample(sorted(new.items()), len(new)))

    def in_place(self, name: str, thing: Any, old: dict[str, Any], new: dict[str, Any]) -> Any:
        """A thing that does not take the place of one that is gone."""
        takes = name in old and thing.renamed_from not in {None, *new}
        return with_(thing, renamed_from="never") if takes else thing

    def _added(self, kind: str, path: tuple[str, ...], fresh: Callable[[], Any]) -> Any:
        self.expected.add(("add", kind, path))
        return fresh()

    def new_host(self) -> Host:
        containers = {next(self._names): self.new_container() for _ in range(3)}
        return with_(self.rng.choice(self.parts.hosts), containers=containers)

    def new_container(self) -> Container:
        return self.rng.choice(self.parts.containers)

    def new_forward(self) -> Forward:
        return self.rng.choice(self.parts.forwards)

    def new_unit(self) -> Unit:
        return self.rng.choice(self.parts.units)

    def host(self, path: tuple[str, ...], old: Host) -> Host:
        other = self.rng.choice(self.parts.hosts)
        fields = ["system", "state_version", "imports", "nameservers"]
        path = (*path, "containers")
        containers = dict(old.containers)
        return with_(
            self._mixed(old, other, fields),
            containers=self.things(
                "container", path, containers, self.new_container, self.container
            ),
        )

    def container(self, path: tuple[str, ...], old: Container) -> Container:
        other = self.new_container()
        fields = ["egress", "isolated", "allowed_peers", "limits", "bind_mounts", "secrets"]
        made = self._mixed(old, other, [*fields, "state", "nspawn_args"])
        if self.rng.random() < 0.05 * self.often:
            made = with_(made, network=other.network)
            self.unsure.append(path)
        forwards = dict(old.forwards)
        if made.network != "shared":
            forwards = self.things(
                "forward", (*path, "forwards"), forwards, self.new_forward, self.forward
            )
        units = dict(old.units)
        units = self.things("unit", (*path, "units"), units, self.new_unit, self.unit)
        return with_(made, forwards=forwards, units=units)

    def forward(self, _: tuple[str, ...], old: Forward) -> Forward:
        return self._mixed(old, self.new_forward(), ["port", "bind", "probe", "protocol"])

    def unit(self, _: tuple[str, ...], old: Unit) -> Unit:
        fields = ["description", "exec_start", "package", "environment", "settings"]
        return self._mixed(old, self.new_unit(), fields)

    def _mixed(self, old: M, other: M, fields: list[str]) -> M:
        """The old one with some fields of another."""
        chosen = [field for field in fields if self.rng.random() < 0.3 * self.often]
        return with_(old, **{field: getattr(other, field) for field in chosen})


def with_(model: M, **fields: Any) -> M:
    return model.model_copy(update=fields)


def numberless(forward: Forward) -> Forward:
    return with_(forward, host_port=None, inner_port=None)


@dataclass(frozen=True)
class Pair:
    """Two fleets, the second made of the first, and what lies between."""

    mutation: Mutation
    before: View
    after: View
    changes: tuple[Change, ...]
    is_alike: bool
    """Whether both were lowered to the same."""


@cache
def pairs() -> list[Pair]:
    rng = random.Random(1)
    parts = Parts(rng)
    made = []
    for index in range(400):
        # Most pairs share much, some nothing, some all.
        mutation = Mutation(rng, parts, [0.0001, 0.05, 0.2, 0.5, 1, 3][index % 6])
        hosts = {next(mutation._names): mutation.new_host() for _ in range(rng.choice([1, 2, 3]))}
        old = Fleet(name="random", networks=fleets.NETWORKS, hosts=hosts)
        new = mutation.fleet(old)
        old_files, old_lowered, allocation = compiled(old, Allocation())
        new_files, new_lowered, _ = compiled(new, allocation)
        before, after = viewed(old_files), viewed(new_files)
        changes = compare(before, after, renames(new))
        alike = content(old_lowered) == content(new_lowered)
        made.append(Pair(mutation, before, after, changes, alike))
    return made


def compiled(fleet: Fleet, lock: Allocation) -> tuple[Files, LoweredFleet, Allocation]:
    allocation, _ = allocate(fleet, lock)
    lowered = lower(fleet, allocation)
    return nixos(lowered, FlakeInputs()), lowered, allocation


def viewed(files: Files) -> View:
    hosts = [path[6:-4] for path in files if path.startswith("hosts/")]
    return view(hosts, lambda path: str(files[path]) if path in files else None)


def difference(old: Fleet, new: Fleet) -> tuple[View, View, tuple[Change, ...]]:
    """Both views, and what lies between; the second fleet keeps the numbers of the first."""
    old_files, _, allocation = compiled(old, Allocation())
    new_files, _, _ = compiled(new, allocation)
    before, after = viewed(old_files), viewed(new_files)
    return before, after, compare(before, after, renames(new))


def applied(before: View, changes: tuple[Change, ...]) -> View:
    """The view after the changes: written without a look at how they were found."""
    made: View = clone(before)
    for depth in (2, 4, 6):
        apply_to_things(made, [c for c in changes if c.kind != "option" and len(c.path) == depth])
    options = [change for change in changes if change.kind == "option"]
    for change in options:
        if change.action in ("remove", "change"):
            remove_option(made, change)
    for change in options:
        if change.action in ("add", "change"):
            holding = made
            for name in change.path[:-1]:
                holding = holding.setdefault(name, {})
            assert change.path[-1] not in holding
            holding[change.path[-1]] = change.new
    return made


def clone(value: Any) -> Any:
    """A copy of which no part is part of another: containers of one class share its options."""
    return {name: clone(v) for name, v in value.items()} if isinstance(value, dict) else value


def apply_to_things(made: View, changes: list[Change]) -> None:
    """What comes, goes and is renamed at one depth: all at once, so that names can be exchanged."""
    arrived = []
    for change in changes:
        holding = holder(made, change.path)
        if change.action == "remove":
            assert_same(holding.pop(change.path[-1]), change.old)
        else:
            value = change.new if change.action == "add" else holding.pop(change.old)
            arrived.append((holding, change.path[-1], clone(value)))
    for holding, name, value in arrived:
        assert name not in holding
        holding[name] = value


def remove_option(made: View, change: Change) -> None:
    trail = [made]
    for name in change.path[:-1]:
        trail.append(trail[-1][name])
    assert_same(trail[-1].pop(change.path[-1]), change.old)
    # A set of options that is empty says nothing; a thing without options is one.
    for length in range(len(change.path) - 1, thing_depth(change.path), -1):
        if not trail[length]:
            del trail[length - 1][change.path[length - 1]]


def holder(made: View, path: tuple[str, ...]) -> View:
    for name in path[:-1]:
        made = made[name]
    return made


def thing_depth(path: tuple[str, ...]) -> int:
    """How much of an option's path names the thing that it is of."""
    if path[2] != "containers":
        return 2
    return 6 if path[4] in ("forwards", "units") else 4


def assert_same(one: Any, other: Any) -> None:
    assert one == other
    assert canonical(one) == canonical(other)  # to Python, 1 is True


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def test_the_changes_make_the_second_of_the_first() -> None:
    kinds = set()
    for pair in pairs():
        assert_same(applied(pair.before, pair.changes), pair.after)
        assert len({(c.action, c.path) for c in pair.changes}) == len(pair.changes)
        kinds |= {(change.action, change.kind) for change in pair.changes}
    things = {(a, k) for a in ("add", "remove", "rename") for k in ("host", "container", "forward")}
    options = {(action, "option") for action in ("add", "remove", "change")}
    assert kinds == things | options | {("add", "unit"), ("remove", "unit")}


def test_a_rename_may_take_the_name_of_what_is_gone() -> None:
    def fleet(**containers: Container) -> Fleet:
        return Fleet(name="f", hosts={"alpha": Host(containers=containers)})

    old = fleet(
        spare=Container(forwards={"web": Forward(port=81)}),
        main=Container(forwards={"web": Forward(port=80)}),
    )
    promoted = Container(forwards={"web": Forward(port=81)}, renamed_from="spare")
    before, after, changes = difference(old, fleet(main=promoted))
    path = ("hosts", "alpha", "containers", "main")
    assert [(c.action, c.kind, c.path) for c in changes] == [
        ("remove", "container", path),
        ("rename", "container", path),
        ("add", "option", (*path, "state")),
    ]
    assert_same(applied(before, changes), after)
    assert changes[2].new == "/var/lib/holo/state/spare"


def test_each_thing_that_comes_goes_or_is_renamed_is_one_change() -> None:
    number = 0
    for pair in pairs():
        told = {(c.action, c.kind, c.path) for c in pair.changes if c.kind != "option"}
        sure = pair.mutation.is_sure
        assert set(filter(sure, told)) == set(filter(sure, pair.mutation.expected))
        number += len(set(filter(sure, told)))
    assert number > 1000


def test_a_renamed_container_keeps_its_number() -> None:
    renamed = 0
    for pair in pairs():
        changed = {change.path for change in pair.changes}
        for path in pair.mutation.kept:
            if pair.mutation.is_sure(("rename", "", (*path, "index"))):
                numbers = {(*path, name) for name in ("index", "address", "hostAddress")}
                assert not numbers & changed
                renamed += len(path) == 4
    assert renamed > 50


def test_nothing_differs_exactly_when_nothing_is_told() -> None:
    for pair in pairs():
        assert (not pair.changes) == pair.is_alike == (pair.before == pair.after)
    assert 50 < sum(pair.is_alike for pair in pairs()) < 350


def content(fleet: LoweredFleet) -> str:
    """All that a fleet was lowered to, without the names of classes."""
    return canonical(
        {
            name: {
                "imports": host.model.imports,
                "system": [host.model.system, host.model.state_version],
                "settings": host.settings,
                "contents": {
                    container: [
                        fleet.classes[class_].content.model_dump(),
                        fleet.classes[class_].system,
                        fleet.classes[class_].state_version,
                    ]
                    for container, class_ in host.classes.items()
                },
            }
            for name, host in fleet.hosts.items()
        }
    )


def test_every_value_of_every_file_is_told_when_it_changes() -> None:
    rng = random.Random(2)
    chosen, parts = fleets.fleet(rng, 12), Parts(rng, 12)
    hosts = {
        name: with_(host, containers={**host.containers, "c": rng.choice(parts.containers)})
        for name, host in chosen.hosts.items()
    }
    container = Container(egress="hub", forwards={"admin": Forward(port=8000)})
    hosts["last"] = Host(
        nameservers=["192.0.2.53"],
        containers={"a": container, "b": Container(egress="internet")},
    )
    files, *_ = compiled(with_(chosen, hosts=hosts), Allocation())
    values = {path: read_values(str(text)) for path, text in files.items() if "/" in path}
    # A forwarder whose forward another version left out.
    del values["hosts/last.nix"]["holo"]["containers"]["a"]["forwards"]
    files["hosts/last.nix"] = print_values(values["hosts/last.nix"])
    whole, told = viewed(files), 0
    for path, of_file in values.items():
        for leaf, value in leaves(of_file):
            if leaf[-1] in {"holo", "system"}:
                continue  # nothing, and the name of a class
            spoiled = clone(of_file)
            holding, last = holder(spoiled, leaf), leaf[-1]
            for other in (changed_value(value), None if value is not None else "x"):
                holding[last] = other
                assert viewed({**files, path: print_values(spoiled)}) != whole, (path, leaf)
                told += 1
            del holding[last]
            if not holding and leaf[1] == "forwarders":
                continue  # an empty set says nothing, not even that a forward has a half
            assert viewed({**files, path: print_values(spoiled)}) != whole, (path, leaf)
    assert told > 500


def changed_value(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case Raw(path):
            return Raw(f"{path}x")
        case None | {}:
            return 0
        case _:
            return [*value, "x"]


def test_both_halves_of_a_forward_are_told_where_they_disagree() -> None:
    container = Container(forwards={"admin": Forward(port=8000, engine="socat")})
    fleet = Fleet(name="f", hosts={"a": Host(containers={"c": container})})
    files, *_ = compiled(fleet, Allocation())
    (path,) = [path for path in files if path.startswith("classes/")]

    def forward(inner_port: int) -> Any:
        text = str(files[path]).replace("8001", str(inner_port))
        return viewed({**files, path: text})["hosts"]["a"]["containers"]["c"]["forwards"]["admin"]

    outer = {"hostPort": 8000, "port": 8000, "innerPort": 8001, "engine": "socat"}
    assert forward(8001) == outer
    assert forward(8002) == {**outer, "forwarder": {"innerPort": 8002, "port": 8000}}


@pytest.mark.parametrize("engine", ["socat", "socket-proxyd", "haproxy", "nftables"])
def test_a_change_of_a_forwards_port_is_told_once(engine: Any) -> None:
    def fleet(port: int) -> View:
        forward = Forward(port=port, host_port=80, bind="0.0.0.0", engine=engine)  # noqa: S104
        container = Container(forwards={"web": forward})
        made = Fleet(name="f", hosts={"a": Host(containers={"c": container})})
        return viewed(compiled(made, Allocation())[0])

    (change,) = compare(fleet(4000), fleet(4001), {})
    assert change.path[-3:] == ("forwards", "web", "port")
    assert (change.old, change.new) == (4000, 4001)


def test_options_of_a_container_and_of_its_class_never_share_a_name() -> None:
    # Both stand under the container; one would hide the other.
    of_container = {field.alias or name for name, field in ContainerOptions.model_fields.items()}
    of_class = {"boot", "networking", "nixpkgs", "units"}
    assert not of_container & (of_class | {*Holo.model_fields} - {"containers"})
    halves = {*ForwarderOptions.model_fields} & {*ForwardOptions.model_fields}
    assert halves == {"engine", "inner_port", "port", "probe", "protocol"}


def test_services_that_come_go_and_change_are_told() -> None:
    gateway = Services(hc_http_gw=HcHttpGw(allowed_fns_per_app_id={"forum": "*"}))
    conductor = Container(services=gateway, units={"web": Unit(exec_start=["busybox"])})
    alpha = Host(
        services=Services(nats_server=NatsServer(jetstream=Jetstream(domain="hub"))),
        containers={"a": conductor, "b": Container(services=gateway)},
    )
    nothing, both = Fleet(name="f"), Fleet(name="f", hosts={"alpha": alpha})
    *_, changes = difference(nothing, both)
    assert describe(changes) == (
        "+ host alpha  2 containers; services: nats-server\n"
        '  + holo.nats-server.jetstream.domain: "hub"\n'
        "  + container a  10.0.85.2  web, hc-http-gw\n"
        '    + hc-http-gw.allowedFnsPerAppId.forum: "*"\n'
        "  + container b  10.0.86.2  hc-http-gw\n"
        '    + hc-http-gw.allowedFnsPerAppId.forum: "*"\n'
    )
    *_, changes = difference(both, nothing)
    assert describe(changes) == (
        "- host alpha  2 containers; services: nats-server\n"
        "  - container a  10.0.85.2  web, hc-http-gw\n"
        "  - container b  10.0.86.2  hc-http-gw\n"
    )
    other = Services(hc_http_gw=HcHttpGw(listen_port=4000), gateway=Gateway())
    now = with_(alpha, services=Services(), containers={"a": with_(conductor, services=other)})
    *_, changes = difference(both, with_(both, hosts={"alpha": now}))
    assert describe(changes) == (
        "~ host alpha\n"
        "  - holo.nats-server.enable: true\n"
        '  - holo.nats-server.jetstream.domain: "hub"\n'
        "  ~ container a\n"
        "    + gateway.enable: true\n"
        '    - hc-http-gw.allowedFnsPerAppId.forum: "*"\n'
        "    + hc-http-gw.listenPort: 4000\n"
        "  - container b  10.0.86.2  hc-http-gw\n"
    )


def test_an_empty_set_in_data_of_a_service_is_told() -> None:
    def fleet(data: dict[str, Any]) -> Fleet:
        services = Services(nats_server=NatsServer(extra_attrs=data))
        return Fleet(name="f", hosts={"a": Host(services=services)})

    *_, changes = difference(fleet({"x": {"y": 1}}), fleet({"x": {}}))
    assert describe(changes) == (
        "~ host a\n  + holo.nats-server.extraAttrs.x: { }\n  - holo.nats-server.extraAttrs.x.y: 1\n"
    )
    (change,) = difference(fleet({"x": {}, "z": 1}), fleet({"z": 1}))[-1]
    assert (change.action, change.path[-2:]) == ("remove", ("extraAttrs", "x"))


def test_an_account_without_anything_is_told() -> None:
    def fleet(*accounts: str) -> Fleet:
        server = NatsServer(accounts={name: Account() for name in accounts})
        return Fleet(name="f", hosts={"a": Host(services=Services(nats_server=server))})

    *_, changes = difference(fleet("A"), fleet("A", "B"))
    assert describe(changes) == "~ host a\n  + holo.nats-server.accounts.B: { }\n"


def test_numbers_and_truth_values_differ() -> None:
    def host(value: Any) -> View:
        return {"hosts": {"a": {"x": value, "containers": {}}}}

    for old, new in ((1, True), (0, False), ([1], [True]), ("null", None), (None, False)):
        (change,) = compare(host(old), host(new), {})
        assert (change.old, change.new) == (old, new)


OLD = """\
from holo_infra import BindMount, Container, Fleet, Forward, Host, Limits, Unit

def web(port):
    return Unit(exec_start=["busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/srv"])

fleet = Fleet(
    name="private",
    hosts={
        "alpha": Host(
            containers={
                "web0": Container(
                    units={"web": web(8000)},
                    forwards={"admin": Forward(port=8000), "httpgw": Forward(port=4000, engine="haproxy")},
                ),
                "db0": Container(units={"db": web(5432)}, forwards={"sql": Forward(port=5432)}),
                "old": Container(network="shared"),
            },
        ),
        "beta": Host(containers={"a": Container(units={"w": web(1)}), "b": Container(units={"w": web(1)})}),
        "gamma": Host(containers={"a": Container(units={"w": web(1)}), "b": Container(units={"w": web(1)})}),
        "gone": Host(containers={"web0": Container(units={"web": web(8000)})}),
        "zeta": Host(),
    },
)
"""  # noqa: E501 - as a user may write it
NEW = """\
from holo_infra import BindMount, Container, Fleet, Forward, Host, Limits, Unit

def web(port):
    return Unit(exec_start=["busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/srv"])

fleet = Fleet(
    name="private",
    hosts={
        "alpha": Host(
            containers={
                "web0": Container(
                    units={
                        "web": Unit(exec_start=web(8000).exec_start, environment={"A": "\\t${x}é\\u202e"}),
                        "metrics": web(9000),
                    },
                    forwards={"admin": Forward(port=8000, host_port=8010)},
                    limits=Limits(memory="2G"),
                ),
                "db1": Container(
                    units={"db": web(5433)},
                    forwards={"pg": Forward(port=5432, renamed_from="sql")},
                    renamed_from="db0",
                ),
                "web2": Container(
                    units={"web": web(8000)},
                    forwards={"dns": Forward(port=5353, protocol="udp", probe="none")},
                    bind_mounts={"/a b": BindMount(source="/srv")},
                    limits=Limits(tasks=100),
                ),
            },
        ),
        "beta": Host(containers={"a": Container(units={"w": web(2)}), "b": Container(units={"w": web(2)})}),
        "gamma": Host(containers={"a": Container(units={"w": web(2)}), "b": Container(units={"w": web(2)})}),
        "delta": Host(
            containers={
                "one": Container(network="shared"),
                "two": Container(units={"web": web(8000)}, forwards={"admin": Forward(port=8000)}),
            },
        ),
        "omega": Host(renamed_from="zeta"),
    },
)
"""  # noqa: E501 - as a user may write it
TOLD = """\
~ host alpha
  → container db1 (was db0)
    + state: "/var/lib/holo/state/db0"
    → forward pg (was sql)
    ~ units.db.execStart: …-p" "127.0.0.1:5432" "-h" "/srv" ] -> …-p" "127.0.0.1:5433" "-h" "/srv" ]
  - container old  the host's network  no units
  ~ container web0
    + limits.memory: "2G"
    ~ forwards.admin.hostPort: 8000 -> 8010
    - forward httpgw  127.0.0.1:4000 -> 4000  (haproxy)
    + unit metrics  busybox httpd -f -p 127.0.0.1:9000 -h /srv
    + units.web.environment.A: "\\t\\${x}é\\u202e"
  + container web2  10.0.87.2
    + forward dns  127.0.0.1:5353/udp -> 5353
    + unit web  busybox httpd -f -p 127.0.0.1:8000 -h /srv
    + bindMounts."/a b".source: "/srv"
    + limits.tasks: 100
~ hosts beta, gamma
  ~ containers a, b
    ~ units.w.execStart: …" "-p" "127.0.0.1:1" "-h" "/srv" ] -> …" "-p" "127.0.0.1:2" "-h" "/srv" ]
+ host delta  2 containers
  + container one  the host's network  no units
  + container two  10.0.85.2  web; admin 127.0.0.1:8000
- host gone  1 container
  - container web0  10.0.85.2  web
→ host omega (was zeta)
  ~ networking.hostName: "zeta" -> "omega"
~ lock file {lock}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the old fleet and what it was compiled to."""
    (tmp_path / "fleet.py").write_text(OLD)
    assert main(["compile", str(tmp_path / "fleet.py"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path


def plan(folder: Path, *arguments: str) -> int:
    return main(["plan", str(folder / "fleet.py"), "--out", str(folder / "out"), *arguments])


def as_json(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    status = plan(folder, "--format", "json", *arguments)
    told = json.loads(capsys.readouterr().out)
    assert status == (2 if told["lock"] or any(told["files"].values()) else 0)
    return told


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_the_plan_is_told_to_the_letter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fleet.py").write_text(NEW)
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
    capsys.readouterr()
    assert plan(folder) == 2
    text = capsys.readouterr().out
    body, _, last = text.rstrip("\n").rpartition("\n")
    assert body == TOLD.replace("{lock}", str(folder / "fleet.lock.json"))
    assert max(map(len, TOLD.splitlines())) <= 100
    written = as_json(folder, capsys)["files"]
    assert last == (
        "6 to add, 7 to change, 3 to remove, 3 renamed; "
        f"{len(written['written'])} files to write, {len(written['removed'])} files to delete,"
        " lock file"
    )
    after = [(path, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
    assert before == after, "a plan has written something"


def test_after_compile_the_plan_is_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fleet.py").write_text(NEW)
    assert main(["compile", str(folder / "fleet.py"), "--out", str(folder / "out")]) == 0
    capsys.readouterr()
    assert plan(folder) == 0
    assert capsys.readouterr().out == "no changes\n"
    empty = {"changes": [], "files": {"written": [], "removed": []}, "lock": False}
    assert as_json(folder, capsys) == empty


@pytest.mark.parametrize("back", [False, True])
def test_compile_does_what_the_plan_said(
    folder: Path, capsys: pytest.CaptureFixture[str], *, back: bool
) -> None:
    if back:
        (folder / "fleet.py").write_text(NEW)
        assert main(["compile", str(folder / "fleet.py"), "--out", str(folder / "out")]) == 0
    (folder / "fleet.py").write_text(OLD if back else NEW)
    (folder / "out/hosts/beta.nix").unlink()
    (folder / "out/systemd/alpha/host/netns-web0.service").write_text("")
    planned = as_json(folder, capsys)
    before = tree(folder)
    assert main(["compile", str(folder / "fleet.py"), "--out", str(folder / "out")]) == 0
    after = tree(folder)
    ours = {path.removeprefix("out/") for path in before | after if path.startswith("out/")}
    ours -= {"manifest.json"}
    gone = {path for path in ours if f"out/{path}" not in after}
    changed = {p for p in ours - gone if before.get(f"out/{p}") != after[f"out/{p}"]}
    assert planned["files"] == {"written": sorted(changed), "removed": sorted(gone)}
    assert planned["lock"] == (before["fleet.lock.json"] != after["fleet.lock.json"])
    assert plan(folder) == 0


def test_json_holds_the_whole_of_every_value(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fleet.py").write_text(NEW)
    changes = as_json(folder, capsys)["changes"]
    assert all({*change} == {"action", "kind", "path", "old", "new"} for change in changes)
    found = {(change["action"], ".".join(change["path"])): change for change in changes}
    path = "hosts.alpha.containers.db1.units.db.execStart"
    assert found["change", path]["old"][4:] == ["127.0.0.1:5432", "-h", "/srv"]
    assert found["change", path]["new"][4:] == ["127.0.0.1:5433", "-h", "/srv"]
    assert found["rename", "hosts.omega"]["old"] == "zeta"
    added = found["add", "hosts.alpha.containers.web2"]
    assert added["old"] is None
    assert added["new"]["units"]["web"]["execStart"][0] == "busybox"
    assert added["new"]["forwards"]["dns"]["port"] == 5353
    environment = found["add", "hosts.alpha.containers.web0.units.web.environment.A"]
    assert environment["new"] == "\t${x}é\u202e"


def test_where_no_folder_is_all_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.py").write_text(OLD)
    planned = as_json(tmp_path, capsys)
    hosts = ["alpha", "beta", "gamma", "gone", "zeta"]
    told = [(change["action"], *change["path"]) for change in planned["changes"]]
    assert told == [("add", "hosts", host) for host in hosts]
    assert planned["lock"]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "fleet.lock.json").exists()


@pytest.mark.parametrize("spoil", ["changed", "foreign", "no manifest", "no folder"])
def test_what_compile_refuses_the_plan_refuses_in_the_same_words(
    folder: Path, capsys: pytest.CaptureFixture[str], spoil: str
) -> None:
    (folder / "fleet.py").write_text(NEW)
    out = folder / "out"
    if spoil == "changed":
        (out / "hosts/alpha.nix").write_text("{ }")
    elif spoil == "foreign":
        (out / "hosts/delta.nix").write_text("{ }")
    elif spoil == "no manifest":
        (out / "manifest.json").unlink()
    else:
        out.rename(folder / "other")
        out.write_text("")
    capsys.readouterr()
    assert plan(folder) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert main(["compile", str(folder / "fleet.py"), "--out", str(out)]) == 1
    assert capsys.readouterr().err == said.err
    assert "error[HI31" in said.err


def test_files_that_change_without_a_meaning_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out/classes").rename(folder / "classes")
    (folder / "out/systemd/beta/host/container@a.service").write_text("")
    planned = as_json(folder, capsys)
    classes = sorted(f"classes/{path.name}" for path in (folder / "classes").iterdir())
    written = [*classes, "systemd/beta/host/container@a.service"]
    assert planned == {"changes": [], "files": {"written": written, "removed": []}, "lock": False}
    assert plan(folder) == 2
    lines = "".join(f"~ {path}\n" for path in written)
    end = f"\n0 to add, 0 to change, 0 to remove; {len(written)} files to write\n"
    assert capsys.readouterr().out == lines + end


def test_other_inputs_and_targets_change_files_only(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = as_json(folder, capsys, "--nixpkgs", "github:NixOS/nixpkgs/nixos-26.11")
    assert planned["files"] == {"written": ["flake.nix"], "removed": []}
    assert planned["changes"] == []
    planned = as_json(folder, capsys, "--target", "nixos")
    assert planned["changes"] == planned["files"]["written"] == []
    assert {path.split("/")[0] for path in planned["files"]["removed"]} == {"systemd"}
    capsys.readouterr()
    plan(folder, "--target", "nixos")
    text = capsys.readouterr().out
    number = len(planned["files"]["removed"])
    assert text.count("\n- systemd/") == 9
    assert text.startswith("- systemd/")
    assert text.endswith(
        f"  and {number - 10} more\n\n"
        f"0 to add, 0 to change, 0 to remove; {number} files to delete\n"
    )


def test_a_manifest_that_is_behind_is_all_that_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(folder / "out", {"hosts/epsilon.nix": "of a file that somebody has deleted"})
    planned = as_json(folder, capsys)
    assert planned["files"] == {"written": ["manifest.json"], "removed": []}
    assert main(["compile", str(folder / "fleet.py"), "--out", str(folder / "out")]) == 0
    assert plan(folder) == 0


def test_a_lock_file_that_is_behind_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fleet.lock.json").unlink()
    planned = as_json(folder, capsys)
    empty: dict[str, list[str]] = {"written": [], "removed": []}
    assert planned == {"changes": [], "files": empty, "lock": True}
    assert plan(folder) == 2
    lock = folder / "fleet.lock.json"
    end = "0 to add, 0 to change, 0 to remove; lock file\n"
    assert capsys.readouterr().out == f"~ lock file {lock}\n\n{end}"


def record(out: Path, contents: dict[str, str]) -> None:
    """Changes the manifest as if compile had written these contents."""
    manifest = json.loads((out / "manifest.json").read_bytes())
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in contents.items()}
    manifest["files"] = dict(sorted((manifest["files"] | digests).items()))
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_what_another_version_wrote_is_compared_by_its_meaning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    paths = [*out.glob("hosts/*.nix"), *out.glob("classes/*.nix")]
    contents = {
        str(path.relative_to(out)): "# another version\n\n" + path.read_text() for path in paths
    }
    # One class says something else under the same name; no host's file tells that.
    (db,) = [path for path in contents if "classes/db-" in path]
    contents[db] = contents[db].replace("5432", "5431", 1)
    for path, text in contents.items():
        if path != "hosts/alpha.nix":
            (out / path).write_text(text)
    record(out, {path: text for path, text in contents.items() if path != "hosts/alpha.nix"})
    planned = as_json(folder, capsys)
    (change,) = planned["changes"]
    assert change["path"] == ["hosts", "alpha", "containers", "db0", "units", "db", "execStart"]
    assert planned["files"]["written"] == sorted({*contents} - {"hosts/alpha.nix"})


def test_what_another_version_wrote_and_nobody_can_read_is_told_as_new(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "{ lib, ... }: lib.mkMerge [ ]"
    (folder / "out/hosts/beta.nix").write_text(text)
    record(folder / "out", {"hosts/beta.nix": text})
    capsys.readouterr()
    assert plan(folder) == 2
    said = capsys.readouterr()
    assert said.out.startswith("+ host beta  2 containers\n")
    assert said.err == f"{folder}/out/hosts/beta.nix: cannot be read, and is told as new\n"


def test_a_host_that_stays_beside_one_renamed_from_it_is_new() -> None:
    same = Host(containers={"web0": Container()})
    old = Fleet(name="f", hosts={"a": same})
    new = Fleet(name="f", hosts={"a": same, "b": with_(same, renamed_from="a")})
    before, after, changes = difference(old, new)
    told = {(change.action, change.path) for change in changes if change.kind == "host"}
    assert told == {("rename", ("hosts", "b")), ("add", ("hosts", "a"))}
    assert_same(applied(before, changes), after)


def test_a_plan_tells_a_host_that_takes_the_name_of_one_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fleet(hosts: str) -> str:
        return f"from holo_infra import *\nfleet = Fleet(name='f', hosts={{{hosts}}})"

    path = tmp_path / "fleet.py"
    path.write_text(fleet("'a': Host(), 'b': Host(), 'c': Host()"))
    assert main(["compile", str(path), "--out", str(tmp_path / "out")]) == 0
    path.write_text(fleet("'b': Host(renamed_from='a'), 'c': Host()"))
    changes = as_json(tmp_path, capsys)["changes"]
    assert [(change["action"], change["path"]) for change in changes] == [
        ("remove", ["hosts", "b"]),
        ("rename", ["hosts", "b"]),
        ("change", ["hosts", "b", "networking", "hostName"]),
    ]


def test_colour_is_for_terminals_and_never_from_a_value() -> None:
    before: View = {"hosts": {"a": {"x": "\033[31m", "containers": {}}}}
    after: View = {"hosts": {"a": {"x": "\n\r\x07", "y\033": 1, "containers": {}}}}
    changes = compare(before, after, {})
    plain = describe(changes)
    assert plain == '~ host a\n  ~ x: "\\x1b[31m" -> "\\n\\r\\x07"\n  + "y\\x1b": 1\n'
    yellow, green = "\033[33m~\033[0m", "\033[32m+\033[0m"
    coloured = describe(changes, coloured=True)
    assert coloured == plain.replace("~", yellow).replace("+", green)


def test_long_values_are_cut_where_they_begin_to_differ() -> None:
    def host(text: str) -> View:
        return {"hosts": {"a": {"x": text, "containers": {}}}}

    text = "0123456789" * 30
    for old, new in ((text + "a", text + "b"), (text, text + "b" * 300), ("a" + text, "b" + text)):
        (change,) = changes = compare(host(old), host(new), {})
        _, line = describe(changes).splitlines()
        assert 80 < len(line) <= 100
        shown = line.removeprefix("  ~ x: ").split(" -> ")
        assert shown[0] != shown[1], "what differs was cut away"
        assert change.new == new


def test_names_and_values_that_the_output_cannot_hold_are_escaped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fleet.py").write_text(NEW)
    with (folder / "text").open("w", encoding="ascii") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert plan(folder) == 2
    text = (folder / "text").read_text()
    assert "\\u2192 container db1 (was db0)" in text
    assert '\\xe9\\u202e"' in text


def test_the_summary_counts_changes() -> None:
    old = Fleet(name="f", hosts={"a": Host(), "b": Host()})
    new = Fleet(name="f", hosts={"a": Host(state_version="26.11"), "c": Host()})
    assert summary(difference(old, new)[2]) == "1 to add, 1 to change, 1 to remove"
    assert summary([]) == "0 to add, 0 to change, 0 to remove"


@pytest.mark.parametrize("arguments", [[], ["fleet.py"], ["fleet.py", "--out", "o", "--odd"]])
def test_a_wrong_call_is_told_with_64(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", *arguments])
    assert stopped.value.code == os.EX_USAGE
