"""Machines that boot from a root tree of their own, and how such a tree is made."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.traces import assert_gone, forget_namespaces, pids_of, remember_namespaces
from vmtests.places import MachineError, NspawnMachine

pytestmark = pytest.mark.needs("nspawn", "mmdebstrap")

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "debian-tree"
UNITS = "/etc/systemd/system"
HELLO = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo hi\n"


def make(*arguments: str, **env: str) -> str:
    done = subprocess.run(
        [SCRIPT, *arguments], check=True, stdout=subprocess.PIPE, env={**os.environ, **env}
    )
    return done.stdout.decode()


@pytest.fixture(autouse=True)
def fresh_traces() -> Iterator[None]:
    yield
    forget_namespaces()


@pytest.fixture(scope="module")
def tree() -> Path:
    """Made once on this computer, which takes half a minute."""
    return Path(make().strip())


@pytest.fixture
def copy(tree: Path) -> Iterator[Path]:
    """A folder beside the tree, for what is made of links to its files."""
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        yield Path(folder)


def fingerprint(tree: Path) -> str:
    """Of all that a machine could change: names, kinds, modes, owners, sizes, times."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(tree):
        for name in sorted([*folders, *files]):
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (ten times faster)
            told = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
            digest.update(f"{folder}/{name}{told}".encode())
    return digest.hexdigest()


def test_machine_boots_from_the_tree_and_leaves_it_as_it_was(tree: Path, tmp_path: Path) -> None:
    before = fingerprint(tree)
    (tmp_path / "data").write_text("bound\n")
    machine = NspawnMachine(
        "debian",
        tree=tree,
        files={
            f"{UNITS}/hello.service": HELLO,
            "/usr/local/bin/mine": "of the machine\n",
            "/bin/mine-too": "of the machine\n",
            "/run/secret": "staged\n",
            "/var/run/secret-too": "staged\n",
        },
        binds={"/srv/data": tmp_path},
        enable=["hello.service", "haproxy.service"],
    )
    with machine:
        remember_namespaces(*pids_of(machine))
        machine.wait_for_unit("hello.service")
        assert machine.succeed(["cat", "/etc/debian_version"]).startswith(
            (tree / "etc/debian_version").read_text()
        )
        assert machine.succeed(["cat", "/usr/local/bin/mine", "/usr/bin/mine-too"]) == (
            "of the machine\n" * 2
        )
        assert machine.succeed(["cat", "/run/secret", "/run/secret-too"]) == "staged\n" * 2
        assert machine.succeed(["cat", "/srv/data/data"]) == "bound\n"
        # A unit of a package is enabled by its name, and no other is.
        machine.wait_for_unit("haproxy.service")
        listed = machine.systemctl("list-unit-files", "--state=enabled", "--no-legend", "--plain")
        assert {line.split()[0] for line in listed.splitlines()} == {
            "hello.service",
            "haproxy.service",
        }
        assert machine.systemctl("is-system-running") == "running\n"
        # The root can be written, until the end.
        machine.succeed(["sh", "-c", "echo x >/usr/bin/new; rm /usr/bin/socat; echo >>/etc/passwd"])
        machine.shutdown()
    assert_gone("debian")
    assert fingerprint(tree) == before


def test_identity_is_the_machines_and_not_the_trees(tree: Path, copy: Path, tmp_path: Path) -> None:
    # A copy, as if somebody had made it of a running computer.
    mine = copy / "a:tree, of mine"
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    subprocess.run(["cp", "--archive", "--link", tree, mine], check=True)
    for name in ("hostname", "machine-id"):
        (mine / "etc" / name).unlink(missing_ok=True)  # it is a link to the tree's
    (mine / "etc/hostname").write_text("another\n")
    (mine / "etc/machine-id").write_text("0" * 31 + "1\n")
    (mine / "etc/outside").symlink_to(outside)
    (mine / "etc/folder").symlink_to(tmp_path)
    files = {"/etc/outside": "inside", "/etc/folder/outside": "inside too"}
    with NspawnMachine("identity", tree=mine, files=files) as machine:
        assert machine.succeed(["uname", "-n"]) == "identity\n"
        assert machine.succeed(["hostname"]) == "identity\n"
        identity = machine.succeed(["cat", "/etc/machine-id"]).strip()
        assert re.fullmatch("[0-9a-f]{32}", identity)
        assert identity != "0" * 31 + "1"
        assert machine.succeed(["getent", "hosts", "localhost"]).split()[1:] == ["localhost"]
        assert machine.succeed(["cat", "/etc/outside"]) == "inside"
        assert machine.succeed(["cat", str(outside)]) == "inside too"
    assert outside.read_text() == "untouched"
    assert (mine / "etc/hostname").read_text() == "another\n"


def test_tree_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-tree"):
        NspawnMachine("without-tree", tree=tmp_path / "no-tree").start()
    (tmp_path / "usr").mkdir()
    with pytest.raises(MachineError, match=r"empty-tree: start failed: it ended; .*\n"):
        NspawnMachine("empty-tree", tree=tmp_path).start()
    (tmp_path / "around").symlink_to("around")
    with pytest.raises(ValueError, match="leads through too many links"):
        NspawnMachine("around-tree", tree=tmp_path, files={"/around/x": ""}).start()
    for path in ("/proc/x", "/dev/x"):
        with pytest.raises(ValueError, match=f"files: {path}: /.* is not the machine's own"):
            NspawnMachine("kernels-tree", tree=tmp_path, files={path: ""}).start()
    for name in ("without", "empty", "around", "kernels"):
        assert_gone(f"{name}-tree")


def test_second_run_makes_nothing(tree: Path) -> None:
    before = fingerprint(tree)
    assert make() == f"{tree}\n"
    assert fingerprint(tree) == before


def test_tree_holds_no_identity_and_no_secret(tree: Path) -> None:
    assert list((tree / "etc/ssh").glob("ssh_host_*")) == []
    assert (tree / "etc/machine-id").read_text().strip() in {"", "uninitialized"}
    assert not (tree / "etc/hostname").exists()
    assert list((tree / "etc/systemd/system").iterdir()) == []
    for name in ("auth.conf.d", "sources.list", "sources.list.d"):
        assert not (tree / "etc/apt" / name).exists()


def test_run_that_fails_leaves_no_tree_and_says_why(tmp_path: Path) -> None:
    run = [str(SCRIPT), "-d", str(tmp_path / "trees"), "hello"]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    # Instead of a download: the failure itself.
    (tmp_path / "mmdebstrap").write_text(
        '#!/bin/sh\nfor last; do case $last in */trees/*) mkdir -p "$last/usr";; esac; done\n'
        "echo 'E: Unable to locate package' >&2\nexit 1\n"
    )
    (tmp_path / "mmdebstrap").chmod(0o755)
    done = subprocess.run(run, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Unable to locate package" in done.stderr
    assert [path.suffix for path in (tmp_path / "trees").iterdir()] == [".lock"]


def test_usage_is_printed() -> None:
    done = subprocess.run([SCRIPT, "--help"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "scripts/debian-tree [-d DIR] [PACKAGE…]" in done.stderr
