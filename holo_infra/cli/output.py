"""What commands print: results on stdout, talk on stderr, colour on terminals only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TextIO

from holo_infra.diagnostics import Diagnostic
from holo_infra.diagnostics.report import Format, report

LONG = 1.0
"""Seconds after which work is worth a word on a terminal."""


def is_coloured(stream: TextIO) -> bool:
    """Whether a stream takes colour: a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def told(diagnostics: Iterable[Diagnostic], form: Format, stream: TextIO) -> None:
    """Prints diagnostics."""
    stream.write(report(diagnostics, form, color=is_coloured(stream)))


def warned(warnings: Sequence[Diagnostic], form: Format) -> None:
    """Prints warnings, where there are any, beside a command's results."""
    if warnings:
        told(warnings, form, sys.stderr)


def say(text: str) -> None:
    """A line of talk."""
    sys.stderr.write(f"{text}\n")


def counted(number: int, thing: str) -> str:
    """A number with what it counts: `1 host`, `2 hosts`."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"


@contextmanager
def working(subject: str) -> Iterator[None]:
    """Says on a terminal what is being done, when it takes long."""
    timer = Timer(LONG, lambda: say(f"{subject} …"))
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def progress(subject: str) -> Callable[[int, int], None]:
    """A function that shows how far long work has come, on a terminal, on one line."""
    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - begun > LONG:
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{subject} {done:,} of {total:,}{end}")
            sys.stderr.flush()

    return show
