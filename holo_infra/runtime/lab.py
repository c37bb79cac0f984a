"""A lab: the hosts of a fleet as machines on this computer, in namespaces without a way out.

Its state is a folder in /run, which goes with the computer: a record of each machine and each
published port. A machine's record is written before the machine may outlive the command that
started it, so that whatever is killed at whatever moment, the next command finds all there is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.records import (
    Record,
    Records,
    attach,
    attach_switch,
    is_open,
    sweep_after,
)
from holo_infra.runtime.together import at_once
from vmtests.places import MachineError, NspawnMachine, Switch, publish, unpublish

LABS = Path("/run/holo/labs")
SHUTDOWN = 20.0
"""Seconds for a machine to power off before its plug is pulled."""
_UPLINK = "uplink"
Say = Callable[[str], None]
"""Takes a line for whoever watches."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host's machine is made of, besides its bundle."""

    address: str | None = None
    """In the fleet's networks, with its prefix: `192.0.2.21/24`."""
    beyond: tuple[str, ...] = ()
    """Addresses of hosts outside of that prefix, which are on the same wire."""
    binds: Mapping[str, str] = field(default_factory=dict)
    """Paths of this computer that it sees read-only, by their path there."""
    tree: str | None = None
    """The root that it boots from, or None for this computer's own /usr."""


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab by its name; what it holds is in its folder."""

    name: str

    @property
    def folder(self) -> Path:
        """Where its records are."""
        return LABS / self.name

    @property
    def records(self) -> Records:
        """Its records."""
        return Records(self.folder)

    @property
    def fleet(self) -> str | None:
        """The name of the fleet that runs in it."""
        names = list(self.records.all("fleets"))
        return names[0] if names else None

    @property
    def hosts(self) -> list[str]:
        """Its hosts, whether their machines run or not."""
        return list(self.records.all("machines"))

    def machines(self) -> dict[str, NspawnMachine]:
        """Its machines that run, by host."""
        found = {}
        for host, record in self.records.all("machines").items():
            with suppress(MachineError):
                found[host] = attach(record)
        return found

    @property
    def is_running(self) -> bool:
        """Whether anything of it runs."""
        for record in self.records.all("switches").values():
            with suppress(MachineError):
                attach_switch(record)
                return True
        return bool(self.machines())

    def machine(self, host: str) -> NspawnMachine:
        """The machine of a host. Raises Failure where there is none."""
        records = self.records.all("machines")
        if host not in records:
            known = ", ".join(records) or "none"
            raise Failure(f"lab {self.name} has no host {host}", f"hosts: {known}")
        try:
            return attach(records[host])
        except MachineError:
            raise Failure(f"host {host} is off", "holo up FLEET starts it again") from None

    def published(self) -> dict[int, str]:
        """What this computer's ports lead to: port -> `host/container/forward`."""
        records = self.records.all("ports").items()
        return {int(port): told["leads_to"] for port, told in records if is_open(told)}

    # What changes a lab, under its lock.

    def clear(self) -> None:
        """Removes what killed commands and machines have left."""
        for host, record in self.records.all("machines").items():
            try:
                attach(record)
            except MachineError:
                sweep_after(record.get("machine"))
                self.records.forget("machines", host)
        for name, record in self.records.all("switches").items():
            try:
                attach_switch(record)
            except MachineError:
                sweep_after(record)
                self.records.forget("switches", name)
        hosts = self.records.all("machines")
        for port, record in self.records.all("ports").items():
            if not is_open(record) or record["leads_to"].partition("/")[0] not in hosts:
                self.records.forget("ports", port)

    def boot(self, fleet: str, specs: Mapping[str, HostSpec], say: Say) -> None:
        """Starts the machines of these hosts that do not run as they should, and ends the others.

        `say` gets a line for each. Raises Failure where one does not start; the others run; and,
        before anything is done, where another fleet runs here.
        """
        self.clear()
        self._end_ending(say)
        records = self.records.all("machines")
        if records and self.fleet not in {None, fleet}:
            raise Failure(
                f"lab {self.name} runs another fleet, {self.fleet}",
                f"end it: holo down --lab {self.name}; or name this one: --lab NAME",
            )
        for name in self.records.all("fleets"):
            self.records.forget("fleets", name)
        self.records.write("fleets", fleet, {})
        surplus = [host for host in records if host not in specs]
        stale = [host for host in specs if host in records and _other_root(records[host], specs)]
        missing = [host for host in specs if host not in records or host in stale]

        def end(host: str) -> None:
            self._end(host)
            why = "" if host in surplus else ", for it sees other files; what it kept is gone"
            say(f"{host}: off{why}")

        def start(host: str) -> None:
            self._start(host, specs[host], switch)
            say(f"{host}: booted")

        at_once(end, [*surplus, *stale])
        is_new = not self.records.all("switches")
        switch = self._switch()
        for host in specs.keys() - set(missing):
            if is_new or records[host]["spec"] != _spec(specs[host]):
                self._rewire(attach(records[host]), specs[host], switch)
                self.records.write("machines", host, {**records[host], "spec": _spec(specs[host])})
        at_once(start, missing)

    def publish(self, port: int, leads_to: str, target: str) -> int:
        """Lets a port of this computer's 127.0.0.1 lead to an address of a host; gives the port.

        0 is any port that is free. Raises Failure where the port is taken.
        """
        records = self.records.all("ports")
        for taken, told in records.items():
            same = (told["leads_to"], told["target"]) == (leads_to, target)
            if same and port in {0, int(taken)} and is_open(told):
                return int(taken)
        machine = self.machine(leads_to.partition("/")[0])
        if str(port) in records:
            self._withdraw(str(port))
        try:
            publication = publish(machine, port, target)
        except MachineError as error:
            raise Failure(str(error), "give another port: --publish PORT:…") from None
        told = {"leads_to": leads_to, "target": target, "publication": publication}
        self.records.write("ports", str(publication["port"]), told)
        return publication["port"]

    def keep_published(self, ports: Iterable[int]) -> None:
        """Withdraws all published ports but these."""
        for port in self.records.all("ports").keys() - {str(port) for port in ports}:
            self._withdraw(port)

    def down(self, say: Say) -> None:
        """Ends everything of it, and removes its folder."""

        def end(host: str) -> None:
            self._end(host)
            say(f"{host}: off")

        self.clear()
        self.keep_published(())
        at_once(end, list(self.records.all("machines")))
        for name, record in self.records.all("switches").items():
            with suppress(MachineError):
                attach_switch(record).kill()
            sweep_after(record)
            self.records.forget("switches", name)
        shutil.rmtree(self.folder)
        for folder in (LABS, LABS.parent):
            with suppress(OSError):  # other labs are there
                folder.rmdir()

    def _end_ending(self, say: Say) -> None:
        """Ends at once the machines that are about to go down, by a command that was killed."""
        for host, record in self.records.all("machines").items():
            if _is_going_down(attach(record)):
                self._end(host, patience=0)
                say(f"{host}: was going down")

    def _start(self, host: str, spec: HostSpec, switch: Switch) -> None:
        binds = {path: Path(source) for path, source in spec.binds.items()}
        machine = NspawnMachine(host, binds=binds, tree=Path(spec.tree) if spec.tree else None)
        try:
            machine.start()
            self._wire(machine, spec, switch)
            self.records.write("machines", host, {"machine": machine.record(), "spec": _spec(spec)})
            machine.detach()
        except (MachineError, OSError, ValueError) as error:
            machine.kill()
            self.records.forget("machines", host)
            raise Failure(f"host {host} does not start: {error}") from None

    def _rewire(self, machine: NspawnMachine, spec: HostSpec, switch: Switch) -> None:
        try:
            # Of a switch that was killed the kernel removes the links when it finds the time.
            machine.execute(["ip", "link", "delete", _UPLINK])
            self._wire(machine, spec, switch)
        except MachineError as error:
            raise Failure(f"host {machine.name} does not join the others: {error}") from None

    def _wire(self, machine: NspawnMachine, spec: HostSpec, switch: Switch) -> None:
        """Gives a host its address and its ways to others, in place of those that it had."""
        with suppress(MachineError):  # it has none
            switch.disconnect(machine, _UPLINK)
        if spec.address is not None:
            switch.connect(machine, _UPLINK, spec.address)
            for address in spec.beyond:
                machine.succeed(["ip", "route", "add", f"{address}/32", "dev", _UPLINK])

    def _end(self, host: str, patience: float = SHUTDOWN) -> None:
        for port, told in self.records.all("ports").items():
            if told["leads_to"].partition("/")[0] == host:
                self._withdraw(port)
        record = self.records.all("machines")[host]
        with suppress(MachineError):  # it is off, or was off before
            attach(record).shutdown(patience)
        sweep_after(record.get("machine"))
        self.records.forget("machines", host)

    def _switch(self) -> Switch:
        for record in self.records.all("switches").values():
            return attach_switch(record)
        switch = Switch(f"holo-{self.name}")
        try:
            switch.start()
            self.records.write("switches", "fleet", switch.record())
            switch.detach()
        except (MachineError, OSError) as error:
            switch.kill()
            raise Failure(f"the network between hosts does not come up: {error}") from None
        return switch

    def _withdraw(self, port: str) -> None:
        with suppress(MachineError):
            unpublish(self.records.all("ports")[port]["publication"])
        self.records.forget("ports", port)


def _spec(spec: HostSpec) -> Record:
    return json.loads(json.dumps(asdict(spec)))


def _is_going_down(machine: NspawnMachine) -> bool:
    """Whether a machine's systemd is stopping, or cannot be asked any more."""
    try:
        told = machine.execute(["systemctl", "is-system-running"], timeout=10).stdout.strip()
    except MachineError:
        return True
    return told not in {b"running", b"degraded", b"starting", b"initializing"}


def _other_root(record: Record, specs: Mapping[str, HostSpec]) -> bool:
    """Whether a host has been booted from something else than it would be now."""
    wanted = _spec(specs[record["machine"]["name"]])
    return any(record["spec"][part] != wanted[part] for part in ("binds", "tree"))
