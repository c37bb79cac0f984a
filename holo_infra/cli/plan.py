"""`holo plan FLEET --out DIR`: what `holo compile` would change in a folder. Writes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holo_infra.cli.compile import add_output, files_of, lock_change, missing_modules
from holo_infra.cli.fleet import add_fleet, compile_fleet
from holo_infra.cli.output import is_coloured, say, warned
from holo_infra.compiled import lock_path
from holo_infra.model.fleet import Fleet
from holo_infra.plan import Survey, check
from holo_infra.plan.describe import describe, mark, printable, summary
from holo_infra.plan.difference import Change, View, compare, due, renames, view
from holo_infra.plan.manifest import MANIFEST
from holo_infra.targets import Files

CHANGES = 2
"""Exit status where something would change."""
_FILES = 10
"""How many files are named before "and 92 more"."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the changes; 2 where compile would write or remove a file, or change the lock file.

    As JSON: {"changes": [{"action", "kind", "path", "old", "new"}], "files": {"written": [path],
    "removed": [path]}, "lock": whether the lock file would change}.
    """
    compiled = compile_fleet(options.fleet)
    warned(
        [*compiled.warnings, *missing_modules(compiled.fleet, compiled.locate, options.out)],
        options.format,
    )
    files = files_of(compiled, options)
    found = check(files, options.out)
    written, removed = list(found.changed), list(found.gone)
    if not written and not removed and not found.is_current:
        written = [MANIFEST]  # named only where it is all that would be written
    lock = lock_change(compiled, options.fleet) is not None
    changes = _changes(compiled.fleet, files, found, options.out)
    if options.format == "json":
        plan = {
            "changes": [_plain(change) for change in changes],
            "files": {"written": written, "removed": removed},
            "lock": lock,
        }
        sys.stdout.write(json.dumps(plan, indent=2, default=lambda name: name.path) + "\n")
    else:
        text = _text(changes, written, removed, lock_path(options.fleet) if lock else None)
        sys.stdout.write(text)
    return CHANGES if written or removed or lock else 0


def _changes(fleet: Fleet, files: Files, found: Survey, out: Path) -> tuple[Change, ...]:
    """What changes in the fleet. Only hosts whose files or classes differ are read."""
    known = found.known
    same = {path for path in files if known.get(path) == found.digests[path]}

    def after(path: str) -> str | None:
        content = files.get(path)
        return content if isinstance(content, str) else None

    def before(path: str) -> str | None:
        if path in same:
            return after(path)  # also where it was deleted: what was in it is known
        try:
            return (out / path).read_text(encoding="utf-8") if path in known else None
        except FileNotFoundError:
            return None

    was, now = _hosts(known), _hosts(files)
    earlier = renames(fleet)
    renamed = due(earlier.get(("hosts",), {}), was, now)
    differing = {name for name in was | now if f"hosts/{name}.nix" not in same}
    if any(path.startswith("classes/") for path in (known.keys() & files.keys()) - same):
        differing = was | now  # another version of holo, which writes another text for one content
    names = sorted({*differing, *renamed, *renamed.values()})
    old: View = {"hosts": {}}
    for name in names:
        try:
            old["hosts"] |= view([name], before)["hosts"]
        except ValueError:
            say(f"{out}/hosts/{name}.nix: cannot be read, and is told as new")
    return compare(old, view(names, after), earlier)


def _hosts(paths: Mapping[str, Any]) -> set[str]:
    return {
        path.removeprefix("hosts/").removesuffix(".nix")
        for path in paths
        if path.startswith("hosts/")
    }


def _plain(change: Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "path": change.path,
        "old": change.old,
        "new": change.new,
    }


def _text(
    changes: Sequence[Change], written: Sequence[str], removed: Sequence[str], lock: Path | None
) -> str:
    if not written and not removed and not lock:
        return "no changes\n"
    coloured = is_coloured(sys.stdout)
    lines = [describe(changes, coloured=coloured)]
    if not changes:
        paths = [*(("~", path) for path in written), *(("-", path) for path in removed)]
        lines += [
            f"{mark(sign, coloured=coloured)} {printable(path)}\n" for sign, path in paths[:_FILES]
        ]
        if len(paths) > _FILES:
            lines.append(f"  and {len(paths) - _FILES} more\n")
    if lock:
        lines.append(f"{mark('~', coloured=coloured)} lock file {printable(str(lock))}\n")
    ends = [f"{len(written)} file{'s' * (len(written) != 1)} to write"] if written else []
    ends += [f"{len(removed)} file{'s' * (len(removed) != 1)} to delete"] if removed else []
    ends += ["lock file"] if lock else []
    lines.append(f"\n{summary(changes)}; {', '.join(ends)}\n")
    return "".join(lines)
