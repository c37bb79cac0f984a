"""The names and numbers that a fleet is written with, as types."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nixgen import FirstItem, Text, matching

_LABEL = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"  # of a host name: RFC 1123, lower case, a letter first

HostName = Annotated[str, matching(_LABEL)]
"""A host's name: also the first label of its DNS name."""
ContainerName = Annotated[str, matching(_LABEL)]
"""A container's name: part of unit names, its host name, its network namespace's name."""
ForwardName = Annotated[str, matching("[a-z][a-z0-9]{0,62}")]
"""A forward's name; without `-`, so that `socat-<container>-<forward>` names one forward only."""
UnitName = Annotated[str, matching("[a-z]([a-z0-9-]{0,198}[a-z0-9])?")]
"""A unit's name without `.service`."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A port that something listens on."""

Octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPv4 = Annotated[str, matching(f"({Octet}[.]){{3}}{Octet}", name="ipv4")]
"""An IPv4 address as dotted quad."""

AbsolutePath = Annotated[str, matching("/[^[:cntrl:]]*")]
"""An absolute path, of any characters but control characters."""

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

Probe = Annotated[str, matching("tcp|none|http:/[A-Za-z0-9._~/?&=-]*")]
"""When a forwarded service counts as ready."""
