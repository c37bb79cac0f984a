"""A service that runs as a systemd unit: what a user writes, and the options that it becomes."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from holo_infra.model.copies import CheckedCopies
from holo_infra.model.names import (
    Command,
    DirectiveName,
    Listener,
    SecretName,
    VariableName,
    VariableValue,
)
from nixgen import Options, PackageName, PlainText


class UnitOptions(Options):
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

    secrets: list[SecretName] = Field(default=[], examples=[["nats.creds"]])
    """Secrets of the container that the service finds as files in `$CREDENTIALS_DIRECTORY`."""

    settings: dict[DirectiveName, PlainText] = Field(
        default={}, examples=[{"MemoryDenyWriteExecute": "false"}]
    )
    """Directives of the unit's section `[Service]` as systemd reads them, specifiers included. They
    take the place of our hardening; what other fields say cannot be replaced."""


class Unit(CheckedCopies, UnitOptions):
    """A service, run as a hardened systemd unit under a user of its own."""

    model_config = ConfigDict(
        validate_by_alias=False
    )  # options of Nix are in camelCase, fleets not

    listens: list[Listener] = Field(default=[], examples=[["0.0.0.0:4222"]])
    """What the service listens on, as far as no forward says it. It is compared with all that
    listens beside it; nothing is opened by it."""
