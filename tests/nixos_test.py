"""What of a fleet is deployed to a host with NixOS, and how its machine is reached meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from holo_infra.cli.fleet import compile_fleet
from holo_infra.runtime.install import _for_any_user
from holo_infra.targets.content import nixos_files
from tests.support.holo import holo

FLEET = """\
name: made
hosts:
  core:
    provider: {provider}
    containers: {{ web: {{ units: {{ pages: {{ exec_start: [busybox, httpd] }} }} }} }}
  edge: {{}}
"""


def contents(folder: Path, provider: str) -> dict[str, str]:
    """The digest of each host, compiled into `folder`/out."""
    (folder / "fleet.yaml").write_text(FLEET.format(provider=provider))
    holo("compile", folder / "fleet.yaml", "--out", folder / "out", "--target", "pulumi")
    told = json.loads((folder / "out" / "pulumi.json").read_text())["hosts"]
    return {name: host["content"] for name, host in told.items()}


def test_another_provider_is_another_content_of_its_host_alone(tmp_path: Path) -> None:
    before, after = contents(tmp_path, "existing"), contents(tmp_path, "hetzner")
    assert before["core"] != after["core"]
    assert before["edge"] == after["edge"]


def test_the_files_of_a_host_are_those_that_are_compiled(tmp_path: Path) -> None:
    contents(tmp_path, "existing")
    files = nixos_files(compile_fleet(tmp_path / "fleet.yaml").lowered, "core")
    assert [path.partition("/")[0] for path in files] == ["hosts", "classes"]
    for path, content in files.items():
        assert (tmp_path / "out" / path).read_text() == content


def test_a_flakes_lock_file_outlives_a_compilation(tmp_path: Path) -> None:
    contents(tmp_path, "existing")
    (tmp_path / "out" / "flake.lock").write_text("{}\n")
    contents(tmp_path, "hetzner")
    assert (tmp_path / "out" / "flake.lock").exists()


def test_who_installs_may_change_the_user_and_nothing_else() -> None:
    options = ["-F", "config", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-l", "me"]
    ours = ["-F", "config", "-o", "BatchMode=yes", "-p", "2222"]
    assert [*_for_any_user([*options, "-p", "2222"])] == ours
