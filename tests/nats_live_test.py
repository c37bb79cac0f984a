"""The real NATS server, run with the configuration that the definition gives: who may do what."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import subprocess
import time
import urllib.request
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as Late

from holo_infra.model.services.base import LeafHub
from holo_infra.model.services.nats_server import Account, Jetstream, NatsServer, User
from tests.support.nats import SERVER, made, placed

SECRET = "secret"  # noqa: S105 - of these tests
PATIENCE = 20.0
T = TypeVar("T")
QUIET = 0.5
"""Seconds after which a message that was not forbidden would be there."""


@contextmanager
def served(options: NatsServer, root: Path, *, name: str = "alpha") -> Iterator[None]:
    """The server at work, its passwords all `secret`; it has ended well afterwards."""
    for credential in made(options).credentials:
        secret = root / "run/credentials/holo-nats-server.service" / credential
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text(f'password: "{SECRET}"\n')
    file = placed(made(options).configuration, root)
    log = root / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [SERVER, "-c", file], stderr=out, env={"HOLO_DOMAIN": f'"{name}"'}
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "Server is ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        status = process.wait(PATIENCE)
    assert status == 0, log.read_text()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def hub(**given: Any) -> NatsServer:
    port, leaves, monitor = free_ports(3)
    return NatsServer(
        port=port,
        leafnode_host="127.0.0.1",
        leafnode_port=leaves,
        monitor_port=monitor,
        **given,
    )


def ran(what: Coroutine[Any, Any, T]) -> T:
    """What comes of a conversation. nats-py leaves sockets to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return asyncio.run(asyncio.wait_for(what, 2 * PATIENCE))
        finally:
            gc.collect()


async def login(options: NatsServer, user: str = "", password: str = SECRET) -> Client:
    known = {"user": user, "password": password} if user else {}
    return await nats.connect(
        f"nats://127.0.0.1:{options.port}", **known, allow_reconnect=False, max_reconnect_attempts=0
    )


async def hears(
    listener: Client, subject: str, speak: Callable[[], Coroutine[Any, Any, None]], patience: float
) -> bool:
    """Whether what is spoken on a subject, again and again, is heard there in time."""
    heard = await listener.subscribe(subject)
    await listener.flush()
    end = time.monotonic() + patience
    while time.monotonic() < end:
        await speak()
        with contextlib.suppress(Late):
            await heard.next_msg(timeout=QUIET)
            return True
    return False


ALL = User(password_file="all")


@pytest.mark.parametrize(
    ("publish", "subscribe", "may_speak", "may_hear"),
    [
        (None, None, True, True),
        (["asked.*"], ["asked.>"], True, True),
        (["other"], ["other"], False, False),
        ([], [], False, False),  # nothing is allowed, which NATS would take for everything
    ],
)
def test_a_user_may_do_what_its_lists_say(
    tmp_path: Path,
    publish: list[str] | None,
    subscribe: list[str] | None,
    may_speak: bool,  # noqa: FBT001 - the parameter
    may_hear: bool,  # noqa: FBT001 - the parameter
) -> None:
    some = User(password_file="some", publish=publish, subscribe=subscribe)
    options = hub(accounts={"A": Account(users={"all": ALL, "some": some})})

    async def tried() -> tuple[bool, bool]:
        free, bound = await login(options, "all"), await login(options, "some")
        patience = [PATIENCE if expected else QUIET for expected in (may_speak, may_hear)]
        speaks = await hears(free, "asked.x", lambda: _said(bound, "asked.x"), patience[0])
        hear = await hears(bound, "asked.y", lambda: _said(free, "asked.y"), patience[1])
        await free.close()
        await bound.close()
        return speaks, hear

    with served(options, tmp_path):
        assert ran(tried()) == (may_speak, may_hear)


async def _said(client: Client, subject: str) -> None:
    await client.publish(subject, b"said")
    await client.flush()


def test_who_may_answer_may_do_so_without_a_right_to_publish(tmp_path: Path) -> None:
    servant = User(password_file="servant", publish=[], subscribe=["asked"], allow_responses=True)
    options = hub(accounts={"A": Account(users={"all": ALL, "servant": servant})})

    async def answered() -> bytes:
        free, bound = await login(options, "all"), await login(options, "servant")

        async def answer(message: Any) -> None:
            await message.respond(b"yes")

        await bound.subscribe("asked", cb=answer)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                reply = await free.request("asked", b"?", timeout=PATIENCE)
                break
            except NoRespondersError:  # nats-py's flush may overtake what was to be sent
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
        await free.close()
        await bound.close()
        data: bytes = reply.data
        return data

    with served(options, tmp_path):
        assert ran(answered()) == b"yes"


def test_nobody_comes_in_with_another_password_or_without_a_name(tmp_path: Path) -> None:
    options = hub(accounts={"A": Account(users={"all": ALL})})

    async def refused(**known: str) -> str:
        with pytest.raises(nats.errors.Error) as error:
            await login(options, **known)
        return str(error.value)

    with served(options, tmp_path):
        assert "Authorization" in ran(refused(user="all", password="guess"))
        assert "Authorization" in ran(refused())


def test_a_system_account_is_one_without_streams(tmp_path: Path) -> None:
    accounts = {"SYS": Account(users={"admin": ALL}), "A": Account(users={"some": ALL})}
    options = hub(accounts=accounts, system_account="SYS")

    async def asked() -> bytes:
        admin = await login(options, "admin")
        reply = await admin.request("$SYS.REQ.SERVER.PING", b"", timeout=PATIENCE)
        await admin.close()
        data: bytes = reply.data
        return data

    with served(options, tmp_path):
        assert json.loads(ran(asked()))["server"]["name"] == "alpha"


def test_a_leafs_account_is_bound_to_the_hubs(tmp_path: Path) -> None:
    center = hub()
    (port,) = free_ports(1)
    at_hub = LeafHub(url=f"nats://127.0.0.1:{center.leafnode_port}", account="APP")
    leaf = NatsServer(port=port, hub=at_hub, accounts={"APP": Account(users={"alice": ALL})})

    async def heard() -> bool:
        there, here = await login(center), await login(leaf, "alice")
        found = await hears(there, "from.leaf", lambda: _said(here, "from.leaf"), PATIENCE)
        await there.close()
        await here.close()
        return found

    with served(center, tmp_path / "hub"), served(leaf, tmp_path / "leaf", name="beta"):
        _joined(center, 1)
        assert ran(heard())


def test_two_leaves_of_a_machine_live_beside_each_other(tmp_path: Path) -> None:
    center = hub()
    at_hub = LeafHub(url=f"nats://127.0.0.1:{center.leafnode_port}")
    one, other = (
        NatsServer(port=port, hub=at_hub, jetstream=Jetstream(domain=f"d{port}"))
        for port in free_ports(2)
    )
    with (
        served(center, tmp_path / "hub"),
        served(one, tmp_path / "one", name="beta"),
        served(other, tmp_path / "other", name="beta"),
    ):
        assert _joined(center, 2) == {f"d{one.port}", f"d{other.port}"}
        assert "Duplicate" not in (tmp_path / "hub/log").read_text()
    assert "Duplicate" not in (tmp_path / "one/log").read_text()


def _joined(center: NatsServer, count: int) -> set[str]:
    """The names of the leaves that have joined, once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{center.monitor_port}/leafz") as answer:
            leaves = json.load(answer).get("leafs") or []
        if len(leaves) >= count:
            return {leaf["name"] for leaf in leaves}
        assert time.monotonic() < deadline, leaves
        time.sleep(0.05)
