"""How long `holo compile` takes: cold processes, from a fleet.py to files on the disk.

    python bench/compile.py [--containers 1 1000 …] [--units 1 1000] [--runs 3] > bench/compile.md

Every figure is the best of some runs. Times depend on the computer; beside them stand ratios to
work that was measured in the same run: validation by pydantic alone, Jinja2 rendering equal files.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOST = 100
"""Containers of a host."""

FLEET = """\
from holo_infra import Container, Fleet, Forward, Host, Unit

CONDUCTOR = ["holochain", "--config-path", "/etc/holochain/conductor.yaml"]
UNITS = {
    "conductor": Unit(description="Holochain conductor", exec_start=CONDUCTOR),
    "gateway": Unit(exec_start=["hc-http-gw"], environment={"HC_GW_PORT": "8090"}),
}


def container(number: int) -> Container:
    probe = "http:/edited" if number == EDITED else "http:/health"
    forwards = {"admin": Forward(port=8000), "httpgw": Forward(port=8090, probe=probe)}
    return Container(units=UNITS, forwards=forwards)


fleet = Fleet(
    name="bench",
    hosts={
        f"host{first // HOST}": Host(
            containers={
                f"holochain{number}": container(number)
                for number in range(first, min(first + HOST, CONTAINERS))
            }
        )
        for first in range(0, CONTAINERS, HOST)
    },
)
"""

VALIDATE = """
import gc, pickle, sys, time
gc.disable()
from holo_infra.model.fleet import Fleet
data = pickle.load(open(sys.argv[1], "rb"))
begun = time.perf_counter()
Fleet.model_validate(data)
print(time.perf_counter() - begun)
"""

TEMPLATE = """\
# Fleet {{ fleet }}: host {{ name }}. Made by `holo compile`; do not edit.
{ classes, ... }:
{
  networking.hostName = "{{ name }}";
  nixpkgs.hostPlatform = "{{ host.model.system }}";
  system.stateVersion = "{{ host.model.state_version }}";
  holo.containers{% if host.classes|length == 1 %}.{{ host.classes|first }}{% endif %} = {
{%- for container, settings in host.settings.containers.items() %}
{%- if host.classes|length > 1 %}
    {{ container }} = {
{%- endif %}
{%- set pad = "      " if host.classes|length > 1 else "    " %}
{{ pad }}index = {{ settings.index }};
{{ pad }}forwards = {
{%- for forward, f in settings.forwards.items() %}
{{ pad }}  {{ forward }} = {
{{ pad }}    hostPort = {{ f.hostPort }};
{{ pad }}    port = {{ f.port }};
{%- if f.probe %}
{{ pad }}    probe = "{{ f.probe }}";
{%- endif %}
{{ pad }}  };
{%- endfor %}
{{ pad }}};
{{ pad }}system = classes.{{ host.classes[container] }};
{%- if host.classes|length > 1 %}
    };
{%- endif %}
{%- endfor %}
  };
}
"""

RENDER = """
import gc, sys, time
from pathlib import Path
gc.disable()
import jinja2
from holo_infra.cli.fleet import compile_fleet
compiled = compile_fleet(Path(sys.argv[1]))
template = jinja2.Environment(keep_trailing_newline=True).from_string(Path(sys.argv[2]).read_text())
begun = time.perf_counter()
files = {
    name: template.render(fleet=compiled.fleet.name, name=name, host=host)
    for name, host in compiled.lowered.hosts.items()
}
print(time.perf_counter() - begun)
for name, text in files.items():
    assert text == (Path(sys.argv[3]) / "hosts" / f"{name}.nix").read_text(), name
"""


@dataclass(frozen=True)
class Run:
    """A process that has ended."""

    seconds: float
    megabytes: float
    """The most memory that it had at a time."""


def process(arguments: list[str], output: Path | None = None) -> Run:
    """Runs a program of this Python; raises CalledProcessError where it fails."""
    begun = time.perf_counter()
    with (output or Path(os.devnull)).open("w") as stdout:
        command = [sys.executable, *arguments]
        child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, arguments)
    return Run(time.perf_counter() - begun, used.ru_maxrss / 1024)


def best(runs: list[Run]) -> Run:
    """The shortest time, and the most memory."""
    return Run(min(run.seconds for run in runs), max(run.megabytes for run in runs))


class Size:
    """A fleet of some containers, in a folder of its own."""

    def __init__(self, folder: Path, containers: int, runs: int, target: str) -> None:
        self.folder = folder
        self.containers = containers
        self.runs = runs
        self.target = target
        folder.mkdir()
        self.write(edited=-1)

    def write(self, *, edited: int) -> None:
        """Writes the fleet.py, one of its containers other than it was."""
        head = f"CONTAINERS, HOST, EDITED = {self.containers}, {HOST}, {edited}\n"
        (self.folder / "fleet.py").write_text(head + FLEET)

    def compile(self) -> Run:
        """Runs the command."""
        fleet, out = str(self.folder / "fleet.py"), str(self.folder / "out")
        command = ["-m", "holo_infra", "compile", fleet, "--out", out]
        return process([*command, "--target", self.target])

    def first(self) -> Run:
        """Without an output folder and a lock file."""
        runs = []
        for _ in range(self.runs):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            (self.folder / "fleet.lock.json").unlink(missing_ok=True)
            runs.append(self.compile())
        return best(runs)

    def again(self) -> Run:
        """Without a change."""
        return best([self.compile() for _ in range(self.runs)])

    def edited(self) -> Run:
        """After one container was edited."""
        runs = []
        for number in range(self.runs):
            self.write(edited=(number * 7919) % self.containers)
            runs.append(self.compile())
        self.write(edited=-1)
        self.compile()
        return best(runs)

    def validation(self) -> float:
        """Seconds of pydantic for a fleet of equal content that is plain data."""
        data = self.folder / "data.pickle"
        dump = (
            "import pickle, sys; from pathlib import Path; from holo_infra.source import load;"
            "pickle.dump(load(Path(sys.argv[1])).fleet.model_dump(), open(sys.argv[2], 'wb'))"
        )
        process(["-c", dump, str(self.folder / "fleet.py"), str(data)])
        return self._measured(["-c", VALIDATE, str(data)])

    def jinja(self) -> float:
        """Seconds of Jinja2 for the hosts' files, which are compared with those of compile."""
        template = self.folder / "host.nix.jinja"
        template.write_text(TEMPLATE)
        fleet, out = str(self.folder / "fleet.py"), str(self.folder / "out")
        return self._measured(["-c", RENDER, fleet, str(template), out])

    def _measured(self, arguments: list[str]) -> float:
        output = self.folder / "seconds"
        found = []
        for _ in range(self.runs):
            process(arguments, output)
            found.append(float(output.read_text()))
        return min(found)


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> int:
    """Prints the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--containers", type=int, nargs="*", default=[1, 1_000, 10_000, 100_000])
    parser.add_argument("--units", type=int, nargs="*", default=[1, 1_000])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    say = sys.stdout.write
    say("# `holo compile`, measured\n\n")
    say("Made by `just bench`; best of some runs, each in a cold process, on ")
    say(f"{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}.\n")
    say("A fleet.py with two units and two forwards a container, 100 containers a host.\n\n")
    bare = best([process(["-c", "pass"]) for _ in range(10)])
    cli = best([process(["-c", "import holo_infra.cli"]) for _ in range(10)])
    ready = best([process(["-c", "import holo_infra.cli.compile"]) for _ in range(10)])
    say(f"Importing the CLI takes {cli.seconds - bare.seconds:.2f} s, with all that compile needs ")
    say(f"{ready.seconds - bare.seconds:.2f} s, beside {bare.seconds:.2f} s of Python itself.\n\n")
    say("## Target `nixos`\n\n")
    head = ("containers", "first run", "no change", "one edited", "peak memory")
    say(row(*head, "first run / validation", "first run / Jinja2") + "\n")
    say(row(*["---:"] * 7) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        for containers in options.containers:
            size = Size(Path(folder) / f"nixos{containers}", containers, options.runs, "nixos")
            first, again, edited = size.first(), size.again(), size.edited()
            validation, jinja = size.validation(), size.jinja()
            memory = max(first.megabytes, again.megabytes, edited.megabytes)
            say(
                row(
                    f"{containers:,}",
                    *(f"{run.seconds:.2f} s" for run in (first, again, edited)),
                    f"{memory:,.0f} MB",
                    f"{first.seconds / validation:,.1f} ({validation:.4f} s)",
                    f"{first.seconds / jinja:,.1f} ({jinja:.4f} s)",
                )
                + "\n"
            )
            sys.stdout.flush()
        say("\n## With the plain units of every host\n\n")
        say(row("containers", "first run", "no change", "one edited", "peak memory") + "\n")
        say(row(*["---:"] * 5) + "\n")
        for containers in options.units:
            size = Size(Path(folder) / f"all{containers}", containers, options.runs, "all")
            first, again, edited = size.first(), size.again(), size.edited()
            memory = max(first.megabytes, again.megabytes, edited.megabytes)
            times = (f"{run.seconds:.2f} s" for run in (first, again, edited))
            say(row(f"{containers:,}", *times, f"{memory:,.0f} MB") + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
