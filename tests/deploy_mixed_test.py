"""The host of examples/mixed that has no Nix, deployed by a stack to a machine of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import fleets
from tests.support.holo import HOLO, holo
from tests.support.lab import fetch, wait
from tests.support.server import NEEDS, server
from tests.support.stacks import TARGET, prepare

pytestmark = [pytest.mark.needs(*NEEDS), pytest.mark.engine]

EDGE = "192.0.2.21"
WEB = "HOLO_CONTAINER=web\nHOLO_ADDRESS=10.0.85.2\n"
WATCH = "HOLO_CONTAINER=watch\nHOLO_ADDRESS=10.0.86.2\n"
METRICS = "HOLO_CONTAINER=metrics\nHOLO_ADDRESS=127.0.0.1\n"


def test_its_containers_run_and_their_forwards_answer(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    shutil.copytree(fleets.ROOT / "examples" / "mixed", folder)
    holo("compile", folder / "fleet.yaml", "--out", folder / "out", *TARGET)
    with server(tmp_path, "edge1") as edge:
        edge.machine.succeed(["ip", "address", "add", f"{EDGE}/32", "dev", "lo"])
        hosts = {name: {"ssh": f"ssh://root@{name}.invalid"} for name in ("hub", "edge0")}
        config = {
            "holo:fleet": "fleet.yaml",
            "holo:out": "out",
            "holo:sshConfig": "ssh_config",
            "holo:hosts": {**hosts, "edge1": {"ssh": edge.url, "hostKey": edge.host_key}},
        }
        environment = prepare(folder, edge.config)
        (folder / "Pulumi.test.yaml").write_text(yaml.safe_dump({"config": config}))
        command = [str(HOLO), "deploy", "up", "test", "--project", str(folder), "--target", "edge1"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "hub" not in done.stderr
        machine = edge.machine
        wait(lambda: fetch(machine, f"{EDGE}:8081") is not None)
        assert fetch(machine, "127.0.0.1:8080") == WEB
        assert fetch(machine, f"{EDGE}:8081") == WEB
        assert fetch(machine, "127.0.0.1:9000") == WATCH
        assert fetch(machine, "127.0.0.1:9100") == METRICS
        for protocol in ("TCP4", "UDP4"):
            ask = f"printf {protocol} | socat -t 2 - {protocol}:127.0.0.1:7000"
            assert machine.succeed(["sh", "-c", ask]) == protocol
        assert machine.systemctl("--failed", "--no-legend") == ""
