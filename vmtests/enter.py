"""Commands in the namespaces of another process: exact arguments, bytes and status, no shell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

_ALL = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_AWAKE = 0.1


@dataclass(frozen=True)
class Result:
    """How a command ended: status (-N: by signal N) and the exact bytes it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


def run_inside(pid: int, argv: Sequence[str], timeout: float) -> Result:
    """Run a command with the namespaces, root and working directory of process `pid`.

    Its standard input is empty, its environment bare. Its capabilities and cgroup are this
    process's, not those of `pid`. After `timeout` seconds it is killed, save what of it has made
    itself a daemon, and subprocess.TimeoutExpired raised with the output so far.
    """
    with subprocess.Popen(
        ["nsenter", f"--target={pid}", *_ALL, "--", *argv],
        executable=shutil.which("nsenter"),  # by this PATH, not by that of `env`
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        start_new_session=True,
    ) as nsenter:
        try:
            stdout, stderr = _communicate(nsenter, timeout)
        except BaseException:
            os.killpg(nsenter.pid, signal.SIGKILL)  # the command, its child, is in the group
            raise
    return Result(nsenter.returncode, stdout, stderr)


def _communicate(nsenter: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """As Popen.communicate, and keep nsenter going.

    It stops itself when its child is stopped, which systemd does at shutdown to all processes
    before it kills them; then nobody else would make nsenter go on and reap the child.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        try:
            return nsenter.communicate(timeout=max(0, min(left, _AWAKE)))
        except subprocess.TimeoutExpired:
            if left <= _AWAKE:
                raise
        nsenter.send_signal(signal.SIGCONT)
