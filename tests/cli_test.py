"""The command `holo`: what it prints and writes, and how it tells a user's mistakes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from holo_infra.cli import compile as compile_command
from holo_infra.cli import main
from holo_infra.cli.fleet import compile_fleet
from holo_infra.compiled import Compiled
from holo_infra.source import Source

GOOD = """
from holo_infra import Container, Fleet, Forward, Host, Unit

web = Unit(exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/srv"])
fleet = Fleet(
    name="private",
    hosts={
        "alpha": Host(
            containers={
                "web0": Container(
                    units={"web": web},
                    forwards={
                        "admin": Forward(port=8000),
                        "httpgw": Forward(port=4000, host_port=8080, engine="socat"),
                    },
                ),
                "web1": Container(network="shared"),
            },
        ),
    },
)
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.py"
    path.write_text(GOOD)
    return path


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        )
        for path in found
    }


def test_compile_writes_the_documented_files_and_the_lock(fleet: Path) -> None:
    out = fleet.parent / "out"
    assert main(["compile", str(fleet), "--out", str(out)]) == 0
    written = files(out)
    names = {re.sub("[0-9a-f]{16}", "HASH", name) for name in written}
    units = "systemd/alpha/containers/web0/units"
    wants = "systemd/alpha/host/multi-user.target.wants"
    proxyd = "socket-proxyd-web0-admin"
    assert names == {
        *("flake.nix", "manifest.json", "hosts/alpha.nix"),
        *("classes/web-HASH.nix", "classes/empty-HASH.nix"),
        *("systemd/alpha/host/netns-web0.service", "systemd/alpha/host/holo-firewall.service"),
        *("systemd/alpha/firewall.nft", f"{wants}/holo-firewall.service"),
        "systemd/alpha/host/nftables.service.wants/holo-firewall.service",
        *(f"{wants}/container@web{n}.service" for n in (0, 1)),
        *(f"{wants}/{unit}" for unit in ("socat-web0-httpgw.service", f"{proxyd}.socket")),
        f"systemd/alpha/host/container@web0.service.wants/{proxyd}.socket",
        "systemd/alpha/host/container@web0.service.wants/socat-web0-httpgw.service",
        "systemd/alpha/host/container@web0.service",
        "systemd/alpha/host/container@web1.service",
        *(f"systemd/alpha/host/{proxyd}.{kind}" for kind in ("service", "socket")),
        *(f"systemd/alpha/host/ready-web0-{forward}.service" for forward in ("admin", "httpgw")),
        "systemd/alpha/host/socat-web0-httpgw.service",
        *(f"systemd/alpha/containers/web{n}/identity.env" for n in (0, 1)),
        *(f"systemd/alpha/containers/web{n}/presets/00-holo.preset" for n in (0, 1)),
        f"{units}/web.service",
        "systemd/alpha/containers/web1/units/README",
        f"{units}/multi-user.target.wants/web.service",
        f"{units}/socat-internal-httpgw-forwarder.service",
        f"{units}/multi-user.target.wants/socat-internal-httpgw-forwarder.service",
    }
    lock = json.loads((fleet.parent / "fleet.lock.json").read_text())
    web0 = lock["hosts"]["alpha"]["containers"]["web0"]
    assert web0["forwards"] == {
        "admin": {"protocol": "tcp", "host_port": 8000},
        "httpgw": {"protocol": "tcp", "host_port": 8080, "inner_port": 4000},
    }
    identity = written["systemd/alpha/containers/web0/identity.env"]
    assert identity == (b"HOLO_CONTAINER=web0\nHOLO_ADDRESS=10.0.85.2\n")
    assert not list(out.rglob(".*"))


def test_a_second_run_writes_nothing(fleet: Path) -> None:
    out = fleet.parent / "out"
    main(["compile", str(fleet), "--out", str(out)])
    before = {path: path.lstat().st_mtime_ns for path in fleet.parent.rglob("*")}
    assert main(["compile", str(fleet), "--out", str(out)]) == 0
    assert {path: path.lstat().st_mtime_ns for path in fleet.parent.rglob("*")} == before


def test_what_is_gone_from_the_fleet_is_removed_and_foreign_files_stay(fleet: Path) -> None:
    out = fleet.parent / "out"
    main(["compile", str(fleet), "--out", str(out)])
    (out / "flake.lock").write_text("the user's")
    (out / "hosts" / "notes.txt").write_text("the user's")
    fleet.write_text(GOOD.replace('"alpha"', '"beta"'))
    assert main(["compile", str(fleet), "--out", str(out)]) == 0
    names = set(files(out))
    assert {"flake.lock", "hosts/notes.txt", "hosts/beta.nix"} <= names
    assert not [name for name in names if "alpha" in name]
    assert not (out / "systemd" / "alpha").exists()


def test_a_folder_that_is_not_ours_is_refused_and_left_alone(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    assert main(["compile", str(fleet), "--out", str(out)]) == 1
    assert "holds no manifest of ours" in capsys.readouterr().err
    assert files(out) == {"precious": b"x"}


def test_a_foreign_file_in_the_way_is_refused_before_anything_is_written(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    main(["compile", str(fleet), "--out", str(out)])
    (out / "hosts" / "beta.nix").write_text("the user's")
    before = files(out)
    lock = (fleet.parent / "fleet.lock.json").read_bytes()
    fleet.write_text(GOOD.replace('"alpha"', '"beta"'))
    assert main(["compile", str(fleet), "--out", str(out)]) == 1
    assert "hosts/beta.nix: error[HI311] was not written by holo compile" in capsys.readouterr().err
    assert files(out) == before
    assert (fleet.parent / "fleet.lock.json").read_bytes() == lock


def test_a_manifest_that_leads_outside_the_folder_is_not_followed(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    out.mkdir()
    manifest = json.dumps({"version": 1, "files": {"../fleet.py": "0"}})
    (out / "manifest.json").write_text(manifest)
    assert main(["compile", str(fleet), "--out", str(out)]) == 1
    assert "holds no manifest of ours" in capsys.readouterr().err
    assert fleet.exists()


def test_the_inputs_of_the_flake_are_options(fleet: Path) -> None:
    out = fleet.parent / "out"
    urls = ["--nixpkgs", "path:/nixpkgs", "--holo-infra", "git+https://example.org/${x}"]
    assert main(["compile", str(fleet), "--out", str(out), *urls]) == 0
    flake = (out / "flake.nix").read_text()
    assert 'nixpkgs.url = "path:/nixpkgs";' in flake
    assert 'holo-infra = {\n      url = "git+https://example.org/\\${x}";' in flake


def test_show_prints_every_number(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(fleet), "alpha"]) == 0
    assert capsys.readouterr().out == (
        "alpha\n"
        "  web0  10.0.85.2  web\n"
        "    admin  127.0.0.1:8000 -> 127.0.0.1:8000  (tcp, socket-proxyd)\n"
        "    httpgw  127.0.0.1:8080 -> 10.0.85.2:4000 -> 127.0.0.1:4000  (tcp, socat)\n"
        "  web1  the host's network  no units\n"
    )
    assert not (fleet.parent / "fleet.lock.json").exists()  # only compile writes it


def test_show_prints_services(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "name: f\n"
        "hosts:\n"
        "  alpha:\n"
        "    services: {nats_server: {host: 0.0.0.0}, orchestrator: {mongo: {url_file: /k}}}\n"
        "    containers:\n"
        "      web0: {services: {hc_http_gw: {}}, units: {web: {exec_start: [busybox]}}}\n"
    )
    assert main(["show", str(fleet)]) == 0
    assert capsys.readouterr().out == (
        "alpha\n"
        "  nats-server  0.0.0.0:4222, 0.0.0.0:7422\n"
        "  orchestrator\n"
        "  web0  10.0.85.2  web, hc-http-gw\n"
    )
    assert main(["show", str(fleet), "--json"]) == 0
    alpha = json.loads(capsys.readouterr().out)["hosts"]["alpha"]
    listens = {"nats_server": ["0.0.0.0:4222", "0.0.0.0:7422"], "orchestrator": []}
    assert alpha["services"] == listens
    assert alpha["containers"]["web0"]["services"] == {"hc_http_gw": ["127.0.0.1:8090"]}


def test_show_gives_json(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(fleet), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["hosts"]["alpha"]["containers"]["web0"]["forwards"]["httpgw"] == {
        "protocol": "tcp",
        "engine": "socat",
        "bind": "127.0.0.1",
        "host_port": 8080,
        "inner_port": 4000,
        "port": 4000,
    }


MISTAKES = {
    "unknown host": (GOOD, ["show", "FLEET", "beta"], "the fleet has no host beta", "hosts: alpha"),
    "no fleet": ("x = 1", ["show", "FLEET"], "defines no fleet", "end it with: fleet = Fleet("),
    "another fleet": ("fleet = 1", ["show", "FLEET"], "`fleet` is an object of type int", "end it"),
    "syntax": ("fleet = (", ["show", "FLEET"], "fleet.py:1:9: error[HI003] not valid", "closed"),
    "exception": ("\n1 / 0\n", ["show", "FLEET"], "fleet.py:2:1: error[HI003] ZeroDiv", "stops"),
    "exit": ("import sys; sys.exit(3)", ["show", "FLEET"], "the file ends the program", "exit"),
    "wrong type": (
        GOOD.replace("port=8000", 'port="8000"'),
        ["show", "FLEET"],
        "fleet.py:13:34: error[HI012] hosts.alpha.containers.web0.forwards.admin.port: must be a",
        "take the quotes away: 8000",
    ),
    "out of range": (
        GOOD.replace("port=8000", "port=0"),
        ["show", "FLEET"],
        "admin.port: must be at least 1, and is the number 0",
        "error[HI014]",
    ),
    "unknown field": (
        GOOD.replace("port=8000", "prot=8000"),
        ["show", "FLEET"],
        "admin.prot: Forward has no such field\n  hint: did you mean `port`?",
        "error[HI010] hosts.alpha.containers.web0.forwards.admin",
    ),
    "bad name": (
        GOOD.replace('"web0"', '"Web_0"'),
        ["show", "FLEET"],
        "containers.Web_0: 'Web_0' is not",
        "write web-0",
    ),
    "unsafe program": (
        GOOD.replace('"busybox"', '"+busybox"'),
        ["show", "FLEET"],
        "fleet.py:4:7: error[HI017] hosts.alpha.containers.web0.units.web.exec_start",
        "begin the command with a path such as /bin/sh",
    ),
    "trailing hyphen": (
        GOOD.replace('"web0"', '"web-"'),
        ["show", "FLEET"],
        "containers.web-: 'web-' is not",
        "no hyphen last",
    ),
    "two units of one name": (
        GOOD.replace('units={"web"', 'units={"socat-internal-a-forwarder"').replace(
            '"httpgw": Forward', '"a": Forward'
        ),
        ["compile", "FLEET", "--out", "OUT"],
        "error[HI217] hosts.alpha.containers.web0.units.socat-internal-a-forwarder",
        "give the unit another name",
    ),
    "a dict changed after the check": (
        GOOD + 'fleet.hosts["../x"] = Host()\n',
        ["compile", "FLEET", "--out", "OUT"],
        "error[HI013] hosts.../x",
        "a name: lower-case letters",
    ),
    "no model in the fleet": (
        GOOD + 'fleet.hosts["beta"] = 3\n',
        ["compile", "FLEET", "--out", "OUT"],
        "error[HI012] hosts.beta: must be a mapping, and is the number 3",
        "write a Host",
    ),
    "a noncharacter": (
        GOOD.replace('"/srv"', '"\ufffe"'),
        ["show", "FLEET"],
        "systemd refuses the noncharacter U+FFFE",
        "fleet.py:4",
    ),
    "clash": (
        GOOD.replace("port=8000)", "port=8000, host_port=8080)"),
        ["compile", "FLEET", "--out", "OUT"],
        "hosts.alpha.containers.web0.forwards.httpgw.host_port: port 8080 is taken by hosts.alpha",
        "hint: leave host_port out of one of the two",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_a_hint(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    source, arguments, *expected = MISTAKES[name]
    assert isinstance(source, str)
    (tmp_path / "fleet.py").write_text(source)
    out = tmp_path / "out"
    paths = {"FLEET": str(tmp_path / "fleet.py"), "OUT": str(out)}
    assert main([paths.get(argument, argument) for argument in arguments]) == 1
    told = capsys.readouterr()
    for part in expected:
        assert part in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not out.exists()
    assert not (tmp_path / "fleet.lock.json").exists()


@pytest.mark.parametrize("arguments", [[], ["compile"], ["show"], ["fly"], ["show", "a", "b", "c"]])
def test_a_wrong_call_is_a_usage_error(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 64
    assert "usage: holo" in capsys.readouterr().err


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "none.py")]) == 1
    assert "none.py: error[HI001] No such file or directory" in capsys.readouterr().err


def test_what_was_made_from_the_same_is_not_made_again(
    fleet: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    arguments = ["compile", str(fleet), "--out", str(out)]
    assert main(arguments) == 0
    made: list[Path] = []

    def lower(path: Path, source: Source | None = None) -> Compiled:
        made.append(path)
        return compile_fleet(path, source)

    monkeypatch.setattr(compile_command, "compile_fleet", lower)

    def is_made_again(*more: str) -> bool:
        made.clear()
        assert main([*arguments, *more]) == 0
        return bool(made)

    assert not is_made_again()
    assert capsys.readouterr().err.endswith("out: no change\n")
    assert is_made_again("--nixpkgs", "path:/x")
    assert is_made_again()
    assert is_made_again("--target", "nixos")
    assert is_made_again()
    fleet.write_text(f"# the same fleet\n{GOOD}")
    assert not is_made_again()
    fleet.write_text(GOOD.replace('"/srv"', '"/tmp"'))
    assert is_made_again()
    lock = fleet.parent / "fleet.lock.json"
    lock.write_text(lock.read_text().replace('"host_port": 8000', '"host_port": 8007'))
    assert is_made_again()
    assert "8007" in (out / "hosts" / "alpha.nix").read_text()
    (out / "flake.nix").unlink()
    assert is_made_again()
    assert (out / "flake.nix").exists()
    assert not is_made_again()


def test_a_lock_file_that_is_written_anew_is_no_lack_of_change(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compile", str(fleet), "--out", str(fleet.parent / "out")]
    assert main(arguments) == 0
    (fleet.parent / "fleet.lock.json").unlink()
    assert main(arguments) == 0
    assert capsys.readouterr().err.endswith("(0 written, 0 removed)\n")
    assert (fleet.parent / "fleet.lock.json").exists()


def test_warnings_are_told_at_each_run(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.write_text(GOOD.replace("host_port=8080", "host_port=40000"))
    for _ in range(2):
        assert main(["compile", str(fleet), "--out", str(fleet.parent / "out")]) == 0
        assert "warning[HI113]" in capsys.readouterr().err


def test_a_module_that_is_gone_again_is_told(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet.write_text(GOOD.replace('"alpha": Host(', '"alpha": Host(imports=["m/a.nix"],'))
    arguments = ["compile", str(fleet), "--out", str(fleet.parent / "out")]
    assert main(arguments) == 0
    module = fleet.parent / "out" / "m" / "a.nix"
    module.parent.mkdir()
    module.write_text("{ }")
    for _ in range(2):
        assert main(arguments) == 0
    assert capsys.readouterr().err.endswith("no change\n")
    module.unlink()
    assert main(arguments) == 0
    assert "warning[HI314]" in capsys.readouterr().err


def test_a_folder_that_is_elsewhere_now_is_refused(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    arguments = ["compile", str(fleet), "--out", str(out)]
    assert main(arguments) == 0
    (out / "hosts").rename(fleet.parent / "elsewhere")
    (out / "hosts").symlink_to(fleet.parent / "elsewhere")
    assert main(arguments) == 1
    assert "error[HI311] is not a folder" in capsys.readouterr().err


def test_a_fleet_that_changes_its_folder_changes_nobody_elses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "fleet.py").write_text(f"import os\nos.chdir('sub')\n{GOOD}")
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "fleet.py", "--out", "out"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("fleet.lock.json", "fleet.py", "out", "sub"),
    ]


def test_what_the_outputs_encoding_cannot_hold_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("name: f\nhosts: {\u00e9: {}}\n", encoding="utf-8")
    command = [sys.executable, "-m", "holo_infra", "check", "fleet.yaml"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"hosts.\\xe9" in done.stdout
    assert done.stderr == b"fleet.yaml: 1 error\n"


def test_a_module_that_is_still_to_be_written_is_told_until_it_is_there(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet.write_text(GOOD.replace('"alpha": Host(', '"alpha": Host(imports=["m/a.nix"],'))
    out = fleet.parent / "out"
    for command in ("plan", "compile", "compile"):
        assert main([command, str(fleet), "--out", str(out)]) in {0, 2}
        told = capsys.readouterr().err
        assert "warning[HI314] hosts.alpha.imports.0: there is no m/a.nix" in told
        assert f"{fleet}:8:18: " in told
    assert "imports = [ ../m/a.nix ];" in (out / "hosts" / "alpha.nix").read_text()
    (out / "m").mkdir()
    (out / "m" / "a.nix").write_text("{ }\n")
    for _ in range(2):
        assert main(["compile", str(fleet), "--out", str(out)]) == 0
        assert "HI314" not in capsys.readouterr().err
    assert (out / "m" / "a.nix").read_text() == "{ }\n"


def test_a_lock_file_is_as_it_was_after_a_failure_to_write(
    fleet: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "out")

    monkeypatch.setattr(compile_command, "write", full)
    lock = fleet.parent / "fleet.lock.json"
    arguments = ["compile", str(fleet), "--out", str(fleet.parent / "out")]
    assert main(arguments) == 1
    assert "No space left" in capsys.readouterr().err
    assert not lock.exists()
    lock.write_text('{"version": 1, "hosts": {}}')
    assert main(arguments) == 1
    assert lock.read_text() == '{"version": 1, "hosts": {}}'


def test_long_work_is_told_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "fleet.py").write_text(f"import time\ntime.sleep(1.3)\n{GOOD}")
    holo = f"{sys.executable} -m holo_infra check fleet.py"
    told = pexpect.run(holo, cwd=tmp_path, encoding="utf-8")
    assert "reading fleet.py …" in told
    piped = subprocess.run(holo.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert piped.stderr == "fleet.py: 1 host, 2 containers, no errors\n"
    (tmp_path / "fleet.py").write_text(GOOD)
    assert "reading" not in pexpect.run(holo, cwd=tmp_path, encoding="utf-8")


def test_colour_is_for_terminals_without_no_color(tmp_path: Path) -> None:
    (tmp_path / "fleet.py").write_text(GOOD.replace("port=8000", "port=0"))
    holo = f"{sys.executable} -m holo_infra check fleet.py"
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    coloured = pexpect.run(holo, cwd=tmp_path, env=environment, encoding="utf-8")
    assert "\x1b[31m" in coloured
    environment["NO_COLOR"] = "1"
    plain = pexpect.run(holo, cwd=tmp_path, env=environment, encoding="utf-8")
    assert "error[HI014]" in plain
    assert "\x1b[" not in plain
    piped = subprocess.run(holo.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "\x1b[" not in piped.stdout


def test_output_that_nobody_reads_to_its_end_is_no_error(fleet: Path) -> None:
    command = f"{sys.executable} -m holo_infra schema | head -n 1"
    done = subprocess.run(  # noqa: S602 - a pipe is what is tested
        command, shell=True, cwd=fleet.parent, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_locked_compiles_only_what_has_all_its_numbers(
    fleet: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = fleet.parent / "out"
    arguments = ["compile", str(fleet), "--out", str(out), "--locked"]
    assert main(arguments) == 1
    assert "fleet.lock.json: error[HI304] the lock file would change" in capsys.readouterr().err
    assert sorted(path.name for path in fleet.parent.iterdir()) == ["fleet.py"]
    assert main(arguments[:-1]) == 0
    assert main(arguments) == 0
    fleet.write_text(GOOD.replace('"/srv"', '"/tmp"'))
    assert main(arguments) == 0  # every number is there
    fleet.write_text(GOOD.replace('"web1"', '"web2"'))
    before = files(out)
    assert main(arguments) == 1
    assert files(out) == before
