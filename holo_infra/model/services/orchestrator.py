"""Options of the orchestrator: what places workloads on hosts."""

from __future__ import annotations

from typing import Annotated

from holo_infra.model.names import SecretFile
from holo_infra.model.services.base import ClientHub, Enable, LogLevel, ServiceOptions
from nixgen import PackageName, matching


class Mongo(ServiceOptions):
    """The database: by a whole URL, or by user, cluster and password as Atlas has them."""

    url_file: SecretFile | None = None
    """A file with the whole URL, on its first line."""

    username: Annotated[str, matching("[A-Za-z0-9_.@-]{1,100}")] = "orchestrator"
    """The user at the database, without `url_file`."""

    cluster_id_file: SecretFile | None = None
    """A file with the cluster's name at Atlas, `cluster0.abcde`, without `url_file`."""

    password_file: SecretFile | None = None
    """A file with the user's password, without `url_file`."""

    @property
    def secret_files(self) -> dict[str, str]:
        """What says where the database is, and who asks."""
        names = ("url_file", "cluster_id_file", "password_file")
        found = {name: getattr(self, name) for name in names}
        return {name: path for name, path in found.items() if path is not None}


class OrchestratorNats(ServiceOptions):
    """NATS, as the orchestrator reaches it."""

    hub: ClientHub = ClientHub()
    """The hub; without a `url` at nats://127.0.0.1:4222."""


class Orchestrator(ServiceOptions):
    """The orchestrator; several may run, and share the work."""

    package: PackageName = "holo-infra"
    """The package with `holo`."""

    log_level: LogLevel = "info"
    """How much it logs."""

    mongo: Mongo = Mongo()
    """The database."""

    nats: OrchestratorNats = OrchestratorNats()
    """NATS, as it is reached from here."""

    @property
    def secret_files(self) -> dict[str, str]:
        """What the database and the hub are shown."""
        mongo = {f"mongo.{name}": path for name, path in self.mongo.secret_files.items()}
        hub = {f"nats.hub.{name}": path for name, path in self.nats.hub.secret_files.items()}
        return {**mongo, **hub}


class OrchestratorOptions(Orchestrator, Enable):
    """The orchestrator; several may run, and share the work."""
