"""A difference that is planted into a module of Holochain's services is found by comparison."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holo_infra.services.hc_http_gw import hc_http_gw
from holo_infra.services.holochain import holochain
from holo_infra.services.holochain_bootstrap import holochain_bootstrap
from tests.support import alone
from tests.support.modules import in_nix
from tests.support.nix import Nix

MODULES = {module.name: module for module in (holochain, hc_http_gw, holochain_bootstrap)}
MUTANTS = {
    "a version's form": (
        "holochain",
        "latest = {\n        network = lib.filterAttrs (_: value: value != null) {\n          boot",
        "latest = {\n        network = lib.filterAttrs (_: value: value != null) {\n          b",
    ),
    "a required field": ("holochain", 'network_type = "quic_bootstrap";', ""),
    "the other URL": (
        "holochain",
        "bootstrap_url = cfg.bootstrapServiceUrl",
        "bootstrap_url = cfg.webrtcTransportPoolSignalUrl",
    ),
    "a null that stays": ("holochain", "value != null", "true"),
    "a lost server": ("holochain", ") cfg.webrtcTransportPoolIceServers", ") [ ]"),
    "overrides below ours": (
        "holochain",
        ") cfg.conductorConfigOverrides",
        ") { }",
    ),
    "shallow overrides": ("holochain", "lib.recursiveUpdate (", "(a: b: a // b) ("),
    "lost features": ("holochain", "builtins.toJSON cfg.features", "builtins.toJSON [ ]"),
    "a lost secret": ("holochain", "cfg.passphraseFile != null\n", "false\n"),
    "a default": ("holochain", "default = 8000;", "default = 8001;"),
    "a lost enable": ("holochain", "holochain = lib.mkIf cfg.enable {", "holochain = {"),
    "another signal": ("holochain", '"SIGINT"', '"SIGTERM"'),
    "another script": ("holochain", "exit 1", "exit 0"),
    "a lost escape of a URL": (
        "hc-http-gw",
        'lib.replaceStrings [ "%" ] [ "%%" ] cfg.adminWebsocketUrl',
        "cfg.adminWebsocketUrl",
    ),
    "a derived default": ("hc-http-gw", "lib.mapAttrsToList (app: name: app)", "(_: [ ])"),
    "lost functions": ("hc-http-gw", ") cfg.allowedFnsPerAppId))", ") { }))"),
    "a limit's other name": ("hc-http-gw", "cfg.maxAppConnections != null", "false"),
    "a port": ("hc-http-gw", "cfg.listenPort < 1024", "cfg.listenPort < 1"),
    "the version of a second unit": ("holochain-bootstrap", '"0.4" = true', '"0.4" = false'),
    "a firewall that opens itself": ("holochain-bootstrap", "&& cfg.openFirewall", ""),
    "a firewall of loopback": ("holochain-bootstrap", '&& !lib.hasPrefix "127."', "&& null != "),
    "the other port": ("holochain-bootstrap", "${toString cfg.signalPort}", "${toString cfg.port}"),
    "a server for trials": ("holochain-bootstrap", '"--production"', ""),
    "a given package": ("holochain-bootstrap", "cfg.package != null", "false"),
}

pytestmark = pytest.mark.needs("nix")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_difference_is_found(nix: Nix, nixpkgs: Path, tmp_path: Path, name: str) -> None:
    of, old, new = MUTANTS[name]
    module = MODULES[of]
    folder = alone.folder(module, tmp_path / "modules")
    file = folder / f"{of}.nix"
    assert old in file.read_text(), "the mutant has nothing to change"
    file.write_text(file.read_text().replace(old, new))
    rng = random.Random(11)
    values = [alone.configuration(rng, module.model) for _ in range(100)]
    results = in_nix(nix, nixpkgs, folder, [alone.printed(module, value) for value in values])
    pairs = zip(values, results, strict=True)
    assert any(result != alone.in_python(module, value) for value, result in pairs)
