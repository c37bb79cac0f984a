"""`holo deploy` on Pulumi's real engine: two machines behind SSH, from nothing to nothing again.

The tests are one story, in this order: each goes on from the state that the one before has left.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.lab import wait
from tests.support.server import CUT, NEEDS, Server, server
from tests.support.stacks import DRAINED, PLACES, SECRETS, Pair, engine, pair
from tests.support.watching import Watched, watch_processes
from vmtests.places import NspawnMachine

pytestmark = [pytest.mark.needs(*NEEDS), pytest.mark.engine]

ANOTHER = "SUAM-an0ther-of-nats-11d0"
"""What a secret is later."""
BAD = "SUAM-b4d"
"""One with which the service does not start."""
ALL_SECRETS = (*SECRETS.values(), ANOTHER, BAD)
READ_ANEW = [
    "update alpha.credentials.attempt:/etc/keys/nats.nk",
    "update alpha.credentials:/etc/keys/nats.nk",
    "update alpha.reread",
]
CONTROL = "a-word-that-is-no-secret-4b1f"
"""What is looked for as well, and must be found."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    keys = tmp_path_factory.mktemp("keys")
    with server(keys, "alpha") as alpha, server(keys, "beta") as beta:
        yield {"alpha": alpha, "beta": beta}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, Server]) -> Pair:
    return pair(tmp_path_factory.mktemp("stack"), servers)


@pytest.fixture(scope="module", autouse=True)
def watched() -> Iterator[Watched]:
    """What runs while the story is told."""
    with watch_processes((*ALL_SECRETS, CONTROL)) as watched, seen():
        yield watched


@contextmanager
def seen() -> Iterator[None]:
    """Two processes that have the control word: one as an argument, one in its environment."""
    sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
    with (
        subprocess.Popen([*sleep, CONTROL], env={}) as argument,
        subprocess.Popen(sleep, env={"WORD": CONTROL}) as variable,
    ):
        try:
            yield
        finally:
            argument.kill()
            variable.kill()


@pytest.fixture(scope="module")
def told() -> list[str]:
    """Everything that any run has printed."""
    return []


def nice(server: Server) -> str:
    """How nice the running service is: what a change of the fleet changes."""
    show = ["--machine=web", "show", "--property=Nice", "--value", "pages.service"]
    return server.machine.systemctl(*show).strip()


def deployed(host: str) -> list[str]:
    """The commands that run where a host has changed."""
    return [f"update {host}.units.attempt", f"update {host}.units.apply"]


def test_a_preview_runs_no_command(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("preview"))
    assert stack.commands() == []
    assert "alpha  units.apply  to be created\n" in told[-1]
    assert told[-1].endswith("test: 19 resources to be created\n")
    for one in stack.servers.values():
        assert one.files() == one.files_before


def test_up_brings_both_hosts(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("up"))
    commands = stack.commands()
    assert sorted(commands) == [
        "create alpha.credentials.attempt:/etc/keys/mongo.url",
        "create alpha.credentials.attempt:/etc/keys/nats.nk",
        "create alpha.credentials:/etc/keys/mongo.url",
        "create alpha.credentials:/etc/keys/nats.nk",
        "create alpha.reread",
        "create alpha.units.apply",
        "create alpha.units.attempt",
        "create beta.units.apply",
        "create beta.units.attempt",
    ]
    of_alpha = [one for one in commands if "alpha" in one]
    assert of_alpha[-2:] == ["create alpha.units.apply", "create alpha.reread"]
    for name, one in stack.servers.items():
        assert nice(one) == "1"
        lines = [
            f"{name}  units.apply  creating",
            f"{name}  units.apply  created",
            f"{name}  created",
        ]
        assert [line in told[-1] for line in lines] == [True] * 3
    assert told[-1].endswith("test: 19 resources created\n")
    alpha = stack.servers["alpha"].machine
    for name, secret in SECRETS.items():
        assert alpha.succeed(["cat", PLACES[name]]) == secret
        assert alpha.succeed(["stat", "--format=%a %U", PLACES[name]]) == "600 root\n"


def test_a_second_up_runs_no_command(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("up"))
    assert stack.commands() == []
    assert told[-1].endswith("test: no change\n")


def test_the_engine_leaves_out_checkpoints_in_a_preview_alone(
    stack: Pair, told: list[str], tmp_path: Path
) -> None:
    noted, noting = tmp_path / "noted", tmp_path / "pulumi"
    note = f'echo "$* $PULUMI_SKIP_CHECKPOINTS" >> {noted}'
    noting.write_text(f'#!/bin/sh\n{note}\nexec {engine() / "pulumi"} "$@"\n')
    noting.chmod(0o755)
    for operation, ends in (("preview", " true"), ("up", " ")):
        with stack.start(operation, path=tmp_path) as process:
            told.append(process.communicate()[0])
        assert process.returncode == 0
        lines = [line for line in noted.read_text().splitlines() if f" {operation} " in line]
        assert [line.endswith(ends) for line in lines] == [True]
    assert stack.commands() == []


def test_only_the_host_that_changed_is_touched(stack: Pair, told: list[str]) -> None:
    stack.write(("beta", "2"))
    told.append(stack.deploy("up"))
    assert stack.commands() == deployed("beta")
    assert [nice(one) for one in stack.servers.values()] == ["1", "2"]


def test_pulumi_itself_runs_the_same_program(stack: Pair, told: list[str]) -> None:
    up = ("up", "--yes", "--skip-preview")
    told.append(stack.pulumi(*up))
    assert stack.commands() == []
    stack.write(("beta", "3"))
    told.append(stack.pulumi(*up))
    assert stack.commands() == deployed("beta")
    assert nice(stack.servers["beta"]) == "3"


def test_a_secret_that_is_another_is_put_there_and_read_anew(stack: Pair, told: list[str]) -> None:
    alpha, beta = (one.machine for one in stack.servers.values())
    read = "cat /proc/$(pgrep -nf '[b]usybox httpd')/root/run/credentials/pages.service/nats"
    assert alpha.succeed(["sh", "-c", read]) == SECRETS["natsKey"]
    since = started(beta)
    stack.set_secret("natsKey", ANOTHER)
    told.append(stack.deploy("up", "--target", "alpha"))
    assert stack.commands() == READ_ANEW
    assert alpha.succeed(["cat", PLACES["natsKey"]]) == ANOTHER
    assert alpha.succeed(["sh", "-c", read]) == ANOTHER
    assert started(beta) == since
    assert alpha.execute(["test", "-e", f"{PLACES['natsKey']}.changed"]).returncode != 0


def test_a_secret_that_a_service_does_not_start_with_is_put_back(
    stack: Pair, told: list[str]
) -> None:
    alpha = stack.servers["alpha"].machine
    stack.set_secret("natsKey", BAD)
    done = stack.run("up")
    told.append(done.stdout + done.stderr)
    assert done.returncode == 1
    assert "alpha  reread  failed" in done.stderr
    stack.commands()
    stack.set_secret("natsKey", ANOTHER)
    told.append(stack.deploy("up"))
    assert stack.commands() == READ_ANEW
    assert alpha.succeed(["cat", PLACES["natsKey"]]) == ANOTHER
    assert stack.drift("alpha") == "no drift\n"


def started(machine: NspawnMachine) -> str:
    """When its container was started."""
    show = ["show", "--property=ActiveEnterTimestampMonotonic", "--value"]
    return machine.systemctl(*show, "container@web.service")


def test_drift_is_told_of_each_host(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("drift"))
    assert told[-1] == "no drift\n"
    beta = stack.servers["beta"].machine
    beta.systemctl("stop", "container@web.service")
    done = stack.run("drift")
    told.append(done.stdout + done.stderr)
    assert done.returncode == 2
    assert "beta  unit  container@web.service: expected active, found inactive" in done.stdout
    assert "alpha" not in done.stdout
    stack.write(("alpha", "7"), ("beta", "3"))
    checked = stack.run("up", "--check-drift")
    told.append(checked.stdout + checked.stderr)
    assert (checked.returncode, checked.stdout) == (2, done.stdout)
    assert stack.commands() == []
    beta.systemctl("start", "container@web.service")
    told.append(stack.deploy("up", "--check-drift"))
    assert stack.commands() == deployed("alpha")
    stack.write(("alpha", "1"), ("beta", "3"))
    told.append(stack.deploy("up"))
    stack.commands()


def test_only_the_host_that_is_named_is_touched(stack: Pair, told: list[str]) -> None:
    stack.write(("alpha", "8"), ("beta", "9"))
    told.append(stack.deploy("preview", "--target", "beta"))
    assert "alpha" not in told[-1]
    told.append(stack.deploy("up", "--target", "beta", "--parallel", "1"))
    assert stack.commands() == deployed("beta")
    assert [nice(one) for one in stack.servers.values()] == ["1", "9"]
    stack.write(("alpha", "1"), ("beta", "9"))
    for operation in ("up", "destroy"):
        refused = stack.run(operation, "--target", "betta")
        assert refused.returncode == 1
        assert "--target betta: no such host\n  hint: one of alpha, beta\n" in refused.stderr
    assert stack.commands() == []


def test_a_stack_that_is_not_there_is_made_by_up_alone(stack: Pair) -> None:
    for operation in ("preview", "destroy", "refresh", "drift"):
        refused = stack.run(operation, stack="tset")
        assert refused.returncode == 1
        assert "no stack tset\n  hint: holo deploy up tset makes it\n" in refused.stderr


def test_refresh_finds_all_as_it_was(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("refresh"))
    assert stack.commands() == []


def test_what_does_not_become_ready_is_rolled_back_and_the_others_go_on(
    stack: Pair, told: list[str]
) -> None:
    stack.write(("alpha", "3"), ("beta", "4"), broken="alpha")
    done = stack.run("up")
    told.append(done.stdout + done.stderr)
    assert done.returncode == 1
    assert "no pages here" in done.stderr
    assert "alpha: rolled back: the earlier state is in place again" in done.stderr
    assert "alpha  units.apply  failed" in done.stderr
    assert [nice(one) for one in stack.servers.values()] == ["1", "4"]
    stack.commands()


def test_the_next_up_mends_what_was_rolled_back(stack: Pair, told: list[str]) -> None:
    stack.write(("alpha", "3"), ("beta", "4"))
    told.append(stack.deploy("up", "--check-drift"))
    assert stack.commands()[-1] == "update alpha.units.apply"
    assert stack.drift("alpha") == "no drift\n"
    assert [nice(one) for one in stack.servers.values()] == ["3", "4"]


@pytest.mark.parametrize("wanted", ["5", "3"], ids=["what was begun", "what was there before"])
def test_a_connection_that_is_cut_leaves_what_the_next_up_brings_to_its_end(
    stack: Pair, told: list[str], wanted: str
) -> None:
    stack.write(("alpha", "3"), ("beta", "4"))
    told.append(stack.deploy("up"))
    stack.write(("alpha", "5"), ("beta", "4"))
    alpha = stack.servers["alpha"].machine
    with stack.start("up") as process:
        alpha.succeed(["sh", "-c", CUT])
        said, _ = process.communicate()
    alpha.systemctl("start", "ssh.service")
    told.append(said)
    assert process.returncode == 1
    assert "the machine is left between two states" in said
    stack.commands()
    stack.write(("alpha", wanted), ("beta", "4"))
    told.append(stack.deploy("up"))
    assert stack.commands()[-1] == "update alpha.units.apply"
    assert stack.drift("alpha") == "no drift\n"
    assert nice(stack.servers["alpha"]) == wanted


def test_an_engine_that_is_killed_leaves_what_the_next_up_brings_to_its_end(
    stack: Pair, told: list[str]
) -> None:
    stack.write(("alpha", "6"), ("beta", "7"))
    with stack.start("up") as process:
        wait(lambda: "alpha.units.apply" in stack.log_text(), 60)
        for pid in engines_of(process.pid):
            os.kill(pid, signal.SIGSTOP)
        locked = stack.run("up")
        for pid in engines_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        said, _ = process.communicate()
    told += [locked.stderr, said]
    assert (locked.returncode, process.returncode) == (1, 1)
    assert "another run is under way, or was killed\n  hint: when none is: holo deploy cancel" in (
        locked.stderr
    )
    told += [stack.deploy("up"), stack.deploy("up")]
    assert told[-1].endswith("test: no change\n")
    assert [nice(one) for one in stack.servers.values()] == ["6", "7"]
    assert [stack.drift(host) for host in stack.servers] == ["no drift\n"] * 2
    stack.commands()


SLOW = """\
#!/bin/sh
{engine} "$@"
status=$?
case " $* " in
  *" up "*) touch {seen}; timeout 90 sh -c "until test -e {go}; do sleep 0.1; done" ;;
esac
exit $status
"""
"""An engine of which what it says of an `up` is late."""


def test_a_run_that_finds_the_lock_of_a_killed_one_takes_no_other_away(
    stack: Pair, told: list[str], tmp_path: Path
) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    lock = locked_by(stack, "killed", {"pid": gone.pid, "hostname": socket.gethostname()})
    seen, go, slow = tmp_path / "seen", tmp_path / "go", tmp_path / "pulumi"
    slow.write_text(SLOW.format(engine=engine() / "pulumi", seen=seen, go=go))
    slow.chmod(0o755)
    stack.write(("alpha", "8"), ("beta", "7"))
    with stack.start("up", path=tmp_path) as second:
        wait(seen.exists, 60)
        assert lock.exists()
        with stack.start("up") as first:
            wait(lambda: "alpha.units.apply" in stack.log_text(), 60)
            assert not lock.exists()
            for pid in engines_of(first.pid):
                os.kill(pid, signal.SIGSTOP)
            go.touch()
            refused, _ = second.communicate()
            for pid in engines_of(first.pid):
                os.kill(pid, signal.SIGCONT)
            said, _ = first.communicate()
    told += [refused, said]
    assert (first.returncode, second.returncode) == (0, 1)
    assert "another run is under way" in refused
    assert stack.commands().count("update alpha.units.apply") == 1
    assert nice(stack.servers["alpha"]) == "8"


def locked_by(stack: Pair, name: str, holder: dict[str, object]) -> Path:
    """A lock of the stack's, as the engine writes them."""
    lock = stack.folder / "state/.pulumi/locks/organization/holo/test" / f"{name}.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    about = {"username": "admin", "timestamp": "2026-01-01T00:00:00Z", **holder}
    lock.write_text(json.dumps(about))
    return lock


def engines_of(parent: int) -> list[int]:
    """The processes `pulumi` that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, _, rest = status.read_text().partition(" (")
            name, _, numbers = rest.rpartition(") ")
            if name == "pulumi" and int(numbers.split()[1]) == parent:
                found.append(int(pid))
    return found


def test_a_lock_of_another_computers_stays(stack: Pair, told: list[str]) -> None:
    lock = locked_by(stack, "other", {"pid": 1, "hostname": "elsewhere"})
    refused = stack.run("up")
    assert refused.returncode == 1
    assert "hint: when none is: holo deploy cancel test\n" in refused.stderr
    assert lock.exists()
    told.append(stack.deploy("cancel"))
    assert not lock.exists()


def test_a_host_stays_while_its_drain_fails(stack: Pair, told: list[str]) -> None:
    values = [("alpha", "6"), ("beta", "7")]
    stack.write(*values, drain="echo not yet >&2; exit 3")
    told.append(stack.deploy("up"))
    stack.write(("alpha", "6"), hosts=("alpha",))
    done = stack.run("up")
    told.append(done.stdout + done.stderr)
    assert done.returncode == 1
    assert "not yet" in done.stderr
    assert nice(stack.servers["beta"]) == "7"
    stack.write(*values)
    told.append(stack.deploy("up"))
    stack.commands()


def test_a_host_that_goes_is_drained_and_then_removed(stack: Pair, told: list[str]) -> None:
    stack.write(("alpha", "6"), hosts=("alpha",))
    told.append(stack.deploy("up"))
    assert stack.commands() == ["delete beta.drain", "delete beta.units.remove"]
    beta = stack.servers["beta"]
    assert beta.machine.succeed(["cat", DRAINED]) == "gone\n"
    assert beta.files() == beta.files_before
    assert nice(stack.servers["alpha"]) == "6"


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


def test_an_engine_that_is_killed_as_it_begins_leaves_what_the_next_up_brings_to_its_end(
    stack: Pair, told: list[str]
) -> None:
    stack.write()
    with stack.start("up") as process:
        wait(lambda: "create alpha.units.apply" in stack.log_text(), 60)
        for pid in engines_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        said, _ = process.communicate()
    told += [said, stack.deploy("up"), stack.deploy("up")]
    assert process.returncode == 1
    assert told[-1].endswith("test: no change\n")
    assert [nice(one) for one in stack.servers.values()] == ["1", "1"]
    assert [stack.drift(host) for host in stack.servers] == ["no drift\n"] * 2


def test_what_is_named_is_destroyed_and_nothing_else(stack: Pair, told: list[str]) -> None:
    told.append(stack.deploy("destroy", "--target", "beta"))
    alpha, beta = stack.servers.values()
    assert beta.files() == beta.files_before
    assert stack.drift("alpha") == "no drift\n"
    told.append(stack.deploy("destroy"))
    assert alpha.files() == alpha.files_before


def test_no_secret_was_seen_among_the_processes(watched: Watched) -> None:
    argument, variable = sorted(watched.found)
    assert (CONTROL in argument, CONTROL in variable) == (True, True)
    assert not any(secret in one for one in watched.found for secret in ALL_SECRETS)


def test_no_secret_is_in_what_was_printed_or_kept(stack: Pair, told: list[str]) -> None:
    kept = stack.everything_kept()
    assert b"units.apply" in kept
    for secret in ALL_SECRETS:
        for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
            assert form not in kept
            assert form.decode() not in "".join(told)
