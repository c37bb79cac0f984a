"""Machines that may not be there yet: what is tried again, and what is not."""

from __future__ import annotations

import time

import pytest

from tests.support.holo import run

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
    done = run("at", "--patience", "3", NOWHERE, "--", "true")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert time.monotonic() - begun >= 3
