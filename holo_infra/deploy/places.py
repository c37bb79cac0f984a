"""Where a host's machine comes from: it exists, or it is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from holo_infra.deploy.commands import Way, command


@dataclass(frozen=True, slots=True)
class Existing:
    """A machine that is there."""

    ssh: pulumi.Input[str]
    """`ssh://[user@]host[:port]`."""
    host_key: pulumi.Input[str] | None = None
    """Its public key; without it, who deploys must know the machine."""


@dataclass(frozen=True, slots=True)
class Hetzner:
    """A server of Hetzner Cloud. It begins with a host key that is known beforehand."""

    server_type: str
    location: str
    host_key: str
    """The public half, as `ssh-ed25519 AAAA…`."""
    private_host_key: pulumi.Input[str]
    """The other half, a secret, in OpenSSH's form."""
    ssh_keys: list[str] = field(default_factory=list)
    """Names of keys, known to Hetzner, by which root may log in."""
    image: str = "debian-13"
    packages: Sequence[str] = ()
    """Debian's, which are installed at the first boot."""


Place = Existing | Hetzner


BOOTED = (Path(__file__).parent / "booted.sh").read_text()


def find(
    name: str, place: Place, opts: pulumi.ResourceOptions, ssh_config: str | None
) -> tuple[Way, list[pulumi.Resource]]:
    """The way to a machine, and what is made for it."""
    match place:
        case Existing():
            return Way(place.ssh, place.host_key, ssh_config), []
        case Hetzner():
            # What makes servers is needed by fleets that have them.
            from pulumi_hcloud import Server  # noqa: PLC0415 - as said above

            server = Server(
                name,
                server_type=place.server_type,
                location=place.location,
                image=place.image,
                ssh_keys=place.ssh_keys,
                user_data=first_boot(place),
                # A server is not made anew because first boots look otherwise by now.
                opts=pulumi.ResourceOptions.merge(
                    opts, pulumi.ResourceOptions(ignore_changes=["userData", "image", "sshKeys"])
                ),
            )
            url = pulumi.Output.concat("ssh://root@", server.ipv4_address)
            way = Way(url, place.host_key, ssh_config, server)
            at = ["holo", "at", *way.options, "--patience", "300", way.url, "--"]
            wait = [*at, "sh", "-c", BOOTED, "booted.sh"]
            reach = command(f"{name}.reach", opts, run=wait, triggers=way.anew)
            return way, [server, reach]


def first_boot(place: Hetzner) -> pulumi.Output[str]:
    """For cloud-init: the server's host key, and what is installed. JSON is YAML."""

    def told(key: str) -> str:
        # sshd refuses a key whose last line has no end; Pulumi takes that away from settings.
        private = key.strip() + "\n"
        keys = {"ed25519_private": private, "ed25519_public": place.host_key}
        config = {
            "ssh_deletekeys": True,
            "ssh_keys": keys,
            "package_update": bool(place.packages),
            "packages": list(place.packages),
        }
        return f"#cloud-config\n{json.dumps(config)}\n"

    return pulumi.Output.secret(place.private_host_key).apply(told)
