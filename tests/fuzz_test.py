"""No fleet, however broken, makes `holo` raise: each mistake is told with code and place."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from holo_infra.cli import main
from holo_infra.diagnostics.catalogue import CATALOGUE
from tests.support.fuzz import python_programs, yaml_texts
from tests.support.pieces import GOOD, PROGRAM, WEIRD

SEEDS = range(5)
EACH = 500
"""Fleets of a kind for each seed: 5,000 in all."""

TOLD = re.compile(r"(?P<place>.*?): (?P<kind>error|warning)\[(?P<code>HI[0-9]{3})\] (?P<text>.+)")
HINT = "  hint: "


class Ended(NamedTuple):
    status: int
    out: str
    err: str


class Holo:
    """The command in this process, on one fleet after the other."""

    def __init__(self, fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.fleet = fleet
        self.out = fleet.parent / "out"
        self.lock = fleet.with_name("fleet.lock.json")
        self.capsys = capsys

    def run(self, command: str, *more: str) -> Ended:
        try:
            status = main([command, str(self.fleet), *more])
        except BaseException as error:
            content = self.fleet.read_bytes().decode("utf-8", "backslashreplace")
            error.add_note(f"{command} {more}:\n{content}")
            raise
        ended = Ended(status, *self.capsys.readouterr())
        assert "Traceback" not in ended.out + ended.err, self.fleet.read_bytes()
        return ended

    def check(self) -> tuple[bool, list[re.Match[str]]]:
        """Whether the fleet is accepted, and what is told of it."""
        ended = self.run("check")
        lines = ended.out.splitlines()
        assert all(map(str.isprintable, lines))
        if ended.status and not lines:  # built past all checks: found when the command failed
            lines = [line for line in ended.err.splitlines() if TOLD.fullmatch(line)]
        told = []
        for line in lines:
            if not line.startswith(HINT):
                match = TOLD.fullmatch(line)
                assert match, line
                told.append(match)
        errors = [match for match in told if match["kind"] == "error"]
        assert {match["code"] for match in told} <= CATALOGUE.keys()
        assert ended.status == (1 if errors else 0), (ended, self.fleet.read_bytes())
        return not errors, told

    def use(self) -> None:
        """Everything else that can be done with a fleet that was accepted."""
        before = self.run("plan", "--out", str(self.out))
        assert before.status == 2
        assert self.run("compile", "--out", str(self.out)).status == 0
        assert self.run("plan", "--out", str(self.out)) == (0, "no changes\n", before.err)
        shown = self.run("show", "--json")
        numbers = json.loads(self.lock.read_bytes())
        assert json.loads(shown.out)["hosts"].keys() == numbers["hosts"].keys()
        drawn = self.run("graph", "--format", "mermaid")
        assert drawn.out.startswith("flowchart ")
        assert {shown.status, drawn.status} == {0}

    def as_formats(self, told: list[re.Match[str]]) -> None:
        """What `check` told, in the forms for programs."""
        codes = [match["code"] for match in told]
        told_there = self.run("check", "--format", "json").out
        if not told_there:  # built past all checks
            return
        fields = json.loads(told_there)
        assert [one["code"] for one in fields] == codes
        assert all(one["message"].isprintable() and one["hint"].isprintable() for one in fields)
        lines = self.run("check", "--format", "github").out.splitlines()
        assert re.findall("title=(HI[0-9]{3})::", "\n".join(lines)) == codes
        assert len(lines) == len(codes)


def try_all(holo: Holo, contents: list[bytes]) -> Counter[str]:
    """How often each code was told, once a fleet. Both many and few fleets are refused."""
    codes: Counter[str] = Counter()
    accepted = 0
    for number, content in enumerate(contents):
        holo.fleet.write_bytes(content)
        is_fine, told = holo.check()
        if holo.fleet.suffix == ".yaml":  # a program's place is not always known
            assert all(re.search(r":[1-9]\d*:[1-9]\d*$", match["place"]) for match in told)
        codes.update({match["code"] for match in told})
        accepted += is_fine
        if is_fine and accepted % 10 == 1:
            holo.use()
        holo.lock.unlink(missing_ok=True)
        if number % 10 == 0:
            holo.as_formats(told)
    assert 0.15 < accepted / len(contents) < 0.85
    return codes


@pytest.mark.parametrize("seed", SEEDS)
def test_no_yaml_text_makes_the_command_raise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    contents = yaml_texts(random.Random(seed), EACH)
    codes = try_all(Holo(tmp_path / "fleet.yaml", capsys), contents)
    # Of each kind, what is common enough to come in every few hundred texts.
    assert codes.keys() >= {"HI001", "HI002", "HI005", "HI010", "HI011", "HI012", "HI013", "HI015"}
    assert len(codes) > 15


@pytest.mark.parametrize("seed", SEEDS)
def test_no_program_makes_the_command_raise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    contents = [text.encode() for text in python_programs(random.Random(seed), EACH)]
    codes = try_all(Holo(tmp_path / "fleet.py", capsys), contents)
    values = {"HI003", "HI004", "HI010", "HI011", "HI012", "HI013", "HI015"}
    assert codes.keys() >= {*values, "HI117", "HI203", "HI214"}


@pytest.mark.parametrize("content", [GOOD, PROGRAM], ids=["yaml", "python"])
def test_what_is_fuzzed_was_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    holo = Holo(tmp_path / ("fleet.yaml" if content == GOOD else "fleet.py"), capsys)
    holo.fleet.write_text(content)
    assert holo.check() == (True, [])


@pytest.mark.parametrize(
    "statement",
    [
        "server.extra_attrs['x'] = WeirdNumber(1)",
        "server.extra_attrs['x'] = WeirdText('x')",
        "server.extra_attrs['x'] = WeirdDict(a=1)",
        "server.extra_attrs[WeirdText('x')] = 1",
        "keeper.exec_start.append(WeirdText('x'))",
        "keeper.environment['X'] = WeirdText('x')",
        "keeper.environment[WeirdText('X')] = 'x'",
        "store.allowed_peers[0] = WeirdText('web0')",
    ],
)
def test_contents_with_code_of_their_own_are_taken_as_what_they_say_that_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    holo = Holo(tmp_path / "fleet.py", capsys)
    weird = "".join(text for name, text in WEIRD.items() if f"{name}(" in statement)
    holo.fleet.write_text(f"{PROGRAM}{weird}{statement}\n")
    assert holo.check()[0]
    holo.use()


def test_a_name_with_code_of_its_own_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holo = Holo(tmp_path / "fleet.py", capsys)
    statement = "fleet.hosts[WeirdText('x')] = Host()"
    holo.fleet.write_text(f"{PROGRAM}{WEIRD['WeirdText']}\n{statement}\n")
    is_fine, _ = holo.check()
    if is_fine:  # it was taken as the plain text that it says it is
        holo.use()


def test_what_was_built_past_all_checks_is_told_where_something_fails_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = tmp_path / "fleet.py"
    fault = "fleet.hosts['a'] = Host.model_construct(containers={'c': 3}, listens=[])"
    fleet.write_text(f"from holo_infra import *\nfleet = Fleet(name='f')\n{fault}\n")
    for command in (["check"], ["show"], ["graph"], ["compile", "--out", str(tmp_path / "out")]):
        assert main([command[0], str(fleet), *command[1:]]) == 1
        told = capsys.readouterr()
        where = told.out if command == ["check"] else told.err
        assert "error[HI012] hosts.a.containers.c: must be a mapping" in where
