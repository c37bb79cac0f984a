"""A mutant of what a scenario's fleet compiles to: one small edit of one file."""

from __future__ import annotations

from dataclasses import dataclass

from holo_infra.targets import Files

UNITS = "/etc/systemd/system"
HOLO = "/etc/holo"
INSIDE = f"{HOLO}/containers/holochain0"
CONTAINER = f"{UNITS}/container@holochain0.service"
NAMESPACE = f"{UNITS}/netns-holochain0.service"
SOCKET = f"{UNITS}/socket-proxyd-holochain0-admin.socket"
PROXY = f"{UNITS}/socket-proxyd-holochain0-admin.service"
BOUND = "BindsTo=container@holochain0.service\n"
BOUND_TO_STATE = "ConditionPathExists=/var/lib/holo/state/holochain0\n"
"""In place of `BOUND`: what is so is first there with the container, and then stays."""
STATE = ' "--bind=/var/lib/holo/state/holochain0:/var/lib"'
READY = f"{UNITS}/ready-holochain0-admin.service"
AGENT = f"{UNITS}/holo-host-agent.service"
CONDUCTOR = f"{INSIDE}/units/holochain.service"
CONFIG = f"{INSIDE}/services/conductor.json"


@dataclass(frozen=True)
class Mutant:
    """An edit, and what finds it."""

    file: str
    old: str | None
    """None: the file, or the link, is missing."""
    new: str
    found_by: str
    host: str = "host"

    def spoil(self, files: dict[str, Files]) -> None:
        """Edit the files of the fleet's hosts."""
        of_host = files[self.host]
        content = of_host[self.file]
        if self.old is None:
            del of_host[self.file]
            return
        assert isinstance(content, str)
        assert self.old in content, f"the mutant has nothing to change: {self.old}"
        of_host[self.file] = content.replace(self.old, self.new)
