"""The conductor: its configuration as each version reads it, and its unit."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from holo_infra.model.services.holochain import Holochain, HolochainOptions
from holo_infra.model.services.versions import VERSIONS
from holo_infra.services.holochain import holochain
from nixgen.printer import print_expression
from nixgen.views import node
from tests.support import alone
from tests.support.conductor import SCHEMAS
from tests.support.modules import in_nix
from tests.support.nix import Nix

COUNT = 200
CONDUCTOR = "holo/services/conductor.json"
FEATURES = "holo/services/holochain-features.json"


def conductor(options: HolochainOptions) -> Any:
    """The conductor's configuration, read back from its file."""
    enabled = options.model_copy(update={"enable": True})
    return json.loads(alone.in_python(holochain, enabled)["etc"][CONDUCTOR])


def test_the_configuration_has_what_its_version_requires_and_nothing_that_it_does_not_know() -> (
    None
):
    rng = random.Random(3)
    assert set(SCHEMAS) == set(VERSIONS)
    for _ in range(50):
        options = alone.configuration(rng, HolochainOptions).model_copy(
            update={"conductor_config_overrides": {}}
        )
        for version, schema in SCHEMAS.items():
            config = conductor(options.model_copy(update={"version": version}))
            jsonschema.validate(config, schema)
            others = [s for v, s in SCHEMAS.items() if s != schema]
            assert not any(jsonschema.Draft202012Validator(s).is_valid(config) for s in others)


def test_options_reach_the_place_that_the_version_has_for_them() -> None:
    options = HolochainOptions(
        bootstrap_service_url="https://boot.example",
        webrtc_transport_pool_signal_url="wss://signal.example",
        webrtc_transport_pool_ice_servers=["stun:a.example:1", "turn:b.example"],
        admin_websocket_port=8123,
        admin_websocket_allowed_origins="https://a.example,https://b.example",
    )
    servers = {"iceServers": [{"urls": ["stun:a.example:1"]}, {"urls": ["turn:b.example"]}]}
    new = conductor(options)
    assert new["network"] == {
        "bootstrap_url": "https://boot.example",
        "signal_url": "wss://signal.example",
        "webrtc_config": servers,
    }
    assert new["admin_interfaces"] == [
        {
            "driver": {
                "type": "websocket",
                "port": 8123,
                "allowed_origins": "https://a.example,https://b.example",
            }
        }
    ]
    old = conductor(options.model_copy(update={"version": "0.3"}))
    assert old["network"] == {
        "network_type": "quic_bootstrap",
        "bootstrap_service": "https://boot.example",
        "transport_pool": [
            {
                "type": "webrtc",
                "signal_url": "wss://signal.example",
                "webrtc_config": servers,
            }
        ],
    }
    latest = conductor(options.model_copy(update={"version": "latest"}))
    assert latest == new


def test_overrides_take_the_place_of_ours_name_by_name() -> None:
    overrides: dict[str, Any] = {
        "network": {"target_arc_factor": 0, "signal_url": "wss://other.example"},
        "db_sync_strategy": "Fast",
        "admin_interfaces": [],
        "keystore": {"type": "lair_server", "connection_url": "unix:///run/lair?k=x"},
    }
    made = conductor(HolochainOptions(conductor_config_overrides=overrides))
    assert made == {
        "data_root_path": "/var/lib/holo/holochain",
        "network": {"bootstrap_url": "https://bootstrap.holo.host", **overrides["network"]},
        "db_sync_strategy": "Fast",
        "admin_interfaces": [],
        "keystore": overrides["keystore"],
    }


HOSTILE = [
    '${builtins.throw "evaluated"}',
    "''${builtins.abort \"evaluated\"}''",
    '"; builtins.abort "evaluated" #',
    "'' + builtins.abort \"evaluated\" + ''",
    "$(touch evaluated)`touch evaluated`",
    "a b,c --all-features",
    "back\\slash \\n \\${x} \\",
    "two\nlines\tand a tab",
    "%n %% %d $HOME $$ ${HOME}",
    "é漢🜨",
    "",
]


def hostile() -> HolochainOptions:
    plain = [
        text
        for text in HOSTILE
        if text and not set(text) & set(" \"'\\\n\t")  # what a URL cannot have
    ]
    assert "%n" not in plain
    rest = "".join(["${HOME}%n%%$$$(id)`id`;|&", *plain])
    return HolochainOptions(
        enable=True,
        passphrase_file="/run/keys/passphrase",
        features=HOSTILE,
        admin_websocket_allowed_origins=rest,
        bootstrap_service_url=f"https://{rest}",
        webrtc_transport_pool_signal_url=f"wss://{rest}",
        webrtc_transport_pool_ice_servers=[f"stun:{rest}"],
        conductor_config_overrides={
            "texts": HOSTILE,
            **{text: {text: text} for text in HOSTILE},
        },
    )


def assert_unharmed(etc: dict[str, str]) -> None:
    options = hostile()
    assert json.loads(etc[FEATURES]) == HOSTILE
    config = json.loads(etc[CONDUCTOR])
    assert config["texts"] == HOSTILE
    assert [config[text][text] for text in HOSTILE] == HOSTILE
    network = config["network"]
    assert network["bootstrap_url"] == options.bootstrap_service_url
    assert network["signal_url"] == options.webrtc_transport_pool_signal_url
    assert network["webrtc_config"]["iceServers"] == [
        {"urls": options.webrtc_transport_pool_ice_servers}
    ]
    (interface,) = config["admin_interfaces"]
    origins = interface["driver"]["allowed_origins"]
    assert origins == options.admin_websocket_allowed_origins


def test_text_of_a_user_reaches_the_files_unharmed() -> None:
    assert_unharmed(alone.in_python(holochain, hostile())["etc"])


@pytest.mark.needs("nix")
def test_text_of_a_user_is_not_evaluated_by_nix(nix: Nix, nixpkgs: Path, tmp_path: Path) -> None:
    modules = alone.folder(holochain, tmp_path / "modules")
    (made,) = in_nix(nix, nixpkgs, modules, [alone.printed(holochain, hostile())])
    assert_unharmed(made["etc"])


def test_no_text_of_a_user_is_in_the_unit() -> None:
    made = alone.in_python(holochain, hostile())["units"]["holochain.service"]
    plain = alone.in_python(holochain, HolochainOptions(enable=True))["units"]["holochain.service"]
    changed = {"X-Restart-Triggers", "LoadCredential"}
    for section, values in plain.items():
        kept = {name: value for name, value in values.items() if name not in changed}
        assert kept.items() <= made[section].items()
        assert set(made[section]) - set(values) <= changed


@pytest.mark.parametrize("field", ["bootstrap_service_url", "webrtc_transport_pool_signal_url"])
@pytest.mark.parametrize("rest", ["a'b", 'a"b', "a b", "a\nb", "a\\b", "a\x7fb", ""])
def test_a_url_with_quotes_or_space_is_refused(field: str, rest: str) -> None:
    scheme = "https" if field == "bootstrap_service_url" else "wss"
    Holochain.model_validate({field: f"{scheme}://ab"})
    with pytest.raises(ValueError, match=field):
        Holochain.model_validate({field: f"{scheme}://{rest}"})


def test_a_conductor_without_a_passphrase_is_told_of_by_nixos() -> None:
    def failed(options: HolochainOptions) -> list[str]:
        checks = alone.configured(holochain, options)["assertions"]
        return [check["message"] for check in checks if not check["assertion"]]

    file = "/run/keys/passphrase"
    assert failed(HolochainOptions()) == []
    assert failed(HolochainOptions(enable=True, passphrase_file=file)) == []
    (message,) = failed(HolochainOptions(enable=True))
    assert "passphraseFile" in message


@pytest.mark.needs("nix")
def test_the_unit_from_nix_equals_the_unit_from_python(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    rng = random.Random(5)
    values = [alone.configuration(rng, HolochainOptions) for _ in range(COUNT)]
    modules = alone.folder(holochain, tmp_path / "modules")
    results = in_nix(nix, nixpkgs, modules, [alone.printed(holochain, value) for value in values])
    for value, result in zip(values, results, strict=True):
        assert result == alone.in_python(holochain, value), value
    assert sum(len(result["units"]) for result in results) > COUNT // 2


@pytest.mark.needs("nix")
def test_options_of_the_module_are_those_of_the_model(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    modules = alone.folder(holochain, tmp_path / "modules")
    made = alone.options_in_nix(nix, nixpkgs, modules, holochain.path)
    assert made == alone.options_of(HolochainOptions)
    assert {"passphraseFile", "conductorConfigOverrides", "adminWebsocketPort"} < set(made)


@pytest.mark.needs("nix")
def test_a_value_of_another_type_is_refused_by_both(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    wrong: list[dict[str, Any]] = [
        {"version": "0.6"},
        {"version": "0.50"},
        {"adminWebsocketPort": 0},
        {"adminWebsocketPort": "8000"},
        {"features": "a"},
        {"features": ["\x01"]},
        {"passphraseFile": "/nix/store/secret"},
        {"passphraseFile": ""},
        {"bootstrapServiceUrl": "wss://a"},
        {"webrtcTransportPoolSignalUrl": "https://a"},
        {"webrtcTransportPoolIceServers": ["https://a"]},
        {"conductorConfigOverrides": ["a"]},
        {"logLevel": "a b"},
        {"unknown": 1},
    ]
    modules = alone.folder(holochain, tmp_path / "modules")
    for value in wrong:
        with pytest.raises(ValueError, match="validation error"):
            HolochainOptions.model_validate(value)
    sources = [f"{{ holo.holochain = {print_expression(node(value))}; }}" for value in wrong[:-1]]
    assert in_nix(nix, nixpkgs, modules, sources) == [None] * len(sources)


def versions_of_options() -> Iterator[HolochainOptions]:
    for port in (8000, 800):
        yield HolochainOptions(
            enable=True,
            admin_websocket_port=port,
            passphrase_file="passphrase",
        )


@pytest.mark.needs("systemd-analyze")
def test_the_unit_is_well_formed_and_hardened(tmp_path: Path) -> None:
    for number, options in enumerate(versions_of_options()):
        files = alone.units(holochain, options, tmp_path / f"units{number}")
        assert [file.name for file in files] == ["holochain.service"]
        assert alone.verified(files, tmp_path / f"root{number}") == ""
        # It compiles at run time, sees /proc and speaks netlink; as in SANDBOX otherwise.
        assert alone.exposure(files[0]) <= 1.5


def test_what_a_conductor_listens_on_and_is_given_is_known_to_a_fleet() -> None:
    assert Holochain().listens == ["127.0.0.1:8000"]
    assert Holochain(admin_websocket_port=8111).listens == ["127.0.0.1:8111"]
    assert Holochain().secret_files == {}
    with_file = Holochain(passphrase_file="/run/keys/p")
    assert with_file.secret_files == {"passphrase_file": "/run/keys/p"}
