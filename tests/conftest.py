"""The test run's own rules: what a test needs of this computer, and examples that repeat.

`@pytest.mark.needs("nix", "nspawn")` names what a test cannot do without. Where that is missing
the test is skipped with a reason that says what to install; with HOLO_STRICT=1 it fails instead,
so that CI never passes for want of a tool. `scripts/system-packages` has the names.

Hypothesis draws the same examples in every run. HYPOTHESIS_PROFILE=explore draws new ones, more
of them, and remembers failures.
"""

import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from holo_infra.cli import main
from tests.support.nix import Nix, nixpkgs_tree

ROOT = Path(__file__).parent.parent
STRICT = os.environ.get("HOLO_STRICT") == "1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what runs in the background; programs of tests would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Slow data is no failure: how long a run takes depends on the computer.
settings.register_profile(
    "repeat",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


class Need(NamedTuple):
    """A row of the table in scripts/system-packages."""

    program: str
    package: str
    who: str
    purpose: str


@cache
def known_needs() -> dict[str, Need]:
    table = subprocess.run(
        [ROOT / "scripts" / "system-packages", "list"], check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split(maxsplit=4) for line in table.splitlines())
    return {name: Need(*rest) for name, *rest in rows}


def what_lacks(name: str) -> str | None:
    """Why `name` cannot be had here and what to do about it; None where it can."""
    need = known_needs()[name]
    if shutil.which(need.program) is None:
        return (
            f"needs {name}: {need.program} is not installed"
            f" (Debian: apt-get install {need.package}; all at once: scripts/system-packages)"
        )
    if need.who == "root" and os.geteuid() != 0:
        return f"needs {name}: {need.program} works for root only (run the tests as root)"
    return None


@cache
def engine_lacks() -> str | None:
    """Why Pulumi's engine cannot be had here; None where it can."""
    command = [str(ROOT / "scripts" / "pulumi-engine"), "--built"]
    if subprocess.run(command, check=False, capture_output=True).returncode == 0:
        return None
    return "needs Pulumi's engine: scripts/pulumi-engine builds it, once, in some ten minutes"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "needs(*names): system programs without which the test is skipped, or fails with"
        " HOLO_STRICT=1; the names are in scripts/system-packages",
    )
    config.addinivalue_line(
        "markers",
        "engine: needs Pulumi's engine; skipped where scripts/pulumi-engine has not built it, or"
        " fails with HOLO_STRICT=1",
    )


@pytest.fixture(scope="session")
def nix(tmp_path_factory: pytest.TempPathFactory) -> Nix:
    """Nix with a store of this test worker's own."""
    return Nix(tmp_path_factory.mktemp("nix"))


@pytest.fixture(scope="session")
def nixpkgs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for nixpkgs, with the real library where NIXPKGS_LIB names it."""
    return nixpkgs_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def compiled_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `holo compile` writes for examples/private."""
    folder = tmp_path_factory.mktemp("example")
    fleet = folder / "fleet.py"
    shutil.copy(ROOT / "examples" / "private" / "fleet.py", fleet)
    assert main(["compile", str(fleet), "--out", str(folder / "out")]) == 0
    return folder / "out"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for marker in item.iter_markers("needs") for name in marker.args]
    if unknown := [name for name in names if name not in known_needs()]:
        known = ", ".join(known_needs())
        pytest.fail(f"needs {unknown}: scripts/system-packages knows {known}", pytrace=False)
    reasons = [reason for name in names if (reason := what_lacks(name))]
    if item.get_closest_marker("engine") and (reason := engine_lacks()):
        reasons.append(reason)
    if reasons:
        if STRICT:
            pytest.fail("; ".join(reasons), pytrace=False)
        pytest.skip("; ".join(reasons))
