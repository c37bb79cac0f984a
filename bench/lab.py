"""How long a lab takes: `holo up` until all is ready, `up` again, a restart, `down`.

    python bench/lab.py [--containers 50] [--runs 3] > bench/lab.md

Every figure is the median of some runs, each a process of its own, the first `up` of a run from
nothing. Root only. Beside them stands the boot of one machine with no container in it, in the same
run: what an `up` is made of, several times over.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
HOLO = Path(sys.executable).parent / "holo"
LAB = f"bench-{os.getpid()}"
PRIVATE_AIM, MANY_AIM = 4.0, 30.0
"""Seconds until all is ready: of examples/private, and of 50 containers."""

MANY = """\
name: many
hosts:
  alpha:
    containers:
"""
CONTAINER = """\
      web{number}:
        units: {{web: {{exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]}}}}
        forwards: {{web: {{port: 8000}}}}
"""
Row = tuple[str, int, list[float], list[float], list[float], list[float]]


def main() -> int:
    """Measures, and prints the report as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--containers", type=int, default=50, help="of the larger fleet")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.stderr.write("only root can run machines\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        many, empty = Path(folder) / "many.yaml", Path(folder) / "empty.yaml"
        containers = (CONTAINER.format(number=n) for n in range(options.containers))
        many.write_text(MANY + "".join(containers))
        empty.write_text("name: empty\nhosts: {alpha: {}}\n")
        fleets = [
            ("a host without containers", 0, empty, ""),
            ("`examples/private`", 3, ROOT / "examples/private/fleet.py", "holochain1"),
            (f"{options.containers} containers on a host", options.containers, many, "web1"),
        ]
        rows = [measure(*fleet, options.runs) for fleet in fleets]
    sys.stdout.write(report(rows, options.runs))
    return 0


def measure(title: str, containers: int, fleet: Path, one: str, runs: int) -> Row:
    """Seconds of each run: up, up again, restart of a container, down."""
    up: list[float] = []
    again: list[float] = []
    restart: list[float] = []
    down: list[float] = []
    for _ in range(runs):
        try:
            up.append(timed("up", str(fleet), "--lab", LAB))
            again.append(timed("up", str(fleet), "--lab", LAB))
            if one:
                restart.append(timed("restart", f"alpha/{one}", "--lab", LAB))
        finally:
            down.append(timed("down", "--lab", LAB))
    return title, containers, up, again, restart, down


def timed(*words: str) -> float:
    """How long a command of `holo` takes, which must succeed."""
    begun = time.perf_counter()
    subprocess.run([HOLO, *words], check=True, capture_output=True)
    return time.perf_counter() - begun


def report(rows: list[Row], runs: int) -> str:
    """The report as Markdown."""
    boot = median(rows[0][2])
    lines = [
        "# `holo up`, measured",
        "",
        f"Made by `just bench-lab`; median of {runs} runs, on {os.cpu_count()} cores of",
        f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}.",
        "All times are those of whole commands; the ratio is to a host without containers, in the",
        "same run.",
        "",
        "| | up, until all is ready | ratio | up again | restart of a container | down |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, _, up, again, restart, down in rows:
        ratio = median(up) / boot
        figures = [seconds(up), f"{ratio:.1f}", *map(seconds, (again, restart, down))]
        lines.append(f"| {title} | {' | '.join(figures)} |")
    private, many = rows[1], rows[2]
    each = (median(many[2]) - boot) / many[1]
    lines += [
        "",
        f"A container of the {many[1]} costs {each:.2f} s of the computer.",
        "",
        "| aim | here | |",
        "| --- | ---: | --- |",
        aim("`examples/private` until all is ready", private[2], PRIVATE_AIM),
        aim(f"{many[1]} containers until all are ready", many[2], MANY_AIM),
    ]
    return "\n".join(lines) + "\n"


def aim(title: str, runs: list[float], at_most: float) -> str:
    """A row that compares with what was aimed at."""
    holds = "yes" if median(runs) <= at_most else "no"
    return f"| {title}: at most {at_most:g} s | {seconds(runs)} | {holds} |"


def seconds(runs: list[float]) -> str:
    """The median, or nothing where there was no run."""
    return f"{median(runs):.2f} s" if runs else ""


if __name__ == "__main__":
    sys.exit(main())
