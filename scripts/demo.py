"""`make demo`: compiles examples/private, evaluates it with the real Nix, shows what was made."""

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
OUT = Path("build/demo")
UNIT = "socat-holochain0-admin"


def main() -> int:
    """Runs the steps; a step that fails ends the demo with its error."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    holo("show", FLEET)
    holo("compile", FLEET, "--out", str(OUT))
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


def holo(*arguments: str) -> None:
    """Runs `holo` as a user would."""
    title(f"holo {' '.join(arguments)}")
    subprocess.run([Path(sys.executable).parent / "holo", *arguments], cwd=ROOT, check=True)


def title(text: str) -> None:
    """A heading before a step's output."""
    say(f"\n── {text}")


def say(text: str) -> None:
    """Prints at once, so that the order with other programs' output is kept."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
