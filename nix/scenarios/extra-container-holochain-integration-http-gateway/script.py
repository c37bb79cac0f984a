# Scenario extra-container-holochain-integration-http-gateway. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.http_gateway; do not edit.

import json
import shlex

PATIENCE = 600
CONTAINER = "container@holochain0.service"
GATE = "/run/holo-scenario-gate"
ANSWER = 15
CALL = "forum/posts/get?payload=WzFd"
DNA = "uhC0kwENLeSuselWQJtywbYB1QyFK1d-ujmFFtxsq6CYY7_Ohri2u"


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


def status(host, path, port = 8080):
    """The status with which the gateway answers at a path."""
    told = "--output /dev/null --write-out '%{http_code}'"
    return host.succeed(
        f"curl --silent --max-time {ANSWER} {told} 'http://127.0.0.1:{port}/{path}'"
    )


def gateway_answers(host, port = 8080):
    """Wait until it is healthy, and see that it reads what it is asked."""
    url = f"http://127.0.0.1:{port}/health"
    host.wait_until_succeeds(f"curl --silent --fail --max-time {ANSWER} {url}", timeout=PATIENCE)
    assert status(host, f"no-dna/{CALL}", port) == "400", "no hash of a DNA is taken for one"


def in_container(container):
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host, container, command):
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


def gateway_asks_conductor(host, container, port = 8080):
    """See that the gateway asks the conductor which applications there are: here none.

    Without a conductor it cannot know.
    """
    found = status(host, f"{DNA}/{CALL}", port)
    assert found == "404", f"{found}: the gateway does not reach its conductor"
    inside(host, container, "systemctl stop holochain")
    found = status(host, f"{DNA}/{CALL}", port)
    assert found in {"500", "502"}, f"{found} without a conductor"
    inside(host, container, "systemctl start holochain")


def conductor_config(host, container):
    """The configuration that a container's conductor reads."""
    config = json.loads(inside(host, container, "cat /etc/holo/services/conductor.json"))
    assert isinstance(config, dict), config
    return config


def is_ready(container, forward):
    """A command that succeeds if a forward's service is ready."""
    return f"systemctl start ready-{container}-{forward}.service"


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
    """Both forwards of one container."""
    with subtest("before the container's first start its ports are closed"):
        before_first_start(host, CONTAINER, [8000, 8080])

    with subtest("the container starts with the machine"):
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)

    with subtest("the gateway answers on the host's localhost"):
        gateway_answers(host)

    with subtest("gateway and conductor are ready"):
        host.wait_until_succeeds(is_ready("holochain0", "httpgw"), timeout=PATIENCE)
        host.wait_until_succeeds(is_ready("holochain0", "admin"), timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)

    with subtest("the gateway answers on no other address"):
        assert listening(host, 8080) == {"127.0.0.1"}, listening(host, 8080)
        for address in ("10.0.85.1:8080", "10.0.85.2:8080", "10.0.85.2:8090"):
            host.fail(f"curl --silent --max-time {ANSWER} http://{address}/health")

    with subtest("the gateway may call what the fleet says"):
        told = inside(host, "holochain0", "systemctl show --property=Environment hc-http-gw")
        assert "HC_GW_ALLOWED_APP_IDS=forum" in told, told
        assert "HC_GW_ALLOWED_FNS_forum=posts/get_all,posts/get" in told, told

    with subtest("the gateway asks the conductor"):
        gateway_asks_conductor(host, "holochain0")

    with subtest("stopping the container closes both ports"):
        inside(host, "holochain0", "touch /var/lib/holo/holochain/kept")
        config = conductor_config(host, "holochain0")
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        host.wait_for_closed_port(8000, timeout=PATIENCE)
        host.wait_for_closed_port(8080, timeout=PATIENCE)

    with subtest("after a restart gateway and conductor answer again"):
        host.succeed(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        gateway_answers(host)
        host.wait_until_succeeds(open_websocket(8000), timeout=PATIENCE)
        for port in (8000, 8080):
            assert listening(host, port) == {"127.0.0.1"}, listening(host, port)

    with subtest("state and configuration outlive the restart"):
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")
        assert conductor_config(host, "holochain0") == config

    with subtest("state outlives a reboot of the host"):
        host.shutdown()
        host.start()
        before_first_start(host, CONTAINER, [8000, 8080])
        open_gate(host)
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)
        gateway_answers(host)
        inside(host, "holochain0", "test -e /var/lib/holo/holochain/kept")


start_all()
script(host)
