"""What README and docs say is what the programs do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from holo_infra.cli import COMMANDS, main
from holo_infra.source import load
from scripts import docs
from vmtests.places import NspawnMachine

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MIXED = ROOT / "examples" / "mixed" / "fleet.yaml"


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def session(command: str) -> str:
    """What the README shows of a command: all that it prints on stdout."""
    first = f"$ {command}\n"
    return next(block.removeprefix(first) for block in blocks("console") if first in block)


def changed(text: str, difference: str) -> str:
    """A text after the change that a block of the README shows."""
    lines = difference.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the fleet of the README."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.py").write_text(blocks("python")[0])
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_fleet_in_the_readme_shows_what_the_readme_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "fleet.py"]) == 0
    assert main(["show", "fleet.py"]) == 0
    assert capsys.readouterr().out == blocks("text")[0]


def test_the_mistakes_in_the_readme_are_told_as_the_readme_shows(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "fleet.yaml").write_text(blocks("yaml")[0])
    assert main(["check", "fleet.yaml"]) == 1
    assert capsys.readouterr().out == session("holo check fleet.yaml")


def test_the_change_in_the_readme_is_planned_as_the_readme_shows(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compile_ = ["compile", "fleet.py", "--out", "out"]
    assert main(compile_) == 0
    fleet = folder / "fleet.py"
    for difference in blocks("diff"):
        fleet.write_text(changed(fleet.read_text(), difference))
    capsys.readouterr()
    assert main(["plan", "fleet.py", "--out", "out"]) == 2
    assert capsys.readouterr().out == session("holo plan fleet.py --out out")
    assert main(compile_) == 0
    assert main(["plan", "fleet.py", "--out", "out"]) == 0


def test_what_compile_writes_is_in_the_readme(folder: Path) -> None:
    assert main(["compile", "fleet.py", "--out", "out"]) == 0
    _, table = (ROOT / "README.md").read_text().split("## What compile writes\n")
    rows = re.findall(r"^\| `([\w/.…-]+)`", table, re.MULTILINE)
    patterns = [row.replace("…", "*") + "**/*" * row.endswith("/") for row in rows]
    found = {p for pattern in patterns for p in (folder / "out").glob(pattern) if p.is_file()}
    written = {path for path in (folder / "out").rglob("*") if path.is_file()}
    other = {path.name for path in written - found}
    assert len(rows) == len(patterns) > 5
    assert all(name.startswith("empty-") for name in other), other  # one more class


def test_every_command_is_in_the_readme() -> None:
    commands = re.findall(r"^\| `holo (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands == list(COMMANDS)


def test_the_picture_in_the_readme_has_every_host_and_container_of_the_example() -> None:
    # Each release of Graphviz draws a little differently, so not by its bytes.
    root = ET.fromstring((ROOT / "docs/images/mixed.svg").read_bytes())  # noqa: S314 - our own
    texts = {"".join(text.itertext()).strip() for text in root.iter() if text.tag.endswith("text")}
    fleet = load(MIXED).fleet
    assert fleet is not None
    names = {name for host in fleet.hosts.values() for name in host.containers} | {*fleet.hosts}
    assert names <= texts, "run `just docs`"


def test_the_definition_and_its_module_in_the_readme_are_those_of_the_project() -> None:
    def squeezed(text: str) -> str:
        return " ".join(text.split())

    definition = squeezed(blocks("python")[2])
    assert definition in squeezed((ROOT / "holo_infra/network/socat.py").read_text())
    assert squeezed(blocks("nix")[1]) in squeezed((ROOT / "modules/socat.nix").read_text())


def test_the_page_of_diagnostics_is_what_the_catalogue_makes() -> None:
    assert docs.PAGE.read_text() == docs.page(), "run `just docs`"


@pytest.mark.needs("nspawn", "socat", "ip", "nft", "busybox", "curl")
def test_the_steps_in_the_document_put_an_output_in_place_and_start_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "private" / "fleet.yaml", tmp_path)
    assert main(["compile", f"{tmp_path}/fleet.yaml", "--out", f"{tmp_path}/out"]) == 0
    text = (ROOT / "docs" / "fleets.md").read_text()
    steps = next(b for b in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "daemon-" in b)
    with NspawnMachine("alpha", binds={"/srv/out": tmp_path / "out"}) as host:
        for step in steps.splitlines():
            host.succeed(["bash", "-c", f"cd /srv; {step}"])
        host.wait_for_unit("socket-proxyd-holochain0-admin.socket")
        answer = host.succeed(["curl", "-sS", "http://127.0.0.1:8000/identity.env"])
    assert answer.startswith("HOLO_CONTAINER=holochain0\n")


@pytest.mark.needs("nspawn", "socat", "ip", "nft", "busybox", "curl")
def test_the_test_in_the_readme_passes_and_tells_what_the_readme_shows(tmp_path: Path) -> None:
    for name in ("fleet.py", "fleet.lock.json"):
        shutil.copy(ROOT / "examples" / "private" / name, tmp_path)
    (tmp_path / "pages_test.py").write_text(blocks("python")[1])
    run = [sys.executable, "-m", "pytest", "-q", "--unit-coverage", "-p", "no:cacheprovider"]
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(run, check=False, cwd=tmp_path, env=own, capture_output=True, text=True)
    shown = next(b for b in blocks("console") if b.startswith("# pytest")).splitlines()[1:]
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-len(shown) : -1] == shown[:-1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_and_links_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    prose = re.sub(r"`[^`]*`", "", text)  # a pattern may look like a link
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (document.parent / target).exists(), target
    for path in re.findall(r"`((?:tests|docs|holo_infra|nixgen|examples)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
