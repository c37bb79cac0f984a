"""Puts compiled files into the output folder, and nothing else."""

from holo_infra.plan.file import replace
from holo_infra.plan.survey import Progress, Survey
from holo_infra.plan.write import Written, check, is_made_from, write

__all__ = ["Progress", "Survey", "Written", "check", "is_made_from", "replace", "write"]
