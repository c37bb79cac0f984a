"""`holo init [DIR]`: begins a fleet, with a first one that compiles."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from holo_infra.cli.output import say
from holo_infra.compiled import lock_path
from holo_infra.diagnostics import Diagnostic, FleetError, Place

PYTHON = '''\
"""A first fleet: one host, and on it a container with a web server."""

from holo_infra import Container, Fleet, Forward, Host, Unit

fleet = Fleet(
    name="first",
    hosts={
        # For a host without NixOS: Host(platform="systemd", ...).
        "alpha": Host(
            containers={
                # It has a network of its own, and reaches nothing but through forwards.
                "web0": Container(
                    units={
                        # A service listens on the container's 127.0.0.1. Its program is found by
                        # its name: here, a page with the container's name and address is served.
                        "web": Unit(
                            description="A first service",
                            exec_start=[
                                *("busybox", "httpd", "-f"),
                                *("-p", "127.0.0.1:8000", "-h", "/etc/holo"),
                            ],
                        ),
                    },
                    forwards={
                        # curl http://127.0.0.1:8080/identity.env on the host reaches the service.
                        "http": Forward(port=8000, host_port=8080, probe="http:/identity.env"),
                        # Without a host_port, a free one is found, and kept in fleet.lock.json.
                        "spare": Forward(port=8000),
                    },
                ),
            },
        ),
    },
)
'''

YAML = """\
# A first fleet: one host, and on it a container with a web server.
name: first
hosts:
  # For a host without NixOS: `platform: systemd`.
  alpha:
    containers:
      # It has a network of its own, and reaches nothing but through forwards.
      web0:
        units:
          # A service listens on the container's 127.0.0.1. Its program is found by its name: here,
          # a page with the container's name and address is served.
          web:
            description: A first service
            exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000", -h, /etc/holo]
        forwards:
          # curl http://127.0.0.1:8080/identity.env on the host reaches the service.
          http: { port: 8000, host_port: 8080, probe: "http:/identity.env" }
          # Without a host_port, a free one is found, and kept in fleet.lock.json.
          spare: { port: 8000 }
"""

FILES = {"fleet.py": PYTHON, "fleet.yaml": YAML}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), metavar="DIR", help="by default, here"
    )
    parser.add_argument("--yaml", action="store_true", help="a fleet.yaml instead of a fleet.py")


def run(options: argparse.Namespace) -> int:
    """Writes the fleet's file where none is, and says what to do next."""
    name = "fleet.yaml" if options.yaml else "fleet.py"
    fleet: Path = options.folder / name
    # A fleet of either form would share its lock file with the new one.
    places = [*(options.folder / other for other in FILES), lock_path(fleet)]
    hint = "give another folder, or move it away"
    if there := [path for path in places if path.exists() or path.is_symlink()]:
        message = "is there already, and holo init overwrites nothing"
        raise FleetError([Diagnostic("HI311", (), message, hint, Place(str(p))) for p in there])
    options.folder.mkdir(parents=True, exist_ok=True)
    with fleet.open("x", encoding="utf-8") as file:
        file.write(FILES[name])
    told, out = shlex.quote(str(fleet)), shlex.quote(str(options.folder / "out"))
    say(f"{fleet} is written. Next:")
    say(f"  holo check {told}")
    say(f"  holo compile {told} --out {out}")
    return 0
