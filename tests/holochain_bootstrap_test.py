"""Bootstrap and signal services: which programs of which version, on which ports."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, get_args

import pytest

from holo_infra.model.services.holochain_bootstrap import (
    HolochainBootstrap,
    HolochainBootstrapOptions,
)
from holo_infra.model.services.versions import HolochainVersion
from holo_infra.services.holochain_bootstrap import holochain_bootstrap
from tests.support import alone
from tests.support.modules import in_nix
from tests.support.nix import Nix
from tests.support.values import ZEROS

COUNT = 200
VERSIONS: tuple[HolochainVersion, ...] = get_args(HolochainVersion)
ALL = "0.0.0.0"  # noqa: S104 - on purpose


def commands(options: HolochainBootstrapOptions) -> dict[str, list[str]]:
    """The command line of each unit."""
    made = alone.in_python(holochain_bootstrap, options)["units"]
    return {
        name: json.loads(line)
        for name, sections in made.items()
        for line in sections["Service"]["ExecStart"]
    }


def opened(**given: Any) -> list[int]:
    made: list[int] = alone.in_python(holochain_bootstrap, HolochainBootstrapOptions(**given))[
        "tcp"
    ]
    return made


@pytest.mark.parametrize("version", ["0.5", "latest"])
def test_one_program_serves_both_since_0_5(version: HolochainVersion) -> None:
    options = HolochainBootstrapOptions(enable=True, version=version, listen_address=ALL)
    program = f"{ZEROS}kitsune2-bootstrap-srv/bin/kitsune2-bootstrap-srv"
    assert commands(options) == {
        "holochain-bootstrap.service": [program, "--production", "--listen", "0.0.0.0:50000"]
    }
    assert HolochainBootstrap(version=version).listens == ["127.0.0.1:50000"]


@pytest.mark.parametrize("version", ["0.3", "0.4"])
def test_the_signal_service_is_apart_up_to_0_4(version: HolochainVersion) -> None:
    options = HolochainBootstrapOptions(enable=True, version=version, package="hello")
    program = [f"{ZEROS}hello/bin/hc-run-local-services"]
    bootstrap = ["--bootstrap-interface", "127.0.0.1", "--bootstrap-port", "50000"]
    signal = ["--signal-interfaces", "127.0.0.1", "--signal-port", "50001"]
    assert commands(options) == {
        "holochain-bootstrap.service": [*program, "--disable-signal", *bootstrap],
        "holochain-signal.service": [*program, "--disable-bootstrap", *signal],
    }
    listens = HolochainBootstrap(version=version, port=1, signal_port=2).listens
    assert listens == ["127.0.0.1:1", "127.0.0.1:2"]


def test_the_firewall_is_opened_for_what_listens_and_on_request_only() -> None:
    asked = {"enable": True, "open_firewall": True, "listen_address": ALL}
    assert opened(**asked) == [50000]
    assert opened(**asked, version="0.4") == [50000, 50001]
    assert opened(**asked | {"open_firewall": False}) == []
    assert opened(**asked | {"enable": False}) == []
    assert opened(**asked | {"listen_address": "127.0.0.1"}) == []


@pytest.mark.needs("nix")
def test_units_from_nix_equal_units_from_python(nix: Nix, nixpkgs: Path, tmp_path: Path) -> None:
    rng = random.Random(9)
    values = [alone.configuration(rng, HolochainBootstrapOptions) for _ in range(COUNT)]
    modules = alone.folder(holochain_bootstrap, tmp_path / "modules")
    sources = [alone.printed(holochain_bootstrap, value) for value in values]
    results = in_nix(nix, nixpkgs, modules, sources)
    for value, result in zip(values, results, strict=True):
        assert result == alone.in_python(holochain_bootstrap, value), value
    assert sum(len(result["units"]) for result in results) > COUNT
    assert sum(bool(result["tcp"]) for result in results) > COUNT // 10


@pytest.mark.needs("nix")
def test_options_of_the_module_are_those_of_the_model(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    modules = alone.folder(holochain_bootstrap, tmp_path / "modules")
    made = alone.options_in_nix(nix, nixpkgs, modules, holochain_bootstrap.path)
    assert made == alone.options_of(HolochainBootstrapOptions)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("version", VERSIONS)
def test_units_are_well_formed_and_hardened(tmp_path: Path, version: HolochainVersion) -> None:
    options = HolochainBootstrapOptions(enable=True, version=version)
    files = alone.units(holochain_bootstrap, options, tmp_path / "units")
    assert alone.verified(files, tmp_path / "root") == ""
    for file in files:
        assert alone.exposure(file) <= 1.2, file.name
