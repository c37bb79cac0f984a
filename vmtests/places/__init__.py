"""Where machines run: namespaces, machines by systemd-nspawn, switches. Knows no test.

The lab stands on it, and so does the harness.
"""

from vmtests.places.enter import Command, Result
from vmtests.places.namespace import MachineError, Record, sweep
from vmtests.places.network import Switch, SwitchRecord
from vmtests.places.nspawn import MachineRecord, NspawnMachine
from vmtests.places.place import CommandTimeout, Place
from vmtests.places.publish import Publication, is_published, publish, unpublish
from vmtests.places.tree import Content, Link

__all__ = [
    "Command",
    "CommandTimeout",
    "Content",
    "Link",
    "MachineError",
    "MachineRecord",
    "NspawnMachine",
    "Place",
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
