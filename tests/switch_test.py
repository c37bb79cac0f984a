"""`holo switch` on a machine of its own behind SSH, with stand-ins for NixOS's own programs there.

A system of this machine is a folder: the host's unit bundle, and a program that puts it in place.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holo_infra.runtime.machine import LabMachine, succeed
from tests.support.holo import HOLO, holo
from tests.support.server import NEEDS, Server, server

pytestmark = pytest.mark.needs(*NEEDS)

FLEET = """\
name: pair
hosts:
  alpha:
    containers:
      web:
        units:
          pages:
            description: pages
            exec_start: {command}
        forwards: {{ pages: {{ port: 8000 }} }}
"""
COMMANDS = {
    "good": '[busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]',
    "better": '[busybox, httpd, -f, -v, -p, "127.0.0.1:8000", -h, /etc/holo]',
    "bad": '[sh, -c, "echo no pages here >&2; exit 3"]',
}
SWITCH = """\
#!/bin/sh
set -e
store=$(dirname "$(dirname "$0")")
mkdir -p /etc/holo
cp -a "$store/systemd/alpha/host/." /etc/systemd/system/
cp -a "$store/systemd/alpha/containers" "$store/systemd/alpha/firewall.nft" /etc/holo/
systemctl daemon-reload
ln -sfn "$store" /run/current-system
systemctl restart container@web.service socket-proxyd-web-pages.socket
"""
SET = '#!/bin/sh\nmkdir -p "${2%/*}"\nln -sfn "$4" "$2"\n'
REBUILD = """\
#!/bin/sh
echo "$@" >> "$REBUILT"
for target; do :; done
profile="nix-env --profile /nix/var/nix/profiles/system --set $NEXT"
exec ssh $NIX_SSHOPTS "$target" "$profile && $NEXT/bin/switch-to-configuration switch"
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("edge")
    with server(folder) as running:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, command in COMMANDS.items():
                (folder / f"{name}.yaml").write_text(FLEET.format(command=command))
                holo("compile", folder / f"{name}.yaml", "--out", folder / name)
                tar.add(folder / name, f"nix/store/{name}")
                add(tar, f"nix/store/{name}/bin/switch-to-configuration", SWITCH)
            add(tar, "usr/bin/nix-env", SET)
        succeed(LabMachine(running.machine), ["tar", "-x", "-C", "/"], packed.getvalue())
        yield running


def add(tar: tarfile.TarFile, path: str, program: str) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(program), 0o755
    tar.addfile(member, io.BytesIO(program.encode()))


def switch(edge: Server, folder: Path, system: str) -> subprocess.CompletedProcess[str]:
    fleet = folder / "fleet.yaml"
    fleet.write_text(FLEET.format(command=COMMANDS.get(system, COMMANDS["good"])))
    rebuild = folder / "nixos-rebuild"
    rebuild.write_text(REBUILD)
    rebuild.chmod(0o755)
    command = [str(HOLO), "switch", str(fleet), "alpha", "--flake", "out", *edge.to]
    return subprocess.run(
        [*command, "--timeout", "5"],
        env={
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "NEXT": f"/nix/store/{system}",
            "REBUILT": str(folder / "rebuilt"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def command_of(edge: Server) -> str:
    show = ["--machine=web", "show", "--property=ExecStart", "--value", "pages.service"]
    return edge.machine.systemctl(*show)


# In this order.


def test_what_is_no_nixos_is_refused(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "good")
    assert done.returncode == 1
    assert "this is no NixOS\n  hint: install it: holo switch --install\n" in done.stderr


def test_a_system_that_is_ready_stays(edge: Server, tmp_path: Path) -> None:
    edge.machine.succeed(["touch", "/etc/NIXOS"])
    edge.machine.succeed(["nix-env", "--profile", "/run/current-system", "--set", "/nix/store/no"])
    done = switch(edge, tmp_path, "good")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("alpha: ready; switched\n")
    rebuilt = (tmp_path / "rebuilt").read_text()
    assert rebuilt.startswith("switch --flake out#alpha --use-substitutes --target-host root@")
    done = switch(edge, tmp_path, "better")
    assert done.returncode == 0, done.stderr
    assert " -v " in command_of(edge)


def test_a_system_that_does_not_become_ready_goes(edge: Server, tmp_path: Path) -> None:
    done = switch(edge, tmp_path, "bad")
    assert done.returncode == 1
    assert "no pages here" in done.stderr
    assert done.stderr.endswith("alpha: rolled back: the earlier system is in place again\n")
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


def test_a_disk_with_nixos_on_it_is_never_formatted(edge: Server, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET.format(command=COMMANDS["good"]))
    anywhere = tmp_path / "nixos-anywhere"
    anywhere.write_text("#!/bin/sh\nexit 9\n")
    anywhere.chmod(0o755)
    command = [str(HOLO), "switch", str(tmp_path / "fleet.yaml"), "alpha", "--flake", "out"]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([*command, "--install", *edge.to], env=environment, check=True)
