"""How images of Debian are made, and that they are made once."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from vmtests.qemu import Image, debian_image

pytestmark = pytest.mark.needs("mmdebstrap", "mke2fs", "modprobe", "cpio", "qemu-img")

SCRIPTS = Path(__file__).parent.parent / "scripts"


def make(script: str, *arguments: str, **env: str) -> str:
    command = [str(SCRIPTS / script), *arguments]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **env}
    )
    return done.stdout


def test_image_is_made_once_and_has_all_that_is_booted() -> None:
    image = debian_image()
    before = image.disk.stat()
    assert make("debian-image") == f"{image.disk.parent}\n"
    assert os.path.samestat(image.disk.stat(), before)
    assert sorted(path.name for path in image.disk.parent.iterdir()) == [
        "disk",
        "initrd",
        "kernel",
    ]
    assert image.format == "raw"


def test_resolution_names_each_package_with_its_version() -> None:
    lines = make("debian-tree", "--resolve", "systemd").splitlines()
    versions = dict(line.split() for line in lines)
    assert versions["systemd"][0].isdigit()
    assert "libc6" in versions
    assert lines == sorted(lines)


def test_other_versions_make_another_tree(tmp_path: Path) -> None:
    """Apt and mmdebstrap are stand-ins here: what is resolved decides the name."""
    (tmp_path / "apt-get").write_text('#!/bin/sh\necho "Inst hello ($VERSION Debian:12 [amd64])"\n')
    (tmp_path / "mmdebstrap").write_text(
        '#!/bin/sh\nfor last; do case $last in */trees/*) mkdir -p "$last/usr";; esac; done\n'
    )
    for name in ("apt-get", "mmdebstrap"):
        (tmp_path / name).chmod(0o755)
    names = []
    for number, version in enumerate(("1.0", "1.1", "1.0")):
        env = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "VERSION": version,
            "XDG_CACHE_HOME": str(tmp_path / str(number)),  # of a computer that knows none
        }
        names.append(Path(make("debian-tree", "hello", **env).strip()).name)
    assert names[0] == names[2] != names[1]


def test_digest_changes_with_what_is_booted(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"QFI\xfb")
    image = Image(disk)
    assert image.format == "qcow2"
    assert image.digest == Image(disk).digest != Image(disk, command_line="quiet").digest
    before = image.digest
    disk.write_bytes(b"another")
    assert image.digest != before
    assert len(before) == len(hashlib.sha256().hexdigest()) // 4


def test_usage_is_printed() -> None:
    done = subprocess.run(
        [SCRIPTS / "debian-image", "--help"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "scripts/debian-image [-d DIR] [PACKAGE…]" in done.stderr
