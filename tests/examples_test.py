"""The examples, and the fleets in the documents about fleets, are what they are said to be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from textwrap import indent

import pytest

from holo_infra.cli import main
from holo_infra.model.fleet import Fleet
from holo_infra.source import load

ROOT = Path(__file__).parent.parent
EXAMPLES = ["private/fleet.py", "private/fleet.yaml", "mixed/fleet.yaml"]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file and link below a folder, but the manifest, which tells them apart."""
    found = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    found.remove(folder / "manifest.json")
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        )
        for path in found
    }


def loaded(path: Path) -> Fleet:
    source = load(path)
    assert source.fleet is not None, source.diagnostics
    return source.fleet


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example's fleet and lock file in a folder of their own."""
    path: Path = ROOT / "examples" / request.param
    for source in (path, path.with_name("fleet.lock.json")):
        shutil.copy(source, tmp_path)
    return tmp_path / path.name


def test_an_example_has_nothing_to_complain_of_and_its_lock_is_current(
    example: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", str(example)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("no errors\n")
    out = example.parent / "out"
    assert main(["compile", str(example), "--out", str(out), "--locked"]) == 0
    assert main(["plan", str(example), "--out", str(out)]) == 0


def test_both_forms_of_an_example_are_one_fleet_and_compile_to_equal_files(tmp_path: Path) -> None:
    python, yaml = (ROOT / "examples" / "private" / f"fleet.{suffix}" for suffix in ("py", "yaml"))
    assert loaded(python) == loaded(yaml)
    written = []
    for path in (python, yaml):
        folder = tmp_path / path.suffix
        folder.mkdir()
        shutil.copy(path, folder)
        assert main(["compile", str(folder / path.name), "--out", str(folder / "out")]) == 0
        written.append(tree(folder / "out") | {"lock": (folder / "fleet.lock.json").read_bytes()})
    assert len(written[0]) > 20
    assert written[0] == written[1]


def test_an_edge_without_nix_needs_no_program_but_busybox_and_socat() -> None:
    edge = loaded(ROOT / "examples" / "mixed" / "fleet.yaml").hosts["edge1"]
    assert edge.platform == "systemd"
    units = [unit for c in edge.containers.values() for unit in c.units.values()]
    assert {unit.exec_start[0] for unit in units} == {"busybox", "socat"}
    assert not any(c.bind_mounts or c.secrets for c in edge.containers.values())


# What stands around a piece of a fleet in docs/fleets.md.
PYTHON_HEAD = (
    "from holo_infra import BindMount, Container, Fleet, Forward, Host, Limits, Network, Unit\n"
)
PYTHON = {
    "from": "{piece}",
    "Fleet": PYTHON_HEAD + "fleet = {piece}",
    "Host": PYTHON_HEAD + "fleet = Fleet(name='piece', hosts={{'alpha': {piece}}})",
    "Container": PYTHON_HEAD
    + "container = {piece}\n"
    + "hub, peer = Host(address='192.0.2.10'), Forward(port=9000, engine='socat')\n"
    + "web1 = Container(forwards={{'w': peer}})\n"
    + "alpha = Host(address='192.0.2.20', networks=['192.0.2.0/24'],"
    + " containers={{'web0': container, 'web1': web1}})\n"
    + "fleet = Fleet(name='piece', hub='hub', hosts={{'hub': hub, 'alpha': alpha}})",
}
YAML_CONTAINER = """\
name: piece
hub: hub
hosts:
  hub: { address: 192.0.2.10 }
  alpha:
    address: 192.0.2.20
    networks: [192.0.2.0/24]
    containers:
      web1: { forwards: { w: { port: 9000, engine: socat } } }
      web0:
"""
YAML = {
    "from": ("", ""),
    "Fleet": ("", ""),
    "Host": ("name: piece\nhosts:\n  alpha:\n", " " * 4),
    "Container": (YAML_CONTAINER, " " * 8),
}


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / "docs" / document).read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{space}", "", block, flags=re.MULTILINE) for space, block in found]


PAIRS = list(zip(blocks("fleets.md", "python"), blocks("fleets.md", "yaml"), strict=True))


@pytest.mark.parametrize(("python", "yaml"), PAIRS, ids=range(len(PAIRS)))
def test_a_fleet_in_the_document_compiles_and_is_the_same_in_both_forms(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    python: str,
    yaml: str,
) -> None:
    kind = re.split(r"\W", python, maxsplit=1)[0]
    (tmp_path / "fleet.py").write_text(PYTHON[kind].format(piece=python))
    head, space = YAML[kind]
    (tmp_path / "fleet.yaml").write_text(head + indent(yaml, space))
    for name in ("fleet.py", "fleet.yaml"):
        assert main(["check", str(tmp_path / name)]) == 0, capsys.readouterr().out
        assert capsys.readouterr().out == ""
        assert main(["compile", str(tmp_path / name), "--out", str(tmp_path / "out" / name)]) == 0
    assert loaded(tmp_path / "fleet.py") == loaded(tmp_path / "fleet.yaml")
    assert tree(tmp_path / "out" / "fleet.py") == tree(tmp_path / "out" / "fleet.yaml")


def test_an_adopted_host_has_the_numbers_that_the_document_shows(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet = tmp_path / "fleet.yaml"
    (adopted,) = blocks("adopting.md", "yaml")
    fleet.write_text(adopted)
    shown = next(block for block in blocks("adopting.md", "text") if block.startswith("dev-host"))
    assert main(["check", str(fleet)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["show", str(fleet)]) == 0
    assert capsys.readouterr().out == shown
    assert main(["compile", str(fleet), "--out", str(tmp_path / "out")]) == 0
    # The lock file keeps them: they may be taken out of the fleet.
    fleet.write_text(re.sub(r"\b(host_port|inner_port): \d+,? ?|\bindex: \d+", "", adopted))
    assert "index" not in fleet.read_text()
    assert "host_port" not in fleet.read_text()
    assert main(["compile", str(fleet), "--out", str(tmp_path / "out"), "--locked"]) == 0
    assert main(["show", str(fleet)]) == 0
    assert capsys.readouterr().out == shown


BASE = """\
name: pages
hosts:
  alpha:
    containers:
      api: { forwards: { http: { port: 8000 } } }
      mail: { forwards: { http: { port: 8000 } } }
      web: { forwards: { http: { port: 8000 } } }
"""


def test_a_merged_lock_file_is_told_and_mended_as_the_document_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fleet, lock = Path("fleet.yaml"), Path("fleet.lock.json")
    compile_ = ["compile", "fleet.yaml", "--out", "out"]

    def git(*words: str) -> None:
        name = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        subprocess.run(["git", *name, *words], check=True, capture_output=True)

    def commit(branch: str, text: str) -> None:
        fleet.write_text(text)
        assert main(compile_) == 0
        git("add", "fleet.yaml", "fleet.lock.json")
        git("commit", "--quiet", "--message", branch)

    git("init", "--quiet", "--initial-branch=main")
    commit("base", BASE)
    for branch, neighbour in (("blog", "mail"), ("news", "web")):
        git("checkout", "--quiet", "-b", branch, "main")
        line = f"      {branch}: {{ forwards: {{ http: {{ port: 8000 }} }} }}\n"
        commit(branch, BASE.replace(f"      {neighbour}:", f"{line}      {neighbour}:"))
    git("checkout", "--quiet", "blog")
    git("merge", "--quiet", "--no-edit", "news")  # no conflict
    merged, mended = blocks("merging-locks.md", "json")
    told, twice = blocks("merging-locks.md", "text")
    assert merged in lock.read_text()

    before = lock.read_bytes()
    capsys.readouterr()
    assert main(compile_) == 1
    assert capsys.readouterr().err == told
    assert lock.read_bytes() == before

    lines = lock.read_text().splitlines(keepends=True)
    mine = "".join(line for line in lines if '"news"' not in line)
    (blog,) = (line for line in lines if '"blog"' in line)
    lock.write_text(mine.replace(blog, blog.replace('"index": 3', '"index": 9') + blog))
    assert main(compile_) == 1
    assert capsys.readouterr().err == twice
    lock.write_text(mine)
    assert main(compile_) == 0
    assert mended.strip() in lock.read_text()
    assert json.loads(lock.read_text())["hosts"]["alpha"]["containers"]["blog"]["index"] == 3
    assert main([*compile_, "--locked"]) == 0
