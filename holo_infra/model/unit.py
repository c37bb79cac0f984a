"""A service that runs as a systemd unit: what a user writes, and the option of the same shape."""

from __future__ import annotations

from pydantic import Field

from holo_infra.model.names import Command, VariableName, VariableValue
from nixgen import Options, PackageName, PlainText


class Unit(Options):
    """A service, run as a hardened systemd unit under a user of its own."""

    description: PlainText = ""
    """What the unit is for, on one line."""

    exec_start: Command = Field(examples=[["busybox", "httpd", "-f", "-p", "127.0.0.1:8000"]])
    """The command line, run without a shell. The first word is an absolute path, or the bare name
    of a program: of `package`, or of the package that has the program's name. The other words reach
    the program as they are; nothing in them is expanded."""

    package: PackageName | None = None
    """The package that holds the program, where it does not have the program's name."""

    environment: dict[VariableName, VariableValue] = Field(default={}, examples=[{"LEVEL": "info"}])
    """Environment variables of the service; their values reach it as they are."""
