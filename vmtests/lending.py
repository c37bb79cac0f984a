"""Machines for one test after the other: made anew, or restored as they were after their boot.

Knows no pytest.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vmtests.artefacts import CONSOLE
from vmtests.backend import Backend
from vmtests.configuration import Configuration, backend_for
from vmtests.coverage import UnitCoverage
from vmtests.fleet import (
    Fleet,
    FleetHost,
    FleetMachines,
    at_once,
    configuration_of,
    load_fleet,
    start_wired,
)
from vmtests.places import MachineError
from vmtests.pool import Lent, Pool
from vmtests.tracked import Tracked
from vmtests.vlan import Vlan

INTERFACE = "eth1"
"""What leads `machines` to their network; their addresses there are those of the NixOS driver."""
_TAKEN = "machine {}: the test has one of this name"
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"

Note = Callable[[str, str], None]
"""Takes a name and a value that belong in a test's report."""


class Loan:
    """The machines of one test. `end` takes all of them back."""

    def __init__(self, pool: Pool, folder: Path, coverage: UnitCoverage | None, note: Note) -> None:
        self.machines: dict[str, Tracked] = {}
        self.folder = folder
        self._pool = pool
        self._coverage = coverage
        self._note = note
        self._vlan: Vlan | None = None
        self._addresses: dict[str, str] = {}
        self._fleets: dict[str, str] = {}
        shutil.rmtree(folder, ignore_errors=True)

    @property
    def vlan(self) -> Vlan:
        """The test's network."""
        if self._vlan is None:
            self._vlan = Vlan("vlan")
            self._vlan.start()
        return self._vlan

    def machine(self, name: str, configuration: Configuration) -> Tracked:
        """A machine that runs, on no network."""
        machine = self._make(name, configuration)
        machine.connect()
        return machine

    def together(self, names: Iterable[str], configuration: Configuration) -> list[Tracked]:
        """Machines that run on the test's network, and know each other and earlier ones by name."""
        new = list(names)
        for name in new:
            if name in self._addresses:
                raise ValueError(_TAKEN.format(name))
            self._addresses[name] = f"192.168.1.{len(self._addresses) + 1}"
        known = "".join(f"{address} {name}\n" for name, address in self._addresses.items())
        files = {"/etc/hosts": _HOSTS + known, **configuration.files}
        hosts = {name: FleetHost(name, address=f"{self._addresses[name]}/24") for name in new}

        def make(host: FleetHost) -> Tracked:
            wired = configuration_of(host, configuration.backend, interface=INTERFACE)
            return self._make(host.name, replace(configuration, files={**files, **wired.files}))

        made = {name: make(host) for name, host in hosts.items()}
        start_wired(made, Fleet("machines", hosts), self.vlan, INTERFACE)
        return list(made.values())

    def fleet(self, fleet: Fleet | str | Path, backend: str, tree: Path | None) -> FleetMachines:
        """The hosts of a fleet, running, on the test's network."""
        known = fleet if isinstance(fleet, Fleet) else load_fleet(fleet)
        made = {}
        for name, host in known.hosts.items():
            made[name] = self._make(name, configuration_of(host, backend, tree), host.units)
            self._fleets[name] = known.name
        start_wired(made, known, self.vlan)
        return FleetMachines(known, self.vlan, made)

    def end(self) -> None:
        """Take all machines back; nothing of the test is left but artefacts."""
        try:
            at_once(self._take_back, self.machines.values())
        finally:
            if self._vlan is not None:
                self._vlan.kill()

    def _make(
        self,
        name: str,
        configuration: Configuration,
        units: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Tracked:
        if name in self.machines:
            raise ValueError(_TAKEN.format(name))
        folder = self.folder / name
        folder.mkdir(parents=True)
        backend = self._backend(name, configuration, folder / CONSOLE)
        machine = Tracked(
            backend, units=units if self._coverage is not None else None, artefacts=folder
        )
        self.machines[name] = machine
        self._note("machine", f"{name}: {backend.kind}")
        self._note("artefacts", str(folder))
        return machine

    def _backend(self, name: str, configuration: Configuration, log: Path) -> Backend:
        if self._pool.takes(configuration):
            return self._pool.lend(name, configuration, log)
        return backend_for(name, configuration, log)

    def _take_back(self, machine: Tracked) -> None:
        if isinstance(machine.backend, Lent):
            machine.backend.is_returned = True
        with suppress(MachineError):
            machine.release()
        if self._coverage is not None and machine.name in self._fleets:
            fleet = self._fleets[machine.name]
            asserted = machine.asserted_by_container()
            self._coverage.add(fleet, machine.name, machine.units, machine.reached, asserted)
