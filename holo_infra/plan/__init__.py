"""Puts compiled files into the output folder, and nothing else."""

from holo_infra.plan.write import Written, write

__all__ = ["Written", "write"]
