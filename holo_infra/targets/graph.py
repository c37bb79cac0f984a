"""A fleet as a picture: its hosts, containers, addresses and forwards, and who may reach whom.

Text for Graphviz (`dot`) and for Mermaid. What a user wrote is escaped for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal

from holo_infra.lower import LoweredFleet, LoweredHost
from holo_infra.model.fleet import Container, Fleet
from holo_infra.model.options import ContainerOptions
from holo_infra.model.services import Services

LEGEND = "host's port → port of the service; with socat by a port of the container's address"
EXPOSED = "can be reached from other machines"
MAX_TEXT = 44
"""Characters that are shown of a user's text: a picture is no listing."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A unit, service, forward or path of a place: what it is called, and what is said of it."""

    name: str
    text: str
    kind: Literal["unit", "state", "loopback", "exposed"]


@dataclass(frozen=True, slots=True)
class _Card:
    """What is shown of a container, or of the services of a host."""

    name: str
    address: str
    about: str
    lines: tuple[_Line, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """Who may open connections to whom; the target of kind `peer` is a container."""

    source: str
    target: str
    kind: Literal["peer", "both", "together", "hub", "internet"]


@dataclass(frozen=True, slots=True)
class _Host:
    """What is shown of a host."""

    name: str
    about: tuple[str, ...]
    own: _Card | None
    cards: tuple[_Card, ...]
    ways: tuple[_Way, ...]

    @property
    def right(self) -> set[str]:
        """Containers for a column to the right: others reach them, and they reach no other."""
        sources = {way.source for way in self.ways if way.kind in {"peer", "both"}}
        sources |= {way.target for way in self.ways if way.kind == "both"}
        return {way.target for way in self.ways if way.kind == "peer"} - sources


def _hosts(fleet: Fleet, lowered: LoweredFleet) -> list[_Host]:
    return [_host(fleet, name, lowered.hosts[name]) for name in sorted(fleet.hosts)]


def _host(fleet: Fleet, name: str, lowered: LoweredHost) -> _Host:
    host = fleet.hosts[name]
    options = lowered.options.containers
    about = (host.platform, *([host.address] if host.address else []))
    containers = sorted(host.containers.items())
    cards = tuple(_card(key, container, options[key]) for key, container in containers)
    private = {key: c for key, c in containers if options[key].network == "private"}
    heard = [(way[1], text) for way, text in host.listeners() if way[0] == "services"]
    lines = [*_running(host.services), *(_listener(_name(key), text) for key, text in heard)]
    own = _Card("services", "", "on the host itself", tuple(lines)) if lines else None
    return _Host(name, about, own, cards, tuple(_ways(private)))


def _ways(containers: dict[str, Container]) -> Iterator[_Way]:
    for name, container in containers.items():
        for peer in sorted(set(container.allowed_peers)):
            mutual = name in containers[peer].allowed_peers
            if not mutual or name < peer:  # of two arrows between two one is drawn, with two heads
                yield _Way(name, peer, "both" if mutual else "peer")
        if not container.isolated:
            yield _Way(name, "", "together")
        if container.egress != "none":
            yield _Way(name, "", container.egress)


def _card(name: str, container: Container, options: ContainerOptions) -> _Card:
    units = sorted(container.units.items())
    lines = [_Line(key, _short(unit.description), "unit") for key, unit in units]
    lines += _running(container.services)
    if container.state is not None:
        lines.append(_Line("state", _short(container.state), "state"))
    forwards = sorted(container.forwards.items())
    if options.network == "shared":
        lines += [_listener(key, f"127.0.0.1:{f.port}{_suffix(f.protocol)}") for key, f in forwards]
        heard = sorted((_name(way[1]), place) for way, place in container.listeners())
        lines += [_listener(key, place.removesuffix("/tcp")) for key, place in heard]
        return _Card(name, "", "the host's network", tuple(lines))
    for key, f in forwards:
        given = options.forwards[key]
        inner = [given.inner_port] if f.carrier == "socat" else []
        ways = (f"{f.bind}:{given.host_port}{_suffix(f.protocol)}", *inner, f.port)
        lines.append(_listener(key, " → ".join(map(str, ways))))
    about = f"network {container.network} · egress {container.egress}"
    return _Card(name, options.address, about, tuple(lines))


def _running(services: Services) -> list[_Line]:
    """What runs in a place besides units."""
    about = Services.model_fields
    return [
        _Line(_name(key), re.split("[,.:]", about[key].description or "")[0], "unit")
        for key, _ in services.present()
    ]


def _name(key: object) -> str:
    """A unit's name; a service's as its options have it."""
    return str(key).replace("_", "-")


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _suffix(protocol: str) -> str:
    return "" if protocol == "tcp" else f"/{protocol}"


def _listener(name: str, way: str) -> _Line:
    return _Line(name, way, "loopback" if way.startswith("127.") else "exposed")


# Cards are light with dark text, and what lies between them has colours of middle
# brightness, so that the picture can be read on white and on dark pages.

_SANS = "Helvetica,Arial,sans-serif"
_MONO = "DejaVu Sans Mono,Menlo,Consolas,monospace"
_INK = "#0f172a"
_DIM = "#64748b"
_LINE = "#94a3b8"
_BETWEEN = "#6b7a90"
_CARD = "#ffffff"
_HOST = "#eef2f7"
_WARM = "#b8570b"
_HUB = "#2563eb"
_HUB_PORT, _OWN_PORT = "HUB", "SERVICES"  # names of containers have no capitals

_HEAD = f"""\
  graph [rankdir=LR, newrank=true, bgcolor=transparent, pad=0.2, nodesep=0.16,
    ranksep=0.8, fontname="{_SANS}", labelloc=t, labeljust=l]
  node [shape=plain, fontname="{_SANS}", fontsize=11, fontcolor="{_INK}"]
  edge [color="{_BETWEEN}", arrowsize=0.7]
"""


def dot(fleet: Fleet, lowered: LoweredFleet) -> str:
    """The picture in Graphviz's language, for its layout `dot`. Equal fleets give equal text."""
    hosts = {host.name: host for host in _hosts(fleet, lowered)}
    lines = ((fleet.name, _BETWEEN, 18), (LEGEND, _BETWEEN, 10), (EXPOSED, _WARM, 10))
    title = "".join(f'{_font(*line)}<br align="left"/>' for line in lines)
    parts = [f'digraph "{fleet.name}" {{\n', _HEAD, f"  label=<{title}>\n"]
    for host in hosts.values():
        parts += _dot_host(host, is_hub=host.name == fleet.hub)
    ways = [(host, way) for host in hosts.values() for way in host.ways]
    if any(way.kind == "internet" for _, way in ways):
        parts.append(
            f'  internet [shape=ellipse, style="filled,dashed", fillcolor="{_CARD}",'
            f' color="{_BETWEEN}", margin="0.2,0.1"]\n',
        )
    parts += [f"  {_dot_way(host, way, fleet.hub or '')}\n" for host, way in ways]
    return "".join([*parts, "}\n"])


def _dot_host(host: _Host, *, is_hub: bool) -> Iterator[str]:
    """A cluster of columns, each one node: `dot` would put cards in an order of its own."""
    name = _font(host.name, _INK, 14, bold=True)
    about = _font(" · ".join(host.about), _DIM, 12)
    color = _HUB if is_hub else _LINE
    yield (
        f'  subgraph "cluster {host.name}" {{\n'
        f'    graph [style="rounded,filled", color="{color}", fillcolor="{_HOST}", margin=6,\n'
        '      label=<<table border="0" cellspacing="0" cellpadding="4"><tr>'
        f"<td>{name}</td><td>{about}</td></tr></table>>]\n"
    )
    columns: tuple[list[str], list[str]] = ([], [])
    if is_hub:
        look = f'cellpadding="4" bgcolor="{_HUB}" style="rounded"'
        columns[0].append(f'{look} port="{_HUB_PORT}">{_font("hub", _CARD, 11)}')
    if host.own:
        columns[0].append(f'port="{_OWN_PORT}">{_dot_card(host.own)}')
    for card in host.cards:
        columns[card.name in host.right].append(f'port="{card.name}">{_dot_card(card)}')
    if not any(columns):
        columns[0].append(f">{_font('no containers', _DIM, 11)}")
    for number, cells in enumerate(columns):
        if cells:
            rows = "".join(f"<tr><td {cell}</td></tr>\n" for cell in cells)
            yield (
                f'    "{host.name}/{number}" [label=<<table border="0" cellspacing="8"'
                f' cellpadding="0">\n{rows}</table>>]\n'
            )
    if any(way.kind == "together" for way in host.ways):
        yield f'    "{host.name}/together" [shape=point, width=0.08, color="{_BETWEEN}"]\n'
    yield "  }\n"


def _dot_way(host: _Host, way: _Way, hub: str) -> str:
    """An edge; where both ends are in one column, it runs to the left of it."""
    column = int(way.source in host.right)
    source = f'"{host.name}/{column}":"{way.source}"'
    side, look = "e", ""
    match way.kind:
        case "peer" | "both":
            other = int(way.target in host.right)
            side = "w" if column == other else "e"
            target = f'"{host.name}/{other}":"{way.target}":w'
            look = "dir=both, " if way.kind == "both" else ""
        case "together":
            target, look = f'"{host.name}/together"', "dir=none, "
        case "hub":
            side = "w" if (host.name, column) == (hub, 0) else "e"
            target, look = f'"{hub}/0":{_HUB_PORT}:w', f'color="{_HUB}", '
        case "internet":
            target = "internet"
    told = f"{host.name} {way.source} → {way.target or way.kind}"
    return f'{source}:{side} -> {target} [{look}tooltip="{told}"]'


def _dot_card(card: _Card) -> str:
    """An HTML-like table."""
    address = _font(card.address, _INK, 11, face=_MONO)
    name = _font(card.name, _INK, 13, bold=True)
    head = (
        '<table border="0" cellspacing="0" cellpadding="0"><tr><td align="left" width="120">'
        f'{name}</td><td align="right" width="140">{address}</td></tr></table>'
    )
    rows = [head, _font(card.about, _DIM, 11)]
    width = 2 + max((len(line.name) for line in card.lines), default=0)
    rows = [head, _font(card.about, _DIM, 11)]
    ways: list[str] = []
    for line in card.lines:
        # A column of so many characters, because the columns of a table grow to fill it.
        padded = line.name.ljust(width).replace(" ", "\N{NO-BREAK SPACE}")
        is_way = line.kind in {"loopback", "exposed"}
        color = {"loopback": _INK, "exposed": _WARM}.get(line.kind, _DIM)
        text = _font(line.text, color, 11, face=_MONO if is_way else _SANS)
        (ways if is_way else rows).append(_font(padded, _INK, 11, face=_MONO) + text)
    groups = ["".join(f'<tr><td align="left">{r}</td></tr>' for r in g) for g in (rows, ways) if g]
    return (
        f'<table border="1" cellborder="0" cellspacing="1" cellpadding="2" color="{_LINE}"'
        f' bgcolor="{_CARD}" style="rounded">{"<hr/>".join(groups)}</table>'
    )


def _font(text: str, color: str, size: int, *, face: str = _SANS, bold: bool = False) -> str:
    """Text in a font; empty text is nothing, because Graphviz takes no empty element."""
    if not text:
        return ""
    # Graphviz reads \\N and others even here, and a backslash that is written as an entity.
    shown = escape(text).replace("\\", r"\\")
    shown = f"<b>{shown}</b>" if bold else shown
    return f'<font face="{face}" color="{color}" point-size="{size}">{shown}</font>'


def mermaid(fleet: Fleet, lowered: LoweredFleet) -> str:
    """The picture as a Mermaid flowchart, for Markdown. Equal fleets give equal text."""
    hosts = _hosts(fleet, lowered)
    lines = ["flowchart LR"]
    for host in hosts:
        title = " · ".join((f"<b>{host.name}</b>", *host.about))
        lines.append(f'  subgraph {_node(host.name)}["{title}"]')
        if host.name == fleet.hub:
            lines.append(f'    {_node(host.name, _HUB_PORT)}(["hub"]):::hub')
        if host.own:
            lines.append(f"    {_node(host.name, _OWN_PORT)}{_mermaid_card(host.own)}")
        lines += [f"    {_node(host.name, c.name)}{_mermaid_card(c)}" for c in host.cards]
        if any(way.kind == "together" for way in host.ways):
            lines.append(f'    {_node(host.name, "TOGETHER")}((" "))')
        lines.append("  end")
    if any(way.kind == "internet" for host in hosts for way in host.ways):
        lines.append("  INTERNET([internet])")
    for host in hosts:
        for way in host.ways:
            targets = {
                "peer": f"--> {_node(host.name, way.target)}",
                "both": f"<--> {_node(host.name, way.target)}",
                "together": f"--- {_node(host.name, 'TOGETHER')}",
                "hub": f"==> {_node(fleet.hub or '', _HUB_PORT)}",
                "internet": "-.-> INTERNET",
            }
            lines.append(f"  {_node(host.name, way.source)} {targets[way.kind]}")
    lines.append(f"  classDef hub fill:{_HUB},stroke:{_HUB},color:{_CARD}")
    return "\n".join([*lines, ""])


def _mermaid_card(card: _Card) -> str:
    text = [f"<b>{card.name}</b> {card.address}".strip(), card.about]
    text += [_mermaid_text(f"{line.name}: {line.text}".strip(": ")) for line in card.lines]
    return f'["{"<br/>".join(text)}"]'


def _node(*names: str) -> str:
    """An id. Mermaid takes no `-` and reserves words such as `end`; capitals occur in no name."""
    return "N_" + "_N_".join(name.replace("-", "_") for name in names)


def _mermaid_text(text: str) -> str:
    """Text in a quoted label: all but plain characters as entities in Mermaid's own notation."""
    return re.sub(r"[^A-Za-z0-9 .:,/→·-]", lambda match: f"#{ord(match[0])};", text)
