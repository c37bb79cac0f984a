"""Writing: the user's files outlive every run, and a run does all or nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holo_infra.cli import main
from holo_infra.diagnostics import FleetError
from holo_infra.plan import check, replace, system, write
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
    assert "units.nix: error[HI311] was not made by `just modules`" in capsys.readouterr().err
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
    assert f"{path}: error[HI312] was changed since holo compile wrote it" in told
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

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(os, "symlink", fail)
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
    assert "out: error[HI310] the folder is not empty, and holds no manifest" in refusal(OLD, out)


def test_a_manifest_that_is_a_link_is_not_ours(out: Path) -> None:
    (out / "manifest.json").rename(out.parent / "elsewhere")
    (out / "manifest.json").symlink_to("../elsewhere")
    assert "holds no manifest of ours" in refusal(NEW, out)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../../b", "a\0", "manifest.json", "hosts"])
def test_a_path_that_is_none_in_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    files: Files = {"hosts/a.nix": "", path: "x"}
    assert f"error[HI313] {path!r} is no path for a file of the folder" in refusal(
        files, tmp_path / "out"
    )


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
    assert f"{path}: error[HI313] is not a folder" in capsys.readouterr().err
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
    assert "hosts: error[HI311] is not a folder" in refusal(files, out)


@pytest.mark.parametrize("locked", [".", "hosts", "theirs", "..", "../.."])
def test_a_folder_that_is_not_writable_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locked: str,
) -> None:
    out = tmp_path / "x" / "out"
    if locked != "../..":
        write(OLD, out)
        (out / "theirs").mkdir()
    folder = (out / locked).resolve()
    # Root may write anywhere, so a mode would say nothing to the tests of root.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != folder)
    assert f"{folder}: error[HI313] the folder is not writable" in refusal(NEW, out)


def test_a_folder_reached_by_a_link_may_be_the_output(out: Path) -> None:
    (out.parent / "link").symlink_to("out")
    write(NEW, out.parent / "link")
    assert tree(out) == expected(NEW)


@pytest.mark.parametrize("files", [NEW, {}], ids=["new", "gone"])
def test_foreign_files_stay_the_same_ones_and_foreign_folders_are_made_anew_alike(
    out: Path,
    files: Files,
) -> None:
    git = out / ".git"
    (git / "objects" / "empty").mkdir(parents=True)
    (git / "objects" / "blob").write_text("x")
    (git / "objects" / "blob").chmod(0o444)
    (git / "hook").symlink_to("nowhere")
    (out / "link").symlink_to(".git")
    os.mkfifo(out / "hosts" / "fifo")
    (out / "hosts" / "other" / "deep").mkdir(parents=True)
    with contextlib.suppress(OSError):  # not every file system has attributes
        os.setxattr(git, "user.holo", b"theirs")
    for path in (git / "objects", git, out / "hosts" / "other"):
        os.utime(path, ns=(1, 10**18))
        path.chmod(0o2770)
    foreign = [".git", ".git/objects", ".git/objects/empty", ".git/objects/blob", ".git/hook"]
    foreign += ["link", "hosts/fifo", "hosts/other", "hosts/other/deep"]

    def facts() -> dict[str, tuple[object, ...]]:
        found = {path: (out / path).lstat() for path in foreign}
        return {
            path: (
                *(s.st_mode, s.st_mtime_ns, s.st_uid),
                0 if (out / path).is_dir() else s.st_ino,
                *os.listxattr(out / path, follow_symlinks=False),
            )
            for path, s in found.items()
        }

    before = facts()
    write(files, out)
    assert facts() == before
    assert (git / "objects" / "blob").read_text() == "x"
    theirs = {".git/objects/blob": "x", ".git/hook": "-> nowhere", "link": "-> .git"}
    os.unlink(out / "hosts" / "fifo")  # noqa: PTH108 - as the others here
    assert tree(out) == {**expected(files), **theirs}


def test_folders_that_only_held_our_files_go_and_the_users_empty_ones_stay(out: Path) -> None:
    write({**OLD, "a/b/c/d": "", "a/e": ""}, out)
    (out / "a" / "theirs").mkdir()
    assert write(OLD, out).removed == ("a/b/c/d", "a/e")
    assert [path.name for path in (out / "a").iterdir()] == ["theirs"]


def test_a_run_without_change_touches_nothing(out: Path) -> None:
    def facts() -> dict[Path, tuple[int, int, int]]:
        found = {path: path.lstat() for path in (out.parent, *out.parent.rglob("*"))}
        return {path: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for path, s in found.items()}

    before = facts()
    written = write(OLD, out)
    assert not written.written
    assert not written.removed
    check(OLD, out)
    assert facts() == before


def test_the_manifest_has_a_line_for_each_file_and_no_other_form(tmp_path: Path) -> None:
    files: Files = {"b": "text", 'a/"\u00e4\n': Link("x")}
    write(files, tmp_path / "out")
    text = (tmp_path / "out" / "manifest.json").read_text()
    digests = {
        "b": hashlib.sha256(b"text").hexdigest(),
        'a/"\u00e4\n': hashlib.sha256(b"link to x").hexdigest(),
    }
    manifest = {"version": 1, "files": digests}
    assert text == json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    write({}, tmp_path / "out")
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert text == json.dumps({"version": 1, "files": {}}, indent=2, sort_keys=True) + "\n"


def test_a_file_that_became_a_link_of_equal_digest_is_written_again(out: Path) -> None:
    (out / "wants" / "x").unlink()
    (out / "wants" / "x").write_text("link to ../x")
    assert write(OLD, out).written == ("wants/x",)
    assert (out / "wants" / "x").is_symlink()


def test_the_folder_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty").chmod(0o2750)
    before = os.umask(0o027)
    try:
        for name in ("empty", "new", "a/b/c"):
            write(OLD, tmp_path / name)
            write(NEW, tmp_path / name)
    finally:
        os.umask(before)
    modes = {"empty": 0o2750, "empty/hosts": 0o2755, "new": 0o750, "new/hosts": 0o755}
    # Inside, services' own users must be able to read, wherever it is copied to.
    modes |= {"a": 0o750, "a/b/c": 0o750, "a/b/c/hosts/c.nix": 0o644, "new/flake.nix": 0o644}
    assert {name: (tmp_path / name).stat().st_mode & 0o7777 for name in modes} == modes
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "new", "a"}


def late(monkeypatch: pytest.MonkeyPatch, step: str, act: Callable[[], object]) -> None:
    """Acts right before a step: before the new tree is made, when it is made, or put in place."""
    module: Any = os if step == "makedirs" else system
    original = getattr(module, step)

    def acting(*arguments: Any) -> None:
        act()
        original(*arguments)

    monkeypatch.setattr(module, step, acting)


def once(act: Callable[[], object]) -> Callable[[], object]:
    left = [act]
    return lambda: left.pop()() if left else None


@pytest.mark.parametrize("step", ["makedirs", "flush", "exchange"])
@pytest.mark.parametrize("where", [".", "hosts", "theirs", "theirs/deep"])
def test_what_the_user_puts_in_during_the_run_is_kept(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    where: str,
) -> None:
    (out / "theirs" / "deep").mkdir(parents=True)
    late(monkeypatch, step, once(lambda: (out / where / "late").write_text("the user's")))
    write(NEW, out)
    assert (out / where / "late").read_text() == "the user's"
    assert expected(NEW).items() <= tree(out).items()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("step", ["makedirs", "flush", "exchange"])
@pytest.mark.parametrize("path", ["flake.nix", "hosts/a.nix", "hosts/c.nix"])
def test_what_the_user_writes_in_our_files_place_during_the_run_is_kept_and_told(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    path: str,
) -> None:
    late(monkeypatch, step, once(lambda: (out / path).write_text("the user's")))
    with pytest.raises(FleetError, match=f"{path}: error.HI31[12]. was "):
        write(NEW, out)
    assert tree(out) == {**expected(OLD), path: "the user's"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_edit_of_a_foreign_file_during_the_run_is_kept(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (out / "theirs").write_text("before")
    late(monkeypatch, "exchange", lambda: (out / "theirs").write_text("after"))
    write(NEW, out)
    assert tree(out) == {**expected(NEW), "theirs": "after"}


def test_a_folder_that_comes_to_life_during_a_first_run_is_not_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"

    def come() -> None:
        out.mkdir()
        (out / "theirs").write_text("the user's")

    late(monkeypatch, "flush", once(come))
    with pytest.raises(FleetError, match="holds no manifest of ours"):
        write(NEW, out)
    assert tree(tmp_path) == {"out/theirs": "the user's"}


def test_a_folder_in_which_somebody_writes_all_the_time_is_given_up(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = iter(range(100))
    late(monkeypatch, "flush", lambda: (out / f"late{next(names)}").write_text(""))
    with pytest.raises(FleetError) as told:
        write(NEW, out)
    assert "out: error[HI313] somebody else has changed the folder 5 times" in str(told.value)
    assert expected(OLD).items() <= tree(out).items()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("module", "step", "number", "place", "message"),
    [
        (os, "link", errno.EPERM, "theirs", "cannot go along into the new tree"),
        (os, "link", errno.EMLINK, "theirs", "cannot go along into the new tree"),
        (os, "link", errno.EXDEV, "theirs", "another file system is mounted here"),
        pytest.param(
            *(os, "chown", errno.EPERM, "", "cannot go along into the new tree"),
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away"),
        ),
        (system, "exchange", errno.EBUSY, "", "another file system is mounted here"),
        (system, "exchange", errno.EINVAL, "", "cannot exchange two folders in one step"),
        (system, "exchange", errno.ENOSYS, "", "cannot exchange two folders in one step"),
        (system, "flush", errno.ENOSPC, "", "the file system is full"),
    ],
)
def test_what_the_file_system_cannot_do_is_told_and_nothing_changes(  # noqa: PLR0913, PLR0917
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    step: str,
    number: int,
    place: str,
    message: str,
) -> None:
    (out / "theirs").write_text("x")
    if step == "chown":
        os.chown(out, 1, 1)  # as a folder that another user has made

    def fail(*paths: object, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(paths[0]))

    with monkeypatch.context() as patch:
        patch.setattr(module, step, fail)
        with pytest.raises(FleetError) as told:
            write(NEW, out)
    assert f"{out / place}: error[HI313] " in str(told.value)
    assert message in str(told.value)
    assert "\n  hint: " in str(told.value)
    assert tree(out) == {**expected(OLD), "theirs": "x"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


MOUNTS = """
mount -t tmpfs none "$1"
"$0" -c '
import os, subprocess, sys
from pathlib import Path
from holo_infra.diagnostics import FleetError
from holo_infra.plan import check, write
base = Path(sys.argv[1])
def told(act, files, out):
    try:
        act(files, out)
    except FleetError as error:
        print(error.diagnostics[0])
    else:
        print("no error")
told(check, {"a": "1"}, base)
told(write, {"a": "1"}, base)
out = base / "out"
write({"a": "1", "b": "1"}, out)
write({"a": "2", "b": "1"}, out)
print((out / "a").read_text())
(out / "file").write_text("")
subprocess.run(["mount", "--bind", out / "a", out / "file"], check=True)
told(write, {"a": "3"}, out)
subprocess.run(["umount", out / "file"], check=True)
(out / "folder").mkdir()
subprocess.run(["mount", "-t", "proc", "none", out / "folder"], check=True)
told(check, {"a": "3"}, out)
told(write, {"a": "3"}, out)
print(*sorted(os.listdir(base)), *sorted(os.listdir(out)))
' "$1"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_places_of_mounts_are_refused_and_a_tmpfs_serves(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", MOUNTS, sys.executable, tmp_path],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    mounted = "error[HI313] another file system is mounted here"
    whole = f"{tmp_path}: {mounted}, so the folder cannot be replaced"
    folder = f"{tmp_path}/out/folder: {mounted}, so the folder cannot move"
    file = f"{tmp_path}/out/file: {mounted} (Invalid cross-device link)"
    listing = "out a b file folder manifest.json"
    lines = [line for line in done.stdout.splitlines() if "  hint: " not in line]
    assert lines == [whole, whole, "2", file, folder, folder, listing]


def test_progress_is_told_for_each_thousand_steps(tmp_path: Path) -> None:
    files: Files = {f"{n % 7}/{n}": str(n) for n in range(2500)}
    told: list[tuple[int, int]] = []
    write(files, tmp_path / "out", lambda done, total: told.append((done, total)))
    assert told == [(n, 5000) for n in (0, 1000, 2000, 3000, 4000)]
    told.clear()
    write({**files, "0/0": "x"}, tmp_path / "out", lambda done, total: told.append((done, total)))
    assert told == [(n, 5000) for n in (0, 1000, 2000, 3000, 4000)]
