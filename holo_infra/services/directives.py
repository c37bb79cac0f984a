"""Directives of systemd.exec(5) and systemd.unit(5) that our units share.

`systemd-analyze security` scores a unit with CONFINED, SANDBOX and a network at 1.1; a unit that
departs from them gives its reason where it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nixgen import default, if_, named, not_, when
from nixgen.systemd import section

_CONFINED = {
    "LockPersonality": True,
    "MemoryDenyWriteExecute": True,
    "NoNewPrivileges": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
}
_PROC = {"ProcSubset": "pid", "ProtectKernelTunables": True}
_SANDBOX = {
    "DynamicUser": True,
    "KeyringMode": "private",
    "PrivateDevices": True,
    "PrivateMounts": True,
    "PrivateTmp": True,
    "ProtectClock": True,
    "ProtectControlGroups": True,
    "ProtectHome": True,
    "ProtectHostname": True,
    "ProtectKernelLogs": True,
    "ProtectKernelModules": True,
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": True,
    "RestrictNamespaces": True,
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
}


def _defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: default(value) for name, value in values.items()}


CONFINED = section("confined", _CONFINED)
"""For every unit but the containers: what needs no mount namespace of the unit's own."""

CONFINED_WITH_JIT = section(
    "confined", {k: v for k, v in _CONFINED.items() if k != "MemoryDenyWriteExecute"}
)
"""The same for a program that compiles at run time: it writes code into memory, and executes it."""

SANDBOX = section("sandbox", _SANDBOX | _PROC)
"""For units that only compute and talk: a user of their own, a read-only system, no devices."""

SANDBOX_WITH_SYSCTL = section("sandbox", _SANDBOX)
"""The same for a unit that sets the kernel's parameters in /proc/sys."""

RELAXABLE = section("hardening", _defaults(_CONFINED | _SANDBOX | _PROC))
"""Both for a user's units, whose settings take their place."""

PRIVILEGED = 1024


def bind_capability(port: int) -> dict[str, Any]:
    """A port below 1024 needs a capability, which counts for nothing in a user namespace."""
    privileged = named("privileged", port < PRIVILEGED)
    return {
        "AmbientCapabilities": when(privileged, "CAP_NET_BIND_SERVICE"),
        "CapabilityBoundingSet": if_(privileged, "CAP_NET_BIND_SERVICE", ""),
        "PrivateUsers": not_(privileged),
    }


NO_START_LIMIT = {"StartLimitIntervalSec": 0}
"""RestartSec= slows restarts down. A limit would leave a forward down for good after its container,
with which it starts, was restarted five times in ten seconds."""
