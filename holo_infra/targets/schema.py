"""The JSON Schema of a fleet.yaml, for editors: names, types, choices and their descriptions.

It knows each value by itself. That numbers are free and that names exist, `holo check` knows.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.fleet import Fleet
from holo_infra.model.unit import Unit
from nixgen.literals import INTEGER_MAX, INTEGER_MIN
from nixgen.pattern import Pattern, for_python
from nixgen.types import FirstItem

DIALECT = "https://json-schema.org/draft/2020-12/schema"

EXAMPLE = {
    "name": "first",
    "hosts": {
        "alpha": {
            "containers": {
                "web0": {
                    "units": {
                        "web": {"exec_start": ["busybox", "httpd", "-f", "-p", "127.0.0.1:8000"]}
                    },
                    "forwards": {"http": {"port": 8000, "host_port": 8080}},
                },
            },
        },
    },
}


JSON = {
    "description": "Data of any form: null, true, false, whole numbers, text, lists, mappings.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "integer", "minimum": INTEGER_MIN, "maximum": INTEGER_MAX},
        {"type": "array", "items": {"$ref": "#/$defs/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
    ],
}
"""What `nixgen.types.JsonObject` holds: pydantic says only that it is an object."""


def schema() -> dict[str, Any]:
    """The schema, of draft 2020-12; its patterns are regular expressions of ECMAScript."""
    made = Fleet.model_json_schema(by_alias=False)
    # The check of a first item is a function, which pydantic cannot put into a schema.
    command = made["$defs"]["Unit"]["properties"]["exec_start"]
    command["prefixItems"] = [{"type": "string", "pattern": _first_of_command().anchored}]
    definitions = made.pop("$defs") | {"Json": JSON}
    return {
        "$schema": DIALECT,
        **_converted(made),
        "title": "A fleet of holo-infra",
        "patternProperties": {"^x-": {"description": "Yours: a place for what is used by alias."}},
        "examples": [EXAMPLE],
        "$defs": {name: _converted(definitions[name]) for name in sorted(definitions)},
    }


def _first_of_command() -> Pattern:
    metadata = Unit.model_fields["exec_start"].metadata
    return Pattern(next(item.pattern for item in metadata if isinstance(item, FirstItem)))


def _converted(made: dict[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's in the words that editors understand best."""
    converted: dict[str, Any] = {}
    for key, value in made.items():
        match key:
            case "pattern":
                converted[key] = for_python(value)  # ECMAScript has no named classes either
            case "patternProperties":
                # Pydantic would let names that match none of the patterns pass.
                (pattern, of), *_ = value.items()
                converted["propertyNames"] = {"pattern": for_python(pattern)}
                converted["additionalProperties"] = _converted(of)
            case "additionalProperties" if value is True:
                converted[key] = {"$ref": "#/$defs/Json"}
            case "properties":
                # Their titles are their names once more.
                converted[key] = {
                    name: _converted({k: v for k, v in of.items() if k != "title"})
                    for name, of in value.items()
                }
            case "items":
                converted[key] = _converted(value)
            case "anyOf" | "prefixItems":
                converted[key] = [_converted(of) for of in value]
            case "description":
                paragraphs = value.split("\n\n")
                converted[key] = "\n\n".join(" ".join(p.split()) for p in paragraphs)
            case _:
                converted[key] = value
    return converted
