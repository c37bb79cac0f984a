"""The HTTP gateway: its variables, as it reads them, and its unit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from holo_infra.model.services.hc_http_gw import HcHttpGw, HcHttpGwOptions
from holo_infra.services.hc_http_gw import hc_http_gw
from nixgen.printer import print_expression
from nixgen.views import node
from tests.support import alone
from tests.support.modules import in_nix
from tests.support.nix import Nix

COUNT = 200
UNIT = "hc-http-gw.service"


def variables(options: HcHttpGwOptions) -> dict[str, str]:
    """The variables of the unit, as systemd hands them to the process."""
    service = alone.in_python(hc_http_gw, options)["units"][UNIT]["Service"]
    assignments = [assignment.split("=", 1) for assignment in service["Environment"]]
    return {name: value.replace("%%", "%") for name, value in assignments}


def test_options_become_the_variables_of_the_gateway() -> None:
    options = HcHttpGwOptions(
        enable=True,
        admin_websocket_url="ws://127.0.0.1:8123",
        listen_address="0.0.0.0",  # noqa: S104 - on purpose
        listen_port=8080,
        allowed_fns_per_app_id={"forum": "posts/get_all,posts/get", "wiki": "*"},
        payload_limit_bytes=1024,
        max_app_connections=5,
        zome_call_timeout_ms=2000,
        log_level="debug",
    )
    assert variables(options) == {
        "HC_GW_ADMIN_WS_URL": "ws://127.0.0.1:8123",
        "HC_GW_ADDRESS": "0.0.0.0",  # noqa: S104 - on purpose
        "HC_GW_PORT": "8080",
        "HC_GW_ALLOWED_APP_IDS": "forum,wiki",
        "HC_GW_ALLOWED_FNS_forum": "posts/get_all,posts/get",
        "HC_GW_ALLOWED_FNS_wiki": "*",
        "HC_GW_PAYLOAD_LIMIT_BYTES": "1024",
        "HC_GW_MAX_APP_CONNECTIONS": "5",
        "HC_GW_ZOME_CALL_TIMEOUT_MS": "2000",
        "RUST_LOG": "debug",
    }


def test_nothing_may_be_called_by_default_and_limits_are_the_gateways_own() -> None:
    assert variables(HcHttpGwOptions(enable=True)) == {
        "HC_GW_ADMIN_WS_URL": "ws://127.0.0.1:8000",
        "HC_GW_ADDRESS": "127.0.0.1",
        "HC_GW_PORT": "8090",
        "HC_GW_ALLOWED_APP_IDS": "",
        "RUST_LOG": "info",
    }


def test_an_application_can_be_shut_off_while_its_functions_stay_written_down() -> None:
    functions = {"forum": "*", "wiki": "*"}
    options = HcHttpGwOptions(
        enable=True, allowed_fns_per_app_id=functions, allowed_app_ids=["wiki"]
    )
    assert variables(options)["HC_GW_ALLOWED_APP_IDS"] == "wiki"


def test_a_url_reaches_the_gateway_unharmed() -> None:
    url = "ws://${HOME}%n%%$$$(id)`id`;|&#=é"
    options = HcHttpGwOptions(enable=True, admin_websocket_url=url)
    assert variables(options)["HC_GW_ADMIN_WS_URL"] == url


WRONG: list[dict[str, Any]] = [
    {"allowedFnsPerAppId": {"forum": ""}},
    {"allowedFnsPerAppId": {"forum": "get_all"}},
    {"allowedFnsPerAppId": {"forum": "*,posts/get"}},
    {"allowedFnsPerAppId": {"forum": "posts/"}},
    {"allowedFnsPerAppId": {"forum": "posts/get, posts/all"}},
    {"allowedFnsPerAppId": {"fo-rum": "*"}},
    {"allowedFnsPerAppId": {"": "*"}},
    {"allowedFnsPerAppId": {"a=b": "*"}},
    {"allowedAppIds": ["a,b"]},
    {"allowedAppIds": ["a b"]},
    {"adminWebsocketUrl": "ws://a\nHC_GW_ALLOWED_APP_IDS=b"},
    {"adminWebsocketUrl": 'ws://a" "B=b'},
    {"adminWebsocketUrl": "http://a"},
    {"listenAddress": "localhost"},
    {"listenPort": 0},
    {"payloadLimitBytes": 0},
]


@pytest.mark.needs("nix")
def test_what_the_gateway_would_not_read_is_refused_by_both(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    for value in WRONG:
        with pytest.raises(ValueError, match="validation error"):
            HcHttpGwOptions.model_validate(value)
    modules = alone.folder(hc_http_gw, tmp_path / "modules")
    sources = [f"{{ holo.hc-http-gw = {print_expression(node(value))}; }}" for value in WRONG]
    assert in_nix(nix, nixpkgs, modules, sources) == [None] * len(WRONG)


@pytest.mark.needs("nix")
def test_the_unit_from_nix_equals_the_unit_from_python(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    rng = random.Random(7)
    values = [alone.configuration(rng, HcHttpGwOptions) for _ in range(COUNT)]
    modules = alone.folder(hc_http_gw, tmp_path / "modules")
    results = in_nix(nix, nixpkgs, modules, [alone.printed(hc_http_gw, value) for value in values])
    for value, result in zip(values, results, strict=True):
        assert result == alone.in_python(hc_http_gw, value), value
    text = json.dumps(results)
    assert text.count("HC_GW_ALLOWED_FNS_") > COUNT // 2
    assert text.count("HC_GW_MAX_APP_CONNECTIONS") > COUNT // 5


@pytest.mark.needs("nix")
def test_options_of_the_module_are_those_of_the_model(
    nix: Nix, nixpkgs: Path, tmp_path: Path
) -> None:
    modules = alone.folder(hc_http_gw, tmp_path / "modules")
    made = alone.options_in_nix(nix, nixpkgs, modules, hc_http_gw.path)
    assert made == alone.options_of(HcHttpGwOptions)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(("port", "limit"), [(8090, 1.1), (80, 1.5)])
def test_the_unit_is_well_formed_and_hardened(tmp_path: Path, port: int, limit: float) -> None:
    options = HcHttpGwOptions(
        enable=True, listen_port=port, allowed_fns_per_app_id={"forum": "posts/get"}
    )
    files = alone.units(hc_http_gw, options, tmp_path / "units")
    assert [file.name for file in files] == [UNIT]
    assert alone.verified(files, tmp_path / "root") == ""
    assert alone.exposure(files[0]) <= limit


def test_what_the_gateway_listens_on_is_known_to_a_fleet() -> None:
    assert HcHttpGw().listens == ["127.0.0.1:8090"]
    assert HcHttpGw(listen_address="192.0.2.1", listen_port=80).listens == ["192.0.2.1:80"]
