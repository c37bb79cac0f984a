"""The target `modules/`: every definition as a NixOS module. Knows no fleet."""

from __future__ import annotations

from holo_infra.lower import MODULES
from holo_infra.targets import Files

MADE_BY = "just modules"


def modules() -> Files:
    """The files of `modules/`, by their names in it."""
    files: Files = {f"{module.name}.nix": module.nix(MADE_BY) for module in MODULES}
    imports = "".join(f"    ./{name}\n" for name in sorted(files))
    files["default.nix"] = (
        "# All modules of holo-infra: they declare options, and do nothing until these are set.\n"
        f"#\n# Made by `{MADE_BY}` from holo_infra.targets.modules; do not edit.\n"
        f"{{\n  imports = [\n{imports}  ];\n}}\n"
    )
    return files
