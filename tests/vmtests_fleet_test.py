"""Fleets as machines: what a fleet's file makes of hosts, and hosts that boot together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holo_infra.cli import main
from holo_infra.runtime.harness import fleet_of
from tests.support.lab import NEEDS
from tests.support.traces import traces
from vmtests import MachineError, Nspawn
from vmtests.fleet import Fleet, FleetHost, NoFleet, boot_fleet, load_fleet

pytestmark = pytest.mark.needs(*NEEDS, "nft")

EXAMPLE = Path(__file__).parent.parent / "examples" / "private" / "fleet.py"
WEB = """\
[Service]
ExecStart=busybox httpd -f -p {}:80 -h /etc/served
[Install]
WantedBy=multi-user.target
"""
WANTED = {"/etc/systemd/system/multi-user.target.wants/web.service": "../web.service"}


def host(name: str, address: str, *beyond: str) -> FleetHost:
    files = {
        "/etc/systemd/system/web.service": WEB.format(address.partition("/")[0]),
        "/etc/served/name": f"{name}\n",
    }
    return FleetHost(name, files, WANTED, address, beyond, {"": ("web.service",)})


def test_hosts_have_their_addresses_before_units_bind_to_them() -> None:
    hosts = [
        host("near", "192.0.2.1/24", "198.51.100.7"),
        host("next", "192.0.2.2/24"),
        host("afar", "198.51.100.7/32", "192.0.2.1"),
    ]
    with boot_fleet(Fleet("three", {one.name: one for one in hosts})) as machines:
        assert list(machines) == ["near", "next", "afar"]
        for machine in machines.values():
            # It would fail for good, at once: no Restart=.
            machine.wait_for_unit("web.service")
            assert machine.get_unit_property("web.service", "NRestarts") == "0"
        near, next_, far = machines.values()
        assert near.succeed("curl -sf --max-time 5 http://192.0.2.2/name") == "next\n"
        assert near.succeed("curl -sf --max-time 5 http://198.51.100.7/name") == "afar\n"
        assert far.succeed("curl -sf --max-time 5 http://192.0.2.1/name") == "near\n"
        next_.fail("curl -sf --max-time 5 http://198.51.100.7/name")
        machines.vlan.address("192.0.2.99/24")
        assert machines.vlan.succeed(["curl", "-sf", "http://192.0.2.1/name"]) == "near\n"
        near.reboot()
        near.wait_for_unit("web.service")
        near.wait_until_succeeds("curl -sf --max-time 5 http://198.51.100.7/name", timeout=30)
        assert next_.succeed("curl -sf --max-time 5 http://192.0.2.1/name") == "near\n"
    assert not any(traces_of(name) for name in machines)


def traces_of(name: str) -> list[str]:
    return [trace for trace in traces(name) if f"vmtests-{name}-" in trace]


def test_hosts_boot_at_the_same_time() -> None:
    slow = "[Service]\nType=oneshot\nExecStart=sleep 5\nRemainAfterExit=yes\n"
    files = {"/etc/systemd/system/web.service": slow}
    hosts = {name: FleetHost(name, files, WANTED) for name in ("a", "b", "c")}
    with boot_fleet(Fleet("slow", hosts)) as machines:
        # By the kernel's clock, which is that of all.
        begun, ended = (
            [
                int(machine.get_unit_property("web.service", f"ExecMain{moment}TimestampMonotonic"))
                for machine in machines.values()
            ]
            for moment in ("Start", "Exit")
        )
        assert max(begun) < min(ended)


def test_of_a_fleet_of_which_one_host_does_not_boot_nothing_is_left(tmp_path: Path) -> None:
    hosts = {
        "good": host("good", "192.0.2.1/24"),
        "lacks": FleetHost("lacks", {"/etc/x": tmp_path / "missing"}),
    }
    with (
        pytest.raises((MachineError, OSError), match="missing"),
        boot_fleet(Fleet("lacks", hosts)),
    ):
        pytest.fail("it has booted")
    assert traces_of("good") == traces_of("lacks") == []


def test_a_host_sees_files_and_folders_of_this_computer(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("of here")
    one = FleetHost("one", {"/opt/seen": tmp_path / "folder", "/etc/bytes": b"\x00\xff"})
    folder = tmp_path / "kept"
    with boot_fleet(Fleet("seeing", {"one": one}), artefacts=folder) as machines:
        assert machines["one"].succeed("cat /opt/seen/file") == "of here"
        assert machines["one"].run("cat /etc/bytes").stdout == b"\x00\xff"
    assert "Reached target" in (folder / "one" / "console.log").read_text()
    assert "Startup finished" in (folder / "one" / "journal.log").read_text()


def test_the_example_runs_as_the_compiler_wrote_it() -> None:
    fleet = load_fleet(EXAMPLE)
    names = [f"holochain{number}" for number in range(3)]
    assert sorted(fleet.hosts["alpha"].units) == ["", *names]
    with boot_fleet(fleet) as machines:
        alpha = machines["alpha"]
        for number, name in enumerate(names):
            alpha.wait_for_unit(f"container@{name}.service")
            alpha.container(name).wait_for_unit("gateway.service")
            # What starts when it is asked, by the socket that boot has opened.
            answer = alpha.succeed(
                f"curl -sf --max-time 20 http://127.0.0.1:{8080 + number}/identity.env"
            )
            assert name in answer
        assert alpha.succeed("systemctl list-units --failed --plain --no-legend") == ""
        for unit in fleet.hosts["alpha"].units[""]:
            assert alpha.get_unit_property(unit, "LoadState") == "loaded"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fleet's file, and the folder that it was compiled to."""
    folder = tmp_path_factory.mktemp("fleet")
    file = folder / "fleet.py"
    shutil.copy(EXAMPLE, file)
    assert main(["compile", str(file), "--out", str(folder / "private")]) == 0
    return file, folder / "private"


def test_a_compiled_folder_gives_the_same_hosts_as_its_fleet(compiled: tuple[Path, Path]) -> None:
    file, folder = compiled
    assert load_fleet(folder) == load_fleet(file)


def test_a_fleet_has_the_addresses_and_ways_that_a_lab_gives(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "name: three\n"
        "hosts:\n"
        "  a: {address: 192.0.2.1, networks: [192.0.2.0/24]}\n"
        "  b: {address: 192.0.2.2, networks: [192.0.2.0/24]}\n"
        "  c: {address: 198.51.100.7}\n"
        "  d: {}\n"
    )
    hosts = load_fleet(file).hosts
    assert {name: (one.address, one.beyond) for name, one in hosts.items()} == {
        "a": ("192.0.2.1/24", ("198.51.100.7",)),
        "b": ("192.0.2.2/24", ("198.51.100.7",)),
        "c": ("198.51.100.7/32", ("192.0.2.1", "192.0.2.2")),
        "d": (None, ()),
    }


def test_programs_beside_holo_are_seen_alone(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "name: nats\nhosts: {hub: {containers: {nats: {services: {nats_server: {}}}}}}\n"
    )
    fleet = load_fleet(file)
    files = fleet.hosts["hub"].files
    seen = {path: source for path, source in files.items() if isinstance(source, Path)}
    if not seen:
        pytest.skip("nats-server is in this computer's /usr")
    assert list(seen) == ["/opt/holo/bin/nats-server"]
    with boot_fleet(fleet) as machines:
        machines["hub"].wait_for_unit("container@nats.service")
        machines["hub"].container("nats").wait_for_unit("holo-nats-server.service")


def test_what_is_no_fleet_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\nhosts:\n  A: {}\n  b: {address: 1}\n")
    with pytest.raises(NoFleet, match=r"no package that knows fleets takes it for one \(.*holo"):
        load_fleet(text)
    with pytest.raises(NoFleet, match="there is no such file"):
        load_fleet(tmp_path / "none.yaml")
    with pytest.raises(NoFleet) as raised:
        load_fleet(wrong)
    assert f"{wrong}:3:3: error[HI" in str(raised.value)
    assert f"{wrong}:4:" in str(raised.value)
    assert fleet_of(text) is None
    assert fleet_of(tmp_path) is None


def test_a_machine_of_a_fleet_is_made_as_asked_for() -> None:
    from vmtests import Machine  # noqa: PLC0415 (for one test)

    made = []

    def make(one: FleetHost) -> Machine:
        made.append(one.name)
        return Machine(Nspawn(one.name, files={"/etc/served/name": "made"}))

    fleet = Fleet("made", {"one": host("one", "192.0.2.1/24")})
    with boot_fleet(fleet, make=make, interface="eth1") as machines:
        assert machines["one"].succeed("cat /etc/served/name") == "made"
        assert "192.0.2.1/24" in machines["one"].succeed("ip address show dev eth1")
    assert made == ["one"]
