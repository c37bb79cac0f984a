"""Secrets in files of a host: they travel on standard input, and nothing else holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pulumi

from holo_infra.deploy.commands import Way, attempted, below, command

_HERE = Path(__file__).parent
PUT, REREAD = ((_HERE / name).read_text() for name in ("put.sh", "reread.sh"))
_END = "END."
"""How put.sh knows that its input is whole."""


@dataclass(frozen=True, slots=True)
class CredentialsArgs:
    """What is put where."""

    way: Way
    files: Mapping[str, pulumi.Input[str]]
    """Absolute path on the host -> the secret."""


class Credentials(pulumi.ComponentResource):
    """Files with secrets: of NATS, MongoDB and whatever else. They go when this goes."""

    paths: pulumi.Output[Sequence[str]]
    """Where they are."""
    attempts: list[pulumi.Input[str]]
    """Others whenever a file may be another."""

    def __init__(
        self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:Credentials", name, None, opts)
        self.paths = pulumi.Output.from_input(sorted(args.files))
        self.attempts = []
        for path, given in sorted(args.files.items()):
            secret = pulumi.Output.secret(given)
            tried = attempted(
                f"{name}.attempt:{path}", below(self, opts), args.way, secret.apply(_digest)
            )
            command(
                f"{name}:{path}",
                below(self, opts, goes_with=args.way.machine),
                run=args.way.at("sh", "-c", PUT, "put.sh", path),
                undo=args.way.at("rm", "-f", path, f"{path}.new", f"{path}.changed"),
                stdin=pulumi.Output.concat(secret, _END),
                triggers=[tried],
            )
            self.attempts.append(tried)
        self.register_outputs({"paths": self.paths})


def reread(way: Way, readers: Mapping[str, Sequence[str]]) -> list[pulumi.Input[str]]:
    """What starts units anew that have read such a file, where it is another since."""
    pairs = [word for path, units in sorted(readers.items()) for u in units for word in (path, u)]
    return way.at("sh", "-c", REREAD, "reread.sh", *pairs)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
