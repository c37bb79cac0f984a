"""Steps that scenarios share: commands for machines, and what is asked of them.

They are printed into each scenario's script; what they use must be there, too.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from holo_infra.scenarios.parts import GATE

if TYPE_CHECKING:
    from vmtests import Machine

PATIENCE = 600
"""Seconds for what takes a while where a machine is emulated."""
ANSWER = 15
"""Seconds in which a server that was asked once has to answer."""


def listening(host: Machine, port: int) -> set[str]:
    """The addresses of the host itself on which somebody listens at a TCP port."""
    lines = host.succeed(f"ss -Htln 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def open_websocket(port: int, address: str = "127.0.0.1") -> str:
    """A command that opens a websocket, and fails unless the server agrees."""
    lines = [
        "GET / HTTP/1.1",
        f"Host: {address}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: scenario",
    ]
    request = "".join(f"{line}\\r\\n" for line in [*lines, ""])
    ask = f"exec 3<>/dev/tcp/{address}/{port}; printf '{request}' >&3; head -n 1 <&3"
    return f"timeout {ANSWER} bash -c {shlex.quote(ask)} 2>&1 | grep -F ' 101 '"


def in_container(container: str) -> str:
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host: Machine, container: str, command: str) -> str:
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


def before_first_start(host: Machine, unit: str, ports: list[int]) -> None:
    """See that the boot came to a unit, that the gate held it back, and that nobody answers."""
    host.wait_for_unit("multi-user.target", timeout=PATIENCE)
    state = shown(host, unit, "ActiveEnterTimestampMonotonic", "ConditionTimestampMonotonic")
    assert state["ConditionTimestampMonotonic"] != "0", f"the boot did not come to start {unit}"
    assert state["ActiveEnterTimestampMonotonic"] == "0", f"{unit} has been active"
    state = shown(host, unit, "ActiveState", "ConditionResult")
    assert state == {"ActiveState": "inactive", "ConditionResult": "no"}, state
    for port in ports:
        assert listening(host, port) == set(), f"{port}: somebody listens"
        host.wait_for_closed_port(port, timeout=PATIENCE)
    failed = host.succeed("systemctl --failed --no-legend").strip()
    assert failed == "", failed


def open_gate(host: Machine) -> None:
    """Let start what the boot wants and the gate held back, and no more than that."""
    host.succeed(f"touch {GATE}", "systemctl start --no-block multi-user.target")


def conductor_config(host: Machine, container: str) -> dict[str, Any]:
    """The configuration that a container's conductor reads."""
    config = json.loads(inside(host, container, "cat /etc/holo/services/conductor.json"))
    assert isinstance(config, dict), config
    return config


def shown(host: Machine, unit: str, *properties: str) -> dict[str, str]:
    """Properties of a unit."""
    asked = " ".join(f"--property={name}" for name in properties)
    lines = host.succeed(f"systemctl show {asked} '{unit}'").splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}


def agent_says_private(host: Machine) -> str:
    """What the host agent is told of its containers' networks."""
    words = shown(host, "holo-host-agent.service", "Environment")["Environment"].split()
    told = dict(word.split("=", 1) for word in words)
    return told.get("IS_CONTAINER_ON_PRIVATE_NETWORK", "nothing")


def is_ready(container: str, forward: str) -> str:
    """A command that succeeds if a forward's service is ready."""
    return f"systemctl start ready-{container}-{forward}.service"
