"""Arguments of systemd-nspawn that a container adds to ours: whole options, and none of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from holo_infra.diagnostics import Diagnostic, FieldPath

_LONG_OPTION = re.compile(r"--[a-z][a-z-]*(=.*)?", re.DOTALL)

OURS = frozenset(
    [
        *("as-pid2", "boot", "cleanup", "directory", "ephemeral", "help", "image", "keep-unit"),
        *("kill-signal", "link-journal", "machine", "mstack", "network-bridge"),
        *("network-interface", "network-ipvlan", "network-macvlan", "network-namespace-path"),
        *("network-veth", "network-veth-extra", "network-zone", "notify-ready", "oci-bundle"),
        *("port", "private-network", "register", "resolv-conf", "root-hash", "settings", "system"),
        *("template", "timezone", "uid", "user", "version", "volatile"),
    ]
)
"""Options that say how a container boots, as whom, and where."""
WITH_VALUE = frozenset(
    [
        *("ambient-capability", "background", "bind", "bind-ro", "bind-user", "bind-user-group"),
        *("bind-user-shell", "capability", "chdir", "console", "cpu-affinity", "drop-capability"),
        *("forward-journal", "forward-journal-keep-free", "forward-journal-max-file-size"),
        *("forward-journal-max-files", "forward-journal-max-use", "hostname", "image-policy"),
        *("inaccessible", "load-credential", "no-new-privileges", "oom-score-adjust", "overlay"),
        *("overlay-ro", "personality", "pivot-root", "private-users-delegate"),
        *("private-users-ownership", "property", "restrict-address-families", "rlimit"),
        *("root-hash-sig", "selinux-apifs-context", "selinux-context", "set-credential", "setenv"),
        *("slice", "suppress-sync", "system-call-filter", "tmpfs", "uuid", "verity-data"),
    ]
)
"""Options that would take the next argument for their value."""
OTHERS = frozenset(
    [
        *("no-ask-password", "no-pager", "pipe", "private-users", "private-users-chown", "quiet"),
        "read-only",
    ]
)
"""Options that need no value."""


def check_nspawn_argument(path: FieldPath, argument: str) -> Iterator[Diagnostic]:
    """What is wrong with an argument. systemd-nspawn takes options that are cut short for whole."""
    option, is_given, _ = argument[2:].partition("=")
    if not _LONG_OPTION.fullmatch(argument) or (option in WITH_VALUE and not is_given):
        message = f"{argument!r} is not an option in one word"
        hint = "write long options with their value: --bind-ro=/srv"
    elif option in OURS:
        message = f"--{option} is set for every container"
        hint = "leave it out; see the container's fields"
    elif option in WITH_VALUE or option in OTHERS:
        return
    elif whole := min((whole for whole in OURS if whole.startswith(option)), default=None):
        message = f"--{option} is short for --{whole}, which is set for every container"
        hint = "leave it out; see the container's fields"
    else:
        message = f"systemd-nspawn has no option --{option}"
        hint = "write one of those in systemd-nspawn(1), in full"
    yield Diagnostic("HI213", path, message, hint)
