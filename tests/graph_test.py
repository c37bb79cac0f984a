"""`holo graph`: the picture shows what the fleet says, whatever text is in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from holo_infra.allocate import Allocation, allocate
from holo_infra.cli import main
from holo_infra.lower import lower
from holo_infra.model.fleet import Container, Fleet, Forward, Host
from holo_infra.model.services import Gateway, NatsServer, Services
from holo_infra.model.unit import Unit
from holo_infra.targets.graph import dot, mermaid

ROOT = Path(__file__).parent.parent
MIXED = ROOT / "examples" / "mixed" / "fleet.yaml"
SVG = "{http://www.w3.org/2000/svg}"


def pictures(fleet: Fleet) -> tuple[str, str]:
    allocation, problems = allocate(fleet, Allocation())
    assert not problems
    lowered = lower(fleet, allocation)
    return dot(fleet, lowered), mermaid(fleet, lowered)


def drawn(text: str) -> list[str]:
    """The texts of the picture that Graphviz draws."""
    svg = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    assert not svg.stderr
    root = ET.fromstring(svg.stdout)  # noqa: S314 - Graphviz made it
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    return [text.replace("\N{NO-BREAK SPACE}", " ").strip() for text in texts]


def edges(text: str) -> set[str]:
    """The edges of a Mermaid flowchart."""
    return {
        line.strip() for line in text.splitlines() if re.search(r" (<?-->|---|==>|-\.->) ", line)
    }


@pytest.mark.needs("dot")
def test_the_picture_has_every_host_container_and_number(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["graph", str(MIXED)]) == 0
    printed = capsys.readouterr().out
    file = tmp_path / "fleet.svg"
    assert main(["graph", str(MIXED), "-o", str(file)]) == 0
    assert file.read_text() == printed
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.svg"]
    root = ET.fromstring(printed.encode())  # noqa: S314 - Graphviz made it
    texts = {"".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")}
    assert {
        *("mixed", "hub", "internet"),
        *("edge0", "nixos · 192.0.2.20", "edge1", "systemd · 192.0.2.21", "nixos · 192.0.2.10"),
        *("holochain0", "10.77.0.2", "network conductors · egress internet"),
        *("services", "on the host itself", "The host agent", "A Holochain conductor"),
        *(
            "The HTTP gateway of a conductor",
            "127.0.0.1:8091 → 8090 → 8090",
            "127.0.0.1:8001 → 8000",
        ),
        *("192.0.2.10:7422 → 7422", "192.0.2.21:8081 → 8081", "127.0.0.1:7000/udp → 7000 → 7000"),
        *("the host's network", "0.0.0.0:3478/udp", "127.0.0.1:9100", "/srv/nats/state"),
    } <= texts
    tooltips = [link.get("{http://www.w3.org/1999/xlink}title") for link in root.iter(f"{SVG}a")]
    assert sorted(filter(None, tooltips)) == [
        "edge0 gateway → holochain0",
        "edge0 gateway → holochain1",
        "edge0 gateway → holochain2",
        "edge0 gateway → hub",
        "edge0 holochain0 → internet",
        "edge0 holochain1 → internet",
        "edge0 holochain2 → internet",
        "edge1 watch → echo",
        "edge1 watch → hub",
        "edge1 watch → web",
        "edge1 web → internet",
    ]


def test_the_flowchart_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(MIXED), "--format", "mermaid"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("flowchart LR\n")
    assert "httpgw: 127.0.0.1:8091 → 8090 → 8090" in text
    assert edges(text) == {
        "N_edge0_N_gateway --> N_edge0_N_holochain0",
        "N_edge0_N_gateway --> N_edge0_N_holochain1",
        "N_edge0_N_gateway --> N_edge0_N_holochain2",
        "N_edge0_N_gateway ==> N_hub_N_HUB",
        "N_edge0_N_holochain0 -.-> INTERNET",
        "N_edge0_N_holochain1 -.-> INTERNET",
        "N_edge0_N_holochain2 -.-> INTERNET",
        "N_edge1_N_watch --> N_edge1_N_echo",
        "N_edge1_N_watch --> N_edge1_N_web",
        "N_edge1_N_watch ==> N_hub_N_HUB",
        "N_edge1_N_web -.-> INTERNET",
    }


def test_services_are_shown_with_where_they_listen_on_the_host() -> None:
    services = Services(nats_server=NatsServer(host="0.0.0.0"))  # noqa: S104 - on purpose
    shared = Container(network="shared", services=Services(gateway=Gateway()))
    private = Container(services=Services(gateway=Gateway()))
    host = Host(services=services, containers={"a": shared, "b": private})
    graphviz, flowchart = pictures(Fleet(name="f", hosts={"x": host}))
    lines = {line.strip() for line in flowchart.splitlines()}
    gateway = "gateway: The HTTP gateway of the fleet"
    assert lines >= {
        (
            'N_x_N_SERVICES["<b>services</b><br/>on the host itself<br/>nats-server: A NATS server'
            '<br/>nats-server: 0.0.0.0:4222<br/>nats-server: 0.0.0.0:7422"]'
        ),
        f'N_x_N_a["<b>a</b><br/>the host\'s network<br/>{gateway}<br/>gateway: 127.0.0.1:8080"]',
        f'N_x_N_b["<b>b</b> 10.0.85.2<br/>network private · egress none<br/>{gateway}"]',
    }
    assert 'port="SERVICES"' in graphviz
    assert graphviz.count("0.0.0.0:4222") == 1
    bare = pictures(Fleet(name="f", hosts={"x": Host()}))
    assert "SERVICES" not in "".join(bare)
    assert "no containers" in bare[0]


def test_equal_fleets_have_equal_pictures_in_whatever_order_they_are_written() -> None:
    containers = {
        "a-b": Container(allowed_peers=["c", "b"], isolated=False),
        "b": Container(allowed_peers=["a-b"], isolated=False),
        "c": Container(egress="internet", forwards={"x": Forward(port=1), "a": Forward(port=2)}),
    }
    numbers = {
        name: c.model_copy(update={"index": i}) for i, (name, c) in enumerate(containers.items())
    }
    turned = dict(reversed([*numbers.items()]))
    one = Fleet(name="one", hosts={"x": Host(containers=numbers), "y": Host()})
    other = Fleet(name="one", hosts={"y": Host(), "x": Host(containers=turned)})
    assert pictures(one) == pictures(other)
    assert edges(pictures(one)[1]) == {
        "N_x_N_a_b <--> N_x_N_b",  # one edge for both ways
        "N_x_N_a_b --> N_x_N_c",
        "N_x_N_a_b --- N_x_N_TOGETHER",
        "N_x_N_b --- N_x_N_TOGETHER",
        "N_x_N_c -.-> INTERNET",
    }


# Whatever means something to HTML, to Graphviz or to Mermaid; `end` is a word of Mermaid's.
HOSTILE = [
    "<b>x</b>", "a & b &amp; &lt;", '"]; x --> y', "'", "{a|b}<p>", "\\N \\G \\l\\", "%% x", "`x`",
    "end", "-->", "#35; #quot;", "]]>", "<!-- x -->", "漢 é 🜨", "[x](y)", "</table>>]", "$${x}$$",
]  # fmt: skip


@pytest.mark.needs("dot")
def test_text_is_shown_as_it_was_written() -> None:
    units = {
        f"u{n}": Unit(description=text, exec_start=["x"])
        for n, text in enumerate(HOSTILE)
        if "\\" not in text
    }
    containers = {
        f"c{n}": Container(state=f"/{text}", units=units) for n, text in enumerate(HOSTILE)
    }
    for name in ("end", "n", "graph", "node", "subgraph"):  # words of the languages
        containers[name] = Container(allowed_peers=["c0"])
    fleet = Fleet(name="strict", hosts={"digraph": Host(containers=containers)})
    picture, flowchart = pictures(fleet)
    texts = drawn(picture)
    for text in HOSTILE:
        assert f"/{text}" in texts
        if "\\" not in text:
            assert text in texts
    # Mermaid's own escape: what it means is the character of that number.
    labels = re.findall(r'\["(.*)"\]', flowchart)
    assert len(labels) == 1 + len(containers)
    for label in labels:
        plain = re.sub(r"</?b>|<br/>|#\d+;", "", label)
        assert not set(plain) & set("\"<>&#'`{}[]|\\%$*_()"), plain
    shown = [re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label) for label in labels]
    for text in HOSTILE:
        assert any(f"state: /{text}" in label for label in shown)


@pytest.mark.needs("dot")
def test_long_text_is_cut() -> None:
    container = Container(state="/" + "x" * 5000)
    picture, _ = pictures(Fleet(name="long", hosts={"a": Host(containers={"c": container})}))
    assert f"/{'x' * 42}…" in drawn(picture)


@pytest.mark.needs("dot")
def test_a_fleet_without_containers_or_hosts_is_drawn() -> None:
    assert drawn(pictures(Fleet(name="none"))[0])[0] == "none"
    fleet = Fleet(name="bare", hub="a", hosts={"a": Host(address="192.0.2.1"), "b": Host()})
    texts = drawn(pictures(fleet)[0])
    assert {"a", "b", "hub", "no containers"} <= set(texts)


def test_without_graphviz_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["graph", str(MIXED), "-o", str(tmp_path / "x.svg")]) == 1
    told = capsys.readouterr()
    assert "error[HI320] Graphviz" in told.err
    assert "apt-get install graphviz" in told.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exec sleep 9", "error: Graphviz took longer than 0 s"),
        ("echo broken >&2; exit 3", "error: Graphviz failed: broken"),
    ],
)
def test_graphviz_that_hangs_or_fails_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: str,
    told: str,
) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if "sleep" in script:
        monkeypatch.setattr("holo_infra.cli.graph.SECONDS", 0.2)
    assert main(["graph", str(MIXED)]) == 1
    assert told in capsys.readouterr().err


def test_a_faulty_fleet_is_told_and_not_drawn(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("name: x\nhosts: {a: {containers: {c: {allowed_peers: [d]}}}}\n")
    assert main(["graph", str(fleet), "--format", "mermaid"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "error[HI201]" in told.err
