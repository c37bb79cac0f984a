# Scenario extra-container-holochain-0-4. Made by `python -m holo_infra.scenarios` from
# holo_infra.scenarios.holochain_0_4; do not edit.

import json

PATIENCE = 600
ANSWER = 15
CALL = "forum/posts/get?payload=WzFd"
DNA = "uhC0kwENLeSuselWQJtywbYB1QyFK1d-ujmFFtxsq6CYY7_Ohri2u"


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


def is_ready(container, forward):
    """A command that succeeds if a forward's service is ready."""
    return f"systemctl start ready-{container}-{forward}.service"


def script(host):
    """The configuration's form, and that conductor and gateway of this version work with it."""
    host.wait_for_unit("container@holochain0.service", timeout=PATIENCE)

    with subtest("the configuration has the form of Holochain 0.4"):
        config = conductor_config(host, "holochain0")
        network = config["network"]
        assert config["dpki"]["no_dpki"] is True, config
        assert network == {
            "network_type": "quic_bootstrap",
            "bootstrap_service": "https://bootstrap.holo.host",
            "transport_pool": [{"type": "webrtc", "signal_url": "wss://sbd.holo.host"}],
        }, network
        assert config["data_root_path"] == "/var/lib/holo/holochain", config
        assert config["keystore"] == {"type": "lair_server_in_proc"}, config
        driver = config["admin_interfaces"][0]["driver"]
        assert (driver["type"], driver["port"]) == ("websocket", 8000), driver

    with subtest("the conductor of this version takes it"):
        host.wait_until_succeeds(is_ready("holochain0", "admin"), timeout=PATIENCE)
        inside(host, "holochain0", "test -d /var/lib/holo/holochain")

    with subtest("the gateway of this version answers, and asks the conductor"):
        gateway_answers(host)
        gateway_asks_conductor(host, "holochain0")


start_all()
script(host)
