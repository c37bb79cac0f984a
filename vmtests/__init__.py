"""Machines for tests and for the lab. Knows nothing of Holo."""

from vmtests.enter import Command, Result
from vmtests.namespace import MachineError, Record, sweep
from vmtests.network import Switch, SwitchRecord
from vmtests.nspawn import MachineRecord, NspawnMachine
from vmtests.publish import Publication, is_published, publish, unpublish

__all__ = [
    "Command",
    "MachineError",
    "MachineRecord",
    "NspawnMachine",
    "Publication",
    "Record",
    "Result",
    "Switch",
    "SwitchRecord",
    "is_published",
    "publish",
    "sweep",
    "unpublish",
]
