"""Programs of this computer that work on a machine: bounded in time, and gone when we are gone."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from holo_infra.runtime.failure import Failure

_GRACE = 5.0
"""Seconds that a program has to end by itself."""
_STDERR = 2


def work(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> None:
    """Run a program to its end; all that it prints is talk. It is asked nothing.

    `environment`: more variables. Raises Failure where it is not installed, fails, or is not done
    after `timeout` seconds; whatever happens here, it and all that it has started end. Where this
    process is killed, it gets SIGTERM.
    """
    if shutil.which(command[0]) is None:
        raise Failure(f"{command[0]} is not installed", "install it, or run in nix shell")
    guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    process = subprocess.Popen(
        [*guard, *command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,
        start_new_session=True,
    )
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise Failure(
            f"{shlex.join(command)}: not done after {timeout:g} s", "see what it has said above"
        ) from None
    finally:
        if process.returncode is None:
            _end(process)
    if status != 0:
        raise Failure(f"{shlex.join(command)}: status {status}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, whose number is taken until the process is waited for."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, process.pid, look) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
