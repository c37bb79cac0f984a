"""What components of a stack cost: `preview` and `up` beside the same number of bare resources.

    PYTHONPATH=. python -P bench/pulumi.py [--runs 3] > bench/pulumi.md

A host of platform systemd is two components and three commands, two of which run; bare, it is two
components that do nothing, and three commands with texts that are there. `holo` is a program that
does nothing here, and the plugin `command` the tests' stand-in in Python, whose time is in both.
Figures are medians, in seconds; the two kinds alternate, each stack from nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pulumi
from pulumi import automation
from pulumi_command import local

from holo_infra.deploy import Existing, Fleet, FleetArgs, HostArgs
from tests.support.stacks import prepare

AIM = 1.3
"""The ratio that is wanted."""
PREVIEWS, UPS = (10, 100, 1000), (10, 100)
Program = Callable[[], None]


def main() -> int:
    """Measures, and prints the report as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--most", type=int, default=1000, help="hosts of the largest stack")
    options = parser.parse_args()
    logging.disable()  # grpc's talk
    lines = ["| | hosts | components | bare | ratio |", "|---|---|---|---|---|"]
    worst = 0.0
    for operation, sizes in (("preview", PREVIEWS), ("up", UPS)):
        for size in (each for each in sizes if each <= options.most):
            pairs = [
                (measure(operation, components(size)), measure(operation, bare(size)))
                for _ in range(options.runs)
            ]
            sys.stderr.write(f"{operation} {size}: {pairs}\n")
            ours, others = (median(column) for column in zip(*pairs, strict=True))
            worst = max(worst, ours / others)
            lines.append(
                f"| {operation} | {size:,} | {ours:.2f} | {others:.2f} | {ours / others:.2f} |"
            )
    head = (
        "# Stacks\n\nMade by `just bench-pulumi`; bench/pulumi.py says what is measured.\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" {options.runs} runs.\n\n"
    )
    verdict = "held" if worst <= AIM else "missed"
    sys.stdout.write(f"{head}{chr(10).join(lines)}\n\nAim: a ratio of {AIM} at most: {verdict}.\n")
    return 0


def components(size: int) -> Program:
    """A fleet of so many hosts."""
    return lambda: _fleet(size)


def _fleet(size: int) -> None:
    hosts = {
        f"host{number}": HostArgs(Existing(f"ssh://root@host{number}"), "systemd", "0" * 64)
        for number in range(size)
    }
    Fleet("fleet", FleetArgs("fleet", "fleet.yaml", "out", hosts))


def bare(size: int) -> Program:
    """As many resources, without components."""
    return lambda: _commands(size)


def _commands(size: int) -> None:
    for number in range(size):
        way = f"--to ssh://root@host{number} --patience 360"
        apply = f"holo apply fleet.yaml host{number} {way} --timeout 120 --content {'0' * 64}"
        pulumi.ComponentResource("bench:index:Bare", f"host{number}")
        pulumi.ComponentResource("bench:index:Bare", f"host{number}.units")
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


def measure(operation: str, program: Program) -> float:
    """How long an operation on a new stack takes."""
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
        begun = time.monotonic()
        if operation == "preview":
            stack.preview(color="never")
        else:
            stack.up(color="never", show_secrets=False)
        return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
