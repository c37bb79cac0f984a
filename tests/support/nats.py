"""Keys, claims and configurations of NATS, for tests. The claims' form is that of NATS's JWT v2."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nkeys  # type: ignore[import-untyped]  # has no types

from holo_infra.model.services.nats_server import NatsServer, NatsServerOptions
from holo_infra.services.nats_server import nats_server
from tests.support import alone

SERVER = Path(sys.executable).parent / "nats-server"
OPERATOR = nkeys.PREFIX_BYTE_OPERATOR
ACCOUNT = nkeys.PREFIX_BYTE_ACCOUNT
USER = nkeys.PREFIX_BYTE_USER


class Key(NamedTuple):
    """Both halves of a key, as NATS writes them."""

    public: str
    seed: str


def key(prefix: int, rng: random.Random | None = None) -> Key:
    """A key of a kind; of a generator, always the same."""
    raw = rng.randbytes(32) if rng else os.urandom(32)
    seed = nkeys.encode_seed(raw, prefix)
    pair = nkeys.from_seed(bytearray(seed))
    return Key(pair.public_key.decode(), seed.decode())


def signed(claims: dict[str, Any], by: Key) -> str:
    """A JWT: `header.payload.signature`, signed by the key."""
    body = {"iat": 1_700_000_000, "iss": by.public, **claims}
    digest = hashlib.new("sha512_256", json.dumps(body).encode()).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
    pair = nkeys.from_seed(bytearray(by.seed.encode()))
    return f"{text}.{_encoded(pair.sign(text.encode()))}"


def operator_jwt(operator: Key, system: Key) -> str:
    """The operator's claim about itself."""
    nats = {"type": "operator", "version": 2, "system_account": system.public}
    return signed({"sub": operator.public, "name": "operator", "nats": nats}, operator)


def account_jwt(account: Key, name: str, operator: Key, streams: int = -1) -> str:
    """The operator's claim about an account; `streams`: how many it may have."""
    limits = dict.fromkeys(["subs", "data", "payload", "imports", "exports", "conn", "leaf"], -1)
    limits |= {"wildcards": True, "streams": streams, "consumer": streams}
    limits |= {"mem_storage": streams, "disk_storage": streams}
    nats = {"type": "account", "version": 2, "limits": limits}
    return signed({"sub": account.public, "name": name, "nats": nats}, operator)


def credentials(account: Key, name: str) -> str:
    """A new user of an account, as a file of credentials."""
    user = key(USER)
    nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
    jwt = signed({"sub": user.public, "name": name, "nats": nats}, account)
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


class Made(NamedTuple):
    """What the definition makes of options."""

    configuration: str
    credentials: list[str]
    """The names of the secrets that the unit loads."""


def made(options: NatsServer) -> Made:
    """The configuration of these options, and the secrets that it reads."""
    config = alone.configured(
        nats_server, NatsServerOptions(enable=True, **options.model_dump(exclude_unset=True))
    )
    text = config["environment"]["etc"]["holo/services/holo-nats-server.conf"]["text"]
    service = config["systemd"]["services"]["holo-nats-server"]["serviceConfig"]
    return Made(text, [one.partition(":")[0] for one in service.get("LoadCredential", [])])


def placed(text: str, root: Path) -> Path:
    """A configuration below a root, and all that it names there."""
    file = root / "etc/holo/services/holo-nats-server.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    for folder in ("/run/credentials/", "/var/lib/"):
        text = text.replace(f'"{folder}', f'"{root}{folder}')
    file.write_text(text)
    return file


def tried(text: str, root: Path) -> subprocess.CompletedProcess[str]:
    """What the server says of a configuration, in place below a root."""
    return subprocess.run(
        [SERVER, "-t", "-c", placed(text, root)],
        capture_output=True,
        text=True,
        check=False,
        env={"HOLO_DOMAIN": '"alpha"'},  # as systemd hands it on
        timeout=30,
    )


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
