"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
import math


def seconds(text: str) -> float:
    """A time that one can wait: more than nothing, and with an end."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of seconds, more than 0")
    return number


def count(text: str) -> int:
    """How many: none, or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: write a number, 0 or more")
    return int(text)
