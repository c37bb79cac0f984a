"""Writing: the user's files outlive every run, and a stopped run is finished by the next."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from holo_infra.cli import main
from holo_infra.diagnostics import FleetError
from holo_infra.plan import check, replace, write
from holo_infra.targets import Files, Link
from holo_infra.targets.modules import modules

FLEET = """
from holo_infra import Container, Fleet, Host
fleet = Fleet(name="f", hosts={"alpha": Host(containers={"web0": Container()})})
"""
OLD: Files = {"flake.nix": "old", "hosts/a.nix": "a", "hosts/b.nix": "b", "wants/x": Link("../x")}
NEW: Files = {"flake.nix": "new", "hosts/b.nix": "b", "wants/x": Link("../y"), "hosts/c.nix": "c"}


def tree(folder: Path) -> dict[str, str]:
    """What is in a folder, without the manifest."""
    return {
        str(path.relative_to(folder)): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or (path.is_file() and path.name != "manifest.json")
    }


def expected(files: Files) -> dict[str, str]:
    return {
        path: f"-> {content.target}" if isinstance(content, Link) else content
        for path, content in files.items()
    }


def refusal(files: Files, out: Path) -> str:
    """What `check` says, which `write` says too, and nothing changes."""
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(out.parent.rglob("*"))]
    with pytest.raises(FleetError) as checked:
        check(files, out)
    with pytest.raises(FleetError) as written:
        write(files, out)
    assert str(checked.value) == str(written.value)
    after = [(path, path.lstat().st_mtime_ns) for path in sorted(out.parent.rglob("*"))]
    assert before == after
    return str(checked.value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that holds OLD."""
    write(OLD, tmp_path / "out")
    return tmp_path / "out"


def test_modules_of_others_stay_and_our_old_ones_go(tmp_path: Path) -> None:
    (tmp_path / "mine.nix").write_text("{ } # not Made by `just modules` at all\n")
    (tmp_path / "elsewhere.nix").symlink_to("mine.nix")
    (tmp_path / "old.nix").write_text("# x\n#\n# Made by `just modules` from x.\n{ }\n")
    for _ in range(2):
        assert main(["modules", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {*modules(), "mine.nix", "elsewhere.nix"}


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_foreign_file_in_place_of_a_module_is_refused_before_anything_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    path = tmp_path / "units.nix"
    if kind == "file":
        path.write_text("{ }\n")
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
    assert main(["modules", str(tmp_path)]) == 1
    assert "units.nix: error: was not made by `just modules`" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["units.nix"]


@pytest.mark.parametrize("files", [NEW, OLD, {}], ids=["new", "same", "gone"])
@pytest.mark.parametrize("path", ["flake.nix", "hosts/a.nix", "wants/x"])
@pytest.mark.parametrize("kind", ["text", "link", "folder", "fifo"])
def test_what_the_user_made_of_a_file_of_ours_is_neither_overwritten_nor_removed(
    out: Path,
    files: Files,
    path: str,
    kind: str,
) -> None:
    (out / path).unlink()
    if kind == "text":
        (out / path).write_text("the user's")
    elif kind == "link":
        (out / path).symlink_to(out / "hosts" / "b.nix")
    elif kind == "folder":
        (out / path).mkdir()
    else:
        os.mkfifo(out / path)
    told = refusal(files, out)
    assert f"{path}: error: was changed since holo compile wrote it" in told
    assert "hint: move your changes away; holo compile would overwrite them" in told


def test_a_missing_or_empty_file_of_ours_is_written_again(out: Path) -> None:
    (out / "flake.nix").unlink()
    (out / "hosts" / "b.nix").write_text("")
    assert write(OLD, out).written == ("flake.nix", "hosts/b.nix")
    assert tree(out) == expected(OLD)


def test_a_file_that_already_holds_the_new_content_is_kept(out: Path) -> None:
    (out / "flake.nix").write_text("new")
    assert "flake.nix" not in write(NEW, out).written
    assert tree(out) == expected(NEW)


def test_a_link_that_becomes_text_is_not_written_through(out: Path) -> None:
    (out / "x").write_text("the user's")
    write({**OLD, "wants/x": "text"}, out)
    assert tree(out) == {**expected(OLD), "wants/x": "text", "x": "the user's"}


class Stopped(Exception):  # noqa: N818 - no error, but the plug that is pulled
    """The run ends here."""


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Lets a run put or remove so many files, and no more."""
    module = importlib.import_module("holo_infra.plan.write")
    left = iter(range(steps))

    def limited(original: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise Stopped
            return original(*arguments, **options)

        return step

    for name in ("_put", "_remove"):
        monkeypatch.setattr(module, name, limited(getattr(module, name)))


@pytest.mark.parametrize("last", [NEW, OLD, {"flake.nix": "third"}], ids=["new", "old", "third"])
@pytest.mark.parametrize("start", [{}, OLD], ids=["empty", "old"])
def test_a_run_that_was_stopped_at_any_step_is_finished_by_the_next(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Files,
    last: Files,
) -> None:
    finished = 0
    for steps in range(9):
        out = tmp_path / str(steps)
        write({**start, "first": ""}, out)
        (out / "flake.lock").write_text("the user's")
        for files in (NEW, {**OLD, "flake.nix": "between"}):  # stopped twice
            with monkeypatch.context() as patch:
                stop_after(patch, steps)
                try:
                    write(files, out)
                    finished += 1
                except Stopped:
                    pass
        write(last, out)
        assert tree(out) == {**expected(last), "flake.lock": "the user's"}
        again = write(last, out)
        assert not again.written
        assert not again.removed
        assert set(json.loads((out / "manifest.json").read_text())) == {"version", "files"}
    assert 0 < finished < 18


def test_a_stopped_run_makes_no_file_of_the_user_ours(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 1)  # the manifest alone
        with pytest.raises(Stopped):
            write(NEW, out)
    (out / "hosts" / "c.nix").write_text("the user's")
    assert "hosts/c.nix: error: was changed" in refusal(NEW, out)


def test_a_first_run_that_was_killed_leaves_a_folder_that_the_next_takes(tmp_path: Path) -> None:
    (tmp_path / ".holo-0123456789abcdef").write_text('{"vers')
    write(OLD, tmp_path)
    assert expected(OLD).items() <= tree(tmp_path).items()


def test_no_file_of_the_user_is_taken_for_a_temporary_one(out: Path) -> None:
    (out / ".flake.nix.new").write_text("the user's")
    write(NEW, out)
    assert tree(out) == {**expected(NEW), ".flake.nix.new": "the user's"}


def test_a_failure_leaves_no_temporary_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space")

    for name in ("replace", "symlink_to"):
        monkeypatch.setattr(Path, name, fail)
    for content in ("text", Link("x")):
        with pytest.raises(OSError, match="no space"):
            replace(tmp_path / "file", content)
    with pytest.raises(UnicodeEncodeError):
        replace(tmp_path / "file", "\ud800")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_has_the_mode_that_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        replace(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("exists", [True, False])
def test_a_lock_file_that_is_a_link_stays_one(tmp_path: Path, *, exists: bool) -> None:
    (tmp_path / "fleet.py").write_text(FLEET)
    (tmp_path / "kept").mkdir()
    kept = tmp_path / "kept" / "lock.json"
    if exists:
        kept.write_text('{"version": 1, "hosts": {}}')
    (tmp_path / "fleet.lock.json").symlink_to("kept/lock.json")
    assert main(["compile", str(tmp_path / "fleet.py"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "fleet.lock.json").is_symlink()
    assert "web0" in kept.read_text()


DIGEST = "0" * 64


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        '{"name": "an app", "version": "1"}',
        '{"files": {}}',
        '{"version": 1}',
        '{"version": 2, "files": {}}',
        '{"version": 1, "files": []}',
        '{"version": 1, "files": {}, "icons": []}',
        '{"version": 1, "files": {"a": 1}}',
        '{"version": 1, "files": {"a": "0"}}',
        *(
            json.dumps({"version": 1, "files": {path: DIGEST}})
            for path in ["", "/a", "../a", "a/../b", "a//b", "./a", ".", "a\0", "manifest.json"]
        ),
        "\udcff",
    ],
)
def test_a_foreign_manifest_is_not_taken_as_ours(tmp_path: Path, manifest: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(manifest, errors="surrogateescape")
    assert "not empty, and holds no manifest of ours" in refusal(OLD, out)


def test_a_manifest_that_is_a_link_is_not_ours(out: Path) -> None:
    (out / "manifest.json").rename(out.parent / "elsewhere")
    (out / "manifest.json").symlink_to("../elsewhere")
    assert "holds no manifest of ours" in refusal(NEW, out)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../../b", "a\0", "manifest.json", "hosts"])
def test_a_path_that_is_none_in_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    files: Files = {"hosts/a.nix": "", path: "x"}
    assert f"{path!r} is no path for a file of the folder" in refusal(files, tmp_path / "out")


@pytest.mark.parametrize("kind", ["a file", "below a file", "a dangling link", "below such"])
def test_an_output_that_can_be_no_folder_is_refused_before_the_lock_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    (tmp_path / "fleet.py").write_text(FLEET)
    path = tmp_path / "out"
    if "file" in kind:
        path.write_text("the user's")
    else:
        path.symlink_to("nowhere")
    out = path / "x" / "y" if "below" in kind else path
    assert main(["compile", str(tmp_path / "fleet.py"), "--out", str(out)]) == 1
    assert f"{path}: error: is not a folder" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"fleet.py", "out"}


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
@pytest.mark.parametrize("files", [NEW, {}], ids=["new", "gone"])
def test_nothing_but_a_folder_is_written_or_removed_through(
    out: Path,
    files: Files,
    kind: str,
) -> None:
    (out / "hosts").rename(out.parent / "elsewhere")
    if kind == "file":
        (out / "hosts").write_text("the user's")
    else:
        (out / "hosts").symlink_to("../elsewhere" if kind == "link" else "nowhere")
    assert "hosts: error: is not a folder" in refusal(files, out)


@pytest.mark.parametrize("locked", [".", "hosts", ".."])
def test_a_folder_that_is_not_writable_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locked: str,
) -> None:
    out = tmp_path / "out"
    if locked != "..":
        write(OLD, out)
    folder = (out / locked).resolve()
    # Root may write anywhere, so a mode would say nothing to the tests of root.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != folder)
    assert f"{folder}: error: the folder is not writable" in refusal(NEW, out)


def test_a_folder_reached_by_a_link_may_be_the_output(out: Path) -> None:
    (out.parent / "link").symlink_to("out")
    write(NEW, out.parent / "link")
    assert tree(out) == expected(NEW)
