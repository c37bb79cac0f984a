"""A user's services as units: hardened, under users of their own, nothing in them expanded."""

from __future__ import annotations

from typing import Any

from holo_infra.model.options import Holo
from holo_infra.model.unit import UnitOptions
from holo_infra.services.directives import NO_START_LIMIT, RELAXABLE
from nixgen import default, define, each, if_, only_if, tail, text
from nixgen.systemd import as_written, command_program, exec_line, unit


@define("units", path="holo", declares=["units"])
def units(cfg: Holo) -> dict[str, Any]:
    """Services of this machine, each a hardened systemd unit under a user of its own."""
    return {"systemd": {"services": each(cfg.units, lambda name, u: {name: _service(name, u)})}}


def _service(name: str, u: UnitOptions) -> dict[str, Any]:
    return unit(
        if_(u.description == "", name, u.description),
        unit_config=NO_START_LIMIT,
        after=["network.target"],
        wanted_by=["multi-user.target"],
        environment=u.environment,
        service=[
            RELAXABLE,
            {
                "Type": default("exec"),
                "ExecStart": exec_line(
                    command_program(u.exec_start, u.package), tail(u.exec_start)
                ),
                "LoadCredential": only_if(u.secrets != [], u.secrets),
                # Not the unit's own name: a user of the system may have that.
                "User": default(text("holo-", name)),
                "Restart": default("always"),
                "RestartSec": default(2),
                "KillMode": default("mixed"),
                "StateDirectory": default(text("holo/units/", name)),
                "CapabilityBoundingSet": default(""),
                "PrivateUsers": default(value=True),
                "RestrictAddressFamilies": default("AF_INET AF_INET6 AF_UNIX"),
            },
            as_written(u.settings),
        ],
    )
