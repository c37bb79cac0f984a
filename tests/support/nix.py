"""Every call of Nix that a test makes, in a store and home of its own. Knows nothing of Holo.

Nix runs offline: no daemon, no substituter, no registry, no channel. Its files stay in one folder,
so that test workers never wait for each other.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).parent.parent / "nixpkgs"
TIMEOUT_SECONDS = 120

# Read by Nix from the environment. An empty `substituters` spares 4-5 s of name look-ups a build.
CONFIG = """\
build-users-group =
experimental-features = nix-command flakes
flake-registry =
sandbox = false
substituters =
"""

# A store that holds nothing and is never written: enough to evaluate, and nothing to set up.
NO_STORE = ["--store", "dummy://"]


class NixError(Exception):
    """Nix refused. `stderr` is what it said, the message ends with it."""

    def __init__(self, command: list[str], stderr: str) -> None:
        super().__init__(f"{' '.join(command[:2])} failed:\n{stderr}")
        self.stderr = stderr


class Nix:
    """Nix with all its files under `folder`, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        places = {
            "HOME": "home",
            "NIX_CONF_DIR": "conf",
            "NIX_LOCALSTATE_DIR": "var",
            "NIX_LOG_DIR": "log",
            "NIX_STATE_DIR": "state",
            "NIX_STORE_DIR": "store",
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NIX_", "XDG_"))}
        # Nix refuses a store path that leads through a symbolic link.
        root = folder.resolve()
        self.environment = inherited | {name: str(root / place) for name, place in places.items()}
        for name in places:
            Path(self.environment[name]).mkdir(parents=True, exist_ok=True)
        self.environment |= {"NIX_CONFIG": CONFIG, "NIX_PATH": ""}

    def parse(self, *paths: Path) -> None:
        """Check syntax, variables and duplicate attributes of all files at once, or NixError."""
        self._run(["nix-instantiate", "--parse", *NO_STORE, *map(str, paths)])

    def eval_json(self, source: str | Path, *, store: bool = False) -> Any:
        """Evaluate an expression, or the file at a path, to the end; what it is as JSON.

        `store` is for expressions that put something into the store (`"${./file}"`, `toFile`).
        NixError where it cannot be evaluated.
        """
        command = ["nix-instantiate", "--eval", "--strict", "--json"]
        command += [] if store else NO_STORE
        if isinstance(source, Path):
            return json.loads(self._run([*command, str(source)]))
        return json.loads(self._run([*command, "-"], stdin=source))

    def flake_eval(self, ref: Path, attr: str, overrides: Mapping[str, Path]) -> str:
        """Evaluate an attribute of the flake in folder `ref` to a string, as it stands.

        `overrides` gives folders for inputs by name; no lock file is written. NixError where the
        flake does not evaluate or the attribute is no string.
        """
        command = ["nix", "eval", "--raw", "--option", "eval-cache", "false"]
        command += [f"path:{ref.resolve()}#{attr}", "--no-write-lock-file"]
        for name, folder in overrides.items():
            command += ["--override-input", name, f"path:{folder.resolve()}"]
        return self._run(command)

    def _run(self, command: list[str], stdin: str = "") -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        # Only the status counts: Nix 2.8 prints half a JSON before it fails.
        if done.returncode != 0:
            raise NixError(command, done.stderr)
        return done.stdout


def nixpkgs_tree(folder: Path) -> Path:
    """Put the stand-in for nixpkgs into `folder`/nixpkgs, which must not exist, and return that.

    NIXPKGS_LIB names the `lib` folder of a real nixpkgs, to be used in place of the stand-in's.
    """
    tree = folder / "nixpkgs"
    shutil.copytree(STAND_IN, tree)
    if library := os.environ.get("NIXPKGS_LIB"):
        shutil.rmtree(tree / "lib")
        shutil.copytree(library, tree / "lib")
    return tree
