"""The orchestrator as a unit."""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.orchestrator import Mongo, OrchestratorOptions
from holo_infra.services.files import credential
from holo_infra.services.programs import hub_arguments, hub_secrets, program_unit
from nixgen import (
    all_,
    any_,
    concat,
    define,
    given,
    if_,
    if_given,
    named,
    not_,
    only_if,
    text,
)

UNIT = "holo-orchestrator"


@define("orchestrator", path="holo.orchestrator", declares=tuple(OrchestratorOptions.model_fields))
def orchestrator(cfg: OrchestratorOptions) -> dict[str, Any]:
    """The orchestrator, which places workloads on hosts."""
    hub = cfg.nats.hub
    secrets = named("secrets", concat(hub_secrets(hub), _secrets(cfg.mongo)))
    arguments = concat(hub_arguments(UNIT, hub), _arguments(cfg.mongo))
    made = program_unit(
        *(UNIT, "Orchestrator of the fleet", cfg.package),
        command="orchestrator",
        log_level=cfg.log_level,
        arguments=arguments,
        secrets=secrets,
    )
    mongo = cfg.mongo
    by_parts = all_(given(mongo.cluster_id_file), given(mongo.password_file))
    return {
        "assertions": [
            {
                "assertion": any_(not_(cfg.enable), given(mongo.url_file), by_parts),
                "message": (
                    "holo.orchestrator.mongo: give urlFile, or clusterIdFile and passwordFile"
                ),
            },
        ],
        "systemd": {"services": {UNIT: only_if(cfg.enable, made)}},
    }


def _arguments(mongo: Mongo) -> list[str]:
    return if_(
        given(mongo.url_file),
        ["--mongo-url-file", credential(UNIT, "mongo-url")],
        concat(
            ["--mongo-username", mongo.username],
            if_given(
                mongo.cluster_id_file,
                lambda _: ["--mongo-cluster-id-file", credential(UNIT, "mongo-cluster-id")],
            ),
            if_given(
                mongo.password_file,
                lambda _: ["--mongo-password-file", credential(UNIT, "mongo-password")],
            ),
        ),
    )


def _secrets(mongo: Mongo) -> list[str]:
    return concat(
        if_given(mongo.url_file, lambda file: [text("mongo-url:", file)]),
        if_given(mongo.cluster_id_file, lambda file: [text("mongo-cluster-id:", file)]),
        if_given(mongo.password_file, lambda file: [text("mongo-password:", file)]),
    )
