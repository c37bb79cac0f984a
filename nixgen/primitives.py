"""Functions that mean the same in Nix and in Python: one table, one line each.

The property tests compare every one on both sides.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nixgen.nodes import Primitive

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
r"""JSON as `builtins.toJSON` writes it: no spaces, names in byte order, not ASCII-only.

Control characters are written differently by the two (`\u0008`, `\b`): equal when read.
"""


def _exec_words(words: list[str]) -> str:
    return " ".join(to_json(word).replace("%", "%%").replace("$", "$$") for word in words)


def _tail(items: list[Any]) -> list[Any]:
    return items[1:]


def _replace(old: list[str], new: list[str], value: str) -> str:
    instead = dict(zip(old, new, strict=True))
    return re.sub("|".join(map(re.escape, old)), lambda match: instead[match[0]], value)


def _recursive_update(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    both = {name: _recursive_update(base[name], over[name]) for name in base.keys() & over.keys()}
    return {**base, **over, **both}


TO_STRING = Primitive("toString", str)
BOOL_TO_STRING = Primitive("lib.boolToString", lambda value: "true" if value else "false")
TO_JSON = Primitive("builtins.toJSON", to_json)
HEAD = Primitive("lib.head", lambda items: items[0])
TAIL = Primitive("lib.tail", _tail)
HAS_PREFIX = Primitive("lib.hasPrefix", lambda prefix, value: value.startswith(prefix))
REMOVE_PREFIX = Primitive("lib.removePrefix", lambda prefix, value: value.removeprefix(prefix))
GET_ATTRIBUTE = Primitive("builtins.getAttr", lambda name, values: values[name])
CONCAT_LISTS = Primitive("lib.concatLists", lambda lists: [item for part in lists for item in part])
RECURSIVE_UPDATE = Primitive("lib.recursiveUpdate", _recursive_update)
WITHOUT_NULLS = Primitive(
    "lib.filterAttrs (_: value: value != null)",
    lambda values: {name: value for name, value in values.items() if value is not None},
)
REPLACE = Primitive("lib.replaceStrings", _replace)
JOIN = Primitive("lib.concatStringsSep", lambda separator, items: separator.join(items))

ESCAPE_SPECIFIERS = Primitive(
    'lib.replaceStrings [ "%" ] [ "%%" ]',
    lambda value: value.replace("%", "%%"),
)
"""For plain values and environment assignments: systemd.unit(5), "Specifiers"."""

ESCAPE_MOUNT_PATH = Primitive(
    'lib.replaceStrings [ "\\\\" ":" ] [ "\\\\\\\\" "\\\\:" ]',
    lambda value: value.replace("\\", "\\\\").replace(":", "\\:"),
)
"""For the paths of `--bind=`: systemd-nspawn(1), "backslash escapes are interpreted"."""

ESCAPE_EXEC_WORDS = Primitive("utils.escapeSystemdExecArgs", _exec_words)
"""For command lines: systemd.service(5), "Command lines"."""
