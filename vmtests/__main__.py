"""`python -m vmtests`: the program `vmtests`."""

from vmtests.cli import entry

if __name__ == "__main__":
    entry()
