"""A lab that boots from a root tree, with files of this computer that containers need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.holo import holo, lab, run
from tests.support.server import debian_tree

pytestmark = pytest.mark.needs("nspawn", "mmdebstrap", "nft")

# The shell finds the folder of its unit's secrets; httpd serves what is in it.
FLEET = """\
name: tree
hosts:
  alpha:
    containers:
      web:
        units:
          secret:
            exec_start:
              - sh
              - -c
              - exec busybox httpd -f -p 127.0.0.1:8001 -h "$CREDENTIALS_DIRECTORY"
            secrets: [token]
          pages:
            exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /srv/www]
        bind_mounts: {/srv/www: {source: /srv/pages}}
        secrets: {token: /etc/keys/token}
        forwards: {secret: {port: 8001}, pages: {port: 8000}}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    folder.chmod(0o755)  # units run under users of their own
    (folder / "fleet.yaml").write_text(FLEET)
    (folder / "page").write_text("a page")
    (folder / "token").write_text("a secret")
    return folder / "fleet.yaml"


@pytest.fixture(scope="module")
def tree(fleet: Path) -> Iterator[str]:
    binds = ["--bind", f"/etc/keys={fleet.parent}", "--bind", f"alpha:/srv/pages={fleet.parent}"]
    with lab(fleet, "--tree", debian_tree(), *binds) as name:
        yield name


@pytest.mark.parametrize(
    ("url", "content"),
    [("http://127.0.0.1:8000/page", "a page"), ("http://127.0.0.1:8001/token", "a secret")],
)
def test_what_a_container_needs_of_this_computer_reaches_its_units(
    tree: str, url: str, content: str
) -> None:
    assert holo("exec", "--lab", tree, "alpha", "--", "curl", "--silent", url) == content


def test_the_host_has_the_trees_own_programs_and_leaves_the_tree_alone(tree: str) -> None:
    marker = "usr/written-by-a-test"
    holo("exec", "--lab", tree, "alpha", "--", "touch", f"/{marker}")
    assert not (debian_tree() / marker).exists()
    packages = holo("exec", "--lab", tree, "alpha", "--", "cat", "/var/lib/dpkg/status")
    assert packages == (debian_tree() / "var/lib/dpkg/status").read_text()


def test_what_is_missing_is_told_with_its_owner(fleet: Path) -> None:
    done = run("up", fleet, "--lab", "missing")
    holo("down", "--lab", "missing")
    assert done.returncode == 1
    assert "not there, and needed by web: /etc/keys/token, /srv/pages" in done.stderr
