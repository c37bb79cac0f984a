# Scenario extra-container-holochain-error-detection. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.error_detection; do not edit.

import shlex

ANSWER = 15
PATIENCE = 600
CONTAINER = "container@holochain1.service"
SECOND = "/etc/holo-scenario/second"
SOCKET = "socket-proxyd-holochain1-admin.socket"


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


def is_ready(container, forward):
    """A command that succeeds if a forward's service is ready."""
    return f"systemctl start ready-{container}-{forward}.service"


def first_is_unharmed(host):
    """See that the container without a fault answers."""
    host.succeed(open_websocket(8000))
    host.succeed(is_ready("holochain0", "admin"))
    host.succeed("systemctl --quiet is-active container@holochain0.service")


def second_answers(host):
    """Wait until the container that had a fault answers."""
    host.wait_until_succeeds(open_websocket(8001), timeout=PATIENCE)
    host.succeed(is_ready("holochain1", "admin"))


def in_container(container):
    """How a command of the host begins that runs in a container."""
    leader = f"$(machinectl show {container} --property=Leader --value)"
    return f"nsenter --target {leader} --all --wd=/ --"


def inside(host, container, command):
    """What a command prints that runs in a container, where it must succeed."""
    return host.succeed(f"{in_container(container)} {command}")


def listening(host, port):
    """The addresses of the host itself on which somebody listens at a TCP port."""
    lines = host.succeed(f"ss -Htln 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def script(host):
    """Faults of the second container, one after the other."""
    with subtest("both containers are ready"):
        for number in (0, 1):
            host.wait_until_succeeds(is_ready(f"holochain{number}", "admin"), timeout=PATIENCE)

    with subtest("a container without its secret does not start"):
        host.succeed(f"systemctl stop {CONTAINER}; rm {SECOND}", timeout=PATIENCE)
        host.fail(f"systemctl start {CONTAINER}")
        host.fail(is_ready("holochain1", "admin"))
        assert listening(host, 8001) == set(), "the forward is open, and leads nowhere"
        first_is_unharmed(host)

    with subtest("with an empty passphrase the conductor does not start"):
        host.succeed(f"echo >{SECOND}")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        said = f"{in_container('holochain1')} journalctl --unit=holochain --grep='no passphrase on'"
        host.wait_until_succeeds(said, timeout=PATIENCE)
        host.fail(is_ready("holochain1", "admin"))
        first_is_unharmed(host)

    with subtest("with a passphrase it does"):
        host.succeed(f"echo a passphrase of holochain1 >{SECOND}")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        second_answers(host)

    with subtest("a conductor that fails is started again"):
        before = inside(host, "holochain1", "systemctl show --property=MainPID --value holochain")
        inside(host, "holochain1", "systemctl kill --signal=KILL holochain")
        host.fail(is_ready("holochain1", "admin"))
        first_is_unharmed(host)
        host.wait_until_succeeds(is_ready("holochain1", "admin"), timeout=PATIENCE)
        second_answers(host)
        after = inside(host, "holochain1", "systemctl show --property=MainPID --value holochain")
        assert after != before

    with subtest("a container that fails is started again"):
        host.succeed(f"systemctl kill --signal=KILL {CONTAINER}")
        host.wait_for_unit(CONTAINER, timeout=PATIENCE)
        second_answers(host)
        first_is_unharmed(host)

    with subtest("a port that is taken is told by its socket"):
        host.succeed(f"systemctl stop {CONTAINER}", timeout=PATIENCE)
        taken = "socat TCP4-LISTEN:8001,bind=127.0.0.1,fork,reuseaddr PIPE"
        host.succeed(f"systemd-run --collect --unit=taker {taken}")
        host.wait_for_open_port(8001, timeout=PATIENCE)
        host.execute(f"systemctl start {CONTAINER}", timeout=PATIENCE)
        host.wait_until_succeeds(f"systemctl is-failed {SOCKET}", timeout=PATIENCE)
        host.fail(open_websocket(8001))
        first_is_unharmed(host)

    with subtest("when it is free again, the forward answers"):
        host.succeed("systemctl stop taker.service")
        host.succeed(f"systemctl restart {CONTAINER}", timeout=PATIENCE)
        second_answers(host)
        failed = host.succeed("systemctl --failed --no-legend").strip()
        assert failed == "", failed


start_all()
script(host)
