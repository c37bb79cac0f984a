"""The backend for NixOS's `run-<host>-vm`, with a stand-in for that script.

The stand-in reads the variables that NixOS's reads and execs QEMU as it does, on Debian. What
Nix itself makes runs where Nix has a nixpkgs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmtests.nixos import NixosVm
from vmtests.places import MachineError
from vmtests.qemu import debian_image

pytestmark = pytest.mark.needs("qemu", "qemu-img", "mmdebstrap", "mke2fs", "ip")

STAND_IN = """\
#!/bin/sh
# A stand-in for what NixOS makes.
set -e
NIX_DISK_IMAGE=$(readlink -f "${{NIX_DISK_IMAGE:-./demo.qcow2}}")
if ! test -e "$NIX_DISK_IMAGE"; then
    qemu-img create -q -f qcow2 -F raw -b {disk} "$NIX_DISK_IMAGE"
fi
if [ -z "$TMPDIR" ] || [ -z "$USE_TMPDIR" ]; then TMPDIR=$(mktemp -d nix-vm.XXXXXXXXXX --tmpdir); fi
cd "$TMPDIR"
exec qemu-system-x86_64 -machine accel=kvm:tcg -cpu max -name demo -m 512 -smp 1 \\
    -device virtio-rng-pci -net nic,netdev=user.0,model=virtio \\
    -netdev user,id=user.0"${{QEMU_NET_OPTS:+,$QEMU_NET_OPTS}}" \\
    -drive cache=writeback,file="$NIX_DISK_IMAGE",id=drive1,if=none,index=1,werror=report \\
    -device virtio-blk-pci,bootindex=1,drive=drive1 \\
    -kernel {kernel} -initrd {initrd} -append "{line} $QEMU_KERNEL_PARAMS" $QEMU_OPTS "$@"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = debian_image()
    path = tmp_path_factory.mktemp("nixos") / "run-demo-vm"
    text = STAND_IN.format(
        disk=shlex.quote(str(image.disk)),
        kernel=shlex.quote(str(image.kernel)),
        initrd=shlex.quote(str(image.initrd)),
        line=image.command_line,
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def machine(script: Path) -> Iterator[NixosVm]:
    vm = NixosVm("demo", script)
    try:
        vm.start(240)
        yield vm
    finally:
        vm.crash()


def test_script_is_booted_logged_in_to_and_runs_commands(machine: NixosVm) -> None:
    assert "Linux version" in machine.console.text
    done = machine.run(["sh", "-c", "printf 'a\\0b'; exit 3"], 30)
    assert (done.returncode, done.stdout) == (3, b"a\0b")


def test_nothing_leads_out(machine: NixosVm) -> None:
    machine.place.namespaces.run("ip", "link", "show", "dev", "tap.0")
    assert machine.place.namespaces.run("ip", "route") == ""


def test_it_takes_no_snapshots_and_says_so(machine: NixosVm) -> None:
    with pytest.raises(MachineError, match="demo: nixos takes no snapshots"):
        machine.snapshot("a")


def test_script_that_ends_is_told_with_what_it_printed(tmp_path: Path) -> None:
    path = tmp_path / "run-broken-vm"
    path.write_text("#!/bin/sh\necho no such store >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(MachineError, match=r"(?s)broken: .*it ended.*no such store"):
        NixosVm("broken", path).start(60)
    with pytest.raises(MachineError, match="no such script"):
        NixosVm("broken", tmp_path / "none").start(60)
