"""A lab: the hosts of a fleet as machines on this computer, in namespaces without a way out.

Its state is a folder in /run, which goes with the computer: a record of each machine and each
published port. A machine's record is written before the machine may outlive the command that
started it, so that whatever is killed at whatever moment, the next command finds all there is.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from holo_infra.runtime.failure import Failure
from vmtests import MachineError, NspawnMachine, Switch, publish, sweep, unpublish

LABS = Path("/run/holo/labs")
SHUTDOWN = 20.0
"""Seconds for a machine to power off before its plug is pulled."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_UPLINK = "uplink"
Record = Any
"""What was written as JSON."""
T = TypeVar("T")


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

    def machines(self) -> dict[str, NspawnMachine]:
        """Its machines that run, by host."""
        found = {}
        for host, record in self._records("machines").items():
            with suppress(MachineError):
                found[host] = NspawnMachine.attach(record["machine"])
        return found

    @property
    def is_running(self) -> bool:
        """Whether anything of it runs."""
        for record in self._records("switches").values():
            with suppress(MachineError):
                Switch.attach(record)
                return True
        return bool(self.machines())

    def machine(self, host: str) -> NspawnMachine:
        """The machine of a host. Raises Failure where there is none."""
        machines = self.machines()
        if host not in machines:
            known = ", ".join(sorted(machines)) or "none"
            raise Failure(f"lab {self.name} has no host {host}", f"hosts: {known}")
        return machines[host]

    def published(self) -> dict[int, str]:
        """What this computer's ports lead to: port -> `host/container/forward`."""
        return {int(port): told["leads_to"] for port, told in self._records("ports").items()}

    # What changes a lab, under its lock.

    def clear(self) -> None:
        """Removes what killed commands and machines have left."""
        for host, record in self._records("machines").items():
            try:
                NspawnMachine.attach(record["machine"])
            except MachineError:
                sweep(record["machine"])
                self._forget("machines", host)
        for name, record in self._records("switches").items():
            try:
                Switch.attach(record)
            except MachineError:
                sweep(record)
                self._forget("switches", name)
        hosts = self._records("machines")
        for port, record in self._records("ports").items():
            if record["leads_to"].partition("/")[0] not in hosts:
                self._forget("ports", port)

    def boot(self, specs: Mapping[str, HostSpec], tell: Callable[[str], None]) -> None:
        """Starts the machines of these hosts that do not run as they should, and ends the others.

        `tell` gets a line for each. Raises Failure where one does not start; the others run.
        """
        self.clear()
        records = self._records("machines")
        stale = [host for host, told in records.items() if told["spec"] != _spec(specs.get(host))]
        missing = [host for host in specs if host not in records or host in stale]

        def end(host: str) -> None:
            self._end(host)
            tell(f"{host}: off")

        def start(host: str) -> None:
            self._start(host, specs[host], switch)
            tell(f"{host}: booted")

        at_once(end, stale)
        switch = self._switch()
        at_once(start, missing)

    def publish(self, port: int, leads_to: str, target: str) -> int:
        """Lets a port of this computer's 127.0.0.1 lead to an address of a host; gives the port.

        0 is any port that is free. Raises Failure where the port is taken.
        """
        records = self._records("ports")
        for taken, told in records.items():
            same = (told["leads_to"], told["target"]) == (leads_to, target)
            if same and port in {0, int(taken)}:
                return int(taken)
        machine = self.machine(leads_to.partition("/")[0])
        if str(port) in records:
            self._withdraw(str(port))
        try:
            publication = publish(machine, port, target)
        except MachineError as error:
            raise Failure(str(error), "give another port: --publish PORT:…") from None
        told = {"leads_to": leads_to, "target": target, "publication": publication}
        self._write("ports", str(publication["port"]), told)
        return publication["port"]

    def keep_published(self, ports: Iterable[int]) -> None:
        """Withdraws all published ports but these."""
        for port in self._records("ports").keys() - {str(port) for port in ports}:
            self._withdraw(port)

    def down(self, tell: Callable[[str], None]) -> None:
        """Ends everything of it, and removes its folder."""

        def end(host: str) -> None:
            self._end(host)
            tell(f"{host}: off")

        self.clear()
        self.keep_published(())
        at_once(end, list(self._records("machines")))
        for name, record in self._records("switches").items():
            with suppress(MachineError):
                Switch.attach(record).kill()
            sweep(record)
            self._forget("switches", name)
        shutil.rmtree(self.folder)
        for folder in (LABS, LABS.parent):
            with suppress(OSError):  # other labs are there
                folder.rmdir()

    def _start(self, host: str, spec: HostSpec, switch: Switch) -> None:
        binds = {path: Path(source) for path, source in spec.binds.items()}
        machine = NspawnMachine(host, binds=binds, tree=Path(spec.tree) if spec.tree else None)
        try:
            machine.start()
            if spec.address is not None:
                switch.connect(machine, _UPLINK, spec.address)
                for address in spec.beyond:
                    machine.succeed(["ip", "route", "add", f"{address}/32", "dev", _UPLINK])
            self._write("machines", host, {"machine": machine.record(), "spec": _spec(spec)})
            machine.detach()
        except (MachineError, OSError) as error:
            machine.kill()
            self._forget("machines", host)
            raise Failure(f"host {host} does not start: {error}") from None

    def _end(self, host: str) -> None:
        for port, told in self._records("ports").items():
            if told["leads_to"].partition("/")[0] == host:
                self._withdraw(port)
        record = self._records("machines")[host]["machine"]
        with suppress(MachineError):  # it is off, or was off before
            NspawnMachine.attach(record).shutdown(SHUTDOWN)
        sweep(record)
        self._forget("machines", host)

    def _switch(self) -> Switch:
        for record in self._records("switches").values():
            return Switch.attach(record)
        switch = Switch(f"holo-{self.name}")
        try:
            switch.start()
            self._write("switches", "fleet", switch.record())
            switch.detach()
        except (MachineError, OSError) as error:
            switch.kill()
            raise Failure(f"the network between hosts does not come up: {error}") from None
        return switch

    def _withdraw(self, port: str) -> None:
        with suppress(MachineError):
            unpublish(self._records("ports")[port]["publication"])
        self._forget("ports", port)

    # Records: a file each, replaced as a whole.

    def _records(self, kind: str) -> dict[str, Record]:
        folder = self.folder / kind
        found = {}
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            with suppress(FileNotFoundError):  # a command that runs meanwhile
                found[path.stem] = json.loads(path.read_text())
        return found

    def _write(self, kind: str, name: str, record: Record) -> None:
        path = self.folder / kind / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(record))
        temporary.replace(path)

    def _forget(self, kind: str, name: str) -> None:
        (self.folder / kind / f"{name}.json").unlink(missing_ok=True)


def labs() -> list[str]:
    """The names of the labs that run."""
    return [name for name in remains() if Lab(name).is_running]


def remains() -> list[str]:
    """The names of all labs of which there is anything, be it what a killed command has left."""
    return sorted(path.name for path in LABS.iterdir() if path.is_dir()) if LABS.is_dir() else []


def the_lab(name: str | None) -> Lab:
    """The lab of this name, or the only one. Raises Failure where that is none."""
    _check_root()
    known = labs()
    if name is not None:
        if name not in known:
            hint = f"labs: {', '.join(known)}" if known else "holo up starts one"
            raise Failure(f"no lab {name} is running", hint)
        return Lab(name)
    if not known:
        raise Failure("no lab is running", "holo up FLEET starts one")
    if len(known) > 1:
        raise Failure(f"several labs are running: {', '.join(known)}", "say which: --lab NAME")
    return Lab(known[0])


@contextmanager
def locked(name: str) -> Iterator[Lab]:
    """The lab of this name, made where there is none; other commands that change it wait."""
    _check_root()
    if not _NAME.fullmatch(name):
        raise Failure(f"{name}: no name of a lab", "use [a-z][a-z0-9-]*, at most 32 characters")
    lab = Lab(name)
    while True:
        lab.folder.mkdir(parents=True, exist_ok=True)
        try:
            folder = os.open(lab.folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another command has taken it down
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(folder), lab.folder.stat()):
                    yield from _whole(lab)
                    return
        finally:
            os.close(folder)


def _whole(lab: Lab) -> Iterator[Lab]:
    """The lab; of one that came to nothing, nothing is left."""
    try:
        yield lab
    except BaseException:
        if not lab.machines():
            lab.down(lambda _: None)
        raise


def at_once(work: Callable[[str], T], names: Iterable[str]) -> dict[str, T]:
    """Does the same for several hosts at a time. Raises the first failure after all have ended."""
    listed = list(names)
    if not listed:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(listed), 16)) as pool:
        futures = {name: pool.submit(work, name) for name in listed}
    return {name: future.result() for name, future in futures.items()}


def _spec(spec: HostSpec | None) -> Record | None:
    return json.loads(json.dumps(asdict(spec))) if spec is not None else None


def _check_root() -> None:
    if os.geteuid() != 0:
        raise Failure("only root can run machines", "run the command as root: sudo holo …")
