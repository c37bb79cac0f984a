"""The program `holo`, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

HOLO = Path(sys.executable).parent / "holo"
LABS = Path("/run/holo/labs")


def holo(*arguments: str | Path, expected: int = 0, timeout: float = 120) -> str:
    """What `holo` prints to stdout; its exit status must be the expected one."""
    done = run(*arguments, timeout=timeout)
    assert done.returncode == expected, (
        f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def run(*arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """How `holo` ended, and both outputs."""
    command = [str(HOLO), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, errors="replace"
    )


@contextmanager
def until_interrupted(*arguments: str) -> Iterator[IO[str]]:
    """The output of a `holo` that goes on until Ctrl-C, which comes at the end of the block."""
    with subprocess.Popen([str(HOLO), *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout
        except BaseException:
            process.kill()  # else it would be waited for
            raise
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait() == 130


def status(lab: str, *place: str, expected: int | None = None) -> list[dict[str, Any]]:
    """The rows of `holo status`."""
    done = run("status", *place, "--lab", lab, "--json")
    assert done.returncode in ({0, 1} if expected is None else {expected}), done
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@contextmanager
def lab(fleet: Path, *arguments: str | Path) -> Iterator[str]:
    """A lab with a name of its own, and nothing of it afterwards."""
    name = f"test-{os.getpid()}"
    try:
        holo("up", fleet, "--lab", name, *arguments)
        yield name
    finally:
        holo("down", "--lab", name)
    assert not (LABS / name).exists()
