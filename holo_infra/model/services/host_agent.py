"""Options of the host agent: what carries out on a host what the orchestrator has decided."""

from __future__ import annotations

from holo_infra.model.names import AbsolutePath, IPv4, SecretFile
from holo_infra.model.services.base import (
    Enable,
    LeafHub,
    LogLevel,
    NatsUrl,
    ServiceOptions,
    UnprivilegedPort,
)
from holo_infra.model.services.nats_server import Domain, StateFolder
from nixgen import PackageName, Text, derived, text


class HostNats(ServiceOptions):
    """The NATS server that the agent speaks with: a leaf on this host, joined to the hub."""

    package: PackageName = "nats-server"
    """The package of the leaf server."""

    listen_host: IPv4 = "127.0.0.1"
    """The address on which the leaf server listens."""

    listen_port: UnprivilegedPort = 4222
    """The port on which the leaf server listens."""

    url: NatsUrl = derived(
        lambda config: text("nats://", config.listen_host, ":", config.listen_port)
    )
    """Where the agent reaches its server."""

    credentials_file: SecretFile | None = None
    """A file of credentials (`.creds`) that the agent shows there."""

    store_dir: StateFolder = "/var/lib/holo/host-agent-nats"
    """Where the leaf server stores streams."""

    domain: Domain | None = None
    """The leaf server's JetStream domain, by default the machine's name."""

    hub: LeafHub = LeafHub()
    """The hub that the leaf server joins. Without a `url` there is no leaf server, and the agent
    uses one that is there."""


class HostAgent(ServiceOptions):
    """The host agent, and with `nats.hub.url` a NATS leaf server."""

    package: PackageName = "holo-infra"
    """The package with `holo`."""

    auto_start: bool = True
    """Whether it starts with the machine."""

    log_level: LogLevel = "info"
    """How much it logs."""

    nats: HostNats = HostNats()
    """The NATS server that it speaks with."""

    container_private_network: bool = True
    """Whether containers of workloads have networks of their own, reached through forwards; else
    they share the host's. The agent reads it as `true` or `false` in
    `IS_CONTAINER_ON_PRIVATE_NETWORK`."""

    supported_holochain_versions_path: AbsolutePath | None = None
    """A file that lists the versions of Holochain for which workloads are taken."""

    extra_daemonize_args: list[Text] = []
    """More arguments for `holo agent run`."""

    @property
    def listens(self) -> list[str]:
        """What the leaf server listens on."""
        nats = self.nats
        return [f"{nats.listen_host}:{nats.listen_port}"] if nats.hub.url else []

    @property
    def secret_files(self) -> dict[str, str]:
        """What the agent and its leaf server show."""
        own = {"nats.credentials_file": self.nats.credentials_file}
        hub = {f"nats.hub.{name}": path for name, path in self.nats.hub.secret_files.items()}
        return {name: path for name, path in {**own, **hub}.items() if path is not None}


class HostAgentOptions(HostAgent, Enable):
    """The host agent, and with `nats.hub.url` a NATS leaf server."""
