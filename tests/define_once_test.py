"""Defined once: the generated modules in the real evaluator give the units that Python gives."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from holo_infra.model.options import Holo
from holo_infra.model.services import Services
from holo_infra.targets.modules import modules
from nixgen import Options
from nixgen.printer import print_expression
from nixgen.views import node
from tests.support.modules import in_nix, in_python, printed
from tests.support.nix import Nix, NixError
from tests.support.values import of_model, text

pytestmark = pytest.mark.needs("nix")

COUNT = 200


def configurations(seed: int, count: int = COUNT) -> list[Holo]:
    rng = random.Random(seed)
    return [configuration(rng) for _ in range(count)]


SERVICES = tuple(Services.model_fields)
CORE = {name for name in Holo.model_fields if name not in SERVICES}


def configuration(rng: random.Random) -> Holo:
    """Random options of containers and units; peers are containers that there are."""
    made = of_model(rng, Holo, CORE)
    names = list(made.containers)
    peers = {name: rng.sample(names, rng.randint(0, len(names))) for name in names}
    containers = {
        name: container.model_copy(update={"allowed_peers": peers[name]})
        for name, container in made.containers.items()
    }
    return made.model_copy(update={"containers": containers})


def service(rng: random.Random, name: str) -> Holo:
    """Random options of one service, which nearly always runs."""
    model = cast("type[Options]", Holo.model_fields[name].annotation)
    made = of_model(rng, model)
    given: Any = {name: made.model_copy(update={"enable": rng.random() < 0.9})}
    return Holo(**given)


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """The modules as the definitions make them now, not as they were committed."""
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, content in modules().items():
        assert isinstance(content, str)
        (folder / name).write_text(content)
    return folder


def test_units_from_nix_equal_units_from_python(nix: Nix, nixpkgs: Path, generated: Path) -> None:
    values = configurations(seed=1)
    sources = [printed(value) for value in values]
    results = in_nix(nix, nixpkgs, generated, sources, triggers=True)
    assert len(results) == COUNT
    units = 0
    for value, result in zip(values, results, strict=True):
        assert result == in_python(value, triggers=True), value
        units += len(result["units"])
    assert units > 2 * COUNT  # the configurations have something in them


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_the_same_from_nix_and_from_python(
    nix: Nix, nixpkgs: Path, generated: Path, name: str
) -> None:
    rng = random.Random(name)
    values = [service(rng, name) for _ in range(COUNT)]
    sources = [printed(value) for value in values]
    results = in_nix(nix, nixpkgs, generated, sources, triggers=True)
    for value, result in zip(values, results, strict=True):
        assert result == in_python(value, triggers=True), value
    assert sum(bool(result["units"]) for result in results) > COUNT * 0.8


@pytest.mark.parametrize("seed", range(2))
def test_a_spoiled_value_is_refused_by_both_or_by_none(
    nix: Nix,
    nixpkgs: Path,
    generated: Path,
    seed: int,
) -> None:
    rng = random.Random(seed)
    data = [spoiled(rng, configuration) for _ in range(150)]
    assert 30 < refused_by_both(nix, nixpkgs, generated, data) < 147


@pytest.mark.parametrize("name", SERVICES)
def test_a_spoiled_value_of_a_service_is_refused_by_both_or_by_none(
    nix: Nix, nixpkgs: Path, generated: Path, name: str
) -> None:
    rng = random.Random(f"spoiled {name}")
    data = [spoiled(rng, lambda rng: service(rng, name)) for _ in range(60)]
    assert 10 < refused_by_both(nix, nixpkgs, generated, data) < 58


def refused_by_both(nix: Nix, nixpkgs: Path, modules_: Path, data: list[Any]) -> int:
    """How many Nix and Python both refuse; they agree on the meaning of the rest."""
    sources = [f"{{ holo = {print_expression(node(value))}; }}" for value in data]
    refused = 0
    for value, result in zip(data, evaluated_apart(nix, nixpkgs, modules_, sources), strict=True):
        try:
            expected = in_python(Holo.from_nix(value))
        except (ValidationError, LookupError) as error:
            assert result is None, (value, str(error))
            refused += 1
        else:
            assert result == expected, value
    return refused


OTHER_NAMES = [
    *("Web", "a_b", "-", "8000", "extra", "a.b", "A" * 101, "\u00e9", "a\n", "$SYS"),
    *("U" + "A" * 55, "A" + "2" * 55, "store_dir"),
]
"""No name of NAMES_OF_NIX: by hand these mean in Nix what only Nix has, and Python refuses them."""
OTHER_VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 8080, 70000, 2**40, [], {}, ["a"]),
    *("a", "debug", "/run/a", "hub.example.org", "https://a", "wss://a"),
    *("8000", "", "a\nb", "a\n", "\n", " a", "a\\", "tcp", "none", "latest", "a b", "*", "*,", ">"),
    *("10.0.0.256", "127.0.0.1.", "http:/%41", "/a b", "1K", "0.5", "A" * 101),
    *("/nix/store/x", "/nix", "/nixx", "//nix/store", "/run/../nix", "/run/./x", "/var/lib/x/"),
    *("nats://u:p@h", "wss://h:0", "nats://h:65536", "ws://h/%n", "ws://x\x85y", "stun:%n"),
    *("\u00e9", "\uff11\uff1227.0.0.1", "\u00a0", "x\u2028", "a/b,", "a.>.b", "/a" * 2000),
]


def spoiled(rng: random.Random, make: Callable[[random.Random], Holo]) -> Any:
    """The data of a valid configuration with one leaf or name replaced by something else."""
    places: list[tuple[Any, Any]] = []
    while not places:
        data = _plain(make(rng))
        places = list(_places(data))
    holder, key = rng.choice(places)
    elsewhere = [other[key] for other, name in _places(_plain(make(rng))) if name == key]
    if isinstance(holder, dict) and rng.random() < 0.3:
        holder[rng.choice([text(rng) or "x", *OTHER_NAMES])] = holder.pop(key)
    elif elsewhere and rng.random() < 0.4:
        holder[key] = rng.choice(elsewhere)
    else:
        holder[key] = rng.choice([*OTHER_VALUES, text(rng)])
    return data


def _plain(options: Holo) -> Any:
    """The options as data that Nix can take."""
    data = json.loads(options.model_dump_json(by_alias=True, exclude_defaults=True))
    _drop_derivations(data)
    return data


def _drop_derivations(data: Any) -> None:
    """Takes out what is a derivation in Nix, which JSON does not hold."""
    for key, value in list(data.items()):
        if key in {"package", "system"}:
            del data[key]
        elif isinstance(value, dict):
            _drop_derivations(value)


def _places(data: Any) -> Any:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(items):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def evaluated_apart(nix: Nix, nixpkgs: Path, modules_: Path, sources: list[str]) -> list[Any]:
    """Each configuration's meaning; an error that tryEval does not catch costs only its own."""
    try:
        return in_nix(nix, nixpkgs, modules_, sources)
    except NixError:
        if len(sources) == 1:
            return [None]
        half = len(sources) // 2
        parts = (sources[:half], sources[half:])
        return [
            result for part in parts for result in evaluated_apart(nix, nixpkgs, modules_, part)
        ]


MUTANTS = {
    "a default": ("units.nix", "network.target", "network-online.target"),
    "a default of an option": ("socat.nix", 'default = "tcp"', 'default = "udp"'),
    "a derived default": ("containers.nix", '(config.index + 85)}.2";', '(config.index + 86)}.2";'),
    "a lost escape of arguments": (
        "units.nix",
        "utils.escapeSystemdExecArgs (",
        'lib.concatStringsSep " " (',
    ),
    "a lost escape of specifiers": (
        "units.nix",
        'lib.replaceStrings [ "%" ] [ "%%" ] value',
        "value",
    ),
    "a lost escape of a mount path": (
        "containers.nix",
        'lib.replaceStrings [ "\\\\" ":" ] [ "\\\\\\\\" "\\\\:" ] inside',
        "inside",
    ),
    "an order": (
        "socat.nix",
        "wantedBy = [ machine",
        'wantedBy = [ "multi-user.target" machine ] ++ lib.tail [ machine',
    ),
    "a lost condition": (
        "containers.nix",
        'bindsTo = lib.optional (c.network == "private") namespace',
        "bindsTo = [ namespace ]",
    ),
    "an inverted condition": (
        "containers.nix",
        'if mount.writable then "--bind="',
        'if !mount.writable then "--bind="',
    ),
    "a lost only_if": ("socat.nix", 'c.network == "private" && f.engine', "f.engine"),
    "a bound": ("socat.nix", "privileged = f.hostPort < 1024", "privileged = f.hostPort <= 1024"),
    "a wrong option": ("socat.nix", "TCP4:${c.address}", "TCP4:${c.hostAddress}"),
    "a lost run-time variable": ("socat.nix", "bind=\\${HOLO_ADDRESS}", "bind=0.0.0.0"),
    "a lost binding to the container": ("socat.nix", "bindsTo = [ machine ];", ""),
    "a lost directive": ("units.nix", "NoNewPrivileges = lib.mkDefault true;", ""),
    "a default that does not give way": (
        "units.nix",
        'KillMode = lib.mkDefault "mixed";',
        'KillMode = "control-group";',
    ),
    "lost settings": ("units.nix", "u.settings\n", ""),
    "a lost peer": ("firewall.nix", ") c.allowedPeers)", ") (lib.tail ([ 0 ] ++ [ ])))"),
    "a wrong set of the firewall": ("firewall.nix", "!c.isolated", "c.isolated"),
    "a lost way out": ("firewall.nix", 'c.egress == "internet"', 'c.egress == "hub"'),
    "a lost order": ("containers.nix", 'wants = [ "holo-firewall.service" ];', ""),
    "a port open to the wrong side": (
        "ports.nix",
        '!lib.hasPrefix "127." f.bind',
        'lib.hasPrefix "127." f.bind',
    ),
    "a lost limit": ("containers.nix", "MemoryMax = ", "MemoryHigh = "),
    "a lost secret": ("containers.nix", "--load-credential=", "--set-credential="),
    "a wrong protocol's ports": (
        "ports.nix",
        'f.protocol == "udp"\n',
        "true\n",
    ),
    "an inner port of every engine": ("ports.nix", 'f.engine == "socat"', "true"),
    "a port of nftables open on the host": ("ports.nix", ' && f.engine != "nftables"', ""),
    "a derived engine": ("containers.nix", 'config.protocol == "udp"', 'config.protocol == "tcp"'),
    "a derived inner port": (
        "containers.nix",
        "default = config.port",
        "default = config.hostPort",
    ),
    "another engine's socket": ("socket-proxyd.nix", '== "socket-proxyd"', '!= "socat"'),
    "a lost stream": ("socket-proxyd.nix", "listenStreams = [", "listenStreams = lib.tail ["),
    "a directive of a socket": ("socket-proxyd.nix", "FreeBind = true;", "Transparent = true;"),
    "a socket before its container": (
        "socket-proxyd.nix",
        "DefaultDependencies = false;",
        "",
    ),
    "a proxy in the host's network": ("socket-proxyd.nix", "NetworkNamespacePath = ", "Slice = "),
    "a proxy of UDP": ("haproxy.nix", ' && f.protocol == "tcp"', ""),
    "another descriptor": ("haproxy.nix", "bind fd@3", "bind fd@4"),
    "a configuration of another name": ("haproxy.nix", '"holo/haproxy/', '"holo/hap/'),
    "a map of all addresses": ("firewall.nix", 'f.bind == "0.0.0.0"', 'f.bind != "0.0.0.0"'),
    "a service of another port": ("firewall.nix", "${toString f.port}", "${toString f.hostPort}"),
    "a forward from loopback": ("firewall.nix", ' && !lib.hasPrefix "127." f.bind', ""),
    "packets that go astray": (
        "firewall.nix",
        "@exposed oifname != @links drop",
        "@exposed accept",
    ),
    "a question of another container": ("readiness.nix", "requisite = [", "requires = ["),
    "a question that nobody can answer": ("readiness.nix", ' && f.probe != "none"', ""),
    "a question at the wrong address": ("readiness.nix", "then c.address", "then c.hostAddress"),
    "a lost trigger of rules": ("firewall.nix", "restartTriggers = [ rules ];", ""),
    "a lost file": ("containers.nix", "HOLO_ADDRESS=", "ADDRESS="),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_difference_is_found(
    nix: Nix,
    nixpkgs: Path,
    generated: Path,
    tmp_path: Path,
    name: str,
) -> None:
    file, old, new = MUTANTS[name]
    mutant = tmp_path / "mutant"
    shutil.copytree(generated, mutant)
    source = (mutant / file).read_text()
    assert old in source, f"the mutant has nothing to change: {old}"
    (mutant / file).write_text(source.replace(old, new))
    values = configurations(seed=2, count=160)
    sources = [printed(value) for value in values]
    results = in_nix(nix, nixpkgs, mutant, sources, triggers=True)
    expected = [in_python(value, triggers=True) for value in values]
    assert any(result != meaning for result, meaning in zip(results, expected, strict=True))


def test_committed_modules_are_what_the_definitions_make() -> None:
    folder = Path(__file__).parent.parent / "modules"
    committed = {path.name: path.read_text() for path in folder.iterdir()}
    assert committed == modules(), "run: just modules"
