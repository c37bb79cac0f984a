"""The program of a stack: what was compiled, and the stack's own settings, become a `Fleet`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import pulumi
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from holo_infra.deploy.fleet import Fleet, FleetArgs, HostArgs
from holo_infra.deploy.places import Existing, Hetzner, Place
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.ssh import is_address
from holo_infra.targets.pulumi import STACK, VERSION


def check_address(url: str) -> str:
    """Refuses what leads to no machine."""
    if not is_address(url):
        message = "no address of a machine: write ssh://[user@]host[:port]"
        raise ValueError(message)
    return url


class _Told(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class CompiledHost(_Told):
    """What was compiled for a host."""

    platform: Literal["nixos", "systemd"]
    provider: Literal["existing", "hetzner"]
    content: str
    imports: list[str]
    """Modules of the user's, in the folder of what was compiled."""
    packages: list[str]
    """Debian's, that a machine which is made has to begin with."""
    drain: list[str]
    secrets: dict[str, list[str]]
    """Where its services look for them, and which units of the host read them."""


class Compiled(_Told):
    """The file that `holo compile --target pulumi` writes."""

    version: int
    fleet: str
    hosts: dict[str, CompiledHost]


class Server(_Told):
    """Settings of a server of Hetzner Cloud."""

    server_type: str
    location: str
    host_key: Annotated[str, Field(pattern=r"^ssh-ed25519 [A-Za-z0-9+/=]+( .*)?$")]
    private_host_key: str
    """The name of the setting that holds it."""
    ssh_keys: Annotated[list[str], Field(min_length=1)]
    image: str = "debian-13"


class Settings(_Told):
    """Where a host is: `ssh`, or `hetzner`."""

    ssh: Annotated[str, AfterValidator(check_address)] | None = None
    host_key: str | None = None
    install: bool = False
    """Whether NixOS is put on a machine that is there, and has another Linux."""
    hetzner: Server | None = None
    credentials: dict[Annotated[str, Field(pattern="^/(.*/)?[^/]+$")], str] = Field(
        default_factory=dict
    )
    """Absolute path on the host -> the name of the setting that holds the secret."""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0

    @property
    def known_key(self) -> str | None:
        """The machine's host key, where it is given."""
        return self.hetzner.host_key if self.hetzner else self.host_key


def program(folder: Path) -> None:
    """A whole stack. The paths in its settings begin at `folder`, that of `Pulumi.yaml`.

    Raises RunError, which Pulumi tells without a traceback.
    """
    try:
        _program(folder)
    except Failure as failure:
        raise pulumi.RunError(str(failure)) from None
    pulumi.run(begun)


async def begun() -> None:
    """Returns when all registrations have begun.

    Without that, Pulumi's wait for them begins too early, and goes through all that is pending
    whenever a part of it is done.
    """
    await asyncio.sleep(0)


def _program(folder: Path) -> None:
    config = pulumi.Config("holo")
    out = config.require("out")
    compiled = read(folder / out / STACK)
    told = settings(config.require("hosts"))
    strangers = sorted({*told} - {*compiled.hosts})
    lacking = sorted({*compiled.hosts} - {*told})
    if strangers or lacking:
        raise Failure(
            f"holo:hosts: not of fleet {compiled.fleet}: {', '.join(strangers) or 'none'};"
            f" of it, and not here: {', '.join(lacking) or 'none'}"
        )
    hosts = {
        name: HostArgs(
            place=_place(name, host, told[name], config),
            platform=host.platform,
            content=_content(folder / out, host),
            drain=host.drain,
            credentials=_secrets(told[name].credentials, config),
            readers=host.secrets,
            install=_install(name, host, told[name]),
            timeout=told[name].timeout,
        )
        for name, host in compiled.hosts.items()
    }
    args = FleetArgs(compiled.fleet, config.require("fleet"), out, hosts, config.get("sshConfig"))
    fleet = Fleet(compiled.fleet, args)
    there = {name: {"url": of.url, "content": of.content} for name, of in fleet.hosts.items()}
    pulumi.export("hosts", there)


def settings(told: str) -> dict[str, Settings]:
    """The setting `holo:hosts`. Raises Failure where it is of another form."""
    try:
        return TypeAdapter(dict[str, Settings]).validate_json(told)
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, ('holo:hosts', *one['loc'])))}: {one['msg']}"
            for one in error.errors()
        ]
        raise Failure("\n".join(found)) from None


def read(path: Path) -> Compiled:
    """What was compiled. Raises Failure where it is not there, or of another form."""
    hint = "run holo compile --target pulumi"
    try:
        told = json.loads(path.read_bytes())
        if told["version"] != VERSION:
            raise Failure(f"{path}: version {told['version']}, not {VERSION}", hint)
        return Compiled.model_validate(told)
    except FileNotFoundError:
        raise Failure(f"{path}: not there", hint) from None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path}: {error}", hint) from None


def _content(out: Path, host: CompiledHost) -> str:
    """The digest of what was compiled, and on NixOS of the user's files that the flake reads."""
    paths = ["flake.lock", *host.imports] if host.platform == "nixos" else []
    files = [out / path for path in paths]
    told = [sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return sha256("\n".join([host.content, *told]).encode()).hexdigest() if told else host.content


def _install(name: str, host: CompiledHost, told: Settings) -> bool:
    if told.install and host.platform != "nixos":
        raise Failure(f"holo:hosts.{name}.install: its platform is {host.platform}, not nixos")
    return told.install or (host.platform == "nixos" and told.hetzner is not None)


def _place(name: str, host: CompiledHost, told: Settings, config: pulumi.Config) -> Place:
    match host.provider, told:
        case "existing", Settings(ssh=str(url), hetzner=None):
            return Existing(url, told.host_key)
        case "hetzner", Settings(ssh=None, host_key=None, hetzner=Server() as server):
            if lacking := sorted({*host.secrets} - {*told.credentials}):
                raise Failure(f"holo:hosts.{name}.credentials: nobody puts {lacking[0]} there")
            return Hetzner(
                server.server_type,
                server.location,
                server.host_key,
                config.require_secret(server.private_host_key),
                server.ssh_keys,
                server.image,
                host.packages,
            )
        case _:
            wanted = "ssh" if host.provider == "existing" else host.provider
            raise Failure(
                f"holo:hosts.{name}: its provider is {host.provider}: give {wanted} alone"
            )


def _secrets(told: Mapping[str, str], config: pulumi.Config) -> dict[str, pulumi.Input[str]]:
    return {path: config.require_secret(name) for path, name in told.items()}
