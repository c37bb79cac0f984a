"""NATS in a lab as the units have it: a hub and five leaves, streams, a TLS proxy, secrets."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import nats
import pytest
import yaml
from nats.aio.client import Client
from nats.errors import Error
from nats.errors import TimeoutError as Late
from nats.js.api import ExternalStream, StreamConfig, StreamSource

from holo_infra.runtime.lab import Lab
from tests.support.holo import LABS, holo, lab, run, status
from tests.support.lab import NEEDS
from tests.support.nats import ACCOUNT, OPERATOR, account_jwt, credentials, key, operator_jwt
from vmtests.places import publish

pytestmark = pytest.mark.needs(*NEEDS, "nft", "caddy")

HUB = "192.0.2.10"
LEAVES = {
    "north": "north",
    "south": "south",
    "west": "west",
    "east": "east_nats",
    "agent": "far",
}
"""The leaves, each on a host of its name: their JetStream domains."""
PASSWORD = "a-password-of-Alice"  # noqa: S105 - of this test
PATIENCE = 60.0

T = TypeVar("T")


def fleet(system: str, preload: dict[str, str]) -> dict[str, Any]:
    """The fleet: leaves on hosts, in a container, through the hub's websocket, of a host agent."""
    at_port = f"nats://{HUB}:7422"

    def host(number: int, **rest: Any) -> dict[str, Any]:
        return {"address": f"192.0.2.{number}", "networks": ["192.0.2.0/24"], **rest}

    def leaf(name: str, url: str = at_port, **hub: Any) -> dict[str, Any]:
        file = f"/etc/keys/{name}.creds"
        return {"nats_server": {"hub": {"url": url, "credentials_file": file, **hub}}}

    hub = {
        "jetstream": {"domain": "hub"},
        "operator_file": "/etc/keys/operator.jwt",
        "system_account": system,
        "resolver_preload": preload,
        "caddy": {"enable": True, "issuer": "internal", "server_name": HUB},
    }
    far = {"url": at_port, "credentials_file": "/etc/keys/agent.creds"}
    east = {"hub": {"url": at_port, "credentials_file": "leaf.creds"}}
    walled = {"accounts": {"APP": {"users": {"alice": {"password_file": "alice"}}}}}
    return {
        "name": "services",
        "hub": "hub",
        "hosts": {
            "hub": host(10, services={"nats_server": hub}),
            "north": host(21, services=leaf("north")),
            "south": host(22, services=leaf("south")),
            "west": host(23, services=leaf("west", f"wss://{HUB}:443", tls_insecure=True)),
            "east": host(
                24,
                containers={
                    "nats": {
                        "services": {"nats_server": east},
                        "egress": "hub",
                        "secrets": {"leaf.creds": "/etc/keys/east.creds"},
                        "forwards": {"nats": {"port": 4222, "host_port": 4222}},
                    },
                    "walled": {
                        "services": {"nats_server": walled},
                        "secrets": {"alice": "/etc/keys/alice.conf"},
                        "forwards": {"nats": {"port": 4222, "host_port": 4223}},
                    },
                },
            ),
            "agent": host(
                25,
                services={
                    "host_agent": {
                        "auto_start": False,
                        "nats": {"domain": "far", "hub": far},
                    },
                },
            ),
        },
    }


class Running(NamedTuple):
    """The lab of this file."""

    name: str
    fleet: Path
    keys: Path
    ports: dict[str, int]
    """Of each server: the port of this computer that leads to it."""

    def port(self, host: str, port: int = 4222) -> int:
        """A new port of this computer that leads to one of a host's own."""
        return publish(Lab(self.name).machine(host), 0, f"127.0.0.1:{port}")["port"]

    @property
    def up(self) -> list[str | Path]:
        """The words of `holo up`."""
        return ["up", self.fleet, "--lab", self.name, "--bind", f"/etc/keys={self.keys}"]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("services")
    keys = folder / "keys"
    keys.mkdir()
    rng = random.Random(47)
    operator, system, app = (key(kind, rng) for kind in (OPERATOR, ACCOUNT, ACCOUNT))
    preload = {
        system.public: account_jwt(system, "SYS", operator, streams=0),
        app.public: account_jwt(app, "APP", operator),
    }
    (keys / "operator.jwt").write_text(operator_jwt(operator, system))
    for name in [*LEAVES, "client"]:
        (keys / f"{name}.creds").write_text(credentials(app, name))
    (keys / "alice.conf").write_text(f'password: "{PASSWORD}"\n')
    file = folder / "fleet.yaml"
    file.write_text(yaml.safe_dump(fleet(system.public, preload)))
    with lab(file, "--bind", f"/etc/keys={keys}") as name:
        running = Running(name, file, keys, {})
        for server in ["hub", *LEAVES]:
            running.ports[server] = running.port(server)
        running.ports["walled"] = running.port("east", 4223)
        yield running


async def raised(_: Exception) -> None:
    """Told of an error that is raised as well."""


@asynccontextmanager
async def client(services: Running, server: str, **options: Any) -> Any:
    """A client of a server: of the hub with credentials, of a leaf without."""
    if server == "hub":
        options["user_credentials"] = str(services.keys / "client.creds")
    url = f"nats://127.0.0.1:{services.ports[server]}"
    # By itself it logs an error, with all that it has open.
    made = await nats.connect(
        url, allow_reconnect=False, connect_timeout=20, error_cb=raised, **options
    )
    try:
        yield made
    finally:
        await made.close()


def running(what: Coroutine[Any, Any, T]) -> T:
    """The result of a test's own steps, of which none takes long."""

    async def limited() -> T:
        return await asyncio.wait_for(what, 2 * PATIENCE)

    with warnings.catch_warnings():
        # nats-py leaves a connection open that comes to nothing.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return asyncio.run(limited())
        finally:
            gc.collect()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns once it holds; errors on the way are those of what is just starting."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        try:
            if await condition():
                return
        except (Error, OSError):
            if loop.time() > end:
                raise
        assert loop.time() < end, "did not come true in time"
        await asyncio.sleep(0.05)


async def arrives(sender: Client, receiver: Client, subject: str) -> bool:
    """Whether a message that one sends reaches the other, within a moment."""
    subscription = await receiver.subscribe(subject)
    await receiver.flush()

    async def sent() -> bool:
        await sender.publish(subject, b"a message")
        try:
            return (await subscription.next_msg(timeout=0.2)).data == b"a message"
        except Late:
            return False

    await until(sent)
    await subscription.unsubscribe()
    return True


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_message_reaches_a_leaf_from_the_hub_and_comes_back(services: Running, leaf: str) -> None:
    async def steps() -> None:
        async with client(services, "hub") as hub, client(services, leaf) as there:
            assert await arrives(hub, there, f"to.{leaf}")
            assert await arrives(there, hub, f"from.{leaf}")

    running(steps())


def test_hub_and_leaves_have_each_a_jetstream_domain_of_their_own(services: Running) -> None:
    async def domain(server: str) -> str | None:
        async with client(services, server) as there:
            told: str | None = (await there.jetstream().account_info()).domain
            return told

    async def steps() -> dict[str, str | None]:
        return {server: await domain(server) for server in ["hub", *LEAVES]}

    assert running(steps()) == {"hub": "hub", **LEAVES}


def test_a_leaf_passes_messages_on_and_has_no_stream_of_the_hubs(services: Running) -> None:
    async def steps() -> None:
        async with client(services, "north") as north, client(services, "south") as south:
            assert await arrives(north, south, "among.leaves")
            await north.jetstream().add_stream(name="OWN", subjects=["own.>"])
            names = [info.config.name for info in await south.jetstream().streams_info()]
            assert "OWN" not in names
            await north.jetstream().delete_stream("OWN")

    running(steps())


async def put(js: Any, subject: str, numbers: range) -> None:
    for number in numbers:
        await js.publish(subject, str(number).encode())


async def count(js: Any, stream: str) -> int:
    messages: int = (await js.stream_info(stream)).state.messages
    return messages


async def content(js: Any, stream: str, number: int) -> list[int]:
    """The first messages of a stream, in its order."""
    return [int((await js.get_msg(stream, seq=n + 1)).data) for n in range(number)]


def copy_of(stream: str, domain: str) -> StreamConfig:
    """A stream that follows one of another domain."""
    source = StreamSource(name=stream, external=ExternalStream(api=f"$JS.{domain}.API"))
    return StreamConfig(name=f"COPY_{stream}", mirror=source)


OFF_AND_ON = {
    "north": "holo-nats-server.service",
    "agent": "holo-host-agent-nats.service",
    "east": "container@nats.service",
}
"""Of leaves: the unit of their host that is stopped, and started again."""


@pytest.mark.parametrize("leaf", OFF_AND_ON)
def test_a_leaf_that_was_off_has_all_that_the_hub_stored_meanwhile(
    services: Running, leaf: str
) -> None:
    systemctl = ["exec", "--lab", services.name, leaf, "--", "systemctl"]
    stream, subject = f"TO_{leaf.upper()}", f"stored.{leaf}"

    async def steps() -> list[int]:
        async with client(services, "hub") as hub:
            js = hub.jetstream()
            await js.add_stream(name=stream, subjects=[subject])
            async with client(services, leaf) as there:
                own = there.jetstream()
                await own.add_stream(copy_of(stream, "hub"))
                await put(js, subject, range(20))
                await until(lambda: _has(own, f"COPY_{stream}", 20))
            holo(*systemctl, "stop", OFF_AND_ON[leaf])
            await put(js, subject, range(20, 220))
            holo(*systemctl, "start", OFF_AND_ON[leaf])

            async def again() -> bool:
                async with client(services, leaf) as there:
                    return await count(there.jetstream(), f"COPY_{stream}") == 220

            await until(again)
            async with client(services, leaf) as there:
                return await content(there.jetstream(), f"COPY_{stream}", 220)

    assert running(steps()) == list(range(220))


async def _has(js: Any, stream: str, number: int) -> bool:
    return await count(js, stream) == number


OVER_TLS = """
import asyncio, ssl, sys, nats

async def told(error):
    sys.exit(repr(error))

async def main(url, root, creds):
    context = ssl.create_default_context(cadata=root)
    client = await nats.connect(url, tls=context, user_credentials=creds, error_cb=told)
    answers = await client.subscribe("over.tls")
    await client.publish("over.tls", b"a message")
    print((await answers.next_msg(timeout=5)).data.decode(), client.connected_url.scheme)
    await client.close()

asyncio.run(main(*sys.argv[1:]))
"""
ROOT = "/var/lib/holo/holo-nats-server-caddy/pki/authorities/local/root.crt"


def over_tls(services: Running, root: str) -> Any:
    """How a client ends on another host that speaks to Caddy, and trusts this authority."""
    python = ["env", "LD_LIBRARY_PATH=/opt/holo/lib", "/opt/holo/venv/bin/python", "-c", OVER_TLS]
    arguments = [f"wss://{HUB}:443", root, "/etc/keys/client.creds"]
    return run("exec", "--lab", services.name, "south", "--", *python, *arguments)


def test_a_client_speaks_through_the_tls_proxy_whose_certificate_it_checks(
    services: Running,
) -> None:
    on_hub = ["exec", "--lab", services.name, "hub", "--"]
    root = holo(*on_hub, "cat", ROOT)
    done = over_tls(services, root)
    assert done.stdout == "a message wss\n", done.stderr


def test_a_client_that_trusts_another_authority_is_not_taken_in(services: Running) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=other", "-keyout", "/dev/null"]
    other = holo("exec", "--lab", services.name, "south", "--", *make)
    done = over_tls(services, other)
    assert done.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_a_server_with_accounts_lets_in_who_knows_the_password(services: Running) -> None:
    async def steps() -> str:
        async with client(services, "walled", user="alice", password=PASSWORD) as alice:
            assert await arrives(alice, alice, "alice")
        try:
            async with client(services, "walled", user="alice", password="another"):
                return "let in"
        except Error as error:
            return str(error).lower()

    assert "authorization violation" in running(steps())


def secrets(services: Running) -> dict[str, str]:
    """Parts of the secrets that would be found wherever they were written."""
    operator = (services.keys / "operator.jwt").read_text()
    found = {"password": PASSWORD, "the operator's claim": operator}
    for file in services.keys.glob("*.creds"):
        jwt, seed = re.findall(r"^[A-Za-z0-9_.-]{50,}$", file.read_text(), re.MULTILINE)
        found |= {f"{file.stem}'s claim": jwt, f"{file.stem}'s seed": seed}
    return found


def places(services: Running, folder: Path) -> dict[str, str]:
    """All that may be read of the fleet, by what it is."""
    name = services.name
    holo("compile", services.fleet, "--out", folder / "out")
    files = [path for path in (folder / "out").rglob("*") if path.is_file()]
    records = [path for path in (LABS / name).rglob("*") if path.is_file()]
    found = {
        "generated files": "\n".join(path.read_text() for path in files),
        "records of the lab": "\n".join(path.read_text() for path in records),
        "journals": holo("logs", "--lab", name, "-n", "100000"),
    }
    for host in yaml.safe_load(services.fleet.read_text())["hosts"]:
        inside = ["exec", "--lab", name, host, "--", "sh", "-c"]
        found[f"{host}'s files"] = holo(
            *inside, "find /etc/holo /etc/systemd -type f -exec cat {} +"
        )
        # Containers' processes are among those of their host.
        for what in ("cmdline", "environ"):
            command = f"cat /proc/[0-9]*/{what} 2>/dev/null | tr '\\0' '\\n'; true"
            found[f"{host}'s {what}"] = holo(*inside, command)
    return found


def test_no_secret_is_in_a_file_a_command_line_an_environment_or_a_journal(
    services: Running, tmp_path: Path
) -> None:
    found = places(services, tmp_path)
    # That the search sees something:
    assert "operator" in found["generated files"]
    assert "Server is ready" in found["journals"]
    assert "walled holo-nats-server" in found["journals"]
    assert found["east's cmdline"].count("nats-server\n--config") == 2
    assert 'HOLO_DOMAIN="east_nats"' in found["east's environ"]
    assert "include" in found["east's files"]
    leaks = [
        f"{secret} in {place}"
        for place, text in found.items()
        for secret, value in secrets(services).items()
        if value in text
    ]
    assert not leaks


def test_a_second_up_changes_nothing(services: Running) -> None:
    done = run(*services.up)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("ready; no change") == 6


def test_another_configuration_restarts_the_server_in_its_container_and_not_the_container(
    services: Running,
) -> None:
    def since() -> dict[tuple[str, str], int]:
        rows = status(services.name, "east")
        return {(row["container"], row["unit"]): row["since"] for row in rows if row["container"]}

    before = since()
    text = services.fleet.read_text()
    changed = yaml.safe_load(text)
    server = changed["hosts"]["east"]["containers"]["nats"]["services"]["nats_server"]
    server["monitor_port"] = 8222
    services.fleet.write_text(yaml.safe_dump(changed))
    try:
        done = run(*services.up)
        assert done.returncode == 0, done.stderr
        after = since()
        ask = ["exec", "--lab", services.name, "east/nats", "--", "curl", "--silent"]
        assert json.loads(holo(*ask, "http://127.0.0.1:8222/healthz")) == {"status": "ok"}
    finally:
        services.fleet.write_text(text)
        holo(*services.up)
    moved = {place for place in before if before[place] != after[place]}
    assert moved == {("nats", "holo-nats-server.service")}
