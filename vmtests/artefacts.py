"""Where what a test's machines have said is kept, and how a report shows it. Knows no machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

CONSOLE = "console.log"
JOURNAL = "journal.log"
_LONGEST = 120
_ODD = re.compile(r"[^\w.=,-]+")
_PLAIN = re.compile(r"[\w./]+::[\w:]+(?:\[[\w.=,-]*\])?")


def folder_name(test: str) -> str:
    """A name for the folder of a test, by its id: `tests-web_test.py-test_web-nspawn`.

    What a file system or a shell takes amiss is replaced; then, and where it is cut, a digest keeps
    it apart from others.
    """
    name = _ODD.sub("-", test).strip("-")
    if _PLAIN.fullmatch(test) and len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"


def listed(folders: Iterable[Path]) -> str:
    """The files that are there, or will be when the machines have been shut down."""
    names = (CONSOLE, JOURNAL)
    return "\n".join(str(folder / name) for folder in folders for name in names)
