"""No fleet, however broken, makes the readers raise: each mistake is told with code and place."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from holo_infra.diagnostics.catalogue import CATALOGUE
from holo_infra.diagnostics.report import Format, report
from holo_infra.source import Source, load
from tests.support.fuzz import python_programs, yaml_texts

FORMATS: list[Format] = ["text", "json", "github"]
EACH = 2500


def read(folder: Path, name: str, contents: list[bytes]) -> list[Source]:
    file = folder / name
    sources = []
    for number, content in enumerate(contents):
        file.write_bytes(content)
        try:
            sources.append(load(file))
        except BaseException as error:
            error.add_note(f"number {number}:\n{content.decode('utf-8', 'backslashreplace')}")
            raise
    return sources


def check_all(sources: list[Source], contents: list[bytes]) -> Counter[str]:
    """How often each code was told; all that is told can be printed."""
    codes: Counter[str] = Counter()
    for source, content in zip(sources, contents, strict=True):
        assert source.diagnostics or source.fleet is not None, content
        assert source.whole == (not source.diagnostics)
        for one in source.diagnostics:
            assert one.code in CATALOGUE
            assert one.place is not None
            assert one.message
            assert one.message.isprintable()
            assert one.hint.isprintable()
            assert len(one.message) < 1000
            codes[one.code] += 1
        for kind in FORMATS:
            told = report(source.diagnostics, kind)
            assert told.replace("\n", "").isprintable(), content
    return codes


def test_no_yaml_text_makes_the_reader_raise(tmp_path: Path) -> None:
    contents = yaml_texts(random.Random(1), EACH)
    sources = read(tmp_path, "fleet.yaml", contents)
    codes = check_all(sources, contents)
    for source in sources:
        for one in source.diagnostics:
            assert one.place is not None
            assert one.place.line >= 1, one
            place = source.locate(one.path)
            assert place is None or place.line >= 1
    accepted = sum(source.whole for source in sources)
    assert EACH * 0.1 < accepted < EACH * 0.5
    expected = {f"HI{number:03}" for number in [1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 17]}
    assert set(codes) >= expected


def test_no_program_makes_the_reader_raise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = [text.encode() for text in python_programs(random.Random(2), EACH)]
    sources = read(tmp_path, "fleet.py", contents)
    codes = check_all(sources, contents)
    for source in sources:
        for one in source.diagnostics:
            source.locate(one.path)
    accepted = sum(source.whole for source in sources)
    assert EACH * 0.1 < accepted < EACH * 0.5
    assert set(codes) >= {"HI003", "HI004", "HI010", "HI011", "HI012", "HI013", "HI014", "HI017"}
    assert set(capsys.readouterr().out.splitlines()) == {"said"}
