"""What is wrong with a fleet as a whole: each kind with its code, place, message and hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holo_infra.cli import main
from holo_infra.cli.fleet import compile_fleet
from holo_infra.diagnostics import FleetError, dotted
from holo_infra.diagnostics.catalogue import CATALOGUE
from tests.support.cases import MARK, UNIT, Case, marked, told
from tests.support.service_cases import SERVICE_CASES

LOCK = """{
  "version": 1,
  "hosts": {
    "alpha": {
      "containers": {
        "a": {"index": 0, "forwards": {"web": {"protocol": "tcp", "host_port": 8000, \
"inner_port": 9000}}}
      }
    }
  }
}
"""
CASES = {
    "two forwards on one host port": Case(
        "HI101",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {web: {port: 80, host_port: 8080}}}
      b: {forwards: {web: {port: 81, host_port: §8080}}}
""",
        "port 8080 is taken by hosts.alpha.containers.a.forwards.web",
        "leave host_port out of one of the two",
    ),
    "two services of the host's network on one port, of which forwards say": Case(
        "HI101",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {web: {port: 8080}}}
      b: {network: shared, forwards: {web: {port: §8080}}}
""",
        "port 8080 is taken by hosts.alpha.containers.a.forwards.web",
        "have another port",
    ),
    "a service of the host's network on a forward's port": Case(
        "HI101",
        f"""
hosts:
  alpha:
    containers:
      a: {{forwards: {{web: {{port: 80, host_port: 8080}}}}}}
      b:
        network: shared
        units: {{api: {UNIT}, listens: ["0.0.0.0:8080"]}}}}
        forwards: {{api: {{port: §8080}}}}
""",
        "port 8080 is taken by hosts.alpha.containers.a.forwards.web",
        "have another port",
    ),
    "two forwards on one inner port": Case(
        "HI102",
        """
hosts:
  alpha:
    containers:
      a:
        forwards:
          one: {port: 80, inner_port: 9000, engine: socat}
          two: {port: 81, inner_port: §9000, engine: socat}
""",
        "port 9000 is taken by hosts.alpha.containers.a.forwards.one",
        "leave inner_port out",
    ),
    "a translation in the host's network": Case(
        "HI103",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {web: {port: 80, host_port: §8080}}}
""",
        "8080 cannot lead to 80",
        "leave host_port out",
    ),
    "an address in the host's network": Case(
        "HI103",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {web: {port: 80, bind: §192.0.2.1}}}
""",
        "nothing listens in between",
        "leave bind out",
    ),
    "a probe in the host's network": Case(
        "HI103",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {web: {port: 80, probe: §"http:/"}}}
""",
        "nothing listens in between",
        "leave probe out",
    ),
    "an engine in the host's network": Case(
        "HI103",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {web: {port: 80, engine: §haproxy}}}
""",
        "nothing listens in between",
        "leave engine out",
    ),
    "a forward on the port of sshd": Case(
        "HI104",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {ssh: {port: 2222, host_port: §22}}}
""",
        "port 22 of 127.0.0.1 is taken by hosts.alpha.listens.0 (0.0.0.0:22)",
        "another port or address",
    ),
    "a service of the host on a forward's port": Case(
        "HI104",
        """
hosts:
  alpha:
    listens: ["192.0.2.1:443"]
    containers:
      a: {forwards: {web: {port: 80, host_port: §443, bind: 0.0.0.0}}}
""",
        "hosts.alpha.listens.0",
        "another port or address",
    ),
    "two services of the host's network on one wildcard port": Case(
        "HI104",
        f"""
hosts:
  alpha:
    containers:
      a: {{network: shared, units: {{web: {UNIT}, listens: ["0.0.0.0:9000"]}}}}}}
      b: {{network: shared, units: {{api: {UNIT}, listens: [§"0.0.0.0:9000"]}}}}}}
""",
        "hosts.alpha.containers.a.units.web.listens.0",
        "another port or address",
    ),
    "two services of a container on one wildcard port": Case(
        "HI105",
        f"""
hosts:
  alpha:
    containers:
      a:
        units:
          api: {UNIT}, listens: ["0.0.0.0:9000/udp"]}}
          web: {UNIT}, listens: [§"0.0.0.0:9000/udp"]}}
""",
        "hosts.alpha.containers.a.units.api.listens.0",
        "another port or address",
    ),
    "a service on an inner half's port": Case(
        "HI105",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{conductor: {UNIT}, listens: ["0.0.0.0:8001"]}}}}
        forwards: {{admin: {{port: 8000, inner_port: §8001, engine: socat}}}}
""",
        "hosts.alpha.containers.a.units.conductor.listens.0",
        "another port or address",
    ),
    "a service on the container's own address": Case(
        "HI105",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{api: {UNIT}, listens: ["10.0.85.2:9000"]}}}}
        forwards: {{web: {{port: 80, inner_port: §9000, engine: socat}}}}
""",
        "port 9000 of 10.0.85.2 is taken by hosts.alpha.containers.a.units.api.listens.0",
        "another port or address",
    ),
    "a service on the container's own address in a packed network": Case(
        "HI105",
        f"""
networks:
  lan: {{scheme: packed, pool: 10.64.0.0/16}}
hosts:
  alpha:
    containers:
      a:
        network: lan
        units: {{api: {UNIT}, listens: ["10.64.0.2:9000"]}}}}
        forwards: {{web: {{port: 80, inner_port: §9000, engine: socat}}}}
""",
        "port 9000 of 10.64.0.2 is taken",
        "another port or address",
    ),
    "an inner half on the port of a service behind nftables": Case(
        "HI105",
        """
hosts:
  alpha:
    containers:
      a:
        forwards:
          admin: {port: 8000, inner_port: §8001, engine: socat}
          web: {port: 8001, bind: 0.0.0.0, engine: nftables}
""",
        "port 8001 of 10.0.85.2 is taken by hosts.alpha.containers.a.forwards.web.port",
        "another port or address",
    ),
    "the 172nd octet container": Case(
        "HI107",
        "\nhosts:\n  alpha:\n    containers:\n"
        + "".join(f"      c{number}: {{}}\n" for number in range(171))
        + "      §more: {}\n",
        "171 containers of scheme octet",
        "scheme packed",
    ),
    "a pool that is used up": Case(
        "HI108",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/29}
hosts:
  alpha:
    containers:
      a: {network: lan}
      b: {network: lan}
      §c: {network: lan}
""",
        "2 subnets in 10.64.0.0/29",
        "larger pool",
    ),
    "an index given twice": Case(
        "HI109",
        """
hosts:
  alpha:
    containers:
      a: {index: 7}
      b: {index: §7}
""",
        "index 7 is that of hosts.alpha.containers.a",
        "leave index out",
    ),
    "a subnet given twice": Case(
        "HI110",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha: {containers: {a: {network: lan, subnet: 10.64.0.8/30}}}
  beta: {containers: {b: {network: lan, subnet: §10.64.0.8/30}}}
""",
        "10.64.0.8/30 is that of hosts.alpha.containers.a",
        "leave subnet out",
    ),
    "pools that overlap": Case(
        "HI110",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/16}
  wan: {scheme: packed, pool: §10.64.128.0/17}
""",
        "overlaps the pool 10.64.0.0/16 of networks.lan",
        "do not overlap",
    ),
    "a pool over the addresses of octet": Case(
        "HI110",
        """
networks:
  lan: {scheme: packed, pool: 10.0.85.0/30}
hosts:
  alpha:
    containers:
      a: {}
      §b: {network: lan}
""",
        "10.0.85.0/30 is that of hosts.alpha.containers.a",
        "outside 10.0.85.0",
    ),
    "an octet subnet inside the host's own network": Case(
        "HI111",
        """
hosts:
  alpha:
    networks: [10.0.0.0/16]
    containers:
      §a: {}
""",
        "10.0.85.0/30 lies in 10.0.0.0/16 of hosts.alpha.networks.0",
        "another index, subnet or network",
    ),
    "an octet subnet that holds another host's address": Case(
        "HI111",
        """
hosts:
  alpha: {containers: {a: {}, §b: {}}}
  beta: {address: 10.0.86.1}
""",
        "10.0.86.0/30 holds 10.0.86.1 of hosts.beta.address",
        "another index, subnet or network",
    ),
    "a packed subnet that holds a name server": Case(
        "HI111",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha:
    nameservers: [9.9.9.9, 10.64.0.3]
    containers:
      §a: {network: lan}
""",
        "10.64.0.0/30 holds 10.64.0.3 of hosts.alpha.nameservers.1",
        "another index, subnet or network",
    ),
    "a pool that Docker uses": Case(
        "HI112",
        """
networks:
  lan: {scheme: packed, pool: §172.16.0.0/12}
""",
        "172.17.0.0/16, which Docker's bridge takes",
        "another pool",
    ),
    "an ephemeral port": Case(
        "HI113",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {web: {port: 80, host_port: §40000}}}
""",
        "port 40000",
        "below 32768",
    ),
    "an ephemeral port that is the service's own": Case(
        "HI113",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {§web: {port: 40000}}}
""",
        "port 40000",
        "below 32768",
    ),
    "an ephemeral port in the host's network": Case(
        "HI113",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, forwards: {§web: {port: 40000}}}
""",
        "port 40000",
        "below 32768",
    ),
    "an index that is no octet": Case(
        "HI114",
        """
hosts:
  alpha:
    containers:
      a: {index: §171}
""",
        "0 to 170",
        "leave index out",
    ),
    "a subnet outside the pool": Case(
        "HI115",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha: {containers: {a: {network: lan, subnet: §10.65.0.0/30}}}
""",
        "not in the pool 10.64.0.0/16",
        "a /30 of the pool",
    ),
    "a subnet that is no /30": Case(
        "HI115",
        """
networks:
  lan: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha: {containers: {a: {network: lan, subnet: §10.64.0.6/30}}}
""",
        "10.64.0.6/30 is not a /30",
        "divisible by four",
    ),
    "a subnet of scheme octet": Case(
        "HI115",
        """
hosts:
  alpha: {containers: {a: {subnet: §10.0.85.0/30}}}
""",
        "scheme octet derives the subnet",
        "give an index",
    ),
    "a pool with bits of the host": Case(
        "HI116",
        """
networks:
  lan: {scheme: packed, pool: §10.64.0.1/16}
""",
        "bits of the host are not zero",
        "first address",
    ),
    "a pool of loopback addresses": Case(
        "HI116",
        """
networks:
  lan: {scheme: packed, pool: §127.0.0.0/16}
""",
        "no ordinary addresses",
        "first address",
    ),
    "a host's network with bits of the host": Case(
        "HI116",
        """
hosts:
  alpha: {networks: [§192.168.1.7/24]}
""",
        "bits of the host are not zero",
        "192.168.1.0/24",
    ),
    "a network that is not there": Case(
        "HI117",
        """
hosts:
  alpha: {containers: {a: {network: §lan}}}
""",
        "there is no network lan",
        "private, shared",
    ),
    "a packed network without a pool": Case(
        "HI118",
        """
networks:
  §lan: {scheme: packed}
""",
        "needs a pool",
        "add a pool",
    ),
    "an octet network with a pool": Case(
        "HI118",
        """
networks:
  lan: {pool: §10.64.0.0/16}
""",
        "has its own addresses",
        "leave pool out",
    ),
    "a network called shared": Case(
        "HI118",
        """
networks:
  §shared: {}
""",
        "the host's own network",
        "another name",
    ),
    "a fixed port that the lock file keeps for another container": Case(
        "HI119",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {§web: {port: 80, inner_port: 9000, engine: socat}}}
      b: {forwards: {web: {port: 80, host_port: 8000}}}
""",
        "port 8000, which it had, is now fixed for hosts.alpha.containers.b.forwards.web",
        "another number",
        LOCK,
    ),
    "a service of the host on a port that the lock file keeps": Case(
        "HI119",
        """
hosts:
  alpha:
    listens: ["192.0.2.1:8000"]
    containers:
      a: {forwards: {§web: {port: 80}}}
""",
        "port 8000, which it had, is now fixed for hosts.alpha.listens.0",
        "by host_port",
        LOCK,
    ),
    "a service on an inner port that the lock file keeps": Case(
        "HI119",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{api: {UNIT}, listens: ["0.0.0.0:9000"]}}}}
        forwards: {{§web: {{port: 80, engine: socat}}}}
""",
        "port 9000, which it had, is now fixed for hosts.alpha.containers.a.units.api.listens.0",
        "by inner_port",
        LOCK,
    ),
    "a peer that is not there": Case(
        "HI201",
        """
hosts:
  alpha: {containers: {a: {allowed_peers: [§c]}, b: {}}}
""",
        "no container c",
        "containers: b",
    ),
    "a peer of the host's network": Case(
        "HI201",
        """
hosts:
  alpha: {containers: {a: {allowed_peers: [§b]}, b: {network: shared}}}
""",
        "b is in the host's own network",
        "by a forward",
    ),
    "egress of the host's network": Case(
        "HI202",
        """
hosts:
  alpha: {containers: {a: {network: shared, egress: §internet}}}
""",
        "in the host's own network",
        "leave egress out",
    ),
    "no hub": Case(
        "HI203",
        """
hosts:
  alpha: {containers: {a: {egress: §hub}}}
""",
        "names no hub",
        "its address",
    ),
    "a hub that is not there": Case(
        "HI203",
        """
hub: §beta
hosts:
  alpha: {}
""",
        "no host beta",
        "hosts: alpha",
    ),
    "a hub without an address": Case(
        "HI203",
        """
hub: beta
hosts:
  beta: {}
  alpha: {containers: {a: {egress: §hub}}}
""",
        "hosts.beta has no address",
        "its address",
    ),
    "a renamed container that is still there": Case(
        "HI204",
        """
hosts:
  alpha: {containers: {a: {}, b: {renamed_from: §a}}}
""",
        "hosts.alpha.containers.a is still there",
        "take renamed_from out",
    ),
    "two hosts renamed from one": Case(
        "HI205",
        """
hosts:
  beta: {renamed_from: alpha}
  gamma: {renamed_from: §alpha}
""",
        "hosts.beta was renamed from alpha too",
        "one of the two",
    ),
    "a secret in the store": Case(
        "HI206",
        """
hosts:
  alpha: {containers: {a: {secrets: {key: §/nix/store/abc-key}}}}
""",
        "every user of the machine can read",
        "outside the store",
    ),
    "a secret that is not there": Case(
        "HI207",
        f"""
hosts:
  alpha: {{containers: {{a: {{units: {{u: {UNIT}, secrets: [§key]}}}}}}}}}}
""",
        "no secret key",
        "secrets of the container: none",
    ),
    "a directive that a field sets": Case(
        "HI208",
        f"""
hosts:
  alpha: {{containers: {{a: {{units: {{u: {UNIT}, settings: {{ExecStart: §x}}}}}}}}}}}}
""",
        "exec_start",
        "use exec_start",
    ),
    "a mount over what is needed": Case(
        "HI209",
        """
hosts:
  alpha:
    containers:
      a:
        bind_mounts:
          §/etc/holo/x: {source: /srv}
""",
        "covers /etc/holo",
        "somewhere else",
    ),
    "an HTTP probe of a UDP service": Case(
        "HI210",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {dns: {port: 53, protocol: udp, probe: §"http:/"}}}
""",
        "answers no HTTP request",
        "leave probe out",
    ),
    "two hosts of one address": Case(
        "HI211",
        """
hosts:
  alpha: {address: 192.0.2.1}
  beta: {address: §192.0.2.1}
""",
        "the address of hosts.alpha",
        "one of the two",
    ),
    "two containers of one state": Case(
        "HI212",
        """
hosts:
  alpha: {containers: {a: {state: /srv/a}, b: {state: §/srv//a}}}
""",
        "the state of hosts.alpha.containers.a",
        "different folders",
    ),
    "a state that another container has by default": Case(
        "HI212",
        """
hosts:
  alpha: {containers: {a: {state: §/var/lib/holo/state/b}, b: {}}}
""",
        "/var/lib/holo/state/b is the state of hosts.alpha.containers.b",
        "different folders",
    ),
    "a state inside another": Case(
        "HI212",
        """
hosts:
  alpha: {containers: {a: {state: §//srv/x/y/sub}, b: {state: /srv/x}}}
""",
        "/srv/x/y/sub lies in /srv/x, the state of hosts.alpha.containers.b",
        "neither inside the other",
    ),
    "a state around all others": Case(
        "HI212",
        """
hosts:
  alpha: {containers: {a: {}, b: {state: §/var/lib/holo}}}
""",
        "/var/lib/holo holds /var/lib/holo/state/a, the state of hosts.alpha.containers.a",
        "neither inside the other",
    ),
    "an argument of nspawn that is ours": Case(
        "HI213",
        """
hosts:
  alpha: {containers: {a: {nspawn_args: [--bind=/x, §--boot]}}}
""",
        "--boot is set for every container",
        "leave it out",
    ),
    "an argument of nspawn in two words": Case(
        "HI213",
        """
hosts:
  alpha: {containers: {a: {nspawn_args: [§-b]}}}
""",
        "not an option in one word",
        "--bind-ro=/srv",
    ),
    "an argument of nspawn without its value": Case(
        "HI213",
        """
hosts:
  alpha: {containers: {a: {nspawn_args: [§--bind]}}}
""",
        "not an option in one word",
        "--bind-ro=/srv",
    ),
    "an argument of nspawn that is cut short": Case(
        "HI213",
        """
hosts:
  alpha: {containers: {a: {nspawn_args: [--image-policy=root, §--machin=b]}}}
""",
        "--machin is short for --machine, which is set for every container",
        "leave it out",
    ),
    "an argument that nspawn does not know": Case(
        "HI213",
        """
hosts:
  alpha: {containers: {a: {nspawn_args: [§--bnd=/x]}}}
""",
        "systemd-nspawn has no option --bnd",
        "in full",
    ),
    "an address that the host does not have": Case(
        "HI214",
        """
hosts:
  alpha:
    address: 192.0.2.1
    containers: {a: {forwards: {web: {port: 80, bind: §192.0.2.2}}}}
""",
        "192.0.2.2",
        "the host's networks",
    ),
    "no name servers": Case(
        "HI215",
        """
hosts:
  alpha: {containers: {a: {egress: §internet}}}
""",
        "no nameservers",
        "give the host nameservers",
    ),
    "a unit of a forward's name": Case(
        "HI217",
        f"""
hosts:
  alpha:
    containers:
      a:
        units:
          §socat-internal-w-forwarder: {UNIT}}}
        forwards: {{w: {{port: 80, engine: socat}}}}
""",
        "has already",
        "another name",
    ),
    "a unit of systemd's name": Case(
        "HI217",
        f"""
hosts:
  alpha:
    containers:
      a: {{units: {{§dbus: {UNIT}}}}}}}
""",
        "dbus.service is a unit that the container has already",
        "another name",
    ),
    "a name server that only the host can ask": Case(
        "HI218",
        """
hosts:
  alpha:
    nameservers: [9.9.9.9, §127.0.0.53]
    containers: {a: {egress: internet}}
""",
        "containers cannot reach 127.0.0.53",
        "through the network",
    ),
    "a name server of a cloud's links": Case(
        "HI218",
        """
hosts:
  alpha:
    nameservers: [§169.254.169.253]
    containers: {a: {egress: internet}}
""",
        "it is link-local",
        "through the network",
    ),
    "a name server that is the host": Case(
        "HI218",
        """
hosts:
  alpha:
    address: 192.0.2.1
    nameservers: [§192.0.2.1]
    containers: {a: {egress: internet}, b: {}}
""",
        "it is the host's own address",
        "through the network",
    ),
    "a module in the place of what is written": Case(
        "HI219",
        """
hosts:
  alpha: {imports: [machines/alpha.nix, §hosts/alpha.nix]}
""",
        "hosts/alpha.nix is the name of what `holo compile` writes",
        "machines/alpha.nix",
    ),
    "an inner port for the default engine": Case(
        "HI220",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {web: {port: 80, inner_port: §81}}}
""",
        "socket-proxyd needs no port of the container's address",
        "or write engine: socat",
    ),
    "UDP by HAProxy": Case(
        "HI221",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {dns: {port: 53, protocol: udp, engine: §haproxy}}}
""",
        "haproxy carries no UDP",
        "use socat or nftables",
    ),
    "nftables on the default address": Case(
        "HI222",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {web: {port: 80, engine: §nftables}}}
""",
        "what comes for 127.0.0.1 is not led on",
        "bind an address of the host",
    ),
    "nftables on a loopback address": Case(
        "HI222",
        """
hosts:
  alpha:
    containers:
      a: {forwards: {web: {port: 80, bind: §127.0.0.2, engine: nftables}}}
""",
        "what comes for 127.0.0.2 is not led on",
        "bind an address of the host",
    ),
    "a service behind nftables that listens on 127.0.0.1": Case(
        "HI223",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{web: {UNIT}, listens: [§"127.0.0.1:80", "0.0.0.0:81"]}}}}
        forwards: {{web: {{port: 80, bind: 0.0.0.0, engine: nftables}}}}
""",
        "forwards.web leads to the container's address, and nothing listens there",
        "listen on 0.0.0.0",
    ),
    "a peer whose forwards lead to its 127.0.0.1": Case(
        "HI224",
        """
hosts:
  alpha:
    containers:
      a: {allowed_peers: [§b]}
      b: {forwards: {web: {port: 80}}}
""",
        "nothing listens on the address of b",
        "give a forward of it engine socat",
    ),
    **SERVICE_CASES,
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_code_place_message_and_hint(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    (diagnostic,) = told(tmp_path, case.fleet, case.lock)
    assert diagnostic.code == case.code
    assert diagnostic.place is not None
    assert (diagnostic.place.line, diagnostic.place.column) == marked(case.fleet)
    assert case.message in diagnostic.message
    assert case.hint in diagnostic.hint


def test_every_code_of_fleets_and_numbers_has_a_case() -> None:
    codes = {code for code in CATALOGUE if "HI100" < code < "HI300"}
    # HI106 needs 31,744 forwards, and is tested below; HI216 is a command's.
    assert {case.code for case in CASES.values()} == codes - {"HI106", "HI216"}


def test_what_only_the_host_asks_may_be_anywhere(tmp_path: Path) -> None:
    fleet = """
hosts:
  alpha: {nameservers: [127.0.0.53], containers: {a: {egress: hub}}}
  beta: {nameservers: [127.0.0.53], containers: {a: {network: shared}}}
  gamma: {address: 192.0.2.1}
hub: gamma
"""
    assert told(tmp_path, fleet) == []


def test_no_port_that_is_left_is_told(tmp_path: Path) -> None:
    lines = ["hosts:", "  alpha:", "    containers:", "      a: {forwards: {web: {port: 80}}}"]
    lines += ["    listens:", *(f'      - "0.0.0.0:{port}"' for port in range(80, 32768))]
    (diagnostic,) = told(tmp_path, "\n".join(lines))
    assert diagnostic.code == "HI106"
    assert "between 1024 and 32767" in diagnostic.message
    assert diagnostic.place is not None
    assert diagnostic.place.line == 5


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    fleet = """
hub: nowhere
networks:
  lan: {scheme: packed}
hosts:
  alpha:
    networks: [10.0.0.0/16]
    containers:
      a: {forwards: {web: {port: 80, host_port: 22}}}
      b: {forwards: {web: {port: 99999}}, egress: all}
      c: {index: 200, secrets: {key: /nix/store/x}}
      d: {netwrok: shared}
  beta: {address: 300.0.0.1}
"""
    codes = sorted(diagnostic.code for diagnostic in told(tmp_path, fleet))
    assert codes == [
        *("HI011", "HI013", "HI014", "HI015", "HI104"),
        *("HI111", "HI114", "HI118", "HI206"),
    ]


def test_a_part_that_is_faulty_does_not_make_others_faulty(tmp_path: Path) -> None:
    fleet = """
hub: beta
hosts:
  alpha:
    containers:
      a: {allowed_peers: [b], egress: hub}
      b: {index: many}
  beta: {address: 300.0.0.1}
"""
    assert sorted(d.code for d in told(tmp_path, fleet)) == ["HI012", "HI013"]


def test_a_python_fleet_is_told_with_the_line_that_built_the_part(tmp_path: Path) -> None:
    path = tmp_path / "fleet.py"
    path.write_text(
        "from holo_infra import Container, Fleet, Forward, Host\n"
        "web = Container(\n"
        "    forwards={'web': Forward(port=80, host_port=8080)},\n"
        ")\n"
        "other = Container(\n"
        "    forwards={\n"
        "        'web': Forward(port=81, host_port=8080),\n"
        "    },\n"
        ")\n"
        "fleet = Fleet(name='f', hosts={'alpha': Host(containers={'a': web, 'b': other})})\n"
    )
    with pytest.raises(FleetError) as refused:
        compile_fleet(path)
    (diagnostic,) = refused.value.diagnostics
    assert dotted(diagnostic.path) == "hosts.alpha.containers.b.forwards.web.host_port"
    assert str(diagnostic.place) == f"{path}:7:16"


def test_check_prints_what_is_wrong_in_each_form(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = CASES["a forward on the port of sshd"]
    path = tmp_path / "fleet.yaml"
    path.write_text(f"name: test\n{case.fleet.replace(MARK, '')}")
    line, column = marked(case.fleet)
    field = "hosts.alpha.containers.a.forwards.ssh.host_port"
    message = "port 22 of 127.0.0.1 is taken by hosts.alpha.listens.0 (0.0.0.0:22)"
    assert main(["check", str(path)]) == 1
    assert capsys.readouterr().out == (
        f"{path}:{line}:{column}: error[HI104] {field}: {message}\n"
        "  hint: give one of the two another port or address\n"
    )
    assert main(["check", str(path), "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["code"] == "HI104"
    assert (found["line"], found["column"], found["field"]) == (line, column, field)
    assert main(["check", str(path), "--format", "github"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"::error file={path},line={line},col={column},title=HI104::")


def test_warnings_do_not_stop_a_fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.yaml"
    fleet = CASES["an ephemeral port"].fleet
    path.write_text(f"name: test\n{fleet.replace(MARK, '')}")
    assert main(["check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "warning[HI113]" in out
    assert "no errors, 1 warning" in err


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_explained(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code.lower()]) == 0
    printed = capsys.readouterr().out
    assert f"{code}: {CATALOGUE[code].title}" in printed
    assert CATALOGUE[code].cure.split()[-1] in printed


def test_an_unknown_code_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "HI999"]) == 1
    assert "no code HI999" in capsys.readouterr().err
