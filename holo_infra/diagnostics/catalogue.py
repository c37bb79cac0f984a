"""Every kind of mistake that is told, by its code: what it means, and how it is mended.

`holo explain CODE` and docs/diagnostics.md show these texts.
"""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry
from holo_infra.diagnostics.files import FILES
from holo_infra.diagnostics.numbers import NUMBERS
from holo_infra.diagnostics.references import REFERENCES
from holo_infra.diagnostics.services import SERVICES
from holo_infra.diagnostics.values import VALUES

CATALOGUE: dict[str, Entry] = VALUES | NUMBERS | REFERENCES | SERVICES | FILES
