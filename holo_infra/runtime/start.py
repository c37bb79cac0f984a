"""Run in a machine of a lab by `launcher.sh`: finds a program by its name and becomes it."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

SOURCE = "/opt/holo/source"


def main() -> None:
    """Runs the program that the first argument names, with the others as its own."""
    sys.argv = sys.argv[1:]
    sys.path.insert(0, SOURCE)
    (point,) = entry_points(group="console_scripts", name=Path(sys.argv[0]).name)
    sys.exit(point.load()())


if __name__ == "__main__":
    main()
