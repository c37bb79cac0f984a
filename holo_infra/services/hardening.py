"""What our units may not do: directives of systemd.exec(5), shared by the services.

`systemd-analyze security` scores SANDBOX at 1.1 with a network, and a unit that departs from it
gives its reason where it does.
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
