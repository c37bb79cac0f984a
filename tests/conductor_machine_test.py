"""The conductor's unit run by a real systemd, with a stand-in for the conductor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from holo_infra.model.services.holochain import HolochainOptions
from holo_infra.services.holochain import CONFIG, holochain
from nixgen.unitfile import render
from tests.support import alone
from tests.support.lab import wait
from vmtests.places import NspawnMachine

pytestmark = pytest.mark.needs("nspawn")

WORDS = "a b $HOME %n \\ 漢"
FILE = "/run/passphrase"
SEEN = "/var/lib/holo/holochain/seen.json"
CLOSED = "/var/lib/holo/holochain/closed"

# What a conductor does as far as its unit is concerned. It has no package here to be tried itself.
CONDUCTOR = """#!/usr/bin/python3
import json, mmap, os, signal, socket, sys
line = sys.stdin.buffer.readline().decode().rstrip("\\n")
config = json.load(open(sys.argv[sys.argv.index("--config-path") + 1]))
root = config["data_root_path"]
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)  # WebAssembly
socket.create_server(("127.0.0.1", config["admin_interfaces"][0]["driver"]["port"]))
seen = {
    "arguments": sys.argv[1:],
    "passphrase": line,
    "interfaces": [name for _, name in socket.if_nameindex()],
    "memory": open("/proc/meminfo").readline(),
    "user": os.getuid(),
    "mode": os.stat(root).st_mode & 0o777,
    "log": os.environ["RUST_LOG"],
}
json.dump(seen, open(f"{root}/seen.json", "w"))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
    out.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.sigwait([signal.SIGINT])
open(f"{root}/closed", "w").close()
"""


def unit_of(options: HolochainOptions) -> tuple[str, str]:
    """The unit, with its programs in /opt, and its configuration."""
    made = alone.configured(holochain, options, "/opt/")
    unit = render(made["systemd"]["services"]["holochain"]).replace('"/opt/sh"', '"/usr/bin/sh"')
    return unit, made["environment"]["etc"][f"holo/services/{CONFIG}"]["text"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NspawnMachine]:
    programs = tmp_path_factory.mktemp("opt")
    (programs / "holochain").write_text(CONDUCTOR)
    (programs / "holochain").chmod(0o755)
    programs.chmod(0o755)
    unit, config = unit_of(HolochainOptions(enable=True, passphrase_file=FILE))
    files = {
        "/etc/systemd/system/holochain.service": unit,
        f"/etc/holo/services/{CONFIG}": config,
    }
    with NspawnMachine("host", files=files, binds={"/opt": programs}) as machine:
        yield machine


def started(machine: NspawnMachine) -> dict[str, Any]:
    """What the conductor saw, once it has said that it is ready."""
    machine.succeed(["sh", "-c", f"printf '%s\\n' '{WORDS}' 'another line' >{FILE}"])
    machine.systemctl("start", "holochain")
    made: dict[str, Any] = json.loads(machine.succeed(["cat", SEEN]))
    return made


def shown(machine: NspawnMachine, *names: str) -> list[str]:
    arguments = [f"--property={name}" for name in names]
    return machine.systemctl("show", "--value", *arguments, "holochain").split()


def test_the_conductor_gets_the_first_line_of_its_passphrase_and_what_it_needs(
    host: NspawnMachine,
) -> None:
    seen = started(host)
    assert seen["passphrase"] == WORDS
    assert seen["arguments"] == ["--piped", "--config-path", "/etc/holo/services/conductor.json"]
    assert "lo" in seen["interfaces"]
    assert seen["memory"].startswith("MemTotal:")
    assert seen["user"] > 60000  # a dynamic user
    assert seen["mode"] == 0o700
    assert seen["log"] == "info"
    assert shown(host, "SubState") == ["running"]


def test_the_passphrase_is_in_no_command_line_and_no_environment(host: NspawnMachine) -> None:
    started(host)
    (process,) = shown(host, "MainPID")
    for file in ("cmdline", "environ"):
        content = host.execute(["cat", f"/proc/{process}/{file}"]).stdout
        assert content
        assert WORDS.encode() not in content
    assert WORDS not in host.systemctl("show", "holochain")


def test_the_conductor_closes_what_it_has_open_before_it_ends(host: NspawnMachine) -> None:
    started(host)
    host.succeed(["rm", "-f", CLOSED])
    host.systemctl("stop", "holochain")
    host.succeed(["test", "-f", CLOSED])
    assert shown(host, "Result") == ["success"]


def told(machine: NspawnMachine) -> int:
    return machine.journal("holochain").count("no passphrase on the first line")


NONE = "printf '[Service]\\nLoadCredential=\\n' >/run/systemd/system/holochain.service.d/none.conf"
REFUSED = {
    "empty": f": >{FILE}",
    "blank": f"printf ' \\t\\r\\nsecond\\n' >{FILE}",
    "none": f"mkdir -p /run/systemd/system/holochain.service.d; {NONE}; systemctl daemon-reload",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_conductor_without_a_passphrase_does_not_start(host: NspawnMachine, name: str) -> None:
    host.systemctl("stop", "holochain")
    host.succeed(["sh", "-c", f"rm -f {SEEN}; {REFUSED[name]}"])
    before = told(host)
    host.fail(["systemctl", "start", "holochain"])
    wait(lambda: told(host) > before)
    host.systemctl("stop", "holochain")
    host.fail(["test", "-e", SEEN])
