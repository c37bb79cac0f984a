"""Whether the service behind a forward is ready, on demand: nothing runs between questions.

`systemctl start ready-web0-admin` asks once, in the container's network, and succeeds if the
service answers now.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import ContainerOptions, ForwardOptions, Holo
from holo_infra.network.names import ready_name
from holo_infra.network.probes import can_be_asked, once
from holo_infra.services.containers import container_unit
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX
from nixgen import all_, concat, define, each, if_, only_if, text, when
from nixgen.systemd import unit


@define("readiness", path="holo")
def readiness(cfg: Holo) -> dict[str, Any]:
    """Units that can be started if a forward's service is ready."""
    return {
        "systemd": {
            "services": each(
                cfg.containers,
                lambda container, c: each(
                    c.forwards,
                    lambda forward, f: {
                        ready_name(container, forward): only_if(
                            all_(c.network == "private", can_be_asked(f.protocol, f.probe)),
                            _question(container, c, forward, f),
                        ),
                    },
                ),
            ),
        },
    }


def _question(
    container: str,
    c: ContainerOptions,
    forward: str,
    f: ForwardOptions,
) -> dict[str, Any]:
    machine = container_unit(container)
    beyond = f.engine == "nftables"
    return unit(
        text("Whether ", forward, " of container ", container, " is ready"),
        # Not to be listed among failed units: a no is an answer.
        unit_config={**NO_START_LIMIT, "CollectMode": "inactive-or-failed"},
        after=[machine],
        requisite=[machine],
        service=[
            CONFINED,
            SANDBOX,
            {
                "Type": "oneshot",
                "NetworkNamespacePath": text("/run/netns/", container),
                "ExecStart": once(f.probe, if_(beyond, c.address, "127.0.0.1"), f.port),
                "TimeoutStartSec": 5,
                "LogLevelMax": "emerg",  # it may be asked every second
                "CapabilityBoundingSet": "",
                "PrivateUsers": True,
                "RestrictAddressFamilies": "AF_INET",
                "IPAddressAllow": concat(["localhost"], when(beyond, c.address)),
                "IPAddressDeny": "any",
            },
        ],
    )
