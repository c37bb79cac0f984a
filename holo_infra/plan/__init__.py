"""Puts compiled files into the output folder, and nothing else."""

from holo_infra.plan.write import Written, check, replace, write

__all__ = ["Written", "check", "replace", "write"]
