"""Machines for tests and for the lab. Knows nothing of Holo."""

from vmtests.enter import Result
from vmtests.namespace import MachineError
from vmtests.nspawn import NspawnMachine

__all__ = ["MachineError", "NspawnMachine", "Result"]
