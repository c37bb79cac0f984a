"""Compiled hosts run by a real systemd, in a machine with containers nested in it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from holo_infra import BindMount, Container, Fleet, Forward, Host, Unit
from holo_infra.cli import main
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets
from tests.support.lab import machine
from tests.support.values import HOSTILE, text
from vmtests import NspawnMachine

pytestmark = pytest.mark.needs("nspawn", "socat", "ip", "busybox", "curl")


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.05)


# The example, as it runs.

FORWARDS = {
    8000: "holochain0",
    8080: "holochain0",
    8001: "holochain1",
    8081: "holochain1",
    8002: "holochain2",
    8082: "holochain2",
}


@pytest.fixture(scope="module")
def alpha(compiled_example: Path) -> Iterator[NspawnMachine]:
    with machine(compiled_example, "alpha") as running:
        for unit in (
            f"socat-holochain{n}-{f}.service" for n in range(3) for f in ("admin", "httpgw")
        ):
            running.wait_for_unit(unit)
        yield running


def fetch(host: NspawnMachine, address: str) -> str | None:
    """The identity that answers at an address; None where nothing does."""
    done = host.execute(["curl", "-sS", "--max-time", "3", f"http://{address}/identity.env"])
    return done.stdout.decode() if done.returncode == 0 else None


def test_each_forward_gives_its_own_containers_bytes(alpha: NspawnMachine) -> None:
    for port, container in FORWARDS.items():
        index = container[-1]
        identity = f"HOLO_CONTAINER={container}\nHOLO_ADDRESS=10.0.{85 + int(index)}.2\n"
        assert fetch(alpha, f"127.0.0.1:{port}") == identity


def test_the_service_is_reached_by_the_inner_port_only(alpha: NspawnMachine) -> None:
    assert fetch(alpha, "10.0.85.2:8001") is not None
    assert fetch(alpha, "10.0.85.2:8000") is None  # the service itself is on 127.0.0.1
    assert fetch(alpha, "10.0.85.1:8000") is None  # the host's half is on 127.0.0.1 too


def test_a_forward_follows_its_container(alpha: NspawnMachine) -> None:
    units = ["socat-holochain1-admin", "socat-holochain1-httpgw", "netns-holochain1"]
    alpha.systemctl("restart", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") is not None)
    alpha.systemctl("stop", "container@holochain1")

    def states() -> list[str]:
        return [alpha.execute(["systemctl", "is-active", u]).stdout.decode().strip() for u in units]

    wait(lambda: states() == ["inactive"] * 3)
    assert fetch(alpha, "127.0.0.1:8001") is None
    assert "holochain1" not in alpha.succeed(["ip", "netns"])
    assert fetch(alpha, "127.0.0.1:8000") is not None  # the others are not touched
    alpha.systemctl("start", "container@holochain1")
    wait(lambda: fetch(alpha, "127.0.0.1:8001") is not None)


def test_a_killed_container_comes_back_with_its_forwards(alpha: NspawnMachine) -> None:
    for _ in range(6):  # more than systemd's own limit of starts
        alpha.systemctl("restart", "container@holochain0")
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is not None)
    alpha.systemctl("kill", "--signal=KILL", "container@holochain0")
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is None)
    wait(lambda: fetch(alpha, "127.0.0.1:8080") is not None)
    wait(lambda: fetch(alpha, "127.0.0.1:8000") is not None)
    assert alpha.systemctl("--failed", "--no-legend") == ""


def test_a_forward_opens_only_when_the_service_is_ready(alpha: NspawnMachine) -> None:
    inside = ["systemctl", "--machine=holochain2"]
    alpha.succeed([*inside, "stop", "admin"])
    alpha.systemctl("restart", "--no-block", "socat-holochain2-admin")
    alpha.succeed([*inside, "restart", "--no-block", "socat-internal-admin-forwarder"])
    wait(lambda: fetch(alpha, "127.0.0.1:8002") is None)
    done = alpha.execute(["curl", "-sS", "--max-time", "3", "http://10.0.87.2:8001/"])
    assert b"Couldn't connect" in done.stderr  # refused, not accepted and dropped
    state = alpha.execute([*inside, "is-active", "socat-internal-admin-forwarder"]).stdout
    assert state == b"activating\n"
    alpha.succeed([*inside, "start", "admin"])
    wait(lambda: fetch(alpha, "127.0.0.1:8002") is not None)


# Other kinds of forwards and networks.


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    echo = ["socat", "UDP4-LISTEN:5353,bind=127.0.0.1,fork", "PIPE"]
    web = ["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc/holo"]
    own = ["busybox", "httpd", "-f", "-p", "127.0.0.1:9000", "-h", "/etc/holo"]
    private = Container(
        units={"echo": Unit(exec_start=echo)},
        forwards={"dns": Forward(port=5353, protocol="udp")},
    )
    privileged = Container(
        units={"web": Unit(exec_start=web)},
        forwards={"web": Forward(port=8080, host_port=443, inner_port=81)},
    )
    shared = Container(
        network="shared",
        units={"web": Unit(exec_start=own)},
        forwards={"web": Forward(port=9000)},
    )
    containers = {"private": private, "privileged": privileged, "shared": shared}
    fleet = Fleet(name="mixed", hosts={"alpha": Host(containers=containers)})
    folder = tmp_path_factory.mktemp("mixed")
    write(systemd(fleets.lowered(fleet)), folder)
    with machine(folder, "alpha") as running:
        for name in containers:
            running.wait_for_unit(f"container@{name}.service")
        yield running


def test_a_udp_forward_carries_datagrams_both_ways(mixed: NspawnMachine) -> None:
    mixed.wait_for_unit("socat-private-dns.service")
    ask = ["sh", "-c", "printf hello | socat -t 2 - UDP4:127.0.0.1:5353"]
    wait(lambda: mixed.succeed(ask) == "hello")


def test_both_halves_of_a_forward_may_have_privileged_ports(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "127.0.0.1:443") is not None)
    assert "HOLO_CONTAINER=privileged" in str(fetch(mixed, "127.0.0.1:443"))


def test_a_container_in_the_shared_network_needs_no_forwarder(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "127.0.0.1:9000") is not None)
    identity = "HOLO_CONTAINER=shared\nHOLO_ADDRESS=127.0.0.1\n"
    assert fetch(mixed, "127.0.0.1:9000") == identity
    units = mixed.systemctl("list-units", "--all", "--plain", "--no-legend", "socat-*", "netns-*")
    names = {line.split()[0] for line in units.splitlines()}
    assert names == {
        *("netns-private.service", "netns-privileged.service"),
        *("socat-private-dns.service", "socat-privileged-web.service"),
    }


def test_private_containers_do_not_reach_each_other(mixed: NspawnMachine) -> None:
    wait(lambda: fetch(mixed, "10.0.86.2:81") is not None)  # from the host
    for address in ("10.0.86.2:81", "10.0.86.1:443"):
        url = f"http://{address}/identity.env"
        leader = mixed.succeed(["machinectl", "show", "private", "--property=Leader", "--value"])
        entered = ["nsenter", f"--target={leader.strip()}", "--net", "curl", "-sS", "-m", "3", url]
        done = mixed.execute(entered)
        assert done.returncode in {7, 28}, done  # no route, or no answer


# What containers may reach, in a world with a hub and an internet, all of it in namespaces.

HUB, INTERNET, HOST = "192.0.2.1", "198.51.100.9", "192.0.2.7"
WORLD = [
    "ip netns add world",
    "ip link add uplink type veth peer name outside netns world",
    f"ip address add {HOST}/24 dev uplink",
    "ip link set uplink up",
    f"ip -n world address add {HUB}/24 dev outside",
    f"ip -n world address add {INTERNET}/32 dev outside",
    "ip -n world link set outside up",
    f"ip route add {INTERNET} via {HUB}",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    serve = ["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc/holo"]

    def container(**fields: Any) -> Container:
        units, forwards = {"web": Unit(exec_start=serve)}, {"web": Forward(port=8080)}
        return Container(units=units, forwards=forwards, **fields)

    containers = {
        "alone": container(),
        "tohub": container(egress="hub"),
        "toworld": container(egress="internet"),
        "friend": container(allowed_peers=["alone"]),
        "open0": container(isolated=False),
        "open1": container(isolated=False),
    }
    hosts = {
        "alpha": Host(containers=containers, address=HOST, nameservers=["198.51.100.53"]),
        "hub": Host(address=HUB),
    }
    fleet = Fleet(name="world", hub="hub", hosts=hosts)
    folder = tmp_path_factory.mktemp("world")
    write(systemd(fleets.lowered(fleet)), folder / "out")
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    with machine(folder / "out", "alpha", {"/srv": folder / "www"}) as running:
        for command in WORLD:
            running.succeed(command.split())
        httpd = "ip netns exec world busybox httpd -p 80 -h /srv"
        running.succeed(httpd.split())
        for name in containers:
            running.wait_for_unit(f"socat-{name}-web.service")
        yield running


ADDRESSES = {"alone": 85, "tohub": 86, "toworld": 87, "friend": 88, "open0": 89, "open1": 90}
REACHED = {
    "alone": set(),
    "friend": {"alone"},
    "open0": {"open1"},
    "open1": {"open0"},
    "tohub": {HUB},
    "toworld": {HUB, INTERNET},
}


@pytest.mark.needs("nft")
@pytest.mark.parametrize("name", REACHED)
def test_a_container_reaches_what_the_fleet_says_and_nothing_else(
    world: NspawnMachine,
    name: str,
) -> None:
    leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
    enter = ["nsenter", f"--target={leader}", "--net", "curl", "-sS", "--max-time", "1"]
    places = {n: f"10.0.{octet}.2:8080" for n, octet in ADDRESSES.items() if n != name}
    places |= {HUB: HUB, INTERNET: INTERNET, "the host": f"10.0.{ADDRESSES[name]}.1:8080"}
    answers = {
        place: world.execute([*enter, f"http://{address}/identity.env"]).stdout.decode()
        for place, address in places.items()
    }
    assert {place for place, answer in answers.items() if answer} == REACHED[name]
    for place, answer in answers.items():
        told = "the world" if place in {HUB, INTERNET} else f"HOLO_CONTAINER={place}\n"
        assert not answer or answer.startswith(told)


def test_a_container_with_a_way_out_asks_the_hosts_name_servers(world: NspawnMachine) -> None:
    asked = {}
    for name in ("alone", "toworld"):
        leader = world.succeed(["machinectl", "show", name, "--property=Leader", "--value"]).strip()
        asked[name] = world.execute(["cat", f"/proc/{leader}/root/etc/resolv.conf"]).stdout
    assert asked == {"alone": b"", "toworld": b"nameserver 198.51.100.53\n"}


def test_rules_loaded_anew_cut_no_container_off(world: NspawnMachine) -> None:
    before = world.succeed(["nft", "list", "table", "inet", "holo"])
    assert "masquerade" in before
    world.succeed(["nft", "flush", "ruleset"])
    world.systemctl("reload", "holo-firewall")
    assert world.succeed(["nft", "list", "table", "inet", "holo"]) == before
    assert fetch(world, "127.0.0.1:8080") is not None
    assert world.systemctl("is-active", "container@alone") == "active\n"


def test_rules_may_be_restarted_under_running_containers(world: NspawnMachine) -> None:
    since = "--property=ActiveEnterTimestampMonotonic"
    before = world.systemctl("show", "container@alone", since)
    world.systemctl("restart", "holo-firewall")
    assert "masquerade" in world.succeed(["nft", "list", "table", "inet", "holo"])
    assert world.systemctl("show", "container@alone", since) == before


def test_no_container_starts_without_rules(world: NspawnMachine) -> None:
    drop_in = "/run/systemd/system/holo-firewall.service.d/never.conf"
    never = f"mkdir -p {drop_in.rpartition('/')[0]} && printf '[Unit]\\nConditionPathExists=/no' > "
    world.systemctl("stop", "holo-firewall")
    world.succeed(["sh", "-c", never + drop_in])
    world.systemctl("daemon-reload")
    assert world.execute(["systemctl", "restart", "container@open1"]).returncode != 0
    assert world.execute(["systemctl", "is-active", "netns-open1"]).stdout != b"active\n"
    world.succeed(["rm", drop_in])
    world.systemctl("daemon-reload")
    world.systemctl("start", "container@open1")
    world.wait_for_unit("socat-open1-web.service")
    assert "masquerade" in world.succeed(["nft", "list", "table", "inet", "holo"])


def test_a_containers_state_outlives_its_restart(world: NspawnMachine) -> None:
    def state() -> str:
        leader = world.succeed(["machinectl", "show", "open0", "--property=Leader", "--value"])
        return f"/proc/{leader.strip()}/root/var/lib/kept"

    world.succeed(["touch", state()])
    world.systemctl("restart", "container@open0")
    world.wait_for_unit("socat-open0-web.service")
    assert world.succeed(["ls", state()]).strip().endswith("kept")
    assert world.succeed(["ls", "/var/lib/holo/state/open0/kept"])


# The host of examples/mixed that has no Nix, as it is written.

EDGE, EDGE_HUB = "192.0.2.21", "192.0.2.10"
EDGE_WORLD = [command.replace(HOST, EDGE).replace(HUB, EDGE_HUB) for command in WORLD]
WEB = "HOLO_CONTAINER=web\nHOLO_ADDRESS=10.0.85.2\n"
WATCH = "HOLO_CONTAINER=watch\nHOLO_ADDRESS=10.0.86.2\n"
EDGE_UNITS = [
    *(f"container@{name}.service" for name in ("echo", "metrics", "watch", "web")),
    *(f"socat-{name}.service" for name in ("echo-tcp", "echo-udp", "watch-watch", "web-pages")),
]


@pytest.fixture(scope="module")
def edge1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("edge1")
    shutil.copytree(fleets.ROOT / "examples" / "mixed", folder, dirs_exist_ok=True)
    assert main(["compile", str(folder / "fleet.yaml"), "--out", str(folder / "out")]) == 0
    (folder / "www").mkdir()
    (folder / "www" / "identity.env").write_text("the world")
    with machine(folder / "out", "edge1", {"/srv": folder / "www"}) as running:
        # The host's address comes after its forwards, as it does where a lease takes long.
        for command in [*EDGE_WORLD, "ip netns exec world busybox httpd -p 80 -h /srv"]:
            running.succeed(command.split())
        for name in [*EDGE_UNITS, "socat-web-status.service"]:
            running.wait_for_unit(name)
        yield running


def fetch_from(host: NspawnMachine, name: str, address: str) -> str:
    """What a container, by its name, or the world gets from an address; nothing where it fails."""
    enter = ["ip", "netns", "exec", name, "curl", "-sS", "--max-time", "1"]
    return host.execute([*enter, f"http://{address}/identity.env"]).stdout.decode()


@pytest.mark.needs("nft")
def test_each_forward_of_the_mixed_example_gives_its_own_containers_bytes(
    edge1: NspawnMachine,
) -> None:
    wait(lambda: fetch(edge1, f"{EDGE}:8081") is not None)
    assert fetch(edge1, "127.0.0.1:8080") == WEB
    assert fetch(edge1, f"{EDGE}:8081") == WEB
    assert fetch(edge1, "127.0.0.1:8081") is None
    assert fetch(edge1, "127.0.0.1:9000") == WATCH
    metrics = "HOLO_CONTAINER=metrics\nHOLO_ADDRESS=127.0.0.1\n"
    assert fetch(edge1, "127.0.0.1:9100") == metrics
    for protocol in ("TCP4", "UDP4"):
        ask = f"printf {protocol} | socat -t 2 - {protocol}:127.0.0.1:7000"
        assert edge1.succeed(["sh", "-c", ask]) == protocol


@pytest.mark.needs("nft")
def test_other_machines_reach_only_the_forward_that_is_bound_to_the_hosts_address(
    edge1: NspawnMachine,
) -> None:
    wait(lambda: fetch(edge1, f"{EDGE}:8081") is not None)
    answers = {port: fetch_from(edge1, "world", f"{EDGE}:{port}") for port in (8080, 8081, 9000)}
    assert answers == {8080: "", 8081: WEB, 9000: ""}


PLACES = {
    "the hub": EDGE_HUB,
    "the internet": INTERNET,
    "web": "10.0.85.2:4000",
    "watch": "10.0.86.2:9000",
    "the host": f"{EDGE}:8081",
}
EDGE_REACHED = {
    "echo": {},
    "watch": {"the hub": "the world", "web": WEB},
    "web": {"the hub": "the world", "the internet": "the world"},
}


@pytest.mark.needs("nft")
@pytest.mark.parametrize("name", EDGE_REACHED)
def test_a_container_of_the_mixed_example_reaches_what_it_says_and_nothing_else(
    edge1: NspawnMachine,
    name: str,
) -> None:
    places = {place: address for place, address in PLACES.items() if place != name}
    answers = {place: fetch_from(edge1, name, address) for place, address in places.items()}
    assert {place: told for place, told in answers.items() if told} == EDGE_REACHED[name]
    # The container `echo` is none that answers HTTP.
    ask = "printf hello | socat -t 1 - TCP4:10.77.0.14:7000,connect-timeout=1"
    done = edge1.execute(["ip", "netns", "exec", name, "sh", "-c", ask])
    assert (done.stdout == b"hello") == (name in {"echo", "watch"})


@pytest.mark.needs("nft")
def test_limits_and_settings_of_the_mixed_example_are_in_force(edge1: NspawnMachine) -> None:
    properties = ["MemoryMax", "CPUQuotaPerSecUSec", "TasksMax"]
    asked = [f"--property={name}" for name in properties]
    shown = edge1.systemctl("show", *asked, "container@web").splitlines()
    assert set(shown) == {"MemoryMax=268435456", "CPUQuotaPerSecUSec=500ms", "TasksMax=64"}
    pages = edge1.systemctl("--machine=web", "show", "--property=MemoryMax", "pages")
    assert pages == "MemoryMax=67108864\n"
    edge1.succeed(["test", "-d", "/var/lib/edge1/web/private/holo/units/pages"])
    leader = edge1.succeed(["machinectl", "show", "web", "--property=Leader", "--value"]).strip()
    assert edge1.succeed(["cat", f"/proc/{leader}/root/etc/resolv.conf"]) == "nameserver 9.9.9.9\n"
    assert edge1.systemctl("--failed", "--no-legend") == ""


# Hostile values, as they arrive.

KEEP = (
    'printf \'%s\\0\' "$@" > "$STATE_DIRECTORY/arguments"; '
    'env -0 > "$STATE_DIRECTORY/environment"; '
    'touch "$STATE_DIRECTORY/done"; exec sleep 1000'
)
COUNT = 60


def accepted(build: Callable[[str], Unit], rng: random.Random) -> tuple[str, int]:
    """A hostile value that the model accepts, and how many it refused before."""
    refused = 0
    while True:
        value = text(rng)
        try:
            build(value)
        except ValidationError:
            refused += 1
        else:
            return value, refused


def path_name(rng: random.Random) -> str:
    """A hostile name of a file, as the model accepts it in a path."""
    while True:
        name = text(rng).replace("/", "")
        if name not in {"", ".", ".."} and name.isprintable():
            return name


@pytest.fixture(scope="module")
def values() -> Container:
    """A container full of hostile values."""
    rng = random.Random(17)
    units = {}
    for number in range(COUNT):
        description, _ = accepted(lambda v: Unit(description=v, exec_start=["x"]), rng)
        variables = {
            f"HOSTILE_{n}": accepted(
                lambda v: Unit(exec_start=["x"], environment={"A": v}),
                rng,
            )[0]
            for n in range(3)
        }
        arguments = [text(rng) for _ in range(4)] + rng.sample(HOSTILE, 3)
        units[f"u{number}"] = Unit(
            description=description,
            exec_start=["/bin/sh", "-c", KEEP, "sh", *arguments],
            environment=variables,
        )
    mounts = {f"/mnt/{n}{path_name(rng)}": f"/srv/{n}{path_name(rng)}" for n in range(30)}
    units["mounts"] = Unit(
        exec_start=[
            *("/bin/sh", "-c", 'cat "$@" > "$STATE_DIRECTORY/seen"; exec sleep 1000', "sh"),
            *(f"{inside}/content" for inside in mounts),
        ],
    )
    return Container(
        units=units,
        bind_mounts={inside: BindMount(source=source) for inside, source in mounts.items()},
    )


@pytest.fixture(scope="module")
def hostile(values: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("hostile")
    fleet = Fleet(name="hostile", hosts={"alpha": Host(containers={"c": values})})
    write(systemd(fleets.lowered(fleet)), folder / "out")
    for number, mount in enumerate(values.bind_mounts.values()):
        source = folder / "srv" / mount.source.removeprefix("/srv/")
        source.mkdir(parents=True)
        (source / "content").write_text(f"{number}\n")
    with machine(folder / "out", "alpha", {"/srv": folder / "srv"}) as running:
        running.wait_for_unit("container@c.service")
        yield running


def inside(host: NspawnMachine, *command: str) -> bytes:
    """The output of a command in the container's name spaces."""
    leader = host.succeed(["machinectl", "show", "c", "--property=Leader", "--value"]).strip()
    entered = host.execute(["nsenter", f"--target={leader}", "--all", *command])
    assert entered.returncode == 0, entered
    return entered.stdout


def test_arguments_and_environment_arrive_as_they_were_written(
    hostile: NspawnMachine,
    values: Container,
) -> None:
    for name, unit in values.units.items():
        if name == "mounts":
            continue
        state = f"/var/lib/holo/units/{name}"
        wait(lambda state=state: b"done" in inside(hostile, "ls", f"{state}/"))  # type: ignore[misc]
        arguments = inside(hostile, "cat", f"{state}/arguments").decode().split("\0")[:-1]
        assert arguments == unit.exec_start[4:], name
        seen = inside(hostile, "cat", f"{state}/environment").decode().split("\0")[:-1]
        environment = dict(assignment.split("=", 1) for assignment in seen)
        for variable, value in unit.environment.items():
            assert environment[variable] == value, name


def test_descriptions_arrive_as_they_were_written(
    hostile: NspawnMachine,
    values: Container,
) -> None:
    for name, unit in values.units.items():
        shown = inside(hostile, "systemctl", "show", "--property=Description", "--value", name)
        assert shown.decode() == f"{unit.description or name}\n"


def test_mount_paths_arrive_as_they_were_written(hostile: NspawnMachine) -> None:
    wait(lambda: inside(hostile, "cat", "/var/lib/holo/units/mounts/seen").count(b"\n") == 30)
    seen = inside(hostile, "cat", "/var/lib/holo/units/mounts/seen").decode().split()
    assert seen == [str(number) for number in range(30)]


def test_no_unit_had_anything_to_complain_about(hostile: NspawnMachine) -> None:
    loaded = inside(hostile, "journalctl", "--no-pager", "--output=cat", "_PID=1").decode()
    assert "u59.service" in loaded
    for complaint in ("Failed to parse", "ignoring", "Invalid", "Unknown key", "Unbalanced"):
        assert complaint not in loaded


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "one\ntwo"),
        ("description", "ends with a continuation\\"),
        ("description", " space"),
        ("exec_start", ["+/bin/sh"]),
        ("exec_start", ["-sh"]),
        ("exec_start", ["/bin/${x}"]),
        ("exec_start", ["bin/sh"]),
        ("exec_start", []),
        ("exec_start", ["sh", "a\0b"]),
        ("environment", {"A": "a\x01b"}),
        ("environment", {"A": "a\rb"}),
        ("environment", {"A=B": "x"}),
        ("environment", {"A B": "x"}),
    ],
)
def test_what_a_unit_file_cannot_hold_is_refused(field: str, value: object) -> None:
    good: dict[str, object] = {"exec_start": ["sh"]}
    with pytest.raises(ValidationError, match=rf"Unit\n{field}"):
        Unit.model_validate({**good, field: value})


@pytest.mark.parametrize("path", ["relative", "/line\nbreak", "", "/tab\t"])
def test_a_mount_path_that_cannot_be_held_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="match pattern"):
        BindMount(source=path)
    with pytest.raises(ValidationError, match="match pattern"):
        Container(bind_mounts={path: BindMount(source="/x")})
