"""The linters, the type checker and the rules of the house, as tests."""

import ast
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["nixgen", "holo_infra", "vmtests"]
MAX_LINES = 400
IDENTITY = (ast.Is, ast.IsNot)

# A path of somebody's machine: a work directory or root's home at the start of a path.
MACHINE_PATH = re.compile(rb"(?<![\w.})-])/(?:work|root)/")
CONFLICT_MARKER = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: |$)", re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=" ".join,
)
def test_checker_has_no_complaint(command: list[str]) -> None:
    program, *arguments = command
    path = Path(sysconfig.get_path("scripts")) / program
    # What it prints, pytest shows with the failure.
    done = subprocess.run([path, *arguments], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_no_module_outgrows_400_lines() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert lengths, f"no Python file in {PACKAGES}"
    too_long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MAX_LINES]
    assert not too_long, "\n".join(["does each still do one thing?", *sorted(too_long)])


def text_files() -> dict[str, bytes]:
    """Every text file that is in the repository, or would be after `git add .`."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    paths = {name: ROOT / name for name in names.split("\0") if name}
    contents = {
        name: path.read_bytes()
        for name, path in paths.items()
        if path.is_file() and not path.is_symlink()
    }
    return {name: content for name, content in contents.items() if b"\0" not in content}


def test_text_files_end_in_newline_and_hold_no_machine_path_or_conflict_marker() -> None:
    files = text_files()
    assert files, "git lists no file"
    faults = []
    for name, content in files.items():
        if content and not content.endswith(b"\n"):
            faults.append(f"{name}: no newline at the end")
        for what, pattern in [("machine path", MACHINE_PATH), ("conflict marker", CONFLICT_MARKER)]:
            for match in pattern.finditer(content):
                line = content.count(b"\n", 0, match.start()) + 1
                faults.append(f"{name}:{line}: {what} {match.group().decode()}")
    assert not faults, "\n".join(faults)


def test_no_definition_asks_by_identity_or_type() -> None:
    # `x is None`, `match` and isinstance look at the recorded view, and no error can tell so.
    files = [
        p for folder in ("services", "network") for p in (ROOT / "holo_infra" / folder).glob("*.py")
    ]
    assert files, "no definitions"
    faults = [
        f"{path.relative_to(ROOT)}:{found.lineno}"
        for path in files
        for found in ast.walk(ast.parse(path.read_text()))
        if isinstance(found, ast.Match)
        or (isinstance(found, ast.Compare) and any(isinstance(o, IDENTITY) for o in found.ops))
        or (isinstance(found, ast.Name) and found.id in {"isinstance", "type"})
    ]
    assert not faults, f"use given, if_given, choose: {faults}"
