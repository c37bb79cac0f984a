"""Runs the program of a fleet.py, and puts back what it changes in this process.

It is the user's own program: nothing here keeps it from doing what any program may do.
"""

from __future__ import annotations

import builtins
import itertools
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from holo_infra.diagnostics import Place

_NAME = "__fleet__"
"""The program's name as a module: dataclasses and pydantic look there for names of types."""

_CHECKOUT = Path(__file__).parent.parent.parent
_OTHERS = tuple(
    f"{folder}{os.sep}"
    for folder in (sys.prefix, sys.base_prefix, _CHECKOUT / "holo_infra", _CHECKOUT / "nixgen")
)
"""Where code is nobody's fleet, even where the folder of one holds it."""


@dataclass(frozen=True)
class Program:
    """The program of a fleet: its text, and the file that the text was read from."""

    path: Path
    text: str

    @cached_property
    def folder(self) -> str:
        """The folder whose modules it may import."""
        return str(self.path.resolve().parent)

    def own(self, filename: str) -> bool:
        """Whether code is the user's: of this file, or of a module beside it."""
        if filename == str(self.path):
            return True
        if not filename.startswith(self.folder + os.sep) or filename.startswith(_OTHERS):
            return False
        return "site-packages" not in Path(filename).parts

    def place(self, code: CodeType, instruction: int) -> Place:
        """Where the instruction of a piece of the user's code stands."""
        positions = itertools.islice(code.co_positions(), instruction // 2, None)
        line, _, column, _ = next(positions, (None, None, None, None))
        file = self.shown(code.co_filename)
        return Place(file, line or 0, 0 if column is None else column + 1)

    def shown(self, filename: str) -> str:
        """The name of a file of the user's, given as the program's own was."""
        if filename == str(self.path):
            return filename
        return str(self.path.parent / Path(filename).relative_to(self.folder))

    def innermost(self, trace: TracebackType | None) -> Place:
        """The user's line that was running when an exception was raised."""
        found = Place(str(self.path))
        while trace is not None:
            code = trace.tb_frame.f_code
            if self.own(code.co_filename):
                found = self.place(code, trace.tb_lasti)
            trace = trace.tb_next
        return found


def run(program: Program) -> tuple[Any, BaseException | None]:
    """The value of the program's variable `fleet`, and the exception that ended it, if one did.

    KeyboardInterrupt and GeneratorExit are not the program's, and pass through.
    """
    module = ModuleType(_NAME)
    module.__file__ = str(program.path)
    state = _State(program)
    try:
        try:
            code = compile(program.text, str(program.path), "exec", dont_inherit=True)
            sys.modules[_NAME] = module
            sys.path.insert(0, program.folder)
            with redirect_stdout(sys.stderr):  # what a fleet prints is talk, no result of ours
                exec(code, module.__dict__)  # noqa: S102 - the user's own program
        finally:
            state.restore()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its mistake
        return None, error
    return module.__dict__.get("fleet"), None


class _State:
    """What a program may change in this process by mistake, as it was before."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._builtins = dict(builtins.__dict__)
        self._modules = dict(sys.modules)
        self._path = list(sys.path)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._limit = sys.getrecursionlimit()
        self._folder = Path.cwd()

    def restore(self) -> None:
        """Puts everything back, and forgets the modules beside the program.

        They are imported anew when it runs again, and another fleet has others of their names.
        """
        table = builtins.__dict__
        table.update(self._builtins)  # first: what follows uses them
        for name in [name for name in table if name not in self._builtins]:
            del table[name]
        sys.setrecursionlimit(self._limit)
        os.chdir(self._folder)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.path[:] = self._path
        for name, module in list(sys.modules.items()):
            new = name not in self._modules and name.partition(".")[0] not in self._modules
            if new and self._is_own(module):
                del sys.modules[name]
        sys.modules.update(self._modules)
        sys.modules.pop(_NAME, None)

    def _is_own(self, module: object) -> bool:
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and self._program.own(file)
