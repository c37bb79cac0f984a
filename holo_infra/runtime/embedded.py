"""Programs for the hosts of a lab that are not in `/usr`, but beside `holo` itself.

What a virtual environment has of them is seen in each machine below one folder, which is in no
home: units have `ProtectHome=`. A program of its own (nats-server) is run as it is. A Python script
names the interpreter that it was installed for, so another takes its place, `launcher.sh`.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from holo_infra.lower import LoweredFleet, LoweredHost, evaluate, fhs_programs
from holo_infra.model.options import Holo

FOLDER = "/opt/holo"
"""Where machines see what is beside `holo`. The files beside this one name it too."""
_HERE = Path(__file__).parent


class Embedded:
    """Finds programs, and remembers which of those that were asked for are not in `/usr`.

    `tree`: the root that hosts boot from, or None for this computer's `/usr`. `beside`: the folder
    with the programs that were installed with `holo`.
    """

    def __init__(self, tree: Path | None = None, beside: Path | None = None) -> None:
        self._tree = Path("/") if tree is None else tree
        self._beside = beside or Path(sysconfig.get_path("scripts"))
        self._used: set[str] = set()
        self._scripts: set[str] = {"holo"}

    def __call__(self, package: str, name: str) -> str:
        """The path of a program in a machine; that of the standard where there is none."""
        standard = fhs_programs(package, name)
        file = self._beside / name
        # In a tree, a link may lead to where it leads there only.
        if os.path.lexists(self._tree / standard[1:]) or not os.access(file, os.X_OK):
            return standard
        if file.resolve().parent != self._beside.resolve():
            return standard  # the interpreter of the virtual environment, which is elsewhere
        self._used.add(name)
        if not _is_script(file):
            return f"{FOLDER}/bin/{name}"
        self._scripts.add(name)
        return f"{FOLDER}/scripts/{name}"

    def binds(self) -> dict[str, str]:
        """What hosts must see: path there -> path here; nothing if all programs are in `/usr`.

        It is the same whatever was asked for, but for scripts other than `holo`: a host that is to
        see something else has to boot anew.
        """
        if not self._used:
            return {}
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = Path(sysconfig.get_path("purelib"))
        found = {
            "bin": self._beside,
            "python": Path(sys.base_prefix),
            "start.py": _HERE / "start.py",
            "venv/bin/python": Path(sys.executable),
            "venv/pyvenv.cfg": _HERE / "launcher.cfg",
            f"venv/lib/{version}/site-packages": packages,
            **{f"scripts/{name}": _HERE / "launcher.sh" for name in self._scripts},
            **{f"source/{path.name}": path for path in _source(packages)},
            **{f"lib/{path.name}": path for path in _library()},
        }
        return {f"{FOLDER}/{name}": str(path.resolve()) for name, path in sorted(found.items())}

    def shown(self, fleet: LoweredFleet) -> LoweredFleet:
        """The fleet, whose containers see what their units need of what their hosts see."""
        needing = {name for name, class_ in fleet.classes.items() if self._asked(class_.content)}
        hosts = {name: _shown(host, needing) for name, host in fleet.hosts.items()}
        return replace(fleet, hosts=hosts)

    def _asked(self, content: Holo) -> bool:
        """Whether units need what is not in `/usr`."""
        finder = Embedded(self._tree, self._beside)
        evaluate(content, finder)
        return bool(finder._used)


def _is_script(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"#!"


def _shown(host: LoweredHost, needing: set[str]) -> LoweredHost:
    if needing.isdisjoint(host.classes.values()):
        return host
    containers = dict(host.settings["containers"])
    for name, class_name in host.classes.items():
        if class_name in needing:
            mounts = {FOLDER: {"source": FOLDER}, **containers[name].get("bindMounts", {})}
            containers[name] = {**containers[name], "bindMounts": dict(sorted(mounts.items()))}
    return replace(host, settings={**host.settings, "containers": containers})


def _source(packages: Path) -> Iterator[Path]:
    """The packages of this project, where an installation leads to its source."""
    root = _HERE.parent.parent
    if root != packages.resolve():
        yield from (path.parent for path in root.glob("*/__init__.py"))


def _library() -> Iterator[Path]:
    """The interpreter's library, which it knows by the path where it was built to be."""
    folder, name = sysconfig.get_config_vars("LIBDIR", "INSTSONAME")
    if folder and name and ".so" in name and (Path(folder) / name).is_file():
        yield Path(folder) / name
