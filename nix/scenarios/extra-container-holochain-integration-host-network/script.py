# Scenario extra-container-holochain-integration-host-network. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.host_network; do not edit.

import json
import shlex

PATIENCE = 600
CONTAINER = "container@holochain0.service"
GATE = "/run/holo-scenario-gate"
ANSWER = 15
HEALTH = f"curl --silent --fail --max-time {ANSWER} http://127.0.0.1:8090/health"


def shown(host, unit, *properties):
    """Properties of a unit."""
    asked = " ".join(f"--property={name}" for name in properties)
    lines = host.succeed(f"systemctl show {asked} '{unit}'").splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}


def listening(host, port):
    """The addresses of the host itself on which somebody listens at a TCP port."""
    lines = host.succeed(f"ss -Htln 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def before_first_start(host, unit, ports):
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


def open_gate(host):
    """Let start what the boot wants and the gate held back, and no more than that."""
    host.succeed(f"touch {GATE}", "systemctl start --no-block multi-user.target")


def agent_says_private(host):
    """What the host agent is told of its containers' networks."""
    words = shown(host, "holo-host-agent.service", "Environment")["Environment"].split()
    told = dict(word.split("=", 1) for word in words)
    return told.get("IS_CONTAINER_ON_PRIVATE_NETWORK", "nothing")


def in_container(container):
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host, container, command):
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


def conductor_config(host, container):
    """The configuration that a container's conductor reads."""
    config = json.loads(inside(host, container, "cat /etc/holo/services/conductor.json"))
    assert isinstance(config, dict), config
    return config


def open_websocket(port, address = "127.0.0.1"):
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


def script(host):
    """From the boot of the host to a second start of the container."""
    with subtest("before the container's first start its ports are closed"):
        before_first_start(host, CONTAINER, [8000, 8090])

    with subtest("the container starts with the machine"):
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)

    with subtest("conductor and gateway answer on the host's localhost"):
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        host.wait_until_succeeds(HEALTH, timeout=PATIENCE)

    with subtest("they listen on localhost only"):
        assert listening(host, 8000) <= {"127.0.0.1", "[::1]"}, listening(host, 8000)
        assert listening(host, 8090) == {"127.0.0.1"}, listening(host, 8090)

    with subtest("the container has the host's network and no other"):
        of_host = host.succeed("readlink /proc/self/ns/net")
        assert inside(host, "holochain0", "readlink /proc/self/ns/net") == of_host
        assert host.succeed("ip netns list") == ""
        identity = inside(host, "holochain0", "cat /etc/holo/identity.env").splitlines()
        assert identity == ["HOLO_CONTAINER=holochain0", "HOLO_ADDRESS=127.0.0.1"], identity

    with subtest("the agent is told that containers share the host's network"):
        assert agent_says_private(host) == "false", agent_says_private(host)

    with subtest("stopping the container closes its ports"):
        inside(host, "holochain0", "touch /var/lib/holo/holochain/kept")
        config = conductor_config(host, "holochain0")
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        host.wait_for_closed_port(8000, timeout=PATIENCE)
        host.wait_for_closed_port(8090, timeout=PATIENCE)

    with subtest("after a restart they answer again"):
        host.succeed(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        host.wait_until_succeeds(HEALTH, timeout=PATIENCE)

    with subtest("state and configuration outlive the restart"):
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")
        assert conductor_config(host, "holochain0") == config


start_all()
script(host)
