"""Mistakes that systems of this kind are known to make, each of which must stay impossible."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from holo_infra import Container, Fleet, Forward, Host, Unit
from holo_infra.allocate import Allocation, allocate
from holo_infra.check import check_fleet
from holo_infra.diagnostics import Diagnostic, dotted
from holo_infra.plan import write
from holo_infra.targets.nixos import FlakeInputs, nixos
from holo_infra.targets.systemd import systemd
from nixgen.unitfile import parse
from nixgen.values import read_values
from tests.support import fleets
from tests.support.nix import Nix

Sections = dict[str, dict[str, list[str]]]


def of_containers(**containers: Container) -> Fleet:
    named = {name.replace("_", "-"): container for name, container in containers.items()}
    return Fleet(name="test", hosts={"alpha": Host(containers=named)})


def conductor() -> Container:
    return Container(
        units={"conductor": Unit(exec_start=["holochain"])},
        forwards={"admin": Forward(port=8000), "httpgw": Forward(port=4000)},
    )


def units(fleet: Fleet, place: str = "host") -> dict[str, Sections]:
    """The units of a bundle's folder, by name."""
    folder = f"systemd/alpha/{place}/"
    files = systemd(fleets.lowered(fleet))
    return {
        path.removeprefix(folder): parse(content)
        for path, content in files.items()
        if isinstance(content, str) and path.startswith(folder) and path.endswith(".service")
    }


def words(unit: Sections, key: str = "ExecStart") -> list[list[str]]:
    return [json.loads(line) for line in unit["Service"][key]]


def listens(unit: Sections) -> str:
    """What a forwarder listens on: the first of its addresses."""
    (command,) = words(unit)
    return next(word for word in command if "-LISTEN:" in word)


def clashes(fleet: Fleet) -> list[Diagnostic]:
    allocation, problems = allocate(fleet, Allocation())
    return [*problems, *check_fleet(fleet, allocation)]


def owners(diagnostic: Diagnostic) -> tuple[str, str]:
    """The two that a diagnostic names: whom it is about, and who is in the way."""
    other = re.search(r"hosts[.][a-z0-9._-]+[a-z0-9]", diagnostic.message)
    assert other, diagnostic
    return dotted(diagnostic.path), other[0]


# Every container with the first one's numbers.


def test_each_container_of_a_host_has_an_address_and_ports_of_its_own() -> None:
    fleet = of_containers(a=conductor(), b=conductor(), c=conductor())
    made = units(fleet)
    addresses = {words(made[f"netns-{name}.service"])[2][3] for name in "abc"}
    assert addresses == {"10.0.85.1/30", "10.0.86.1/30", "10.0.87.1/30"}
    listeners = [listens(unit) for name, unit in made.items() if name.startswith("socat-")]
    assert len(set(listeners)) == len(listeners) == 6
    holo = read_values(str(nixos(fleets.lowered(fleet), FlakeInputs())["hosts/alpha.nix"]))["holo"]
    assert [holo["containers"][name]["index"] for name in "abc"] == [0, 1, 2]


# A forwarder on the port of the service behind it.


def test_a_conductor_on_the_second_containers_inner_port_is_refused_with_both_owners() -> None:
    second = Container(
        index=1,
        units={"conductor": Unit(exec_start=["holochain"], listens=["0.0.0.0:8001"])},
        forwards={"admin": Forward(port=8001, inner_port=8001)},
    )
    (found,) = clashes(of_containers(a=Container(), b=second))
    assert found.code == "HI105"
    assert owners(found) == (
        "hosts.alpha.containers.b.forwards.admin.inner_port",
        "hosts.alpha.containers.b.units.conductor.listens.0",
    )


def test_a_wildcard_forwarder_before_its_own_gateway_is_refused_with_both_owners() -> None:
    gateway = Container(
        units={
            "gateway": Unit(exec_start=["hc-http-gw"], listens=["127.0.0.1:8090"]),
            "forwarder": Unit(exec_start=["socat"], listens=["0.0.0.0:8090"]),
        },
    )
    (found,) = clashes(of_containers(a=gateway))
    assert found.code == "HI105"
    assert owners(found) == (
        "hosts.alpha.containers.a.units.forwarder.listens.0",
        "hosts.alpha.containers.a.units.gateway.listens.0",
    )


def test_our_own_inner_half_leaves_the_services_loopback_address_alone() -> None:
    gateway = Container(
        units={"gateway": Unit(exec_start=["hc-http-gw"], listens=["127.0.0.1:8090"])},
        forwards={"httpgw": Forward(port=8090)},
    )
    fleet = of_containers(a=gateway)
    assert clashes(fleet) == []
    inner = units(fleet, "containers/a/units")["socat-internal-httpgw-forwarder.service"]
    assert listens(inner) == "TCP4-LISTEN:8090,bind=${HOLO_ADDRESS},fork,reuseaddr"


def test_two_services_on_one_wildcard_port_are_refused_with_both_owners() -> None:
    def service() -> Container:
        unit = Unit(exec_start=["nats-server"], listens=["0.0.0.0:4222"])
        return Container(network="shared", units={"nats": unit})

    (found,) = clashes(of_containers(a=service(), b=service()))
    assert found.code == "HI104"
    assert owners(found) == (
        "hosts.alpha.containers.b.units.nats.listens.0",
        "hosts.alpha.containers.a.units.nats.listens.0",
    )


def test_a_forward_on_the_port_of_sshd_is_refused_with_both_owners() -> None:
    (found,) = clashes(of_containers(a=Container(forwards={"x": Forward(port=1, host_port=22)})))
    assert found.code == "HI104"
    assert owners(found) == (
        "hosts.alpha.containers.a.forwards.x.host_port",
        "hosts.alpha.listens.0",
    )


def test_a_container_inside_the_hosts_own_network_is_refused_with_both_owners() -> None:
    host = Host(networks=["10.0.84.0/22"], containers={"a": Container()})
    (found,) = clashes(Fleet(name="test", hosts={"alpha": host}))
    assert found.code == "HI111"
    assert owners(found) == ("hosts.alpha.containers.a", "hosts.alpha.networks.0")


# An octet above 255.


def test_no_index_leads_to_an_octet_above_255() -> None:
    last = of_containers(a=Container(index=170))
    assert words(units(last)["netns-a.service"])[2][3] == "10.0.255.1/30"
    (found,) = clashes(of_containers(a=Container(index=171)))
    assert found.code == "HI114"


# Ports from hashed names, by two programs that disagree.


def test_a_full_host_has_no_two_forwards_on_one_port_and_both_targets_agree() -> None:
    fleet = of_containers(**{f"workload{number}": conductor() for number in range(171)})
    assert clashes(fleet) == []
    made = units(fleet)
    files = nixos(fleets.lowered(fleet), FlakeInputs())
    containers = read_values(str(files["hosts/alpha.nix"]))["holo"]["containers"]
    ports = set()
    for name, container in containers.items():
        for forward, numbers in container["forwards"].items():
            address = listens(made[f"socat-{name}-{forward}.service"])
            assert address == f"TCP4-LISTEN:{numbers['hostPort']},bind=127.0.0.1,fork,reuseaddr"
            ports.add(numbers["hostPort"])
    assert len(ports) == 2 * 171


def test_a_name_does_not_decide_a_port() -> None:
    def port(name: str) -> int:
        allocation, _ = allocate(of_containers(**{name: conductor()}), Allocation())
        return allocation.hosts["alpha"].containers[name].forwards["admin"].host_port

    assert {port(name) for name in ("a", "workload-1", "workload-2")} == {8000}


# Names cut to a length at which they are equal.


def test_long_names_with_one_beginning_stay_apart() -> None:
    common = "workload-0123456789abcdef0123456789abcdef"
    fleet = of_containers(**{f"{common}-{end}": conductor() for end in ("a", "b")})
    made = units(fleet)
    for end in ("a", "b"):
        assert f"container@{common}-{end}.service" in made
        assert f"socat-{common}-{end}-admin.service" in made
    links = {words(made[f"netns-{common}-{end}.service"])[1][3] for end in ("a", "b")}
    assert links == {"holo-0", "holo-1"}
    assert len("holo-99999") <= 15


# Readiness checks that cannot fail.


def test_readiness_asks_the_very_address_that_is_forwarded_to() -> None:
    container = Container(
        forwards={"admin": Forward(port=8000), "httpgw": Forward(port=4000, probe="http:/health")},
    )
    made = units(of_containers(a=container))
    (ask,) = words(made["socat-a-admin.service"], "ExecStartPre")
    (carry,) = words(made["socat-a-admin.service"])
    assert ask[-1].split(",")[0] == carry[-1] == "TCP4:10.0.85.2:8001"
    (ask,) = words(made["socat-a-httpgw.service"], "ExecStartPre")
    assert "--fail" in ask
    assert ask[-1] == "http://10.0.85.2:4000/health"


def test_no_unit_asks_what_cannot_be_answered_no() -> None:
    made = units(of_containers(a=conductor(), b=conductor()))
    for name, unit in made.items():
        for key, lines in unit["Service"].items():
            told = " ".join(lines)
            if key.startswith("Exec"):
                assert not re.search(r"machinectl|route get|\bgrep\b|/sh\b|\bnc\b", told), name


# Forwarders open to the world.


def test_a_forward_listens_on_loopback_unless_told_otherwise() -> None:
    wide = Forward(port=1, bind="0.0.0.0")  # noqa: S104 - on purpose
    world = Container(forwards={"open": wide, "own": Forward(port=2)})
    made = units(of_containers(a=world))
    assert ",bind=127.0.0.1," in listens(made["socat-a-own.service"])
    assert ",bind=0.0.0.0," in listens(made["socat-a-open.service"])


# Users' text spliced into source that root evaluates.


@pytest.mark.needs("nix")
def test_users_text_in_nix_source_evaluates_nothing(
    nix: Nix,
    nixpkgs: Path,
    tmp_path: Path,
) -> None:
    flags = [
        'a"; throw "evaluated"; x = "',
        '${throw "evaluated"}',
        "''${throw \"evaluated\"}''",
        'b\\${throw "evaluated"}\n$${x}',
        "$(touch /tmp/evaluated)",
    ]
    unit = Unit(exec_start=["hello", *flags], environment={"FLAGS": flags[1]})
    container = Container(units={"u": unit}, nspawn_args=[f"--setenv=X={flags[0]}"])
    fleet = of_containers(a=container)
    write(nixos(fleets.lowered(fleet), FlakeInputs()), tmp_path / "out")
    overrides = fleets.inputs(nixpkgs, tmp_path)
    assert fleets.toplevel(nix, tmp_path / "out", "alpha", overrides).endswith(".drv")
    (class_,) = (tmp_path / "out" / "classes").glob("*.nix")
    source = f"((import {class_}) {{ }}).holo.units.u.execStart"
    assert nix.eval_json(source) == ["hello", *flags]


# A forwarder that outlives its container.


def test_a_forward_is_bound_to_its_container_and_comes_back_with_it() -> None:
    outer = units(of_containers(a=conductor()))["socat-a-admin.service"]
    assert outer["Unit"]["BindsTo"] == ["container@a.service"]
    assert outer["Unit"]["After"] == ["container@a.service"]
    assert "container@a.service" in outer["Install"]["WantedBy"]
    assert "Wants" not in outer["Unit"]
