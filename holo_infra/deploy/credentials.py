"""Secrets in files of a host: they travel on standard input, and nothing else holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from holo_infra.deploy.commands import Way, below, command

PUT = """\
set -eu
umask 077
mkdir -p "$(dirname "$1")"
cat > "$1.new"
[ "$(tail -c 4 "$1.new")" = END. ]
truncate -s -4 "$1.new"
mv -f "$1.new" "$1"
shift
for unit; do
    if systemctl is-active --quiet "$unit" || systemctl is-failed --quiet "$unit"; then
        systemctl restart "$unit"
    fi
done
"""
"""Puts its input into the file `$1`, which only root can read: as a whole, or not at all.

A connection that is cut looks like the input's end there, so that has a mark. Then the units that
follow are started anew, those that should run.
"""
_END = "END."


@dataclass(frozen=True, slots=True)
class CredentialsArgs:
    """What is put where."""

    way: Way
    files: Mapping[str, pulumi.Input[str]]
    """Absolute path on the host -> the secret."""
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Such a path -> the units that are started anew when its secret is another."""


class Credentials(pulumi.ComponentResource):
    """Files with secrets: of NATS, MongoDB and whatever else. They go when this goes."""

    paths: pulumi.Output[Sequence[str]]
    """Where they are."""

    def __init__(
        self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("holo:index:Credentials", name, None, opts)
        self.paths = pulumi.Output.from_input(sorted(args.files))
        for path, secret in sorted(args.files.items()):
            put = ("sh", "-c", PUT, "put", path)
            command(
                f"{name}:{path}",
                below(self, opts, goes_with=args.way.machine),
                run=args.way.at(*put),
                update=args.way.at(*put, *args.readers.get(path, ())),
                undo=args.way.at("rm", "-f", path, f"{path}.new"),
                stdin=pulumi.Output.secret(pulumi.Output.concat(secret, _END)),
            )
        self.register_outputs({"paths": self.paths})
