"""Scenarios on machines here: the printed script of each, run as the flake's driver runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from holo_infra.scenarios import Scenario
from holo_infra.scenarios.machines import Change, machines_of
from holo_infra.scenarios.printing import print_script
from vmtests import Machine, run_script
from vmtests.artefacts import CONSOLE
from vmtests.backend import BOOT_TIMEOUT
from vmtests.configuration import backend_for
from vmtests.fleet import FleetHost, boot_fleet, configuration_of
from vmtests.qemu import debian_image

NEEDS = ("nspawn", "socat", "ip", "nft", "curl", "python3")
PATIENCE = 120
"""Seconds, in place of those that the flake's emulated machines are given."""
ANSWER = 5
_PRINTING = Lock()
"""Python 3.11 parses source on one thread at a time."""


def script(scenario: Scenario, folder: Path, patience: int, answer: int) -> Path:
    """The scenario's script with other times, as a file."""
    with _PRINTING:
        text = print_script(scenario)
    for name, value in (("PATIENCE", patience), ("ANSWER", answer)):
        before, found, after = text.partition(f"\n{name} = ")
        if found:
            text = f"{before}\n{name} = {value}\n{after.partition(chr(10))[2]}"
    file = folder / "script.py"
    file.write_text(text)
    return file


def ask(
    scenario: Scenario,
    machines: Mapping[str, Machine],
    folder: Path,
    patience: int = PATIENCE,
    answer: int = ANSWER,
) -> None:
    """Run the script on machines of its hosts; raises as that does."""
    run_script(script(scenario, folder, patience, answer), machines.values())


def run_scenario(  # noqa: PLR0913 (by keyword all but what is run)
    scenario: Scenario,
    folder: Path,
    *,
    kind: str = "nspawn",
    patience: int = PATIENCE,
    answer: int = ANSWER,
    change: Change | None = None,
    boot_timeout: float = BOOT_TIMEOUT,
) -> None:
    """Boot the hosts, whose files `change` may spoil, and run the script; raises as that does.

    `folder` gets a folder of each host, with its console and journal.
    """
    image = debian_image("python3") if kind == "qemu" else None  # what stand-ins are written in

    def make(host: FleetHost) -> Machine:
        configuration = replace(configuration_of(host, kind), image=image)
        artefacts = folder / host.name
        artefacts.mkdir()
        log = artefacts / CONSOLE
        backend = backend_for(host.name, configuration, log)
        return Machine(backend, artefacts=artefacts, boot_timeout=boot_timeout)

    with boot_fleet(machines_of(scenario, change), kind, make=make) as machines:
        ask(scenario, machines, folder, patience, answer)
