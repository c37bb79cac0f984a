"""How a failure reads: what was asked, what came of it, what the machine had to say."""

from __future__ import annotations

_OUTPUT = 4000


class RequestedAssertionFailed(AssertionError):  # noqa: N818 (the NixOS test driver's name)
    """What a test asked of a machine did not hold; the text says what, how and how long."""


def told(title: str, text: str) -> str:
    """A paragraph of a failure, without its middle where it is long; "" where there is no text."""
    text = text.rstrip()
    if len(text) > _OUTPUT:
        half = _OUTPUT // 2
        text = f"{text[:half]}\n… {len(text) - _OUTPUT} characters …\n{text[-half:]}"
    return f"\n--- {title}\n{text}" if text else ""
