"""`just docs`: writes the pages of options and of diagnostics.

The first is what `holo docs options` prints, the other the catalogue with what `holo` says to
examples.

Most examples are the cases of tests/check_test.py. The others stand here; that each is told with
its own code and no other is checked while the page is made.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from holo_infra.cli import main as holo
from holo_infra.diagnostics.catalogue import CATALOGUE
from tests.check_test import CASES, MARK

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "diagnostics.md"
OPTIONS = ROOT / "docs" / "options.md"
WIDTH = 100

HEAD = """\
# Diagnostics

<!-- Made by `just docs` from holo_infra.diagnostics.catalogue; do not edit. -->

Everything that `holo` finds wrong has a code. `holo explain HI101` prints what stands here of it.

A diagnostic says where, what kind it is, which field it is about, what is wrong, and what to do. An
error stops a fleet, a warning does not. All of a fleet's mistakes are told at once; a part that
cannot be read is left out, so that the rest is checked.

`--format json` gives them to programs, `--format github` to the annotations of a pull request.

Below each code stands an example, and what `holo check` prints for it unless another command is
shown.
"""
LANGUAGES = {".json": "json", ".py": "python", ".yaml": "yaml"}
GROUPS = {
    "HI0": "The file, and values by themselves",
    "HI1": "Numbers: ports, indices, networks",
    "HI2": "What refers to something else",
    "HI3": "The lock file, and the folder that is written",
}


class Example(NamedTuple):
    """Files that `holo` complains of, and the command that does."""

    what: str
    """What is wrong, in a few words."""
    files: dict[str, str]
    """What is there, by name."""
    shown: str = "fleet.yaml"
    """The file in which the mistake can be seen; empty where there is none."""
    command: str = "check fleet.yaml"
    first: tuple[str, ...] = ()
    """Commands that were run before."""
    then: dict[str, str] | None = None
    """What was written by hand after those."""


def yaml(*lines: str) -> dict[str, str]:
    """A fleet.yaml of these lines."""
    return {"fleet.yaml": "".join(f"{line}\n" for line in ("name: test", *lines))}


def within(*lines: str) -> dict[str, str]:
    """A fleet.yaml with these lines in its only container."""
    head = ("hosts:", "  alpha:", "    containers:", "      web0:")
    return yaml(*head, *(f"        {line}" for line in lines))


ALPHA = yaml("hosts:", "  alpha: {}")
BOTH = yaml("hosts:", "  alpha: {}", "  beta: {}")
WEB = within("forwards: {web: {port: 8000}}")
COMPILE = "compile fleet.yaml --out out"
PYTHON = "from holo_infra import Container, Fleet, Forward, Host\n\n"

EXAMPLES: dict[str, Example] = {
    "HI001": Example("a file that is not there", {}, "", "check flet.yaml"),
    "HI002": Example(
        "text with a colon and a space, without quotes",
        within("units:", "  web:", "    description: Pages: static ones"),
    ),
    "HI003": Example(
        "a name that is not imported",
        {
            "fleet.py": (
                "from holo_infra import Fleet\n\n"
                'fleet = Fleet(name="test", hosts={"alpha": Host()})\n'
            )
        },
        "fleet.py",
        "check fleet.py",
    ),
    "HI004": Example("an empty file", {"fleet.yaml": "# nothing yet\n"}),
    "HI005": Example("two hosts of one name", yaml("hosts:", "  alpha: {}", "  alpha: {}")),
    "HI006": Example(
        "a port in place of a forward's name", within("forwards: {8000: {port: 8000}}")
    ),
    "HI007": Example("a second document", yaml("hosts: {}", "---", "name: other")),
    "HI010": Example("a forward that leads nowhere", within("forwards: {web: {host_port: 8080}}")),
    "HI011": Example("a misspelt field", within("egres: internet")),
    "HI012": Example("a port in quotes", within('forwards: {web: {port: "8000"}}')),
    "HI013": Example("a host's name with a capital", yaml("hosts:", "  Alpha: {}")),
    "HI014": Example("a port that does not exist", within("forwards: {web: {port: 80000}}")),
    "HI015": Example("a misspelt word", within("forwards: {web: {port: 8000, protocol: tpc}}")),
    "HI016": Example("a command without a program", within("units: {web: {exec_start: []}}")),
    "HI017": Example(
        "a program with systemd's mark of full privileges",
        within("units: {web: {exec_start: [+sh]}}"),
    ),
    "HI106": Example(
        "a host that listens on all of them",
        {
            "fleet.py": (
                f"{PYTHON}"
                "alpha = Host(\n"
                '    listens=[f"0.0.0.0:{port}" for port in range(1024, 32768)],\n'
                '    containers={"web0": Container(forwards={"web": Forward(port=8000)})},\n'
                ")\n"
                'fleet = Fleet(name="test", hosts={"alpha": alpha})\n'
            )
        },
        "fleet.py",
        "check fleet.py",
    ),
    "HI107": Example(
        "172 containers on one host",
        {
            "fleet.py": (
                f"{PYTHON.replace(', Forward', '')}"
                'containers = {f"web{number}": Container() for number in range(172)}\n'
                'fleet = Fleet(name="test", hosts={"alpha": Host(containers=containers)})\n'
            )
        },
        "fleet.py",
        "check fleet.py",
    ),
    "HI216": Example("a host that is not there", ALPHA, command="show fleet.yaml beta"),
    "HI301": Example(
        "a lock file that was cut off",
        {**WEB, "fleet.lock.json": '{\n  "version": 1,\n  "hosts": {\n'},
        "fleet.lock.json",
    ),
    "HI302": Example(
        "a lock file of version 2",
        {**WEB, "fleet.lock.json": '{"version": 2, "hosts": {}}\n'},
        "fleet.lock.json",
    ),
    "HI303": Example(
        "two containers with index 0 in the lock file",
        {
            **yaml("hosts:", "  alpha:", "    containers: {web0: {}, web1: {}}"),
            "fleet.lock.json": (
                '{\n  "version": 1,\n  "hosts": {\n    "alpha": {\n      "containers": {\n'
                '        "web0": {"index": 0},\n        "web1": {"index": 0}\n'
                "      }\n    }\n  }\n}\n"
            ),
        },
        "fleet.lock.json",
    ),
    "HI304": Example("a container that has no numbers yet", WEB, command=f"{COMPILE} --locked"),
    "HI310": Example(
        "a folder with somebody's notes", {**ALPHA, "out/notes.txt": "mine\n"}, "", COMPILE
    ),
    "HI311": Example(
        "a file of one's own for a host that the fleet has from now on",
        ALPHA,
        "",
        COMPILE,
        (COMPILE,),
        {**BOTH, "out/hosts/beta.nix": "{ }\n"},
    ),
    "HI312": Example(
        "a host's file, edited in place",
        ALPHA,
        "",
        COMPILE,
        (COMPILE,),
        {"out/hosts/alpha.nix": "{ }\n"},
    ),
    "HI313": Example("a file in place of the folder", {**ALPHA, "out": "mine\n"}, "", COMPILE),
    "HI314": Example(
        "a module that is still to be written",
        yaml("hosts:", "  alpha: {imports: [machines/alpha.nix]}"),
        command=COMPILE,
    ),
    "HI320": Example("no Graphviz", ALPHA, "", "graph fleet.yaml"),
}


def main() -> int:
    """Writes the pages."""
    OPTIONS.write_text(run("docs options")[0])
    PAGE.write_text(page())
    return 0


def page() -> str:
    """The text of the diagnostics' page: the same on every computer."""
    parts = [HEAD]
    for prefix, title in GROUPS.items():
        codes = [code for code in CATALOGUE if code.startswith(prefix)]
        index = " · ".join(f"[{code}](#{code.lower()})" for code in codes)
        parts += [f"## {title}\n", f"{filled(index)}\n", *map(section, codes)]
    return "\n".join(parts)


def section(code: str) -> str:
    """What is said of a code."""
    entry = CATALOGUE[code]
    example = EXAMPLES.get(code) or from_tests(code)
    what = example.what[0].upper() + example.what[1:]
    parts = [
        f'<a id="{code.lower()}"></a>\n',
        f"### {code}: {entry.title}\n",
        filled(f"**{entry.severity.capitalize()}.** {entry.meaning}") + "\n",
        filled(f"**Cure.** {entry.cure}") + "\n",
        f"{what}:\n",
    ]
    if example.shown:
        language = LANGUAGES[Path(example.shown).suffix]
        parts.append(f"```{language}\n{example.files[example.shown]}```\n")
    command = "" if example.command.startswith("check fleet") else f"$ holo {example.command}\n"
    language = "console" if command else "text"
    parts.append(f"```{language}\n{command}{said(code, example)}```\n")
    return "\n".join(parts)


def from_tests(code: str) -> Example:
    """The first case that the tests have of a code."""
    what, case = next((what, case) for what, case in CASES.items() if case.code == code)
    files = {"fleet.yaml": f"name: test\n{case.fleet.replace(MARK, '').lstrip()}"}
    return Example(what, {**files, **({"fleet.lock.json": case.lock} if case.lock else {})})


def said(code: str, example: Example) -> str:
    """What `holo` prints. Raises ValueError where that is not this code, and it alone."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write(example.files)
        for command in example.first:
            run(command)
        write(example.then or {})
        with without_programs():
            out, err = run(example.command)
    told = out or err
    if set(re.findall(r"\[(HI\d+)\]", told)) != {code}:
        message = f"the example of {code} is told otherwise:\n{told}"
        raise ValueError(message)
    return told


def write(files: dict[str, str]) -> None:
    """Puts files below the working directory."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(command: str) -> tuple[str, str]:
    """What a command prints on stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        holo(command.split())
    return out.getvalue(), err.getvalue()


@contextlib.contextmanager
def without_programs() -> Iterator[None]:
    """As on a computer where no program is installed: what is printed depends on none."""
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        yield
    finally:
        os.environ["PATH"] = path


def filled(text: str) -> str:
    """A paragraph in lines of the page's width."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
