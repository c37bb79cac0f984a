"""Hostile values reach a service on a real systemd as they were written, or are refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from holo_infra import BindMount, Container, Fleet, Host, Unit
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import fleets
from tests.support.lab import NEEDS, machine, wait
from tests.support.values import HOSTILE, text
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs(*NEEDS)


KEEP = (
    'printf \'%s\\0\' "$@" > "$STATE_DIRECTORY/arguments"; '
    'env -0 > "$STATE_DIRECTORY/environment"; '
    'touch "$STATE_DIRECTORY/done"; exec sleep 1000'
)
COUNT = 60


def accepted(build: Callable[[str], Unit], rng: random.Random) -> tuple[str, int]:
    """A hostile value that the model accepts, and how many it refused before."""
    refused = 0
    while True:
        value = text(rng)
        try:
            build(value)
        except ValidationError:
            refused += 1
        else:
            return value, refused


def path_name(rng: random.Random) -> str:
    """A hostile name of a file, as the model accepts it in a path."""
    while True:
        name = text(rng).replace("/", "")
        if name not in {"", ".", ".."} and name.isprintable():
            return name


@pytest.fixture(scope="module")
def values() -> Container:
    """A container full of hostile values."""
    rng = random.Random(17)
    units = {}
    for number in range(COUNT):
        description, _ = accepted(lambda v: Unit(description=v, exec_start=["x"]), rng)
        variables = {
            f"HOSTILE_{n}": accepted(
                lambda v: Unit(exec_start=["x"], environment={"A": v}),
                rng,
            )[0]
            for n in range(3)
        }
        arguments = [text(rng) for _ in range(4)] + rng.sample(HOSTILE, 3)
        units[f"u{number}"] = Unit(
            description=description,
            exec_start=["/bin/sh", "-c", KEEP, "sh", *arguments],
            environment=variables,
        )
    mounts = {f"/mnt/{n}{path_name(rng)}": f"/srv/{n}{path_name(rng)}" for n in range(30)}
    units["mounts"] = Unit(
        exec_start=[
            *("/bin/sh", "-c", 'cat "$@" > "$STATE_DIRECTORY/seen"; exec sleep 1000', "sh"),
            *(f"{inside}/content" for inside in mounts),
        ],
    )
    return Container(
        units=units,
        bind_mounts={inside: BindMount(source=source) for inside, source in mounts.items()},
    )


@pytest.fixture(scope="module")
def hostile(values: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    folder = tmp_path_factory.mktemp("hostile")
    fleet = Fleet(name="hostile", hosts={"alpha": Host(containers={"c": values})})
    write(systemd(fleets.lowered(fleet)), folder / "out")
    for number, mount in enumerate(values.bind_mounts.values()):
        source = folder / "srv" / mount.source.removeprefix("/srv/")
        source.mkdir(parents=True)
        (source / "content").write_text(f"{number}\n")
    with machine(folder / "out", "alpha", {"/srv": folder / "srv"}) as running:
        running.wait_for_unit("container@c.service")
        yield running


def inside(host: NspawnMachine, *command: str) -> bytes:
    """The output of a command in the container's name spaces."""
    leader = host.succeed(["machinectl", "show", "c", "--property=Leader", "--value"]).strip()
    entered = host.execute(["nsenter", f"--target={leader}", "--all", *command])
    assert entered.returncode == 0, entered
    return entered.stdout


def test_arguments_and_environment_arrive_as_they_were_written(
    hostile: NspawnMachine,
    values: Container,
) -> None:
    for name, unit in values.units.items():
        if name == "mounts":
            continue
        state = f"/var/lib/holo/units/{name}"
        wait(lambda state=state: b"done" in inside(hostile, "ls", f"{state}/"))  # type: ignore[misc]
        arguments = inside(hostile, "cat", f"{state}/arguments").decode().split("\0")[:-1]
        assert arguments == unit.exec_start[4:], name
        seen = inside(hostile, "cat", f"{state}/environment").decode().split("\0")[:-1]
        environment = dict(assignment.split("=", 1) for assignment in seen)
        for variable, value in unit.environment.items():
            assert environment[variable] == value, name


def test_descriptions_arrive_as_they_were_written(
    hostile: NspawnMachine,
    values: Container,
) -> None:
    for name, unit in values.units.items():
        shown = inside(hostile, "systemctl", "show", "--property=Description", "--value", name)
        assert shown.decode() == f"{unit.description or name}\n"


def test_mount_paths_arrive_as_they_were_written(hostile: NspawnMachine) -> None:
    wait(lambda: inside(hostile, "cat", "/var/lib/holo/units/mounts/seen").count(b"\n") == 30)
    seen = inside(hostile, "cat", "/var/lib/holo/units/mounts/seen").decode().split()
    assert seen == [str(number) for number in range(30)]


def test_no_unit_had_anything_to_complain_about(hostile: NspawnMachine) -> None:
    loaded = inside(hostile, "journalctl", "--no-pager", "--output=cat", "_PID=1").decode()
    assert "u59.service" in loaded
    for complaint in ("Failed to parse", "ignoring", "Invalid", "Unknown key", "Unbalanced"):
        assert complaint not in loaded


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "one\ntwo"),
        ("description", "ends with a continuation\\"),
        ("description", " space"),
        ("exec_start", ["+/bin/sh"]),
        ("exec_start", ["-sh"]),
        ("exec_start", ["/bin/${x}"]),
        ("exec_start", ["bin/sh"]),
        ("exec_start", []),
        ("exec_start", ["sh", "a\0b"]),
        ("environment", {"A": "a\x01b"}),
        ("environment", {"A": "a\rb"}),
        ("environment", {"A=B": "x"}),
        ("environment", {"A B": "x"}),
    ],
)
def test_what_a_unit_file_cannot_hold_is_refused(field: str, value: object) -> None:
    good: dict[str, object] = {"exec_start": ["sh"]}
    with pytest.raises(ValidationError, match=rf"Unit\n{field}"):
        Unit.model_validate({**good, field: value})


@pytest.mark.parametrize("path", ["relative", "/line\nbreak", "", "/tab\t"])
def test_a_mount_path_that_cannot_be_held_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="match pattern"):
        BindMount(source=path)
    with pytest.raises(ValidationError, match="match pattern"):
        Container(bind_mounts={path: BindMount(source="/x")})
