"""`holo deploy` on Pulumi's real engine: two machines behind SSH, from nothing to nothing again.

The tests are one story, in this order: each goes on from the state that the one before has left.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.support.server import NEEDS, Server, server
from tests.support.stacks import DRAINED, PLACES, SECRETS, Pair, pair

pytestmark = pytest.mark.needs(*NEEDS)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    keys = tmp_path_factory.mktemp("keys")
    with server(keys, "alpha") as alpha, server(keys, "beta") as beta:
        yield {"alpha": alpha, "beta": beta}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, Server]) -> Pair:
    return pair(tmp_path_factory.mktemp("stack"), servers)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """Everything that any run has printed."""
    return []


def nice(server: Server) -> str:
    """How nice the running service is: what a change of the fleet changes."""
    show = ["--machine=web", "show", "--property=Nice", "--value", "pages.service"]
    return server.machine.systemctl(*show).strip()


def test_a_preview_runs_no_command(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("preview"))
    assert stack.commands() == []
    assert "alpha  units.apply  to be created" in told[-1]
    for one in stack.servers.values():
        assert one.files() == one.files_before


def test_up_brings_both_hosts(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("up"))
    commands = stack.commands()
    assert sorted(commands) == [
        "create alpha.credentials:/etc/keys/mongo.url",
        "create alpha.credentials:/etc/keys/nats.nk",
        "create alpha.units.apply",
        "create beta.units.apply",
    ]
    of_alpha = [one for one in commands if "alpha" in one]
    assert of_alpha[-1] == "create alpha.units.apply"
    for one in stack.servers.values():
        assert nice(one) == "1"
    alpha = stack.servers["alpha"].machine
    for name, secret in SECRETS.items():
        assert alpha.succeed(["cat", PLACES[name]]) == secret
        assert alpha.succeed(["stat", "--format=%a %U", PLACES[name]]) == "600 root\n"


def test_a_second_up_runs_no_command(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("up"))
    assert stack.commands() == []
    assert told[-1].endswith("test: no change\n")


def test_only_the_host_that_changed_is_touched(stack: Pair, told: list[str]) -> None:
    stack.write(("beta", "2"))
    told.append(stack.deploy("up"))
    assert stack.commands() == ["update beta.units.apply"]
    assert [nice(one) for one in stack.servers.values()] == ["1", "2"]


def test_refresh_finds_all_as_it_was(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("refresh"))
    assert stack.commands() == []


def test_a_host_that_goes_is_drained_and_then_removed(stack: Pair, told: list[str]) -> None:
    stack.write(hosts=("alpha",))
    told.append(stack.deploy("up"))
    assert stack.commands() == ["delete beta.drain", "delete beta.units.remove"]
    beta = stack.servers["beta"]
    assert beta.machine.succeed(["cat", DRAINED]) == "gone\n"
    assert beta.files() == beta.files_before
    assert nice(stack.servers["alpha"]) == "1"


def test_destroy_leaves_nothing(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("destroy"))
    drain, remove, *credentials = stack.commands()
    assert (drain, remove) == ("delete alpha.drain", "delete alpha.units.remove")
    assert sorted(credentials) == [
        "delete alpha.credentials:/etc/keys/mongo.url",
        "delete alpha.credentials:/etc/keys/nats.nk",
    ]
    alpha = stack.servers["alpha"]
    assert alpha.files() == alpha.files_before
    assert alpha.machine.succeed(["find", "/etc/keys", "-type", "f"]) == ""


def test_no_secret_is_in_what_was_printed_or_kept(stack: Pair, told: list[str]) -> None:
    kept = stack.everything_kept()
    assert b"units.apply" in kept
    for secret in SECRETS.values():
        for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
            assert form not in kept
            assert form.decode() not in "".join(told)
