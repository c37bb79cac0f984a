"""The firewall's table as it is in a machine's kernel, and as its rules would make it."""

from __future__ import annotations

import json
from typing import Any

from holo_infra.runtime.bundle import CONFIGURATION
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, succeed

RULES = f"{CONFIGURATION}/firewall.nft"
_LIST = ["nft", "--json", "list", "table", "inet", "holo"]
_NO_NFT = 127


def live_table(machine: Machine) -> frozenset[str] | None:
    """The parts of the table, each as JSON without what differs from time to time."""
    return _table(machine, _LIST)


def compiled_table(machine: Machine, rules: str) -> frozenset[str]:
    """What the table would be, as nftables reads the rules in a namespace of no use."""
    # One network namespace for both, which ends with them.
    both = f"nft --file - && {' '.join(_LIST)}"
    found = _table(machine, ["unshare", "--net", "sh", "-c", both], rules.encode())
    return found or frozenset()


def remove_table(machine: Machine) -> None:
    """Removes the table, where there is one."""
    succeed(machine, ["nft", "--file", "-"], b"table inet holo\ndelete table inet holo\n")


def _table(machine: Machine, command: list[str], script: bytes = b"") -> frozenset[str] | None:
    done = machine.run(command, stdin=script)
    if done.returncode != 0:
        if done.returncode == _NO_NFT or b"No such file or directory" in done.stderr:
            return None
        told = done.stderr.decode(errors="replace").strip()
        raise Failure(f"{machine.name}: nft: {told}")
    return frozenset(
        json.dumps(part, sort_keys=True)
        for part in map(_plain, json.loads(done.stdout)["nftables"])
        if "metainfo" not in part and "table" not in part
    )


def _plain(part: Any) -> Any:  # noqa: ANN401 - JSON
    """A part of a table without its handle, the elements of a set in order."""
    if isinstance(part, dict):
        made = {key: _plain(value) for key, value in part.items() if key not in {"handle", "index"}}
        if isinstance(made.get("elem"), list):
            made["elem"] = sorted(made["elem"], key=str)
        return made
    return [_plain(one) for one in part] if isinstance(part, list) else part
