"""Networks between machines of any backend, whose cables can be cut and lose packets."""

from __future__ import annotations

from vmtests.places import MachineError, Switch
from vmtests.places.network import port_of
from vmtests.places.place import Place

_ALL = 100
_TABLE = "table bridge losses"
# What machines send each other is forwarded; input and output are the bridge's own, which may have
# an address.
_CHAINS = "".join(
    f" chain {hook} {{ type filter hook {hook} priority 0; jump cables; }}\n"
    for hook in ("forward", "input", "output")
)


class Vlan(Switch):
    """A network without a way out; `Machine.connect` leads machines to it.

    It is a switch of `vmtests.places`: commands run beside it, and its bridge may have an address.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._losses: dict[str, int] = {}

    def cut(self, machine: Place, interface: str) -> None:
        """Cut a machine's cable: both ends lose their carrier."""
        self._set(machine, interface, "down")

    def mend(self, machine: Place, interface: str) -> None:
        """Undo `cut`."""
        self._set(machine, interface, "up")

    def lose(self, machine: Place, interface: str, percent: int) -> None:
        """Let a cable lose so many packets of a hundred in each direction, which ones by chance.

        0 mends it. 100 is not `cut`: no end notices.
        """
        if not 0 <= percent <= _ALL:
            raise ValueError(f"percent {percent}: must be 0 to {_ALL}")
        self._losses[port_of(machine, interface)] = percent
        # nft takes no bound that all numbers are below.
        rules = "".join(
            f'  {direction} "{port}" numgen random mod {_ALL} <= {lost - 1} drop\n'
            for port, lost in self._losses.items()
            for direction in ("iifname", "oifname")
            if lost
        )
        table = f"{_TABLE} {{\n chain cables {{\n{rules} }}\n{_CHAINS}}}\n"
        self.namespaces.run("nft", "-f", "-", stdin=f"{_TABLE}\ndelete {_TABLE}\n{table}")

    def _set(self, machine: Place, interface: str, state: str) -> None:
        try:
            self.namespaces.run("ip", "link", "set", "dev", port_of(machine, interface), state)
        except MachineError as error:
            raise MachineError(f"{self.name}: {machine.name}: {interface}: {error}") from None
