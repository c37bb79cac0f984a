"""Options of Holochain's HTTP gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holo_infra.model.names import IPv4, Port
from holo_infra.model.services.base import Enable, ServiceOptions
from holo_infra.model.services.holochain import LogFilter, WebsocketUrl
from nixgen import PackageName, derived, map_items, matching

AppId = Annotated[str, matching("[A-Za-z0-9_]{1,200}")]
"""An installed application's id, of those characters that the name of a variable can have."""
_FUNCTION = "[A-Za-z0-9_-]+/[A-Za-z0-9_-]+"
AllowedFunctions = Annotated[str, matching(f"[*]|{_FUNCTION}(,{_FUNCTION})*")]
"""`*` for all functions, or `zome/function` with commas between."""
_Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]


class HcHttpGw(ServiceOptions):
    """Holochain's HTTP gateway: calls of zome functions over HTTP."""

    package: PackageName = "hc-http-gw"
    """The package of the gateway."""

    admin_websocket_url: WebsocketUrl = "ws://127.0.0.1:8000"
    """The conductor's admin interface."""

    listen_address: IPv4 = "127.0.0.1"
    """The address to listen on; 0.0.0.0: all."""

    listen_port: Port = 8090
    """The port to listen on."""

    allowed_fns_per_app_id: dict[AppId, AllowedFunctions] = Field(
        default={}, examples=[{"forum": "posts/get_all,posts/get"}]
    )
    """What may be called, by application: `*`, or `zome/function` with commas between. The gateway
    calls with the rights of the conductor's own agent."""

    allowed_app_ids: list[AppId] = derived(
        lambda config: map_items(config.allowed_fns_per_app_id, lambda app, _: app)
    )
    """The applications that may be called, by default all in `allowedFnsPerAppId`. The gateway does
    not start when one of them has no functions there."""

    payload_limit_bytes: _Positive | None = None
    """The longest payload that is taken, by default 10 KiB."""

    max_app_connections: _Positive | None = None
    """How many applications it keeps connections to, by default 50."""

    zome_call_timeout_ms: _Positive | None = None
    """How long a call may take, in milliseconds, by default 10 s."""

    log_level: LogFilter = "info"
    """What the gateway logs (RUST_LOG)."""

    @property
    def listens(self) -> list[str]:
        """The gateway's port."""
        return [f"{self.listen_address}:{self.listen_port}"]


class HcHttpGwOptions(HcHttpGw, Enable):
    """Holochain's HTTP gateway: calls of zome functions over HTTP."""
