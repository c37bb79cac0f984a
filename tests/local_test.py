"""Programs of this computer that work on a machine: when they end, and with what."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.local import work

# With a child that does not hear SIGTERM, as what a shell has started in the background.
HANGS = '(trap \'\' TERM; echo $$ > "$PIDS"; sleep 60 & echo $! >> "$PIDS"; wait) & wait'


def ended(pids: Path, count: int) -> bool:
    """Whether processes that were started end soon."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = pids.read_text().split() if pids.exists() else []
        if len(found) == count and not any(runs(pid) for pid in found):
            return True
        time.sleep(0.1)
    return False


def runs(pid: str) -> bool:
    status = Path("/proc", pid, "status")
    try:
        return "\nState:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_takes_too_long_ends_with_all_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(Failure, match="not done after 1 s"):
        work(["sh", "-c", HANGS], {"PIDS": str(pids)}, 1)
    assert ended(pids, 2)


def test_a_program_ends_when_whoever_called_it_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = "import sys; from holo_infra.runtime.local import work; work(sys.argv[1:], {}, 60)"
    hangs = f"echo $$ > {pids}; exec sleep 60"
    caller = subprocess.Popen([sys.executable, "-c", program, "sh", "-c", hangs])
    deadline = time.monotonic() + 20
    while not (pids.exists() and pids.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    caller.kill()
    caller.wait()
    assert ended(pids, 1)


def test_how_a_program_failed_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failure, match="sh -c 'echo said; exit 7': status 7"):
        work(["sh", "-c", "echo said; exit 7"], {}, 10)
    assert capfd.readouterr().err == "said\n"
    with pytest.raises(Failure, match="no-such-program is not installed"):
        work(["no-such-program"], {}, 10)


def test_a_program_is_asked_nothing() -> None:
    work(["sh", "-c", "! read -r line"], {}, 10)
