"""A fleet as a stack: `holo deploy` and `pulumi up` run the same program."""

from pathlib import Path

from holo_infra.deploy.program import program

program(Path(__file__).parent)
