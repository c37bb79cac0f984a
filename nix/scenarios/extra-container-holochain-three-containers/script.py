# Scenario extra-container-holochain-three-containers. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.three_containers; do not edit.

import shlex

NAMES = ["holochain0", "holochain1", "holochain2"]
PATIENCE = 600
ANSWER = 15
UNITS = " ".join(f"container@{name}.service" for name in NAMES)


def in_container(container):
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host, container, command):
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


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


def listening(host, port):
    """The addresses of the host itself on which somebody listens at a TCP port."""
    lines = host.succeed(f"ss -Htln 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def script(host):
    """All three at once, and each by itself."""
    with subtest("all three start with the machine"):
        for name in NAMES:
            host.wait_for_unit(f"container@{name}.service", timeout=PATIENCE)

    with subtest("all three are ready and answer"):
        for number, name in enumerate(NAMES):
            host.wait_until_succeeds(is_ready(name, "admin"), timeout=PATIENCE)
            host.wait_until_succeeds(open_websocket(8000 + number), timeout=PATIENCE)
            assert listening(host, 8000 + number) == {"127.0.0.1"}

    with subtest("each forward leads into its own container"):
        for number, name in enumerate(NAMES):
            inside(host, name, "systemctl stop holochain")
            for other, other_name in enumerate(NAMES):
                if other == number:
                    host.fail(open_websocket(8000 + other))
                    host.fail(is_ready(other_name, "admin"))
                else:
                    host.succeed(open_websocket(8000 + other))
                    host.succeed(is_ready(other_name, "admin"))
            inside(host, name, "systemctl start holochain")

    with subtest("all three stop and come back at once"):
        host.succeed(f"systemctl stop {UNITS}", timeout=PATIENCE)
        for port in (8000, 8001, 8002):
            host.wait_for_closed_port(port, timeout=PATIENCE)
        host.wait_until_fails("ip netns list | grep .", timeout=PATIENCE)
        host.succeed(f"systemctl start {UNITS}", timeout=PATIENCE)
        for port in (8000, 8001, 8002):
            host.wait_until_succeeds(open_websocket(port), timeout=PATIENCE)


start_all()
script(host)
