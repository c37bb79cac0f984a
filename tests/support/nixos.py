"""NixOS on a machine that has another Linux: stand-ins for its own programs, there and here.

A system of this machine is a folder: the host's unit bundle, and a program that puts it in place.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from holo_infra.runtime.machine import LabMachine, succeed
from tests.support.holo import holo
from tests.support.server import Server

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
    "slow": "[sleep, infinity]",
}
_SWITCH = """\
#!/bin/sh
set -e
mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
flock --nonblock 9 || exit 11
store=$(dirname "$(dirname "$0")")
mkdir -p /etc/holo
cp -a "$store/systemd/alpha/host/." /etc/systemd/system/
cp -a "$store/systemd/alpha/containers" "$store/systemd/alpha/firewall.nft" /etc/holo/
systemctl daemon-reload
ln -sfn "$store" /run/current-system
systemctl restart container@web.service socket-proxyd-web-pages.socket
if [ -e /run/broken ]; then systemd-run --quiet --wait --unit=broken false || :; fi
[ -z "$(systemctl list-units --state=failed --plain --no-legend)" ] || exit 4
"""
_SET = '#!/bin/sh\nmkdir -p "${2%/*}"\nln -sfn "$4" "$2"\n'
_REBUILD = """\
#!/bin/sh
echo "$@" >> "$REBUILT"
for target; do :; done
profile="nix-env --profile /nix/var/nix/profiles/system --set $NEXT"
exec ssh $NIX_SSHOPTS "$target" "$profile && $NEXT/bin/switch-to-configuration switch"
"""
"""A stand-in for `nixos-rebuild`, for which the system that NEXT names is what a flake says."""
_ANYWHERE = """\
#!/bin/sh
set -e
echo "$@" > "$REBUILT"
for target; do :; done
try() {
    ssh -o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
        "$target" "$@"
}
try true
try "$MEANWHILE"
target=root@${target#*@}
try true
"""
"""A stand-in for `nixos-anywhere`, which runs MEANWHILE there.

As with the real one, options that it gives accept any host key, and who is in the installer is
root.
"""
BOOT = """\
systemd-run --quiet sh -c '
    sleep 5; systemctl stop ssh.service; sleep 3; touch /etc/NIXOS; systemctl start ssh.service'
"""
"""The machine is away, and has NixOS when it answers again."""


def put_systems(running: Server, folder: Path) -> None:
    """Puts a system there for each command, as if it were built; what it is made of is in `folder`.

    That is NAME.yaml, and the folder NAME with what was compiled.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, command in COMMANDS.items():
            (folder / f"{name}.yaml").write_text(FLEET.format(command=command))
            holo("compile", folder / f"{name}.yaml", "--out", folder / name)
            (folder / name / "flake.lock").write_text("{}\n")
            tar.add(folder / name, f"nix/store/{name}")
            _add(tar, f"nix/store/{name}/bin/switch-to-configuration", _SWITCH)
        _add(tar, "usr/bin/nix-env", _SET)
    succeed(LabMachine(running.machine), ["tar", "-x", "-C", "/"], packed.getvalue())


def put_programs(folder: Path) -> None:
    """Puts what runs on this computer into a folder of programs."""
    for name, program in (("nixos-rebuild", _REBUILD), ("nixos-anywhere", _ANYWHERE)):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)


def _add(tar: tarfile.TarFile, path: str, program: str) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(program), 0o755
    tar.addfile(member, io.BytesIO(program.encode()))
