"""A TLS proxy before a service of this machine: Caddy, with a configuration of its own as JSON.

The configuration's form is that of Caddy's documentation, "JSON Config Structure".
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.base import Caddy
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX, bind_capability
from holo_infra.services.files import file_path
from nixgen import exe, if_, json_text, text
from nixgen.systemd import exec_line, unit

STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"


def caddy_config(name: str, caddy: Caddy, external_port: int, upstream: str) -> str:
    """Caddy's configuration for the proxy of a service, which listens on `upstream`."""
    subjects = [caddy.server_name]
    acme = {
        "module": "acme",
        "ca": if_(caddy.staging, STAGING, PRODUCTION),
        # Of port 80 nothing is known here.
        "challenges": {"http": {"disabled": True}},
    }
    internal: dict[str, Any] = {"module": "internal"}
    server = {
        "listen": [text(":", external_port)],
        "protocols": ["h1", "h2"],  # h3 would listen on UDP too
        "automatic_https": {"disable_redirects": True},
        "tls_connection_policies": [{"default_sni": caddy.server_name}],
        "routes": [
            {
                "match": [{"host": subjects}],
                "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": upstream}]}],
                "terminal": True,
            },
        ],
    }
    return json_text(
        {
            "admin": {"disabled": True, "config": {"persist": False}},
            "storage": {"module": "file_system", "root": f"/var/lib/holo/{name}"},
            "apps": {
                "http": {"https_port": external_port, "servers": {"proxy": server}},
                "tls": {
                    "automation": {
                        "policies": [
                            {
                                "subjects": subjects,
                                "issuers": [if_(caddy.issuer == "internal", internal, acme)],
                            },
                        ],
                    },
                },
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            },
        },
    )


def reached(host: str) -> str:
    """The address at which this machine reaches what listens on `host`."""
    return if_(host == "0.0.0.0", "127.0.0.1", host)  # noqa: S104 - it is compared


def caddy_unit(name: str, of: str, config: str, external_port: int) -> dict[str, Any]:
    """The unit of the proxy `name` before the service `of`."""
    return unit(
        f"TLS proxy of {of}",
        unit_config=NO_START_LIMIT,
        after=["network-online.target", f"{of}.service"],
        wants=["network-online.target"],
        wanted_by=["multi-user.target"],
        environment={"HOME": f"/var/lib/holo/{name}"},
        triggers=[config],
        service=[
            CONFINED,
            SANDBOX,
            bind_capability(external_port),
            {
                "Type": "notify",
                "ExecStart": exec_line(
                    *(exe("caddy", "caddy"), "run", "--config", file_path(f"{name}.json")),
                ),
                "User": name,
                "Restart": "always",
                "RestartSec": 2,
                "StateDirectory": f"holo/{name}",
                "StateDirectoryMode": "0700",
                "LimitNOFILE": 65536,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
            },
        ],
    )
