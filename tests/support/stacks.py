"""A stack on the real engine: two hosts of platform systemd, machines of their own behind SSH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.holo import HOLO, holo
from tests.support.server import Server

ROOT = Path(__file__).parent.parent.parent
SECRETS = {"natsKey": "SUAM-s3cret-of-nats-7f3e", "mongoUrl": "mongodb://u:s3cret-of-mongo@db/x"}
PLACES = {"natsKey": "/etc/keys/nats.nk", "mongoUrl": "/etc/keys/mongo.url"}
DRAINED = "/srv/drained"
FLEET = """\
name: pair
hosts:
  alpha: &host
    platform: systemd
    drain: [sh, -c, "test -d /etc/holo/containers && echo gone >> /srv/drained"]
    containers:
      web:
        units:
          pages:
            description: pages
            exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]
            settings: { Nice: "1" }
        forwards: { pages: { port: 8000 } }
  beta: *host
"""


def engine() -> Path:
    """The folder with `pulumi`, which is built."""
    command = [str(ROOT / "scripts" / "pulumi-engine"), "--built"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Stack:
    """A stack `test` in a folder, whose backend is in that folder too."""

    folder: Path
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        return self.folder / "commands.log"

    def log_text(self) -> str:
        """What commands have run, as far as nobody asked."""
        return self.log.read_text() if self.log.exists() else ""

    def commands(self) -> list[str]:
        """What commands have run since the last call, in their order."""
        told = self.log_text().splitlines()
        self.log.unlink(missing_ok=True)
        return told

    def run(
        self, operation: str, *arguments: str, stack: str = "test"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HOLO, "deploy", operation, stack, "--project", self.folder, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@dataclass(frozen=True)
class Pair(Stack):
    """A stack of two hosts."""

    servers: dict[str, Server]

    def write(
        self,
        *changes: tuple[str, str],
        hosts: tuple[str, ...] = ("alpha", "beta"),
        broken: str = "",
        drain: str = "",
    ) -> None:
        """Compile the fleet with these changes and hosts, and write the stack's settings.

        A change is a host and how nice its service is. On the broken host it ends at once.
        `drain` is what all hosts do before they go.
        """
        told = yaml.safe_load(FLEET)
        told["hosts"] = {name: json.loads(json.dumps(told["hosts"][name])) for name in hosts}
        for host, nice in changes:
            told["hosts"][host]["containers"]["web"]["units"]["pages"]["settings"]["Nice"] = nice
        for host in told["hosts"].values():
            host["drain"] = ["sh", "-c", drain] if drain else host["drain"]
        if "alpha" in hosts:
            web = told["hosts"]["alpha"]["containers"]["web"]
            web["secrets"] = {"nats": PLACES["natsKey"]}
            pages = web["units"]["pages"]
            pages["secrets"] = ["nats"]
            httpd = " ".join(pages["exec_start"])
            check = '! grep -q b4d "$CREDENTIALS_DIRECTORY/nats" || exit 3; exec '
            pages["exec_start"] = ["sh", "-c", f"{check}{httpd}"]
        if broken:
            failing = ["sh", "-c", "echo no pages here >&2; exit 3"]
            told["hosts"][broken]["containers"]["web"]["units"]["pages"]["exec_start"] = failing
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(told))
        holo("compile", self.folder / "fleet.yaml", "--out", self.folder / "out", *TARGET)
        settings = self.folder / "Pulumi.test.yaml"
        old = yaml.safe_load(settings.read_text()) if settings.exists() else {}
        credentials = {PLACES[name]: name for name in SECRETS}
        config = {
            **old.get("config", {}),
            "holo:fleet": "fleet.yaml",
            "holo:out": "out",
            "holo:hosts": {
                name: {
                    "ssh": self.servers[name].url,
                    "hostKey": self.servers[name].host_key,
                    "credentials": credentials if name == "alpha" else {},
                    "timeout": 20,
                }
                for name in hosts
            },
            "holo:sshConfig": "ssh_config",
        }
        settings.write_text(yaml.safe_dump({**old, "config": config}))

    def drift(self, host: str) -> str:
        """What `holo drift` says of a host."""
        return holo("drift", self.folder / "fleet.yaml", host, *self.servers[host].to)

    def start(self, operation: str, path: Path | None = None) -> subprocess.Popen[str]:
        """An operation that goes on; programs are looked for in `path` first."""
        paths = self.environment["PATH"] if path is None else f"{path}:{self.environment['PATH']}"
        return subprocess.Popen(
            [HOLO, "deploy", operation, "test", "--project", self.folder],
            env={**self.environment, "PATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def deploy(self, operation: str, *arguments: str) -> str:
        """What it told, standard output and the rest; it must succeed."""
        done = self.run(operation, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def set_secret(self, name: str, secret: str) -> None:
        self.pulumi("config", "set", "--secret", f"holo:{name}", stdin=secret)

    def pulumi(self, *arguments: str, stdin: str = "") -> str:
        """What Pulumi's own command line told; it must succeed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", "test", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def everything_kept(self) -> bytes:
        """All that the engine has written: state, its backups and history, settings."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in files)


TARGET = ("--target", "pulumi")


def prepare(folder: Path, ssh_config: Path | None = None) -> dict[str, str]:
    """Makes a folder that of a stack without settings; the environment of what runs it."""
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name, module in (
        ("pulumi-resource-command", "command_stand_in"),
        ("pulumi-language-python", "language_stand_in"),
    ):
        program = stand_ins / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.support.{module} "$@"\n')
        program.chmod(0o755)
    for name in ("state", "tmp"):
        (folder / name).mkdir()
    (folder / "Pulumi.yaml").write_text("name: holo\nruntime: python\n")
    shutil.copy(ROOT / "pulumi" / "__main__.py", folder)
    if ssh_config:
        shutil.copy(ssh_config, folder / "ssh_config")
    return {
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),  # where logs of events are kept
        "PATH": f"{HOLO.parent}:{stand_ins}:{engine()}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "of the test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "COMMAND_LOG": str(folder / "commands.log"),
    }


def pair(folder: Path, servers: dict[str, Server]) -> Pair:
    """The stack, with nothing deployed."""
    environment = prepare(folder, next(iter(servers.values())).config)
    made = Pair(folder, environment, servers)
    made.write()
    made.pulumi("stack", "init")
    for name, secret in SECRETS.items():
        made.set_secret(name, secret)
    return made
