"""Unit coverage: which of the units that were made for a fleet came up in a run, and were tested.

A unit is reached when it was active once, and asserted on when a test asked after it: for its
state, or with a command that had to end in a certain way. Knows no machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Row = tuple[str, str, str, str, bool, bool]
"""Fleet, host, container or "", unit, whether it was reached, whether it was asserted on."""
_HEAD = ("host", "container", "unit", "declared", "reached", "asserted")
_YES, _NO = "x", "-"


@dataclass(frozen=True)
class Totals:
    """Numbers of units."""

    declared: int
    reached: int
    asserted: int
    covered: int
    """Both reached and asserted on."""

    def percent(self, of: int) -> float:
        """A part of those declared, in percent; 0 of none."""
        return 100 * of / self.declared if self.declared else 0.0

    def __str__(self) -> str:
        parts = (
            f"{name} {self.percent(of):.0f} % ({of})"
            for name, of in (
                ("reached", self.reached),
                ("asserted on", self.asserted),
                ("both", self.covered),
            )
        )
        return f"{self.declared} units declared: {', '.join(parts)}"


class UnitCoverage:
    """What a run has found out; that of several processes comes together by `merge`."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str, str, str], tuple[bool, bool]] = {}

    def add(
        self,
        fleet: str,
        host: str,
        declared: Mapping[str, Iterable[str]],
        reached: Mapping[str, set[str]],
        asserted: Mapping[str, set[str]],
    ) -> None:
        """What came of a host: units by container, its own under ""."""
        self.merge(
            (
                fleet,
                host,
                container,
                unit,
                unit in reached.get(container, ()),
                unit in asserted.get(container, ()),
            )
            for container, units in declared.items()
            for unit in units
        )

    def merge(self, rows: Iterable[Row]) -> None:
        """Take in what another has found out: a mark that was made once stays."""
        for fleet, host, container, unit, reached, asserted in rows:
            place = (fleet, host, container, unit)
            before = self._marks.get(place, (False, False))
            self._marks[place] = (before[0] or reached, before[1] or asserted)

    def rows(self) -> list[Row]:
        """All of it, in order."""
        return [(*place, *marks) for place, marks in sorted(self._marks.items())]

    def totals(self, fleet: str | None = None) -> Totals:
        """Of a fleet, or of all."""
        marks = [marks for place, marks in self._marks.items() if fleet in {None, place[0]}]
        return Totals(
            len(marks),
            sum(reached for reached, _ in marks),
            sum(asserted for _, asserted in marks),
            sum(reached and asserted for reached, asserted in marks),
        )

    def json(self) -> str:
        """Hosts, containers and units as they are nested, and the totals."""
        fleets: dict[str, dict[str, dict[str, dict[str, dict[str, bool]]]]] = {}
        for fleet, host, container, unit, reached, asserted in self.rows():
            units = fleets.setdefault(fleet, {}).setdefault(host, {}).setdefault(container, {})
            units[unit] = {"reached": reached, "asserted": asserted}
        told = {
            "fleets": {
                name: {"hosts": hosts, "totals": _plain(self.totals(name))}
                for name, hosts in fleets.items()
            },
            "totals": _plain(self.totals()),
        }
        return json.dumps(told, indent=2) + "\n"

    def table(self) -> list[str]:
        """A table for each fleet, and the totals."""
        fleets = sorted({place[0] for place in self._marks})
        lines = [] if fleets else ["no fleet was booted"]
        for fleet in fleets:
            rows = [row[1:] for row in self.rows() if row[0] == fleet]
            cells = [_HEAD] + [(*row[:3], _YES, *map(_mark, row[3:])) for row in rows]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            lines.append(f"fleet {fleet}")
            lines += [
                "  ".join(
                    cell.ljust(width) for cell, width in zip(row, widths, strict=True)
                ).rstrip()
                for row in cells
            ]
            lines.append(f"{fleet}: {self.totals(fleet)}")
        return [*lines, f"all: {self.totals()}"] if fleets[1:] else lines


def _mark(value: object) -> str:
    return _YES if value else _NO


def _plain(totals: Totals) -> dict[str, float]:
    counts = {
        "declared": totals.declared,
        "reached": totals.reached,
        "asserted": totals.asserted,
        "covered": totals.covered,
    }
    percents = {
        f"{name}_percent": round(totals.percent(of), 1)
        for name, of in counts.items()
        if name != "declared"
    }
    return {**counts, **percents}
