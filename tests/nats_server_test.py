"""The real NATS server, shown the configurations that the definition gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from holo_infra.model.services.nats_server import NatsServer
from tests.support.nats import (
    ACCOUNT,
    OPERATOR,
    USER,
    Key,
    account_jwt,
    credentials,
    key,
    made,
    operator_jwt,
    tried,
)
from tests.support.values import of_model

COUNT = 100
EXTRA: list[dict[str, Any]] = [
    {},
    {"logtime": False, "max_connections": 100},
    {"ping_interval": "20s", "jetstream": {"max_memory_store": 1024}},
    {"server_name": "@{HOLO_DOMAIN}@", "server_tags": ["@x", "a b"]},
    {"lame_duck_duration": "30s"},
]
CREDENTIALS = "run/credentials/holo-nats-server.service"


def sensible(rng: random.Random) -> NatsServer:
    """Random options: keys and claims are true ones, names are those of something there is."""
    given = of_model(rng, NatsServer).model_dump()
    given |= {"extra_attrs": rng.choice(EXTRA), "resolver_preload": {}, "operator_file": None}
    accounts = given["accounts"]
    users: list[str] = []
    for account in accounts.values():
        # A user is of one account.
        account["users"] = {n: user for n, user in account["users"].items() if n not in users}
        for name, user in account["users"].items():
            if user["nkey"] is None:
                users.append(name)
            else:
                user["nkey"] = key(USER, rng).public
    given["no_auth_user"] = rng.choice([*users, None])
    given["system_account"] = rng.choice([*accounts, None])
    return NatsServer(**given)


def with_operator(rng: random.Random) -> tuple[NatsServer, str]:
    """A hub with an operator, and the operator's claim."""
    operator, system, user = (key(kind, rng) for kind in (OPERATOR, ACCOUNT, ACCOUNT))
    preload = {
        of.public: account_jwt(of, name, operator)
        for name, of in {"SYS": system, "USER": user}.items()
    }
    given = sensible(rng).model_dump()
    given |= {"accounts": {}, "no_auth_user": None, "system_account": system.public, "hub": {}}
    given |= {"operator_file": "operator.jwt", "resolver_preload": preload}
    return NatsServer(**given), operator_jwt(operator, system)


def put(names: list[str], root: Path, operator: str = "") -> None:
    """The secrets that a unit has loaded, each of its kind."""
    folder = root / CREDENTIALS
    folder.mkdir(parents=True)
    contents = {
        "operator": operator,
        "hub.creds": credentials(key(ACCOUNT), "leaf"),
        "hub.nk": f'nkey: "{key(USER).seed}"\n',
    }
    for name in names:
        (folder / name).write_text(contents.get(name, 'password: "a secret"\n'))


def test_the_server_accepts_every_configuration(tmp_path: Path) -> None:
    rng = random.Random(41)
    kinds = set()
    for number in range(COUNT):
        options = sensible(rng)
        text, secrets = made(options)
        root = tmp_path / str(number)
        put(secrets, root)
        done = tried(text, root)
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        assert "is valid" in done.stderr
        kinds |= {"hub" if options.hub.url is None else "leaf", *(s.split(".")[0] for s in secrets)}
        kinds |= {"websocket"} & {"websocket" if '"websocket"' in text else ""}
    assert kinds == {"hub", "leaf", "websocket", "password"}


def test_the_server_accepts_hubs_with_an_operator(tmp_path: Path) -> None:
    rng = random.Random(43)
    for number in range(COUNT // 5):
        options, operator = with_operator(rng)
        text, secrets = made(options)
        root = tmp_path / str(number)
        put(secrets, root, operator)
        done = tried(text, root)
        assert done.returncode == 0, f"{done.stderr}\n{text}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"extra_attrs": {"no_such_field": 1}}, 'unknown field "no_such_field"'),
        ({"extra_attrs": {"port": "many"}}, "string, not int64"),
        ({"extra_attrs": {"server_name": "@{HOLO_NAME}@"}}, "HOLO_NAME"),
    ],
)
def test_the_server_refuses_what_it_does_not_know(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    text, _ = made(NatsServer.model_validate(given))
    done = tried(text, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_secret_that_is_not_there_is_refused(tmp_path: Path) -> None:
    user = {"alice": {"password_file": "alice"}}
    text, secrets = made(NatsServer.model_validate({"accounts": {"A": {"users": user}}}))
    assert secrets == ["password.A.alice"]
    done = tried(text, tmp_path)
    assert done.returncode == 1
    assert "password.A.alice: no such file" in done.stderr


def test_passwords_and_seeds_are_not_in_the_configuration(tmp_path: Path) -> None:
    user = {"alice": {"password_file": "alice"}}
    hub = {"url": "nats://hub.example.org:7422", "credentials_file": "hub.creds"}
    options = NatsServer.model_validate({"accounts": {"A": {"users": user}}, "hub": hub})
    text, secrets = made(options)
    assert secrets == ["hub.creds", "password.A.alice"]
    put(secrets, tmp_path)
    shown = tried(text, tmp_path)
    assert shown.returncode == 0
    assert "a secret" not in text + shown.stderr
    assert "SU" not in text


def test_a_key_of_a_generator_is_always_the_same() -> None:
    first, second = key(USER, random.Random(1)), key(USER, random.Random(1))
    assert first == second
    assert Key(*first).public.startswith("U")
