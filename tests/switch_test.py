"""`holo switch` on a machine behind SSH, with stand-ins for NixOS's own programs there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.holo import HOLO, run
from tests.support.nixos import BOOT, COMMANDS, FLEET, put_programs, put_systems
from tests.support.server import NEEDS, Server, server

pytestmark = pytest.mark.needs(*NEEDS)

OTHER_KEY = """\
mkdir -p /etc/ssh/kept
mv /etc/ssh/ssh_host_* /etc/ssh/kept
ssh-keygen -q -A
systemctl restart ssh.service
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("edge")
    with server(folder) as running:
        put_systems(running, folder)
        yield running


def out(edge: Server, system: str) -> Path:
    """What was compiled for a system; beside it is the fleet."""
    return edge.config.parent / (system if system in COMMANDS else "good")


def command(edge: Server, system: str, *options: str) -> list[str]:
    flake = out(edge, system)
    fleet = flake.with_suffix(".yaml")
    words = [str(HOLO), "switch", str(fleet), "alpha", "--flake", str(flake), *edge.to]
    # What is to become ready may take long; of what never does, that is known earlier.
    return [*words, "--timeout", "5" if system in {"bad", "none"} else "60", *options]


def environment(folder: Path, system: str, meanwhile: str = "true") -> dict[str, str]:
    """With stand-ins of what runs on this computer."""
    put_programs(folder)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "NEXT": f"/nix/store/{system}",
        "REBUILT": str(folder / "rebuilt"),
        "MEANWHILE": meanwhile,
    }


def switch(
    edge: Server, folder: Path, system: str, *options: str, meanwhile: str = "true"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(edge, system, *options),
        env=environment(folder, system, meanwhile),
        capture_output=True,
        text=True,
        check=False,
    )


def begun(edge: Server, folder: Path, system: str) -> subprocess.Popen[bytes]:
    """A run that has switched, and waits for what never comes."""
    running = subprocess.Popen(
        command(edge, system, "--timeout", "60"),
        env=environment(folder, system),
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while current(edge) != system:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return running


def command_of(edge: Server) -> str:
    show = ["--machine=web", "show", "--property=ExecStart", "--value", "pages.service"]
    return edge.machine.systemctl(*show)


def current(edge: Server) -> str:
    return Path(edge.machine.succeed(["readlink", "/run/current-system"]).strip()).name


def holding(edge: Server, lock: str, seconds: int) -> None:
    """Another process on the machine that has a lock for some time."""
    edge.machine.succeed(["mkdir", "-p", str(Path(lock).parent)])
    edge.machine.succeed(["systemd-run", "--quiet", "flock", lock, "sleep", str(seconds)])
    while edge.machine.execute(["flock", "--nonblock", lock, "true"]).returncode == 0:
        time.sleep(0.1)


LOCK = "/run/holo-apply.lock"
ROLLED_BACK = "alpha: rolled back: the earlier system is in place again\n"

# In this order.


def test_nothing_is_removed_while_another_run_is_at_work(edge: Server) -> None:
    holding(edge, LOCK, 4)
    done = run("remove", "pair/alpha", *edge.to, "--patience", "0.5")
    assert done.returncode == 1
    assert "another apply is under way" in done.stderr
    done = run("remove", "pair/alpha", *edge.to, "--patience", "20")
    assert done.stderr == "alpha: removed; no change\n"


def test_what_is_no_nixos_is_refused(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "good")
    assert done.returncode == 1
    assert "this is no NixOS\n  hint: install it: holo switch --install\n" in done.stderr


def test_what_was_compiled_from_another_fleet_is_refused(edge: Server, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.format(command=COMMANDS["better"]))
    words = command(edge, "good")
    words[2] = str(fleet)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f".nix: not what {fleet} gives for alpha\n  hint: run holo compile " in done.stderr


def test_inputs_that_are_not_fixed_are_refused(edge: Server, tmp_path: Path) -> None:
    flake = shutil.copytree(out(edge, "good"), tmp_path / "out")
    (flake / "flake.lock").unlink()
    for more in ((), ("--install",)):
        done = run(*command(edge, "good", "--flake", str(flake), *more)[1:])
        assert done.returncode == 1
        assert f"nix flake lock path:{flake}" in done.stderr


def test_a_host_key_that_is_another_during_an_installation_is_refused(
    edge: Server, tmp_path: Path
) -> None:
    for more in ([], ["--host-key", edge.host_key]):
        try:
            done = switch(edge, tmp_path, "good", "--install", *more, meanwhile=OTHER_KEY)
        finally:
            edge.machine.succeed(["sh", "-c", "mv /etc/ssh/kept/* /etc/ssh"])
            edge.machine.systemctl("restart", "ssh.service")
        assert done.returncode == 1
        assert "Host key verification failed" in done.stderr
        assert "nixos-anywhere --flake " in done.stderr.splitlines()[-1]


def test_a_machine_that_does_not_boot_nixos_is_told(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "good", "--install", "--timeout", "2")
    assert done.returncode == 1
    assert "NixOS is installed, and not reached 2 s later: what answers is not the NixOS" in (
        done.stderr
    )
    assert "authorizedKeys.keys" in done.stderr


def test_an_installation_ends_when_nixos_answers(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "good", "--install", "--timeout", "60", meanwhile=BOOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("alpha: NixOS is installed\n")
    flake = f"path:{out(edge, 'good')}#alpha"
    told = (tmp_path / "rebuilt").read_text()
    assert told == f"--flake {flake} --copy-host-keys --target-host root@127.0.0.1\n"


def test_a_disk_with_nixos_on_it_is_never_formatted(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "good", "--install", meanwhile="exit 9")
    assert done.returncode == 0
    assert done.stderr == "alpha: has NixOS; no change\n"
    assert not (tmp_path / "rebuilt").exists()


def test_the_nixos_that_installs_is_not_taken_for_the_one_to_install(
    edge: Server, tmp_path: Path
) -> None:
    edge.machine.succeed(["cp", "--remove-destination", "/usr/lib/os-release", "/etc/os-release"])
    edge.machine.succeed(["sh", "-c", "echo VARIANT_ID='\"installer\"' >> /etc/os-release"])
    try:
        done = switch(edge, tmp_path, "good")
        assert "this is no NixOS" in done.stderr
        switch(edge, tmp_path, "good", "--install", "--timeout", "1")
        assert (tmp_path / "rebuilt").exists()
    finally:
        edge.machine.succeed(["ln", "-sf", "../usr/lib/os-release", "/etc/os-release"])


def test_a_system_that_is_ready_stays(edge: Server, tmp_path: Path) -> None:
    edge.machine.succeed(["nix-env", "--profile", "/run/current-system", "--set", "/nix/store/no"])
    done = switch(edge, tmp_path, "good")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("alpha: ready; switched\n")
    rebuilt = (tmp_path / "rebuilt").read_text()
    flake = f"path:{out(edge, 'good')}#alpha"
    options = "--no-update-lock-file --use-substitutes --target-host root@"
    assert rebuilt.startswith(f"switch --flake {flake} {options}")
    done = switch(edge, tmp_path, "better")
    assert done.returncode == 0, done.stderr
    assert " -v " in command_of(edge)
    done = switch(edge, tmp_path, "better")
    assert done.stderr.endswith("alpha: ready; no change\n")


def test_a_system_that_does_not_become_ready_goes(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "bad")
    assert done.returncode == 1
    assert "no pages here" in done.stderr
    assert done.stderr.endswith(ROLLED_BACK)
    assert " -v " in command_of(edge)
    for link in ("/run/current-system", "/nix/var/nix/profiles/system"):
        assert edge.machine.succeed(["readlink", link]) == "/nix/store/better\n"


def test_a_switch_that_fails_goes_back(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "none")
    assert done.returncode == 1
    assert "error: nixos-rebuild switch --flake " in done.stderr
    assert "rolled back: the earlier system is in place again" in done.stderr
    link = ["readlink", "/nix/var/nix/profiles/system"]
    assert edge.machine.succeed(link) == "/nix/store/better\n"


def test_a_run_that_was_interrupted_goes_back(edge: Server, tmp_path: Path) -> None:
    running = begun(edge, tmp_path, "slow")
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert current(edge) == "better"


def test_after_a_run_that_was_killed_the_next_knows_the_way_back(
    edge: Server, tmp_path: Path
) -> None:
    running = begun(edge, tmp_path, "slow")
    running.kill()
    running.wait()
    assert current(edge) == "slow"
    done = switch(edge, tmp_path, "bad", "--patience", "20")
    assert done.stderr.endswith(ROLLED_BACK)
    assert current(edge) == "better"


def test_one_run_at_a_time_is_at_work(edge: Server, tmp_path: Path) -> None:
    holding(edge, LOCK, 4)
    done = switch(edge, tmp_path, "good", "--patience", "0.5")
    assert done.returncode == 1
    assert "another apply is under way" in done.stderr
    assert current(edge) == "better"
    done = switch(edge, tmp_path, "better", "--patience", "20")
    assert done.returncode == 0, done.stderr


def test_a_switch_that_goes_on_without_its_connection_is_waited_for(
    edge: Server, tmp_path: Path
) -> None:
    holding(edge, "/run/nixos/switch-to-configuration.lock", 4)
    done = switch(edge, tmp_path, "good")
    assert done.returncode == 0, done.stderr
    assert current(edge) == "good"


def test_what_failed_first_is_told_where_there_is_no_way_back(edge: Server, tmp_path: Path) -> None:
    program = "/nix/store/good/bin/switch-to-configuration"
    edge.machine.succeed(["mv", program, f"{program}.kept"])
    edge.machine.succeed(["ln", "-s", "/bin/false", program])
    try:
        done = switch(edge, tmp_path, "bad")
        assert done.returncode == 1
        assert "no pages here" in done.stderr
        assert "alpha: not ready; no other system\n  but /nix/store/good: " in done.stderr
        assert f"{program} switch: status 1" in done.stderr
        done = switch(edge, tmp_path, "none")
        assert "error: nixos-rebuild switch --flake " in done.stderr
        assert "\ngoing back: " in done.stderr
        assert "left between two systems: run switch again" in done.stderr
    finally:
        edge.machine.succeed(["mv", f"{program}.kept", program])
    done = switch(edge, tmp_path, "bad")
    assert done.stderr.endswith(ROLLED_BACK)
    assert current(edge) == "good"


def test_a_unit_that_a_switch_breaks_is_told(edge: Server, tmp_path: Path) -> None:
    edge.machine.succeed(["touch", "/run/broken"])
    done = switch(edge, tmp_path, "better")
    edge.machine.succeed(["rm", "/run/broken"])
    assert done.returncode == 1
    assert "not ready: alpha  broken.service: failed" in done.stderr
    assert done.stderr.endswith(f"{ROLLED_BACK}  but broken.service: failed\n")
    assert current(edge) == "good"


def test_a_unit_that_was_broken_before_hinders_no_switch(edge: Server, tmp_path: Path) -> None:
    assert edge.machine.systemctl("is-failed", "broken.service").strip() == "failed"
    done = switch(edge, tmp_path, "better")
    assert done.returncode == 0, done.stderr
    assert "status 4" not in done.stderr
    assert current(edge) == "better"
