"""What components of a stack cost: `preview` and `up` beside the same number of bare resources.

    PYTHONPATH=. python -P bench/pulumi.py [--runs 3] > bench/pulumi.md

A host of platform systemd is two components and three commands, two of which run; bare, it is two
components that hold nothing and register that, and three commands with texts that are there, none
of which waits for another. `holo` is a program that does nothing here, and the plugin `command` the
tests' stand-in in Python, whose time is in both. Both kinds run as `holo deploy` does; the last
table is what plain Pulumi needs for the same components. Figures are medians, in seconds; what is
compared alternates, each stack from nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pulumi
from pulumi import automation
from pulumi_command import local

from holo_infra.deploy import Existing, Fleet, FleetArgs, HostArgs
from holo_infra.deploy.engine import without_checkpoints
from holo_infra.deploy.program import begun
from tests.support.stacks import prepare

AIM = 1.3
"""The ratio that is wanted."""
PREVIEWS, UPS, PLAIN = (10, 100, 1000), (10, 100), (10, 100, 400)
Measured = Callable[[int], float]
"""Seconds for a stack of so many hosts."""


def main() -> int:
    """Measures, and prints the report as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--most", type=int, default=1000, help="hosts of the largest stack")
    options = parser.parse_args()
    logging.disable()  # grpc's talk
    runs, most = options.runs, options.most
    rows = [
        row(name, size, runs, partial(measure, name, _fleet), partial(measure, name, _bare))
        for name, sizes in (("preview", PREVIEWS), ("up", UPS))
        for size in sizes
        if size <= most
    ]
    plain = [
        row("preview", size, runs, preview_plainly, partial(measure, "preview", _fleet))
        for size in PLAIN
        if size <= most
    ]
    verdict = "held" if all(one.ratio <= AIM for one in rows) else "missed"
    head = (
        "# Stacks\n\nMade by `just bench-pulumi`; bench/pulumi.py says what is measured.\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" {runs} runs.\n\n"
    )
    sys.stdout.write(
        f"{head}{table(('components', 'bare'), rows)}\n"
        f"Aim: a ratio of {AIM} at most: {verdict}.\n\n"
        f"{table(('`pulumi`', '`holo deploy`'), plain)}"
    )
    return 0


@dataclass(frozen=True, slots=True)
class Row:
    """Two medians, in seconds."""

    operation: str
    size: int
    first: float
    second: float

    @property
    def ratio(self) -> float:
        """The first, with the second as one."""
        return self.first / self.second


def row(operation: str, size: int, runs: int, first: Measured, second: Measured) -> Row:
    """Measures two things in turn."""
    pairs = [(first(size), second(size)) for _ in range(runs)]
    sys.stderr.write(f"{operation} {size}: {pairs}\n")
    return Row(operation, size, *(median(column) for column in zip(*pairs, strict=True)))


def table(names: tuple[str, str], rows: list[Row]) -> str:
    """As Markdown."""
    lines = [
        f"| {one.operation} | {one.size:,} | {one.first:.2f} | {one.second:.2f}"
        f" | {one.ratio:.2f} |\n"
        for one in rows
    ]
    return f"| | hosts | {' | '.join(names)} | ratio |\n|---|---|---|---|---|\n{''.join(lines)}"


def _fleet(size: int) -> None:
    hosts = {
        f"host{number}": HostArgs(Existing(f"ssh://root@host{number}"), "systemd", "0" * 64)
        for number in range(size)
    }
    Fleet("fleet", FleetArgs("fleet", "fleet.yaml", "out", hosts))


class Bare(pulumi.ComponentResource):
    """A component with nothing in it."""

    def __init__(self, name: str) -> None:
        super().__init__("bench:index:Bare", name)
        self.register_outputs({})


def _bare(size: int) -> None:
    for number in range(size):
        way = f"--to ssh://root@host{number} --patience 360"
        apply = f"holo apply fleet.yaml host{number} {way} --timeout 120 --content {'0' * 64}"
        Bare(f"host{number}")
        Bare(f"host{number}.units")
        local.Command(
            f"host{number}.units.remove",
            update="true",
            delete=f"holo remove fleet/host{number} {way}",
            add_previous_output_in_env=False,
        )
        for name, text in (("attempt", "date +%s%N"), ("apply", apply)):
            local.Command(
                f"host{number}.units.{name}",
                create=text,
                update=text,
                triggers=["0" * 64],
                add_previous_output_in_env=False,
            )


def measure(operation: str, make: Callable[[int], None], size: int) -> float:
    """Seconds that an operation on a new stack takes, as `holo deploy` runs it."""

    async def program() -> None:
        make(size)
        await begun()

    return _timed(operation, program)


def preview_plainly(size: int) -> float:
    """Seconds that a preview of components takes, as Pulumi runs it."""
    return _timed("preview", lambda: _fleet(size), is_plain=True)


def _timed(
    operation: str, program: Callable[[], Awaitable[None] | None], *, is_plain: bool = False
) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = prepare(folder)
        nothing = folder / "stand-ins" / "holo"
        nothing.write_text("#!/bin/sh\n")
        nothing.chmod(0o755)
        variables["PATH"] = f"{nothing.parent}:{variables['PATH']}"
        os.environ["PATH"] = variables["PATH"]
        stack = automation.create_stack(
            "bench",
            "bench",
            program=program,
            opts=automation.LocalWorkspaceOptions(work_dir=name, env_vars=variables),
        )
        begun_at = time.monotonic()
        if operation == "up":
            stack.up(color="never", show_secrets=False)
        else:
            with nullcontext() if is_plain else without_checkpoints(stack.workspace):
                stack.preview(color="never")
        return time.monotonic() - begun_at


if __name__ == "__main__":
    sys.exit(main())
