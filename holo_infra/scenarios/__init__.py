"""Scenarios: what must hold of fleets on machines, written once.

Each module has a small fleet and one function over machines that uses what the NixOS test driver
has. Tests run it on machines here; `python -m holo_infra.scenarios` prints it for the flake, where
it is a check. `SCENARIOS` has them all.
"""

from __future__ import annotations

from holo_infra.scenarios import (
    agent_integration,
    build,
    error_detection,
    holochain_0_4,
    holochain_0_5,
    host_network,
    http_gateway,
    private_network,
    three_containers,
    two_containers,
)
from holo_infra.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario"]

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        agent_integration,
        host_network,
        private_network,
        http_gateway,
        two_containers,
        three_containers,
        build,
        error_detection,
        holochain_0_4,
        holochain_0_5,
    )
}
"""By name."""
