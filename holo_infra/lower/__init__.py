"""A fleet with its numbers becomes what runs on each host and in each class of container."""

from holo_infra.lower.fleet import Class, LoweredFleet, LoweredHost, lower
from holo_infra.lower.units import MODULES, evaluate, fhs_programs

__all__ = ["MODULES", "Class", "LoweredFleet", "LoweredHost", "evaluate", "fhs_programs", "lower"]
