"""Numbers: those of the README, kept whatever else changes, and clashes told."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holo_infra import Container, Fleet, Forward, Host, Network, Unit
from holo_infra.allocate import Allocation, allocate, read_lock, render_lock
from holo_infra.allocate.pool import assign
from holo_infra.check import check_fleet
from holo_infra.diagnostics import Diagnostic, FleetError, dotted
from holo_infra.lower import lower
from holo_infra.model.names import Engine

PACKED = {"lan": Network(scheme="packed", pool="10.64.0.0/24")}


def fleet_of(containers: Mapping[str, Container], **host: Any) -> Fleet:
    alpha = Host(containers=dict(containers), **host)
    return Fleet(name="test", networks=PACKED, hosts={"alpha": alpha})


def conductor(**fields: Any) -> Container:
    forwards = {
        "admin": Forward(port=8000, engine="socat"),
        "httpgw": Forward(port=4000, engine="socat"),
    }
    return Container(forwards=forwards, **fields)


def allocated(fleet: Fleet, lock: Allocation | None = None) -> Allocation:
    allocation, problems = allocate(fleet, lock or Allocation())
    assert problems == []
    return allocation


def refused(fleet: Fleet, lock: Allocation | None = None) -> list[Diagnostic]:
    _, problems = allocate(fleet, lock or Allocation())
    return problems


Numbers = dict[str, tuple[int | None, dict[str, tuple[int, int | None]]]]


def numbers(allocation: Allocation, host: str = "alpha") -> Numbers:
    return {
        name: (c.index, {n: (p.host_port, p.inner_port) for n, p in c.forwards.items()})
        for name, c in allocation.hosts[host].containers.items()
    }


def test_the_short_form_gets_the_readmes_numbers() -> None:
    web = Unit(exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/srv"])
    forwards = {
        "admin": Forward(port=8000, engine="socat"),
        "httpgw": Forward(port=4000, host_port=8080, engine="socat"),
    }
    web0 = Container(units={"web": web}, forwards=forwards)
    fleet = fleet_of({"web0": web0, "web1": Container(network="shared")})
    allocation = allocated(fleet)
    assert numbers(allocation) == {
        "web0": (0, {"admin": (8000, 8001), "httpgw": (8080, 4000)}),
        "web1": (None, {}),
    }
    options = lower(fleet, allocation).hosts["alpha"].options.containers["web0"]
    assert (options.host_address, options.address) == ("10.0.85.1", "10.0.85.2")


def test_a_second_container_takes_the_next_numbers() -> None:
    fleet = fleet_of({"a": conductor(), "b": conductor()})
    assert numbers(allocated(fleet))["b"] == (1, {"admin": (8001, 8001), "httpgw": (4001, 4000)})


# Stability.

KINDS = ["private", "lan", "shared"]


class Life:
    """A fleet that lives: parts come, go, change their order and their names, step by step."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.hosts: dict[str, dict[str, str]] = {"h0": {}}
        """Host -> container -> kind of network."""
        self.renamed: dict[tuple[str, ...], str] = {}
        """A new name -> the one before, in the last step."""
        self.count = 0
        self.gone: list[str] = []
        """Names that containers had once."""
        self.chosen: set[str] = set()
        """Names that were chosen in this step."""

    def fresh(self, prefix: str) -> str:
        """A name that was never there, or one that had gone, or the one of its second folder."""
        self.count += 1
        names = [f"{prefix}{self.count}"]
        if prefix == "c" and self.rng.random() < 0.3:
            names = [*self.gone, *(f"{name}-2" for name in self.gone), *names]
        name = self.rng.choice([name for name in names if name not in self.used()])
        self.chosen.add(name)
        return name

    def used(self) -> set[str]:
        """Names that some container has, or had a step ago."""
        names = {name for containers in self.hosts.values() for name in containers}
        return names | self.chosen | {*self.renamed.values()}

    def step(self) -> None:
        rng, self.renamed, self.chosen = self.rng, {}, set()
        for host in list(self.hosts):
            containers = list(self.hosts[host].items())
            rng.shuffle(containers)
            kept: dict[str, str] = {}
            for name, kind in containers:
                fate = rng.random()
                if fate < 0.15:
                    self.gone.append(name)
                    continue
                new = name
                if fate < 0.3:
                    new = self.fresh("c")
                    self.renamed[host, new] = name
                    self.gone.append(name)
                kept[new] = kind
            for _ in range(rng.randrange(4)):
                kept[self.fresh("c")] = rng.choice(KINDS[:2])
            self.hosts[host] = kept
            if rng.random() < 0.15:
                new = self.fresh("h")
                self.hosts[new] = self.hosts.pop(host)
                self.renamed[new,] = host
                moved = [key for key in self.renamed if key[0] == host and len(key) == 2]
                for key in moved:
                    self.renamed[new, key[1]] = self.renamed.pop(key)
        if rng.random() < 0.2:
            self.hosts[self.fresh("h")] = {}
        if len(self.hosts) > 3:
            del self.hosts[rng.choice(list(self.hosts))]

    def fleet(self) -> Fleet:
        hosts = {
            host: Host(
                containers={
                    name: conductor(network=kind, renamed_from=self.renamed.get((host, name)))
                    for name, kind in containers.items()
                },
                renamed_from=self.renamed.get((host,)),
            )
            for host, containers in self.hosts.items()
        }
        return Fleet(name="test", networks=PACKED, hosts=hosts)

    def before(self, host: str, name: str) -> tuple[str, str]:
        """Where a container was a step ago."""
        return self.renamed.get((host,), host), self.renamed.get((host, name), name)


@given(st.integers(min_value=0, max_value=10**6))
def test_numbers_stay_when_parts_come_go_move_and_are_renamed(seed: int) -> None:
    life = Life(seed)
    lock = Allocation()
    before: dict[tuple[str, str], Any] = {}
    homes: dict[tuple[str, str], str] = {}
    for _ in range(6):
        life.step()
        lock = allocated(life.fleet(), lock)
        assert read_lock(render_lock(lock), "lock") == lock
        now = {}
        for host, found in lock.hosts.items():
            assert found.containers.keys() == life.hosts[host].keys()
            for name, container in found.containers.items():
                key = life.before(host, name)
                now[host, name] = (container.index, container.subnet, container.forwards)
                assert now[host, name] == before.get(key, now[host, name])
            indices = [c.index for c in found.containers.values()]
            assert len(set(indices)) == len(indices)
            ports = [p.host_port for c in found.containers.values() for p in c.forwards.values()]
            assert len(set(ports)) == len(ports)
            folders = [c.home or name for name, c in found.containers.items()]
            assert len(set(folders)) == len(folders)
            for name in found.containers:
                home = found.containers[name].home or name
                assert home == homes.get(life.before(host, name), home)
        assert allocated(life.fleet(), lock) == lock  # a second run changes nothing
        homes = {key: lock.hosts[key[0]].containers[key[1]].home or key[1] for key in now}
        subnets = [subnet for _, subnet, _ in now.values() if subnet]
        assert len(set(subnets)) == len(subnets)
        before = now


def test_a_renamed_container_keeps_its_state_and_a_new_one_of_its_name_gets_another() -> None:
    lock = allocated(fleet_of({"db": conductor()}))
    moved = fleet_of({"store": conductor(renamed_from="db")})
    lock = allocated(moved, lock)
    assert lower(moved, lock).hosts["alpha"].settings["containers"]["store"]["state"] == (
        "/var/lib/holo/state/db"
    )
    both = fleet_of({"store": conductor(), "db": conductor()})  # renamed_from has been taken out
    lock = allocated(both, lock)
    states = {
        name: c.get("state")
        for name, c in lower(both, lock).hosts["alpha"].settings["containers"].items()
    }
    assert states == {"store": "/var/lib/holo/state/db", "db": "/var/lib/holo/state/db-2"}


def test_a_container_that_takes_the_name_of_another_keeps_its_own_numbers_and_state() -> None:
    lock = allocated(fleet_of({"main": conductor(), "spare": conductor()}))
    promoted = fleet_of({"main": conductor(renamed_from="spare")})
    now = allocated(promoted, lock)
    assert numbers(now)["main"] == numbers(lock)["spare"]
    assert now.hosts["alpha"].containers["main"].home == "spare"
    again = allocated(promoted, now)  # renamed_from may stay in the fleet
    assert again.hosts["alpha"].containers == now.hosts["alpha"].containers


def test_a_folder_goes_to_one_container_where_the_lock_file_knows_its_first_owner_no_more() -> None:
    lock = allocated(fleet_of({"db": conductor()}))
    lock = allocated(fleet_of({"store": conductor(renamed_from="db")}), lock)
    fleet = fleet_of({"store": conductor(), "other": conductor(renamed_from="db")})
    containers = allocated(fleet, lock).hosts["alpha"].containers
    assert {name: c.home or name for name, c in containers.items()} == {
        "store": "db",
        "other": "other",
    }
    lost = allocated(fleet_of({"other": conductor(renamed_from="db"), "new": conductor()}))
    assert lost.hosts["alpha"].containers["other"].home == "db"


def test_a_renamed_forward_keeps_its_ports() -> None:
    lock = allocated(fleet_of({"a": conductor(), "b": conductor()}))
    renamed = Container(
        forwards={
            "ws": Forward(port=8000, renamed_from="admin", engine="socat"),
            "httpgw": Forward(port=4000, engine="socat"),
        },
    )
    now = numbers(allocated(fleet_of({"a": conductor(), "b": renamed}), lock))
    assert now["b"][1]["ws"] == numbers(lock)["b"][1]["admin"] == (8001, 8001)


def test_a_released_number_is_given_again_only_when_no_other_is_left() -> None:
    made = assign([("new", None, None, None)], range(4), used=[0, 1], released=[3, 2])
    assert made.numbers == {"new": 3}  # the longest free
    made = assign([("new", None, None, None)], range(5), used=[0, 1], released=[3, 2])
    assert made.numbers == {"new": 4}  # never used


def test_a_removed_containers_numbers_are_remembered_as_released() -> None:
    lock = allocated(fleet_of({"a": conductor(), "b": conductor(), "c": conductor(network="lan")}))
    lock = allocated(fleet_of({"b": conductor()}), lock)
    assert lock.hosts["alpha"].released_indices == [0, 171]
    assert lock.hosts["alpha"].released_ports["tcp"] == [8000, 4000, 8002, 4002]
    assert lock.released_subnets == ["10.64.0.0/30"]
    again = allocated(
        fleet_of({"b": conductor(), "c": Container(), "d": Container(network="lan")}), lock
    )
    assert numbers(again)["c"] == (2, {})
    assert again.hosts["alpha"].containers["d"].subnet == "10.64.0.4/30"


def test_an_explicit_number_wins_over_a_kept_one() -> None:
    lock = allocated(fleet_of({"a": conductor()}))
    taker = Container(forwards={"web": Forward(port=80, host_port=8000)})
    fleet = fleet_of({"a": conductor(), "b": taker})
    made, problems = allocate(fleet, lock)
    now = numbers(made)
    assert now["b"][1]["web"] == (8000, None)
    assert now["a"][1]["admin"][0] not in (8000, 4000)
    assert [problem.code for problem in problems] == ["HI119"]
    assert allocated(fleet, made) == made  # and is told once


def test_a_container_that_loses_its_number_to_a_fixed_one_is_told() -> None:
    lock = allocated(fleet_of({"a": conductor(), "p": Container(network="lan")}))
    taker = Container(index=0, forwards={"web": Forward(port=80, host_port=4000)})
    packed = Container(network="lan", subnet="10.64.0.0/30")
    fleet = fleet_of({"a": conductor(), "p": Container(network="lan"), "b": taker, "q": packed})
    told = sorted((dotted(d.path[3:]), d.message, d.code) for d in refused(fleet, lock))
    assert told == [
        ("a", "index 0, which it had, is now fixed for hosts.alpha.containers.b", "HI119"),
        (
            "a.forwards.httpgw",
            "port 4000, which it had, is now fixed for hosts.alpha.containers.b.forwards.web",
            "HI119",
        ),
        ("p", "10.64.0.0/30, which it had, is now fixed for hosts.alpha.containers.q", "HI119"),
    ]
    assert not any(problem.is_error for problem in refused(fleet, lock))


def test_in_the_hosts_own_network_no_inner_port_is_missed() -> None:
    shared = Container(network="shared", forwards={"web": Forward(port=9000)})
    lock = allocated(fleet_of({"a": shared}))
    listening = Unit(exec_start=["x"], listens=["0.0.0.0:9000"])
    allocated(fleet_of({"a": shared.model_copy(update={"units": {"u": listening}})}), lock)


def test_what_the_host_itself_listens_on_is_given_to_no_forward() -> None:
    ssh = Container(forwards={"ssh": Forward(port=22)})
    assert numbers(allocated(fleet_of({"a": ssh})))["a"][1]["ssh"] == (1024, None)
    busy = fleet_of({"a": conductor()}, listens=["127.0.0.1:8000", "0.0.0.0:4000/udp"])
    assert numbers(allocated(busy))["a"][1] == {"admin": (8001, 8001), "httpgw": (4000, 4000)}


def test_udp_and_tcp_do_not_clash() -> None:
    tcp = Forward(port=5353, engine="socat")
    dns = {"tcp": tcp, "udp": Forward(port=5353, protocol="udp")}
    made = numbers(allocated(fleet_of({"dns": Container(forwards=dns)})))
    assert made["dns"][1] == {"tcp": (5353, 5353), "udp": (5353, 5353)}


# What cannot be given.


def test_two_forwards_on_one_host_port_are_told_with_both_owners() -> None:
    one = Container(forwards={"web": Forward(port=80, host_port=8080)})
    (diagnostic,) = refused(fleet_of({"a": one, "b": one}))
    assert diagnostic.code == "HI101"
    assert dotted(diagnostic.path) == "hosts.alpha.containers.b.forwards.web.host_port"
    assert diagnostic.message == "port 8080 is taken by hosts.alpha.containers.a.forwards.web"


def test_all_clashes_are_told_at_once() -> None:
    one = Container(
        forwards={
            "web": Forward(port=80, host_port=8080, inner_port=9000, engine="socat"),
            "api": Forward(port=81, host_port=8081, inner_port=9000, engine="socat"),
        },
        index=7,
    )
    told = sorted((d.code, dotted(d.path[3:])) for d in refused(fleet_of({"a": one, "b": one})))
    assert told == [
        ("HI101", "b.forwards.api.host_port"),
        ("HI101", "b.forwards.web.host_port"),
        ("HI102", "a.forwards.api.inner_port"),
        ("HI102", "b.forwards.api.inner_port"),
        ("HI109", "b.index"),
    ]


def test_only_socat_has_a_port_of_the_containers_address() -> None:
    engines: tuple[Engine, ...] = ("socket-proxyd", "haproxy", "nftables")
    forwards = {e.replace("-", ""): Forward(port=80, bind="192.0.2.1", engine=e) for e in engines}
    made = numbers(allocated(fleet_of({"a": Container(forwards=forwards)})))
    assert {inner for _, inner in made["a"][1].values()} == {None}
    udp = {"a": Forward(port=53, protocol="udp")}
    assert numbers(allocated(fleet_of({"a": Container(forwards=udp)})))["a"][1]["a"][1] == 53


def test_an_inner_port_is_none_on_which_a_service_behind_nftables_listens() -> None:
    web = Forward(port=8001, bind="192.0.2.1", engine="nftables")
    forwards = {"web": web, "admin": Forward(port=8000, engine="socat")}
    made = numbers(allocated(fleet_of({"a": Container(forwards=forwards)})))
    assert made["a"][1] == {"web": (8001, None), "admin": (8000, 8002)}


def test_a_lock_file_of_before_there_were_engines_is_read_and_loses_only_inner_ports() -> None:
    text = """{"version": 1, "hosts": {"alpha": {"containers": {"a": {"index": 3, "forwards": {
        "web": {"protocol": "tcp", "host_port": 8005, "inner_port": 9000},
        "old": {"protocol": "tcp", "host_port": 8006, "inner_port": 9001}}}}}}}"""
    forwards = {"web": Forward(port=80), "old": Forward(port=80, engine="socat")}
    fleet = fleet_of({"a": Container(forwards=forwards)})
    made = numbers(allocated(fleet, read_lock(text, "fleet.lock.json")))
    assert made == {"a": (3, {"web": (8005, None), "old": (8006, 9001)})}


def test_the_172nd_octet_container_of_a_host_is_refused_and_sent_to_packed() -> None:
    full = {f"c{number}": Container() for number in range(171)}
    made = numbers(allocated(fleet_of(full)))
    assert {index for index, _ in made.values()} == set(range(171))
    (diagnostic,) = refused(fleet_of(full | {"more": Container()}))
    assert diagnostic.code == "HI107"
    assert dotted(diagnostic.path) == "hosts.alpha.containers.more"
    assert "171 containers of scheme octet" in diagnostic.message
    assert "packed" in diagnostic.hint
    more = {f"p{number}": Container(network="lan") for number in range(64)}
    assert len(numbers(allocated(fleet_of(full | more)))) == 171 + 64
    (diagnostic,) = refused(fleet_of(full | more | {"q": Container(network="lan")}))
    assert diagnostic.code == "HI108"
    assert "64 subnets in 10.64.0.0/24" in diagnostic.message


def test_a_hundred_thousand_containers_get_numbers_without_a_clash() -> None:
    networks = {"lan": Network(scheme="packed", pool="10.64.0.0/12")}
    hosts = {
        f"h{host}": Host(
            containers={
                f"c{number}": conductor(network="private" if number < 50 else "lan")
                for number in range(100)
            },
        )
        for host in range(1000)
    }
    fleet = Fleet(name="large", networks=networks, hosts=hosts)
    allocation = allocated(fleet)
    assert check_fleet(fleet, allocation) == []
    subnets = []
    for found in allocation.hosts.values():
        indices = {container.index for container in found.containers.values()}
        ports = {p.host_port for c in found.containers.values() for p in c.forwards.values()}
        assert len(indices) == 100
        assert len(ports) == 200
        subnets += [c.subnet for c in found.containers.values() if c.subnet]
    assert len(set(subnets)) == len(subnets) == 50_000
    pool = IPv4Network("10.64.0.0/12")
    assert all(pool.supernet_of(IPv4Network(subnet)) for subnet in subnets[::997])
    assert allocated(fleet, allocation) == allocation


# The lock file.


def test_a_lock_file_is_a_container_a_line_with_names_in_order() -> None:
    lock = allocated(fleet_of({"b": conductor(network="lan"), "a": Container()}))
    assert (
        render_lock(lock)
        == """{
  "version": 1,
  "hosts": {
    "alpha": {
      "containers": {
        "a": {"index": 0},
        "b": {"index": 171, "subnet": "10.64.0.0/30", "forwards": {"admin": {"protocol": "tcp", \
"host_port": 8000, "inner_port": 8001}, "httpgw": {"protocol": "tcp", "host_port": 4000, \
"inner_port": 4000}}}
      },
      "released_indices": [],
      "released_ports": {}
    }
  },
  "released_subnets": []
}
"""
    )


@pytest.mark.parametrize(
    ("number", "path"),
    [
        ('"index": 3', "hosts.a.containers.c.index"),
        ('"subnet": "10.64.0.0/30"', "hosts.a.containers.c.subnet"),
        (
            '"forwards": {"f": {"protocol": "tcp", "host_port": 3, "inner_port": 4}}',
            "hosts.a.containers.c.forwards.f.host_port",
        ),
    ],
)
def test_a_number_that_two_owners_have_is_told_with_both(number: str, path: str) -> None:
    text = f"""{{"version": 1, "hosts": {{"a": {{"containers": {{
        "b": {{{number}}}, "c": {{{number}}}}}}}}}}}"""
    with pytest.raises(FleetError) as refused:
        read_lock(text, "fleet.lock.json")
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code == "HI303"
    assert dotted(diagnostic.path) == path
    assert diagnostic.message.endswith(f" is also {path.replace('containers.c', 'containers.b')}")


@pytest.mark.parametrize(
    ("containers", "path", "message"),
    [
        ('"b": {"home": "x"}, "c": {"home": "x"}', "c.home", "folder x is also that of"),
        ('"b": {"home": "c"}, "c": {"index": 1}', "c", "folder c is also that of"),
        ('"b": {"index": 1}, "b": {"index": 1}', "b", "b is there twice"),
        ('"b": {"index": 1}, "b": {"index": 2}', "b", "b is there twice"),
        ('"b": {"index": 1, "index": 2}', "b.index", "index is there twice"),
    ],
)
def test_a_name_or_folder_that_is_twice_in_the_lock_file_is_told(
    containers: str, path: str, message: str
) -> None:
    text = f'{{"version": 1, "hosts": {{"a": {{"containers": {{{containers}}}}}}}}}'
    for form in (text, text.encode()):
        with pytest.raises(FleetError) as refused:
            read_lock(form, "fleet.lock.json")
        (diagnostic,) = refused.value.diagnostics
        assert diagnostic.code == "HI303"
        assert dotted(diagnostic.path) == f"hosts.a.containers.{path}"
        assert message in diagnostic.message


def test_a_lock_file_of_another_layout_is_read() -> None:
    lock = allocated(fleet_of({"a": conductor(), "b": conductor(network="lan")}))
    text = json.dumps(json.loads(render_lock(lock)), indent=1)
    assert read_lock(text, "lock") == read_lock(text.encode(), "lock") == lock


def test_containers_of_equal_content_share_a_class_whatever_their_order() -> None:
    units = [
        Unit(exec_start=["x"], environment=environment)
        for environment in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"}, {"A": "2", "B": "1"})
    ]
    fleet = fleet_of({f"c{n}": Container(units={"u": unit}) for n, unit in enumerate(units)})
    classes = lower(fleet, allocated(fleet)).hosts["alpha"].classes
    assert classes["c0"] == classes["c1"] != classes["c2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"version": 2, "hosts": {}}', "version 2 of the lock file is not known"),
        ('{"version": 1, "hosts": {"a": {"containers": {"b": {"index": "0"}}}}}', "valid integer"),
        ('{"version": 1, "hosts": {"a": {"containers": {"b": {"index": -1}}}}}', "greater than"),
        ('{"version": 1, "hosts": {"a": {"containers": {"b": {"subnet": "x"}}}}}', "pattern"),
        ('{"version": 1, "hosts": {"a": {"container": {}}}}', "container"),
        ("\xff", "JSON"),
    ],
)
def test_a_broken_lock_file_is_told_and_never_guessed(text: str, message: str) -> None:
    with pytest.raises(FleetError, match=r"fleet\.lock\.json") as refused:
        read_lock(text, "fleet.lock.json")
    assert message in str(refused.value)
    assert "version control" in str(refused.value) or "newer" in str(refused.value)
