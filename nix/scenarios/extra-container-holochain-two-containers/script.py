# Scenario extra-container-holochain-two-containers. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.two_containers; do not edit.

import shlex

PATIENCE = 600
ANSWER = 15
HEALTH = f"curl --silent --fail --max-time {ANSWER} http://"


def listening(host, port):
    """The addresses of the host itself on which somebody listens at a TCP port."""
    lines = host.succeed(f"ss -Htln 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def in_container(container):
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host, container, command):
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


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
    """The second container may ask the first one's gateway, and nothing the other way."""
    with subtest("both containers start with the machine"):
        for name in ("holochain0", "holochain1"):
            host.wait_for_unit(f"container@{name}.service", timeout=PATIENCE)

    with subtest("each forward answers"):
        for port in (8000, 8001):
            host.wait_until_succeeds(open_websocket(port), timeout=PATIENCE)
            assert listening(host, port) == {"127.0.0.1"}, listening(host, port)
        host.wait_until_succeeds(f"{HEALTH}127.0.0.1:8080/health", timeout=PATIENCE)
        assert listening(host, 8080) == {"127.0.0.1"}, listening(host, 8080)

    with subtest("each container has an address and a state of its own"):
        for name, address in (("holochain0", "10.0.85.2"), ("holochain1", "10.0.86.2")):
            there = host.succeed(f"ip -n {name} -4 -brief address show dev host0").split()
            assert there[2:] == [f"{address}/30"], there
            inside(host, name, f"touch /var/lib/holo/holochain/{name}")
        for name in ("holochain0", "holochain1"):
            files = inside(host, name, "ls /var/lib/holo/holochain").split()
            assert [file for file in files if file.startswith("holochain")] == [name], files

    with subtest("a container reaches a peer that it is allowed"):
        ask = f"ip netns exec holochain1 {HEALTH}10.0.85.2:4000/health"
        host.wait_until_succeeds(ask, timeout=PATIENCE)

    with subtest("no container reaches another that it is not allowed"):
        listen = "socat TCP4-LISTEN:9999,fork,reuseaddr PIPE"
        host.succeed(f"systemd-run --collect --unit=own ip netns exec holochain1 {listen}")
        connect = f"timeout {ANSWER} bash -c 'exec 3<>/dev/tcp/10.0.86.2/9999'"
        host.wait_until_succeeds(f"ip netns exec holochain1 {connect}", timeout=PATIENCE)
        host.fail(f"ip netns exec holochain0 {connect}")
        host.succeed("systemctl stop own.service")

    with subtest("one that stops leaves the other alone"):
        host.succeed("systemctl stop container@holochain1.service", timeout=PATIENCE)
        host.wait_for_closed_port(8001, timeout=PATIENCE)
        host.succeed(open_websocket(8000))
        host.succeed(f"{HEALTH}127.0.0.1:8080/health")

    with subtest("and comes back"):
        host.succeed("systemctl start container@holochain1.service", timeout=PATIENCE)
        host.wait_until_succeeds(open_websocket(8001), timeout=PATIENCE)


start_all()
script(host)
