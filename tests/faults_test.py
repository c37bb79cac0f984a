"""Mistakes that systems of this kind are known to make, each of which must stay impossible."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from holo_infra import Container, Fleet, Forward, Host, Services, Unit
from holo_infra.allocate import Allocation, allocate
from holo_infra.check import check_fleet
from holo_infra.diagnostics import Diagnostic, dotted
from holo_infra.model.names import Engine
from holo_infra.network import forward_units
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
        if isinstance(content, str) and path.startswith(folder)
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


# One JetStream domain for hub and leaves.


def test_every_server_of_a_fleet_has_a_domain_of_its_own() -> None:
    hub = {"url": "nats://192.0.2.1:7422"}
    leaf = Services.model_validate({"nats_server": {"hub": hub}})
    agent = Services.model_validate({"host_agent": {"nats": {"hub": hub}}})
    inside = {"a": Container(services=leaf), "b": Container(services=leaf)}
    fleet = Fleet(
        name="test",
        hosts={"alpha": Host(services=agent, containers=inside), "beta": Host(services=leaf)},
    )
    files = systemd(fleets.lowered(fleet))
    known = [
        domain
        for path, text in sorted(files.items())
        if path.endswith(".conf")
        for domain in re.findall(r'"domain":(?:"(\w+)"|\$HOLO_DOMAIN)', str(text))
    ]
    assert known == ["", "", "alpha", "beta"]  # containers of one class learn theirs
    told = [str(files[f"systemd/alpha/containers/{name}/identity.env"]) for name in "ab"]
    assert ["alpha_a" in told[0], "alpha_b" in told[1]] == [True, True]


# Every container with the first one's numbers.


def test_each_container_of_a_host_has_an_address_and_ports_of_its_own() -> None:
    fleet = of_containers(a=conductor(), b=conductor(), c=conductor())
    made = units(fleet)
    addresses = {words(made[f"netns-{name}.service"])[2][3] for name in "abc"}
    assert addresses == {"10.0.85.1/30", "10.0.86.1/30", "10.0.87.1/30"}
    listeners = [
        address
        for name, unit in made.items()
        if name.endswith(".socket")
        for address in unit["Socket"]["ListenStream"]
    ]
    assert len(set(listeners)) == len(listeners) == 6
    holo = read_values(str(nixos(fleets.lowered(fleet), FlakeInputs())["hosts/alpha.nix"]))["holo"]
    assert [holo["containers"][name]["index"] for name in "abc"] == [0, 1, 2]


# A forwarder on the port of the service behind it.


def test_a_conductor_on_the_second_containers_inner_port_is_refused_with_both_owners() -> None:
    second = Container(
        index=1,
        units={"conductor": Unit(exec_start=["holochain"], listens=["0.0.0.0:8001"])},
        forwards={"admin": Forward(port=8001, inner_port=8001, engine="socat")},
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
        forwards={"httpgw": Forward(port=8090, engine="socat")},
    )
    fleet = of_containers(a=gateway)
    assert clashes(fleet) == []
    inner = units(fleet, "containers/a/units")["socat-internal-httpgw-forwarder.service"]
    assert listens(inner).startswith("TCP4-LISTEN:8090,bind=${HOLO_ADDRESS},fork,reuseaddr,")


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
            socket = made[f"socket-proxyd-{name}-{forward}.socket"]["Socket"]
            assert socket["ListenStream"] == [f"127.0.0.1:{numbers['hostPort']}"]
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
        assert f"socket-proxyd-{common}-{end}-admin.socket" in made
    links = {words(made[f"netns-{common}-{end}.service"])[1][3] for end in ("a", "b")}
    assert links == {"holo-0", "holo-1"}
    assert len("holo-99999") <= 15


# Readiness checks that cannot fail.


def test_readiness_asks_the_very_address_that_is_forwarded_to() -> None:
    forwards = {"admin": Forward(port=8000), "httpgw": Forward(port=4000, probe="http:/health")}
    made = units(of_containers(a=Container(forwards=forwards)))
    for name in ("socket-proxyd-a-admin.service", "ready-a-admin.service"):
        assert made[name]["Service"]["NetworkNamespacePath"] == ["/run/netns/a"]
    (ask,) = words(made["socket-proxyd-a-admin.service"], "ExecStartPre")
    (carry,) = words(made["socket-proxyd-a-admin.service"])
    (now,) = words(made["ready-a-admin.service"])
    assert ask[-1].split(",")[0] == now[-1].split(",")[0] == f"TCP4:{carry[-1]}"
    assert carry[-1] == "127.0.0.1:8000"
    (ask,) = words(made["socket-proxyd-a-httpgw.service"], "ExecStartPre")
    (now,) = words(made["ready-a-httpgw.service"])
    assert "--fail" in ask
    assert "--fail" in now
    assert ask[-1] == now[-1] == "http://127.0.0.1:4000/health"


def test_the_outer_half_of_socat_asks_the_inner_half() -> None:
    forwards = {
        "admin": Forward(port=8000, engine="socat"),
        "httpgw": Forward(port=4000, probe="http:/health", engine="socat"),
    }
    made = units(of_containers(a=Container(forwards=forwards)))
    (ask,) = words(made["socat-a-admin.service"], "ExecStartPre")
    (carry,) = words(made["socat-a-admin.service"])
    assert ask[-1].split(",")[0] == carry[-1] == "TCP4:10.0.85.2:8001"
    (ask,) = words(made["socat-a-httpgw.service"], "ExecStartPre")
    assert ask[-1] == "http://10.0.85.2:4000/health"
    (now,) = words(made["ready-a-httpgw.service"])  # the service itself, not what leads to it
    assert now[-1] == "http://127.0.0.1:4000/health"


def test_no_unit_asks_what_cannot_be_answered_no() -> None:
    made = units(of_containers(a=conductor(), b=conductor()))
    for name, unit in made.items():
        for key, lines in unit.get("Service", {}).items():
            told = " ".join(lines)
            if key.startswith("Exec"):
                assert not re.search(r"machinectl|route get|\bgrep\b|/sh\b|\bnc\b", told), name


# Forwarders open to the world.


def test_a_forward_listens_on_loopback_unless_told_otherwise() -> None:
    wide = Forward(port=1, bind="0.0.0.0")  # noqa: S104 - on purpose
    forwards = {
        "own": Forward(port=2),
        "open": wide,
        "own2": Forward(port=3, engine="socat"),
        "open2": wide.model_copy(update={"engine": "socat", "port": 4}),
    }
    world = Container(forwards=forwards)
    made = units(of_containers(a=world))
    assert made["socket-proxyd-a-own.socket"]["Socket"]["ListenStream"] == ["127.0.0.1:2"]
    assert made["socket-proxyd-a-open.socket"]["Socket"]["ListenStream"] == ["0.0.0.0:1"]
    assert ",bind=127.0.0.1," in listens(made["socat-a-own2.service"])
    assert ",bind=0.0.0.0," in listens(made["socat-a-open2.service"])


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


@pytest.mark.parametrize("engine", ["socat", "socket-proxyd", "haproxy"])
def test_a_forward_is_bound_to_its_container_and_comes_back_with_it(engine: Engine) -> None:
    admin = Forward(port=8000, engine=engine)
    made = units(of_containers(a=Container(forwards={"admin": admin})))
    first, *rest = forward_units(engine, "a", "admin")
    for name in (first, *rest):
        assert made[name]["Unit"]["BindsTo"] == ["container@a.service"]
        assert "container@a.service" in made[name]["Unit"]["After"]
        assert "Wants" not in made[name]["Unit"]
    assert "container@a.service" in made[first]["Install"]["WantedBy"]
    for name in rest:  # by its socket
        assert made[name]["Unit"]["Requires"] == [first]
        assert "Install" not in made[name]
