"""Machines that may not be there yet: what is tried again, and what is not."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress

import pytest

from tests.support.holo import HOLO, run

NOWHERE = "ssh://root@127.0.0.1:1"


@pytest.mark.needs("ssh")
@pytest.mark.parametrize(
    ("way", "told"),
    [
        (["127.0.0.1"], "no address of a machine"),
        (["--ssh-config", "/no/such/file", NOWHERE], "/no/such/file: not there"),
    ],
)
def test_what_does_not_change_is_tried_once(way: list[str], told: str) -> None:
    begun = time.monotonic()
    done = run("at", "--patience", "60", *way, "--", "true")
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert time.monotonic() - begun < 30


@pytest.mark.needs("ssh")
def test_a_machine_that_is_not_there_is_tried_again() -> None:
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        tries = 0
        place = f"ssh://root@127.0.0.1:{server.getsockname()[1]}"
        command = [str(HOLO), "at", "--patience", "4", place, "--", "true"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                with suppress(TimeoutError):
                    server.accept()[0].close()
                    tries += 1
            told = process.stderr.read() if process.stderr else ""
    assert process.returncode == 1
    assert "error: ssh://root@127.0.0.1" in told
    assert tries > 2
    assert time.monotonic() - begun >= 4
