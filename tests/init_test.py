"""`holo init`: the first fleet compiles, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from holo_infra.cli import main
from holo_infra.source import load

FORMS = [("fleet.py", []), ("fleet.yaml", ["--yaml"])]


@pytest.mark.parametrize(("name", "words"), FORMS)
def test_the_first_fleet_compiles_without_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *words]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    # What it says to do next does what it should.
    steps = [line.split()[1:] for line in told.err.splitlines() if line.startswith("  holo ")]
    assert steps == [["check", name], ["compile", name, "--out", "out"]]
    for step in steps:
        assert main(step) == 0
    assert capsys.readouterr().out == ""
    assert main(["plan", name, "--out", "out"]) == 0
    source = load(Path(name))
    assert source.fleet is not None
    (host,) = source.fleet.hosts.values()
    (container,) = host.containers.values()
    assert container.network == "private"
    assert container.units
    assert len(container.forwards) == 2


def test_both_forms_are_one_fleet(tmp_path: Path) -> None:
    fleets = []
    for name, words in FORMS:
        folder = tmp_path / "new" / name  # made where it is not there
        assert main(["init", str(folder), *words]) == 0
        fleets.append(load(folder / name).fleet)
    assert fleets[0] is not None
    assert fleets[0] == fleets[1]


@pytest.mark.parametrize("there", ["fleet.py", "fleet.yaml", "fleet.lock.json"])
@pytest.mark.parametrize("words", [[], ["--yaml"]])
def test_a_folder_with_a_fleet_is_left_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    there: str,
    words: list[str],
) -> None:
    (tmp_path / there).write_text("mine")
    assert main(["init", str(tmp_path), *words]) == 1
    told = capsys.readouterr().err
    assert f"{there}: error[HI311] is there already" in told
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {there: "mine"}


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "fleet.py").symlink_to(tmp_path / "elsewhere")
    assert main(["init", str(tmp_path)]) == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_in_place_of_the_folder_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["init", str(tmp_path / "file")]) == 1
    assert "file: " in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
