"""A machine behind SSH that may not be there yet, as after its first boot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.ssh import SshMachine

_PAUSE = 1.0
"""Seconds between two tries."""


@contextmanager
def reached_within(
    url: str, config: Path | None, host_key: str | None, patience: float
) -> Iterator[SshMachine]:
    """The machine, by a new connection, which is tried for `patience` seconds.

    Raises Failure at once for what stays as it is: a bad URL, no ssh here, no file `config`.
    """
    if config is not None and not config.exists():
        raise Failure(f"{config}: not there", "give ssh's configuration with --ssh-config")
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        while True:
            machine = SshMachine(url, config, host_key)
            try:
                stack.enter_context(machine)
                break
            except Failure:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_PAUSE)
        yield machine
