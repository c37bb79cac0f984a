"""Crashes: whenever a run is killed, the folder holds the old tree or the new one, and no more."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holo_infra.plan import stage, system, write
from holo_infra.targets import Files, Link

ROOT = Path(__file__).parent.parent

# Starting Python takes longer than a run, so one process stands ready and forks for each run.
SERVER = """
import json, os, signal, sys
from pathlib import Path
from holo_infra.plan import system, write
from holo_infra.targets import Link

events = 0

def audited(name):
    for module, step in ((system, "exchange"), (system, "flush"), (os, "fsync")):
        def after(*arguments, original=getattr(module, step)):
            sys.audit("before")
            original(*arguments)
            sys.audit("after")
        setattr(module, step, after)
    def count(*_):
        global events
        events += 1
        if events == last:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

for line in sys.stdin:
    out, files, last = json.loads(line)
    files = {path: Link(text[1:]) if text[:1] == ">" else text for path, text in files.items()}
    process = os.fork()
    if process == 0:
        status = 1
        try:
            if last is not None:
                audited(last)
            write(files, Path(out))
            status = 0
        finally:
            os._exit(status)
    print(process, flush=True)
    print(os.waitpid(process, 0)[1], flush=True)
"""


class Server:
    """Runs `write` in processes of their own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )

    def start(self, files: Files, out: Path, last: int | None = None) -> int:
        """Begins to write; `last` is the step at which the process kills itself."""
        texts = {p: f">{c.target}" if isinstance(c, Link) else c for p, c in files.items()}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(out), texts, last]).encode() + b"\n")
        self._process.stdin.flush()
        return self._number()

    def end(
        self,
        process: int,
        number: signal.Signals = signal.SIGKILL,
        delay: float = 60,
    ) -> tuple[int, float]:
        """Waits for the end, which a signal brings after so many seconds.

        The exit status, or the signal as a negative number, and the seconds that it took.
        """
        start = time.monotonic()
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], delay)[0]:
            with contextlib.suppress(ProcessLookupError):  # it may be faster
                os.kill(process, number)
        status = os.waitstatus_to_exitcode(self._number())
        return status, time.monotonic() - start

    def close(self) -> None:
        with self._process:
            self._process.kill()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def some(count: int, what: str) -> Files:
    """Files, two thirds of them the same for each `what`."""
    files: Files = {"only/" + what + "/x": what, "link": Link(what)}
    for n in range(count):
        files[f"hosts/{n % 7}/{n}.nix"] = f"{n} {'same' if n % 3 else what} " + "x" * 2000
    return files


def contents(folder: Path) -> dict[str, str]:
    """All that is in a folder, which files and folders and what is in them; empty for no folder."""
    found = {}
    for path in folder.rglob("*"):
        kind = "folder" if path.is_dir() and not path.is_symlink() else ""
        name = str(path.relative_to(folder))
        found[name] = kind or (f"-> {path.readlink()}" if path.is_symlink() else path.read_text())
    return found


def put_foreign(out: Path) -> None:
    (out / ".git" / "refs" / "empty").mkdir(parents=True)
    for n in range(20):
        (out / ".git" / f"{n}").write_text("the user's")
    (out / "hosts" / "0").mkdir(parents=True, exist_ok=True)
    (out / "hosts" / "0" / "notes").write_text("the user's")


def wait_until_clean(out: Path) -> None:
    """Until nothing is beside the folder."""
    end = time.monotonic() + 10
    while litter := [path.name for path in out.parent.iterdir() if path != out]:
        assert time.monotonic() < end, f"litter: {litter}"
        time.sleep(0.002)


class Trees:
    """Two trees to change between, as they are on the disk when all went well."""

    def __init__(self, out: Path, count: int) -> None:
        self.out = out
        self.files = [some(count, "old"), some(count, "new")]
        write(self.files[0], out)
        put_foreign(out)
        self.on_disk: list[dict[str, str]] = []
        for files in reversed(self.files):
            write(files, out)
            self.on_disk.insert(0, contents(out))
        assert self.on_disk[0] != self.on_disk[1]


@dataclass(frozen=True)
class Ended:
    tree: int
    """Which of the two trees is there."""
    status: int
    """The exit status, or the signal as a negative number."""
    seconds: float


def crash(server: Server, trees: Trees, now: int, number: signal.Signals, delay: float) -> Ended:
    """Changes from the tree `now` to the other, and sends a signal after so many seconds."""
    process = server.start(trees.files[1 - now], trees.out)
    status, seconds = server.end(process, number, delay)
    wait_until_clean(trees.out)
    there = contents(trees.out)
    assert there in trees.on_disk, "a mix"
    return Ended(trees.on_disk.index(there), status, seconds)


@pytest.mark.parametrize(
    ("number", "moments"),
    [(signal.SIGKILL, 50), (signal.SIGTERM, 8), (signal.SIGINT, 8)],
    ids=["kill", "term", "int"],
)
def test_a_run_killed_at_any_time_leaves_the_old_tree_or_the_new_and_nothing_beside(
    tmp_path: Path,
    server: Server,
    number: signal.Signals,
    moments: int,
) -> None:
    trees = Trees(tmp_path / "out", 200)
    rng = random.Random(1)
    now = 0
    outcomes = []
    whole = 10.0  # seconds that a run takes; it changes with what else the computer does
    for n in range(-3, moments):
        # The first runs are not stopped, the others evenly over a run's time and a little more.
        delay = whole * 1.2 * (n + rng.random()) / moments if n >= 0 else 10
        ended = crash(server, trees, now, number, delay)
        whole = ended.seconds if ended.status == 0 else max(whole, ended.seconds)
        outcomes.append((ended.tree != now, ended.status))
        now = ended.tree
    assert {changed for changed, _ in outcomes} == {False, True}
    stopped = [status for _, status in outcomes if status != 0]
    assert len(stopped) >= moments // 8
    assert set(stopped) <= ({1, -number} if number == signal.SIGINT else {-number})


@pytest.mark.parametrize("exists", [True, False])
def test_a_run_killed_at_each_step_leaves_the_old_tree_or_the_new_and_nothing_beside(
    tmp_path: Path,
    server: Server,
    *,
    exists: bool,
) -> None:
    outcomes = []
    status = -signal.SIGKILL
    step = 0
    while status != 0:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        out = folder / "out" if exists else folder / "a" / "out"
        old: Files = {"gone/x": "", "changed": "old", "same": "", "link": Link("old")}
        new: Files = {"new/x": "", "changed": "new", "same": "", "link": Link("new")}
        if exists:
            write(old, out)
            put_foreign(out)
        before = contents(folder)
        status, _ = server.end(server.start(new, out, step))
        wait_until_clean(folder / out.relative_to(folder).parts[0])
        outcomes.append(contents(folder) != before)
        if outcomes[-1]:
            write(new, out)
            assert json.loads((out / "manifest.json").read_text())["files"].keys() == new.keys()
    assert outcomes == sorted(outcomes), "no way back"
    assert set(outcomes) == {False, True}
    assert len(outcomes) > 20
    assert outcomes.count(True) > 1, "no step after the exchange"


KILLED = """
import os, signal, sys
from pathlib import Path
from holo_infra.plan import stage, system, write
stage._KEEPER = 'read -r line; sleep 0.5; rm -rf -- "$1"; touch "${1%/*}"/../removed'
system.flush = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write({"a": "new"}, Path(sys.argv[1]))
"""


def test_a_run_waits_until_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "parent" / "out"
    write({"a": "old"}, out)
    killed = subprocess.run([sys.executable, "-c", KILLED, out], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "removed").exists()
    write({"a": "third"}, out)
    assert (tmp_path / "removed").exists()
    assert (out / "a").read_text() == "third"


def test_a_run_that_has_waited_looks_again_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    with ThreadPoolExecutor() as threads:
        lock = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            written = threads.submit(write, {"x": "ours"}, out)
            time.sleep(0.2)
            put_foreign(tmp_path / "a")
        finally:
            os.close(lock)
    assert written.result().written == ("x",)
    assert contents(tmp_path / "a")["hosts/0/notes"] == "the user's"
    assert contents(out).keys() == {"x", "manifest.json"}


def test_litter_of_a_power_cut_goes_with_the_next_run_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(some(3, "old"), out)
    (tmp_path / ".out.holo-0123456789abcdef" / "hosts").mkdir(parents=True)
    os.link(out / "manifest.json", tmp_path / ".out.holo-0123456789abcdef" / "hosts" / "x")
    theirs = {".out.holo-0123456789abcdeg", ".other.holo-0123456789abcdef", "out.holo-0"}
    for name in theirs:
        (tmp_path / name).mkdir()
    (tmp_path / ".out.holo-0000000000000000").write_text("the user's")
    before = contents(out)
    write(some(3, "old"), out)
    assert {path.name for path in tmp_path.iterdir()} == {
        *theirs,
        "out",
        ".out.holo-0000000000000000",
    }
    assert contents(out) == before


@pytest.mark.parametrize(
    ("module", "step"),
    [(os, "link"), (os, "mkdir"), (os, "open"), (system, "flush"), (system, "exchange")],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_is_interrupted_or_fails_leaves_nothing_beside(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
    *,
    after: bool,
) -> None:
    out = tmp_path / "out"
    trees = Trees(out, 10)
    original = getattr(module, step)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if ".holo-" not in str(arguments) and step != "flush":
            return original(*arguments, **options)
        if after:
            original(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(trees.files[1], out)
    assert contents(out) == trees.on_disk[step == "exchange" and after]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_removes_the_old_tree_itself_when_its_keeper_is_gone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trees = Trees(tmp_path / "out", 3)
    monkeypatch.setattr(stage, "_KEEPER", "exit 0")
    write(trees.files[1], tmp_path / "out")
    assert contents(tmp_path / "out") == trees.on_disk[1]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_leaves_no_process_and_no_open_file(tmp_path: Path) -> None:
    def facts() -> tuple[list[str], list[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return children, os.listdir("/proc/self/fd")  # noqa: PTH208 - names are wanted

    before = facts()
    for what in ("old", "new"):
        write(some(3, what), tmp_path / "out")
    assert facts() == before


TURNS = """
import json, sys
from pathlib import Path
from holo_infra.plan import write
trees = json.loads(sys.stdin.read())
for turn in range(20):
    write(trees[turn % 2], Path(sys.argv[1]))
"""


@pytest.mark.parametrize("exists", [True, False])
def test_two_runs_at_once_wait_for_each_other(tmp_path: Path, *, exists: bool) -> None:
    out = tmp_path / "a" / "out"
    files: list[Files] = [
        {f"{n % 5}/{n}": f"{what} {n}" for n in range(40)} for what in ("old", "new")
    ]
    if exists:
        write(files[0], out)
        put_foreign(out)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TURNS, out], stdin=subprocess.PIPE, cwd=ROOT, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(json.dumps(files))
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0]
    there = contents(out)
    assert files[1].items() <= there.items()
    assert (".git/refs/empty" in there) == exists
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
