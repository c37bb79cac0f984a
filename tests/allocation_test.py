"""Numbers: those of the README, kept whatever else changes, and clashes told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.allocate import Allocation, allocate, read_lock, render_lock
from holo_infra.allocate.pool import Wish, assign
from holo_infra.diagnostics import FleetError
from holo_infra.lower import lower


def fleet_of(containers: Mapping[str, Container]) -> Fleet:
    return Fleet(name="test", hosts={"alpha": Host(containers=dict(containers))})


def conductor() -> Container:
    return Container(forwards={"admin": Forward(port=8000), "httpgw": Forward(port=4000)})


Numbers = dict[str, tuple[int | None, dict[str, tuple[int, int]]]]


def numbers(allocation: Allocation) -> Numbers:
    return {
        name: (c.index, {n: (ports.host, ports.inner) for n, ports in c.forwards.items()})
        for name, c in allocation.hosts["alpha"].containers.items()
    }


def test_the_short_form_gets_the_readmes_numbers() -> None:
    web = Unit(exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/srv"])
    forwards = {"admin": Forward(port=8000), "httpgw": Forward(port=4000, host_port=8080)}
    web0 = Container(units={"web": web}, forwards=forwards)
    fleet = fleet_of({"web0": web0, "web1": Container(network="shared")})
    allocation = allocate(fleet, Allocation())
    assert numbers(allocation) == {
        "web0": (0, {"admin": (8000, 8001), "httpgw": (8080, 4000)}),
        "web1": (None, {}),
    }
    options = lower(fleet, allocation).hosts["alpha"].options.containers["web0"]
    assert (options.host_address, options.address) == ("10.0.85.1", "10.0.85.2")


def test_a_second_container_takes_the_next_numbers() -> None:
    fleet = fleet_of({"a": conductor(), "b": conductor()})
    assert numbers(allocate(fleet, Allocation()))["b"] == (
        1,
        {"admin": (8001, 8001), "httpgw": (4001, 4000)},
    )


NAMES = st.sampled_from([f"c{number}" for number in range(12)])
STEPS = st.lists(st.lists(NAMES, unique=True), max_size=12)
"""The containers that a fleet has, one version after the other, in any order."""


@given(STEPS)
def test_numbers_stay_when_others_come_go_and_change_places(steps: list[list[str]]) -> None:
    lock = Allocation()
    before: Numbers = {}
    for present in steps:
        lock = allocate(fleet_of({name: conductor() for name in present}), lock)
        lock = read_lock(render_lock(lock), "lock")
        now = numbers(lock)
        assert now.keys() == set(present)
        for name in set(before) & set(now):
            assert now[name] == before[name]
        assert len({index for index, _ in now.values()}) == len(now)
        ports = [host for _, forwards in now.values() for host, _ in forwards.values()]
        assert len(set(ports)) == len(ports)
        before = now


def test_a_released_number_is_given_again_only_when_no_other_is_left() -> None:
    made = assign([Wish("new")], range(4), used=[0, 1], released=[3, 2])
    assert made.numbers == {"new": 3}  # the longest free
    made = assign([Wish("new")], range(5), used=[0, 1], released=[3, 2])
    assert made.numbers == {"new": 4}  # never used


def test_a_removed_containers_numbers_are_remembered_as_released() -> None:
    lock = allocate(fleet_of({"a": conductor(), "b": conductor()}), Allocation())
    lock = allocate(fleet_of({"b": conductor()}), lock)
    assert lock.hosts["alpha"].released_indices == (0,)
    assert lock.hosts["alpha"].released_ports["tcp"] == (8000, 4000)
    again = allocate(fleet_of({"b": conductor(), "c": Container()}), lock)
    assert numbers(again)["c"] == (2, {})


def test_an_explicit_number_wins_over_a_kept_one() -> None:
    lock = allocate(fleet_of({"a": conductor()}), Allocation())
    taker = Container(forwards={"web": Forward(port=80, host_port=8000)})
    now = numbers(allocate(fleet_of({"a": conductor(), "b": taker}), lock))
    assert now["b"][1]["web"] == (8000, 80)
    assert now["a"][1]["admin"][0] not in (8000, 4000)


def test_udp_and_tcp_do_not_clash() -> None:
    dns = {"tcp": Forward(port=5353), "udp": Forward(port=5353, protocol="udp")}
    made = numbers(allocate(fleet_of({"dns": Container(forwards=dns)}), Allocation()))
    assert made["dns"][1] == {"tcp": (5353, 5353), "udp": (5353, 5353)}


def test_two_forwards_on_one_host_port_are_told_with_both_owners() -> None:
    one = Container(forwards={"web": Forward(port=80, host_port=8080)})
    with pytest.raises(FleetError) as refused:
        allocate(fleet_of({"a": one, "b": one}), Allocation())
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.path == "hosts.alpha.containers.b.forwards.web.host_port"
    assert diagnostic.message == "port 8080 is taken by hosts.alpha.containers.a.forwards.web"


def test_all_clashes_are_told_at_once() -> None:
    one = Container(
        forwards={
            "web": Forward(port=80, host_port=8080, inner_port=9000),
            "api": Forward(port=81, host_port=8081, inner_port=9000),
        },
    )
    with pytest.raises(FleetError) as refused:
        allocate(fleet_of({"a": one, "b": one}), Allocation())
    paths = sorted(diagnostic.path for diagnostic in refused.value.diagnostics)
    assert paths == [
        "hosts.alpha.containers.a.forwards.api.inner_port",
        "hosts.alpha.containers.b.forwards.api.host_port",
        "hosts.alpha.containers.b.forwards.api.inner_port",
        "hosts.alpha.containers.b.forwards.web.host_port",
    ]


def test_a_shared_network_has_one_port_for_service_and_host() -> None:
    wrong = Container(network="shared", forwards={"web": Forward(port=80, host_port=8080)})
    with pytest.raises(FleetError, match="the network is the host's own"):
        allocate(fleet_of({"a": wrong}), Allocation())


def test_the_172nd_private_container_of_a_host_is_refused() -> None:
    full = {f"c{number}": Container() for number in range(171)}
    allocation = allocate(fleet_of(full), Allocation())
    assert {index for index, _ in numbers(allocation).values()} == set(range(171))
    with pytest.raises(FleetError) as refused:
        allocate(fleet_of(full | {"more": Container()}), Allocation())
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.path == "hosts.alpha.containers.more"
    assert "171 private containers" in diagnostic.message


def test_a_number_that_two_owners_have_is_told_with_both() -> None:
    text = """{"version": 1, "hosts": {"a": {"containers": {
        "b": {"index": 3}, "c": {"index": 3}}}}}"""
    with pytest.raises(FleetError) as refused:
        read_lock(text, "fleet.lock.json")
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.path == "hosts.a.containers.c.index"
    assert diagnostic.message == "3 is also hosts.a.containers.b.index"


def test_containers_of_equal_content_share_a_class_whatever_their_order() -> None:
    units = [
        Unit(exec_start=["x"], environment=environment)
        for environment in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"}, {"A": "2", "B": "1"})
    ]
    fleet = fleet_of({f"c{n}": Container(units={"u": unit}) for n, unit in enumerate(units)})
    classes = lower(fleet, allocate(fleet, Allocation())).hosts["alpha"].classes
    assert classes["c0"] == classes["c1"] != classes["c2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"version": 2, "hosts": {}}', "version 2 of the lock file is not known"),
        ('{"version": 1, "hosts": {"a": {"containers": {"b": {"index": "0"}}}}}', "valid integer"),
        ('{"version": 1, "hosts": {"a": {"containers": {"b": {"index": 171}}}}}', "less than 171"),
        ("\xff", "JSON"),
    ],
)
def test_a_broken_lock_file_is_told_and_never_guessed(text: str, message: str) -> None:
    with pytest.raises(FleetError, match=r"fleet\.lock\.json") as refused:
        read_lock(text, "fleet.lock.json")
    assert message in str(refused.value)
    assert "version control" in str(refused.value) or "newer" in str(refused.value)
