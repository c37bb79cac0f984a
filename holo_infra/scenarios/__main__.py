"""`python -m holo_infra.scenarios FOLDER`: print all scenarios there, for the flake."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from holo_infra.scenarios import SCENARIOS
from holo_infra.scenarios.flake import print_scenario


def main(folder: Path) -> None:
    """Write the scenarios into a folder of their own; what else was in it is removed."""
    if folder.exists():
        shutil.rmtree(folder)
    for name, scenario in SCENARIOS.items():
        for path, content in print_scenario(scenario).items():
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
