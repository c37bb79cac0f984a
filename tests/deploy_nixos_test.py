"""`holo deploy` on Pulumi's real engine, of a host with stand-ins for NixOS's own programs.

The tests are one story, in this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.holo import holo
from tests.support.nixos import BOOT, COMMANDS, FLEET, put_programs, put_systems
from tests.support.server import NEEDS, Server, server
from tests.support.stacks import TARGET, Stack, prepare

pytestmark = [pytest.mark.needs(*NEEDS), pytest.mark.engine]

TRIED = ["alpha.nixos.attempt", "alpha.nixos.switch"]


@dataclass(frozen=True)
class One(Stack):
    """A stack of one host, which has another Linux at first."""

    edge: Server

    def write(self, system: str) -> None:
        """Compile the fleet of a system; the flake says that this is what is built."""
        command = COMMANDS[system]
        (self.folder / "fleet.yaml").write_text(FLEET.format(command=command))
        holo("compile", self.folder / "fleet.yaml", "--out", self.folder / "out", *TARGET)
        (self.folder / "out" / "flake.lock").write_text("{}\n")
        self.environment["NEXT"] = f"/nix/store/{system}"

    def system(self) -> str:
        """The system that runs, and is booted."""
        links = ("/run/current-system", "/nix/var/nix/profiles/system")
        running, booted = (self.edge.machine.succeed(["readlink", link]).strip() for link in links)
        assert running == booted
        return Path(running).name


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[One]:
    made, folder = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("stack")
    with server(made, "alpha") as edge:
        put_systems(edge, made)
        edge.machine.succeed(
            ["nix-env", "--profile", "/run/current-system", "--set", "/nix/store/no"]
        )
        environment = prepare(folder, edge.config)
        environment |= {"REBUILT": str(folder / "rebuilt"), "MEANWHILE": BOOT}
        put_programs(folder / "stand-ins")
        alpha = {"ssh": edge.url, "hostKey": edge.host_key, "timeout": 5, "install": True}
        config = {
            "holo:fleet": "fleet.yaml",
            "holo:out": "out",
            "holo:sshConfig": "ssh_config",
            "holo:hosts": {"alpha": alpha},
        }
        (folder / "Pulumi.test.yaml").write_text(yaml.safe_dump({"config": config}))
        yield One(folder, environment, edge)


def test_up_installs_and_switches_to_what_was_compiled(stack: One) -> None:
    stack.write("good")
    done = stack.run("up")
    assert done.returncode == 0, done.stderr
    assert stack.commands() == [f"create {name}" for name in ("alpha.install", *TRIED)]
    assert stack.system() == "good"
    installed, switched = (stack.folder / "rebuilt").read_text().splitlines()
    assert installed.startswith(f"--flake path:{stack.folder}/out#alpha ")
    assert switched.startswith(f"switch --flake path:{stack.folder}/out#alpha ")


def test_a_second_up_runs_no_command(stack: One) -> None:
    done = stack.run("up")
    assert done.stderr.endswith("test: no change\n")
    assert stack.commands() == []


def test_another_fleet_is_another_system(stack: One) -> None:
    stack.write("better")
    done = stack.run("up")
    assert done.returncode == 0, done.stderr
    assert stack.commands() == [f"update {name}" for name in TRIED]
    assert stack.system() == "better"


def test_what_does_not_become_ready_is_switched_back(stack: One) -> None:
    stack.write("bad")
    done = stack.run("up")
    assert done.returncode == 1
    assert "no pages here" in done.stderr
    assert "alpha: rolled back: the earlier system is in place again" in done.stderr
    assert "alpha  nixos.switch  failed" in done.stderr
    assert stack.commands()[-1] == "failed alpha.nixos.switch"
    assert stack.system() == "better"


def test_the_next_up_mends_it(stack: One) -> None:
    stack.write("good")
    done = stack.run("up")
    assert done.returncode == 0, done.stderr
    assert stack.commands() == [f"update {name}" for name in TRIED]
    assert stack.system() == "good"
    done = stack.run("up")
    assert done.stderr.endswith("test: no change\n")


def test_destroy_leaves_the_system_in_place(stack: One) -> None:
    stack.commands()
    done = stack.run("destroy")
    assert done.returncode == 0, done.stderr
    assert stack.commands() == []
    assert stack.system() == "good"
