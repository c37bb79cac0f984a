"""Folders beside the output in which a new tree is made, and which never stay behind."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

# Waits for the end of its input, which comes when our process ends, in whatever way.
_KEEPER = 'read -r line; exec rm -rf -- "$1"'


@contextmanager
def staging(top: str, lock: int) -> Iterator[str]:
    """A path beside `top`; whatever is there at the end is removed.

    A process of its own does that, so that it is done even when ours is killed. It shares the lock:
    the next run waits for it.
    """
    parent, name = os.path.split(top)
    stage = f"{parent}/{_prefix(name)}{secrets.token_hex(8)}"
    with subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "sh", stage],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # a Ctrl-C is not for it
        pass_fds=[lock],
    ):
        yield stage
        # Leaving closes the input, and waits.
    if os.path.lexists(stage):  # somebody has killed the keeper
        shutil.rmtree(stage)


def remove_litter(top: str) -> None:
    """Removes what a run has left whose keeper was killed too, as by a power cut.

    To be called with the lock: without it, the folders may be another run's.
    """
    parent, name = os.path.split(top)
    pattern = re.compile(re.escape(_prefix(name)) + "[0-9a-f]{16}")
    with os.scandir(parent) as entries:
        litter = [entry.path for entry in entries if pattern.fullmatch(entry.name)]
    for path in litter:
        shutil.rmtree(path, ignore_errors=True)  # a file or a link of this name is not ours


def _prefix(name: str) -> str:
    return f".{name}.holo-"
