"""Puts compiled files into the output folder, and nothing else."""

from holo_infra.plan.file import replace
from holo_infra.plan.survey import Progress
from holo_infra.plan.write import Written, check, write

__all__ = ["Progress", "Written", "check", "replace", "write"]
