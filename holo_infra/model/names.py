"""The names and numbers that a fleet is written with, as types."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from nixgen import FirstItem, Text, matching

_LABEL = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"  # of a host name: RFC 1123, lower case, a letter first

HostName = Annotated[str, matching(_LABEL)]
"""A host's name: also the first label of its DNS name."""
ContainerName = Annotated[str, matching(_LABEL)]
"""A container's name: part of unit names, its host name, its network namespace's name."""
ForwardName = Annotated[str, matching("[a-z][a-z0-9]{0,62}")]
"""A forward's name; without `-`, so that `socat-<container>-<forward>` names one forward only."""
UnitName = Annotated[str, matching("[a-z]([a-z0-9-]{0,24}[a-z0-9])?")]
"""A unit's name without `.service`: its user is `holo-` and this, of at most 31 characters."""

NetworkName = Annotated[str, matching(_LABEL)]
"""A network's name: `private`, `shared`, or a key of the fleet's networks."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A port that something listens on."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD = f"({_OCTET}[.]){{3}}{_OCTET}"
IPv4 = Annotated[str, matching(_QUAD, name="ipv4")]
"""An IPv4 address as dotted quad."""
IPv4Network = Annotated[str, matching(f"{_QUAD}/(3[0-2]|[12]?[0-9])")]
"""A network as address and prefix length: `10.64.0.0/16`."""

PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
"""The pattern of a port: 1 to 65535."""
Listener = Annotated[str, matching(f"{_QUAD}:{PORT}(/tcp|/udp)?")]
"""What a service listens on: address, port and, unless it is TCP, `/udp`: `0.0.0.0:22`."""

AbsolutePath = Annotated[str, matching("/[^[:cntrl:]]*")]
"""An absolute path, of any characters but control characters."""
_FILE = "[A-Za-z0-9_+-][A-Za-z0-9._+-]*"
ModulePath = Annotated[str, matching(f"({_FILE}/)*{_FILE}[.]nix")]
"""A file of the output folder, by its path inside it: `machines/alpha.nix`."""

MemorySize = Annotated[str, matching("[1-9][0-9]{0,14}[KMGT]?")]
"""Bytes, or with K, M, G, T multiples of 1024: `512M`."""
SecretName = Annotated[str, matching("[A-Za-z_][A-Za-z0-9_.-]{0,199}")]
"""A secret's name: the file that a unit finds in its `$CREDENTIALS_DIRECTORY`."""
_REST = "[A-Za-z0-9._+@~-]"
_WORD = f"[A-Za-z0-9_+@~-]{_REST}*"


def _but(letters: str) -> str:
    """The inside of a class: lower-case letters but these, which are in order."""
    edges = [ord("a") - 1, *map(ord, letters), ord("z") + 1]
    ranges = ((chr(before + 1), chr(after - 1)) for before, after in pairwise(edges))
    return "".join(f"{first}-{last}" for first, last in ranges if first <= last)


def _word_but(*words: str) -> str:
    """A word that is none of these; they begin with different letters, which are in order."""
    others = [f"[A-Z{_but(''.join(word[0] for word in words))}0-9_+@~-]{_REST}*"]
    for word in words:
        others += [
            f"{word[:n]}([A-Z{_but(word[n])}0-9._+@~-]{_REST}*)?" for n in range(1, len(word))
        ]
        others.append(f"{word}{_REST}+")
    return f"({'|'.join(others)})"


SecretFile = Annotated[
    str,
    matching(
        f"[A-Za-z_][A-Za-z0-9_.-]{{0,199}}|/{_word_but('nix', 'proc')}(/{_WORD})*",
        name="secretFile",
    ),
]
"""Where a secret is: an absolute path, of plain characters and neither in Nix's store nor in /proc,
which is the reader's own; or the bare name of a secret that the container was given."""
DirectiveName = Annotated[str, matching("[A-Z][A-Za-z0-9]{0,99}")]
"""A directive of a unit file's section: `MemoryMax`."""

VariableName = Annotated[str, matching("[A-Za-z_][A-Za-z0-9_]*")]
"""The name of an environment variable."""
VariableValue = Annotated[str, matching("[^[:cntrl:]]*([\t\n][^[:cntrl:]]*)*")]
"""What systemd accepts as a variable's value: no control characters but tab and newline."""

Command = Annotated[
    list[Text],
    Field(min_length=1),
    FirstItem("(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+|[A-Za-z0-9_][A-Za-z0-9+._-]*"),
]
"""A command line as a list: first an absolute path or a bare program name, then any arguments."""

Engine = Literal["socat", "socket-proxyd", "haproxy", "nftables"]
"""What carries a forward's traffic."""

Probe = Annotated[str, matching("tcp|none|http:/[A-Za-z0-9._~/?&=-]*")]
"""When a forwarded service counts as ready."""
