"""What README and docs say is what the programs do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holo_infra.cli import main

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_fleet_in_the_readme_shows_what_the_readme_shows(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet = tmp_path / "fleet.py"
    fleet.write_text(blocks("python")[0])
    assert main(["show", str(fleet)]) == 0
    assert capsys.readouterr().out == blocks("text")[0]


def test_the_definition_and_its_module_in_the_readme_are_those_of_the_project() -> None:
    def squeezed(text: str) -> str:
        return " ".join(text.split())

    definition = squeezed(blocks("python")[1])
    assert definition in squeezed((ROOT / "holo_infra/network/socat.py").read_text())
    assert squeezed(blocks("nix")[1]) in squeezed((ROOT / "modules/socat.nix").read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_and_links_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / target).exists(), target
    for path in re.findall(r"`((?:tests|docs|holo_infra|nixgen|examples)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
