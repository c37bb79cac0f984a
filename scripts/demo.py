"""`make demo`: runs an example, compiles it, plans a change, evaluates a host with the real Nix."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from nixgen.unitfile import words
from tests.support import fleets
from tests.support.nix import Nix, nixpkgs_tree

ROOT = Path(__file__).parent.parent
FLEET = "examples/private/fleet.py"
MIXED = "examples/mixed/fleet.yaml"
OUT = Path("build/demo")
CHANGED = Path("build/changed/fleet.py")
LAB = f"demo-{os.getpid()}"
STRICT = os.environ.get("HOLO_STRICT") == "1"
"""Whether a demo that cannot show its lab fails: `make demo STRICT=1`."""
UNIT = "socket-proxyd-holochain0-admin"


def main() -> int:
    """Runs the steps; a step that fails ends the demo with its error."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    shutil.rmtree(ROOT / CHANGED.parent, ignore_errors=True)
    run_it()
    holo("check", MIXED)
    holo("show", FLEET)
    holo("compile", FLEET, "--out", str(OUT))
    plan_a_change()
    title(f"{OUT}/hosts/alpha.nix, its first container")
    host = (ROOT / OUT / "hosts/alpha.nix").read_text()
    say(host[: host.index("    holochain1 = {")] + "    …")
    title("units of the host and of each container, in plain systemd")
    bundle = ROOT / OUT / "systemd/alpha"
    for folder in (bundle / "host", bundle / "containers/holochain0/units"):
        for unit in sorted(folder.glob("*.service")):
            say(f"  {unit.relative_to(bundle)}")
    if shutil.which("nix") is None:
        say("\nNix is not installed: its part is left out (Debian: apt-get install nix-bin)")
        return 0
    return evaluate(bundle / "host" / f"{UNIT}.service")


def run_it() -> None:
    """Runs the example in a lab, and fetches a page through each forward."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        why = (
            "only root can run machines, by systemd-nspawn (Debian: apt-get install"
            " systemd-container)"
        )
        if STRICT:
            sys.exit(f"{why}: without a lab there is no demo")
        say(f"{why}: the lab is left out")
        return
    places = [f"alpha/holochain{n}/{forward}" for n in range(3) for forward in ("admin", "httpgw")]
    publish = [word for place in places for word in ("--publish", f"0:{place}")]
    try:
        published = holo("up", FLEET, "--lab", LAB, *publish)
        holo("status", "--lab", LAB)
        title("a page through each forward, each its own container's")
        for line in published.splitlines():
            address, _, place = line.partition(" -> ")
            with urllib.request.urlopen(f"http://{address}/identity.env", timeout=10) as answer:
                page = answer.read().decode().split()
            say(f"  {place:<25}{' '.join(page)}")
            if page[0] != f"HOLO_CONTAINER={place.split('/')[1]}":
                raise ValueError(f"{place} gives another container's page: {page}")
    finally:
        holo("down", "--lab", LAB)


def plan_a_change() -> None:
    """Gives the example another container and a mistake, and shows what `holo` says to either."""
    CHANGED.parent.mkdir(parents=True)
    fleet = (ROOT / FLEET).read_text()
    shutil.copy(ROOT / Path(FLEET).with_name("fleet.lock.json"), ROOT / CHANGED.parent)
    (ROOT / CHANGED).write_text(fleet.replace("range(3)", "range(4)"))
    holo("plan", str(CHANGED), "--out", str(OUT), expected=2)
    (ROOT / CHANGED).write_text(fleet.replace("8080 + number", "22"))
    holo("check", str(CHANGED), expected=1)


def evaluate(unit: Path) -> int:
    """Forces the whole host in Nix, and compares one unit's command with the bundle's."""
    title("the same host in the Nix evaluator, forced to the last value")
    with tempfile.TemporaryDirectory() as folder:
        nix = Nix(Path(folder))
        inputs = fleets.inputs(nixpkgs_tree(Path(folder)), Path(folder))
        derivation = fleets.toplevel(nix, ROOT / OUT, "alpha", inputs)
        say(f"  nixosConfigurations.alpha … toplevel.drvPath\n    {derivation.split('/')[-1]}")
        attribute = f'nixosConfigurations.alpha.config.systemd.services."{UNIT}".serviceConfig'
        line = nix.flake_eval(ROOT / OUT, f"{attribute}.ExecStart", inputs)
    text = unit.read_text()
    plain = next(row for row in text.splitlines() if row.startswith("ExecStart="))
    nixos, bundle = words(line), words(plain.partition("=")[2])
    say(f"\n  {UNIT}.service, ExecStart")
    say(f"    from Nix     {' '.join(nixos)}")
    say(f"    from Python  {' '.join(bundle)}")
    if nixos[1:] != bundle[1:]:
        say("they differ")
        return 1
    return 0


def holo(*arguments: str, expected: int = 0) -> str:
    """What `holo` prints, run and shown as to a user; an unexpected status ends the demo."""
    title(f"holo {' '.join(arguments)}")
    command = [Path(sys.executable).parent / "holo", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    say(done.stdout.rstrip("\n"))
    if done.returncode != expected:
        raise subprocess.CalledProcessError(done.returncode, command)
    return done.stdout


def title(text: str) -> None:
    """A heading before a step's output."""
    say(f"\n── {text}")


def say(text: str) -> None:
    """Prints at once, so that the order with other programs' output is kept."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
