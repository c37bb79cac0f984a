"""`make demo`: checks and compiles examples, plans a change, evaluates a host with the real Nix."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nixgen.unitfile import words
from tests.support import fleets
from tests.support.nix import Nix, nixpkgs_tree

ROOT = Path(__file__).parent.parent
FLEET = "examples/private/fleet.py"
MIXED = "examples/mixed/fleet.yaml"
OUT = Path("build/demo")
CHANGED = Path("build/changed/fleet.py")
UNIT = "socat-holochain0-admin"


def main() -> int:
    """Runs the steps; a step that fails ends the demo with its error."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    shutil.rmtree(ROOT / CHANGED.parent, ignore_errors=True)
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


def holo(*arguments: str, expected: int = 0) -> None:
    """Runs `holo` as a user would; another exit status than expected ends the demo."""
    title(f"holo {' '.join(arguments)}")
    command = [Path(sys.executable).parent / "holo", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != expected:
        raise subprocess.CalledProcessError(done.returncode, command)


def title(text: str) -> None:
    """A heading before a step's output."""
    say(f"\n── {text}")


def say(text: str) -> None:
    """Prints at once, so that the order with other programs' output is kept."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
