"""A Holochain conductor as a unit."""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.holochain import HolochainOptions
from holo_infra.services.conductor import conductor_config
from holo_infra.services.directives import (
    CONFINED_WITH_JIT,
    NO_START_LIMIT,
    SANDBOX_WITH_SYSCTL,
    bind_capability,
)
from holo_infra.services.files import config_file, credential, file_path
from nixgen import (
    any_,
    define,
    exe,
    given,
    if_given,
    json_text,
    merge,
    named,
    not_,
    only_if,
    text,
)
from nixgen.systemd import exec_line, plain, unit

UNIT = "holochain"
CONFIG = "conductor.json"
FEATURES = "holochain-features.json"
PASSPHRASE = credential(UNIT, "passphrase")

START = (
    'IFS= read -r line <"$0"; case "$line" in *[![:space:]]*) exec "$@" <"$0";; esac;'
    ' echo "$0: no passphrase on the first line" >&2; exit 1'
)
"""A shell's script: the conductor in place of the shell, with the passphrase as its input.

`StandardInput=file:` would be opened before systemd puts credentials in place (systemd issue
31213). The conductor reads one line, and takes an empty one for a passphrase.
"""


@define("holochain", path="holo.holochain", declares=tuple(HolochainOptions.model_fields))
def holochain(cfg: HolochainOptions) -> dict[str, Any]:
    """A Holochain conductor, its configuration in the form of its version."""
    config = named("configuration", json_text(conductor_config(cfg)))
    features = named("features", json_text(cfg.features))
    return {
        "assertions": [
            {
                "assertion": any_(not_(cfg.enable), given(cfg.passphrase_file)),
                "message": "holo.holochain.passphraseFile: the keystore needs a passphrase",
            },
        ],
        "environment": {
            "etc": only_if(
                cfg.enable, merge(config_file(CONFIG, config), config_file(FEATURES, features))
            ),
        },
        "systemd": {"services": {UNIT: only_if(cfg.enable, _unit(cfg, config, features))}},
    }


def _unit(cfg: HolochainOptions, config: str, features: str) -> dict[str, Any]:
    """The conductor reads the passphrase from its standard input, and says when it is ready.

    It compiles WebAssembly at run time. For peers it lists network interfaces, by netlink. SIGINT
    is the signal by which it closes its databases.
    """
    return unit(
        "Holochain conductor",
        unit_config=NO_START_LIMIT,
        after=["network-online.target"],
        wants=["network-online.target"],
        wanted_by=["multi-user.target"],
        triggers=[config, features],
        environment={"RUST_LOG": cfg.log_level, "WASM_LOG": cfg.wasm_log_level},
        service=[
            CONFINED_WITH_JIT,
            SANDBOX_WITH_SYSCTL,
            bind_capability(cfg.admin_websocket_port),
            {
                "Type": "notify",
                "LoadCredential": if_given(
                    cfg.passphrase_file, lambda file: plain([text("passphrase:", file)])
                ),
                "ExecStart": exec_line(
                    *(exe("bash", "sh"), "-c", START, PASSPHRASE),
                    *(exe(cfg.package, "holochain"), "--piped"),
                    *("--config-path", file_path(CONFIG)),
                ),
                "KillSignal": "SIGINT",
                "User": "holo-conductor",
                "Restart": "always",
                "RestartSec": 5,
                "TimeoutStartSec": 300,
                "TimeoutStopSec": 30,
                "StateDirectory": "holo/holochain",
                "StateDirectoryMode": "0700",
                "LimitNOFILE": 65536,
                # It looks up in /proc how much memory and how many processors there are.
                "ProtectKernelTunables": True,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
            },
        ],
    )
