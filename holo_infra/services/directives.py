"""Directives of systemd.exec(5) and systemd.unit(5) that our units share.

`systemd-analyze security` scores a unit with CONFINED, SANDBOX and a network at 1.1; a unit that
departs from them gives its reason where it does.
"""

from __future__ import annotations

from nixgen.systemd import section

CONFINED = section(
    "confined",
    {
        "LockPersonality": True,
        "MemoryDenyWriteExecute": True,
        "NoNewPrivileges": True,
        "RestrictRealtime": True,
        "RestrictSUIDSGID": True,
        "SystemCallArchitectures": "native",
        "SystemCallErrorNumber": "EPERM",
        "UMask": "0077",
    },
)
"""For every unit but the containers: what needs no mount namespace of the unit's own."""

SANDBOX = section(
    "sandbox",
    {
        "DynamicUser": True,
        "KeyringMode": "private",
        "PrivateDevices": True,
        "PrivateMounts": True,
        "PrivateTmp": True,
        "ProcSubset": "pid",
        "ProtectClock": True,
        "ProtectControlGroups": True,
        "ProtectHome": True,
        "ProtectHostname": True,
        "ProtectKernelLogs": True,
        "ProtectKernelModules": True,
        "ProtectKernelTunables": True,
        "ProtectProc": "invisible",
        "ProtectSystem": "strict",
        "RemoveIPC": True,
        "RestrictNamespaces": True,
        "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    },
)
"""For units that only compute and talk: a user of their own, a read-only system, no devices."""

NO_START_LIMIT = {"StartLimitIntervalSec": 0}
"""RestartSec= slows restarts down. A limit would leave a forward down for good after its container,
with which it starts, was restarted five times in ten seconds."""
