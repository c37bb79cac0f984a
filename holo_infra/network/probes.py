"""What asks a service whether it is ready: until it is, for a unit's start, or once."""

from __future__ import annotations

from nixgen import all_, concat, exe, named, starts_with, text, when, without_prefix
from nixgen.systemd import exec_line

SOCAT = named("socat", exe("socat", "socat"))
CURL = named("curl", exe("curl", "curl"))
ANSWERED_WITHIN = "3"
"""Seconds in which a service that is asked once has to answer."""


def can_be_asked(protocol: str, probe: str) -> bool:
    """Whether there is anything to ask. A UDP service accepts no connection."""
    return all_(protocol == "tcp", probe != "none")


def until_ready(protocol: str, probe: str, address: str, port: int) -> list[str]:
    """Commands that end once the service is ready; TimeoutStartSec limits them.

    Their status is ignored: they try until they succeed or are ended by a signal, and that would
    show a unit which is stopped while it waits as failed.
    """
    return concat(
        when(
            all_(protocol == "tcp", probe == "tcp"),
            exec_line(
                *(SOCAT, "-u", "OPEN:/dev/null"),
                text("TCP4:", address, ":", port, ",forever,interval=0.1"),
                may_fail=True,
            ),
        ),
        when(
            all_(protocol == "tcp", starts_with("http:", probe)),
            exec_line(
                *(CURL, "--silent", "--fail", "--output", "/dev/null", "--max-time", "5"),
                *("--retry", "1000", "--retry-delay", "1", "--retry-all-errors"),
                _url(probe, address, port),
                may_fail=True,
            ),
        ),
    )


def once(probe: str, address: str, port: int) -> list[str]:
    """The command that succeeds if a TCP service is ready now."""
    limit = f",connect-timeout={ANSWERED_WITHIN}"
    return concat(
        when(
            probe == "tcp",
            exec_line(SOCAT, "-u", "OPEN:/dev/null", text("TCP4:", address, ":", port, limit)),
        ),
        when(
            starts_with("http:", probe),
            exec_line(
                *(CURL, "--silent", "--fail", "--output", "/dev/null"),
                *("--max-time", ANSWERED_WITHIN, _url(probe, address, port)),
            ),
        ),
    )


def _url(probe: str, address: str, port: int) -> str:
    return text("http://", address, ":", port, without_prefix("http:", probe))
