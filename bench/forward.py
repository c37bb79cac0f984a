"""What forwards cost: each engine's, measured between two direct ways and another proxy.

    python bench/forward.py [--seconds 5] [--repetitions 3] [--bytes 2G] > bench/forward.md

One machine, one service, through the units that the compiler wrote. Each figure is the median of
some repetitions; in a repetition every way has its turn, so what else the computer does hits all.
Root only. Every connection is inside the machine, which has no way out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from holo_infra import BindMount, Container, Fleet, Forward, Host, Unit
from holo_infra.allocate import Allocation, allocate
from holo_infra.lower import lower
from holo_infra.model.fleet import DEFAULT_ENGINES
from holo_infra.model.names import Engine
from holo_infra.plan import write
from holo_infra.targets.systemd import systemd
from tests.support import traffic
from tests.support.lab import machine
from vmtests.places import NspawnMachine

NEEDED = {
    "wrk": "wrk",
    "iperf3": "iperf3",
    "nginx": "nginx-light libnginx-mod-stream",
    "haproxy": "haproxy",
    "socat": "socat",
    "nft": "nftables",
    "systemd-nspawn": "systemd-container",
}
"""Programs, and Debian's packages of them."""

CONTAINER = "10.0.85.2"
HOST = "192.0.2.7"
HTTP, BULK = 8080, 5201
"""The service's ports: requests, and iperf3's bytes."""
TOGETHER = 16
"""Connections at a time, where it is not one."""
OPEN = 1000
"""Connections that are open, where it is about memory."""
WARM = 1
"""Seconds of load, each way, before the first figure."""

SERVICE = f"""\
worker_processes 1;
error_log stderr;
pid /tmp/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {{
        listen 0.0.0.0:{HTTP} backlog=4096;
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""

STREAM = f"""\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes 1;
worker_rlimit_nofile 16384;
error_log stderr;
pid /tmp/nginx-stream.pid;
events {{ worker_connections 8192; }}
stream {{
    tcp_nodelay on;
    server {{ listen 127.0.0.1:9080 backlog=4096; proxy_pass {CONTAINER}:{HTTP}; }}
    server {{ listen 127.0.0.1:9201 backlog=4096; proxy_pass {CONTAINER}:{BULK}; }}
}}
"""

REPORT = """\
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("\\n{\\"requests\\": %d, \\"microseconds\\": %d, \\"errors\\": %d, ",
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  io.write(string.format("\\"p50\\": %f, \\"p99\\": %f}\\n",
    latency:percentile(50), latency:percentile(99)))
end
"""

HOLD = f"""
import socket, sys
open_ = []
for number in range({OPEN}):
    client = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: held\\r\\n\\r\\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    open_.append(client)
print("held", flush=True)
sys.stdin.read()
"""

FILES = {"service.conf": SERVICE, "stream.conf": STREAM, "report.lua": REPORT, "hold.py": HOLD}


@dataclass(frozen=True)
class Way:
    """One way to the service."""

    name: str
    address: str
    http: int
    bulk: int
    units: tuple[str, ...] = ()
    """Whose processes carry what goes this way."""
    inside: bool = False
    """Whether its clients are in the container's network."""

    def command(self, *argv: object) -> list[str]:
        """A client's command, where clients of this way are."""
        enter = ("nsenter", "--net=/run/netns/web") if self.inside else ()
        return [*enter, *map(str, argv)]


@dataclass
class Figures:
    """What was measured of a way, in each repetition."""

    connections: list[float] = field(default_factory=list)
    """A second, each with one request."""
    requests: list[float] = field(default_factory=list)
    """A second, on connections that stay."""
    p50: list[float] = field(default_factory=list)
    """Microseconds."""
    p99: list[float] = field(default_factory=list)
    """Microseconds."""
    gigabits: list[float] = field(default_factory=list)
    """A second."""
    processes: int = 0
    kibibytes: int = 0
    """With OPEN connections, of all processes."""


LOOPBACK, VETH, STREAMED = "direct, loopback", "direct, over the link", "nginx stream, on the host"
ENGINES: dict[Engine, str] = {
    "socat": "socat, two tiers",
    "socket-proxyd": "socket-proxyd",
    "haproxy": "haproxy",
    "nftables": "nftables",
}


def forward_ports(engine: Engine) -> tuple[int, int]:
    """The host's ports of an engine's forwards."""
    number = list(ENGINES).index(engine)
    return 8101 + number, 5301 + number


def ways() -> list[Way]:
    """All that is compared."""
    of_units: dict[Engine, tuple[str, ...]] = {
        "socat": ("socat-web-http{}.service", "socat-internal-http{}-forwarder.service"),
        "socket-proxyd": ("socket-proxyd-web-http{}.service",),
        "haproxy": ("haproxy-web-http{}.service",),
        "nftables": (),
    }
    return [
        Way(LOOPBACK, "127.0.0.1", HTTP, BULK, inside=True),
        Way(VETH, CONTAINER, HTTP, BULK),
        *(
            Way(
                name,
                HOST if engine == "nftables" else "127.0.0.1",
                *forward_ports(engine),
                tuple(unit.format(_word(engine)) for unit in of_units[engine]),
            )
            for engine, name in ENGINES.items()
        ),
        Way(STREAMED, "127.0.0.1", 9080, 9201, ("nginx-stream.service",)),
    ]


def _word(engine: Engine) -> str:
    return engine.replace("-", "")


def fleet() -> Fleet:
    """A host with one container, whose two services are forwarded by every engine."""
    forwards = {}
    for engine in ENGINES:
        http, bulk = forward_ports(engine)
        bind = HOST if engine == "nftables" else "127.0.0.1"
        # iperf3 takes a probe for a client, and ends with it.
        parts = {"http": (HTTP, http, "tcp"), "bulk": (BULK, bulk, "none")}
        for part, (port, host_port, probe) in parts.items():
            forwards[f"{part}{_word(engine)}"] = Forward(
                port=port,
                host_port=host_port,
                inner_port=host_port if engine == "socat" else None,
                bind=bind,
                engine=engine,
                probe=probe,
            )
    nginx = ["/usr/sbin/nginx", "-c", "/srv/bench/service.conf", "-g", "daemon off;"]
    units = {
        "http": Unit(exec_start=nginx, settings={"LimitNOFILE": "16384"}),
        "bulk": Unit(exec_start=["/usr/bin/iperf3", "--server", "--port", str(BULK)]),
    }
    mounts = {"/srv/bench": BindMount(source="/srv/bench")}
    web = Container(units=units, forwards=forwards, bind_mounts=mounts)
    return Fleet(name="bench", hosts={"alpha": Host(containers={"web": web})})


@contextmanager
def running() -> Iterator[NspawnMachine]:
    """The fleet's host, when every way leads to the service."""
    described = fleet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(systemd(lower(described, allocate(described, Allocation())[0])), folder / "out")
        (folder / "bench").mkdir()
        for file, content in FILES.items():
            (folder / "bench" / file).write_text(content)
        shutil.copy(traffic.__file__, folder / "bench" / "traffic.py")
        with machine(folder / "out", "alpha", {"/srv/bench": folder / "bench"}) as host:
            host.succeed(["ip", "address", "add", f"{HOST}/32", "dev", "lo"])
            nginx = ["nginx", "-c", "/srv/bench/stream.conf", "-g", "daemon off;"]
            host.succeed(["systemd-run", "--quiet", "--unit=nginx-stream", *nginx])
            for way in ways():
                for port in (way.http, way.bulk):
                    _until_open(host, way, port)
            yield host


def _until_open(host: NspawnMachine, way: Way, port: int) -> None:
    ask = "/dev/null", f"TCP4:{way.address}:{port},retry=100,interval=0.1"
    host.succeed(way.command("socat", "-u", *ask))


def load(host: NspawnMachine, way: Way, connections: int, seconds: int, *more: str) -> Load:
    """What wrk tells of some connections' requests."""
    url = f"http://{way.address}:{way.http}/"
    argv = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s"]
    script = ["--script", "/srv/bench/report.lua"]
    told = host.succeed(way.command(*argv, *script, *more, url), seconds + 30).splitlines()[-1]
    found = json.loads(told)
    # Some are cut off at the end of the time; more is a fault.
    if not found["requests"] or found["errors"] > found["requests"] / 1000:
        raise SystemExit(f"bench/forward.py: {way.name}: {told}")
    return Load(found["requests"] / found["microseconds"] * 1e6, found["p50"], found["p99"])


@dataclass(frozen=True)
class Load:
    """What wrk tells."""

    rate: float
    """Requests a second."""
    p50: float
    """Microseconds."""
    p99: float
    """Microseconds."""


def bulk(host: NspawnMachine, way: Way, size: str) -> float:
    """Gigabits a second of one stream, from the client to the service, as the service got them."""
    client = ["iperf3", "--client", way.address, "--port", way.bulk, "--bytes", size, "--json"]
    for _ in range(20):
        done = host.execute(way.command(*client), 120)
        found = json.loads(done.stdout)
        if "error" not in found:
            return float(found["end"]["sum_received"]["bits_per_second"]) / 1e9
        time.sleep(0.2)  # it still has to do with the client before
    raise SystemExit(f"bench/forward.py: {way.name}: {found['error']}")


def memory(host: NspawnMachine, way: Way) -> tuple[int, int]:
    """Processes that carry OPEN connections, and their KiB."""
    command = way.command("/usr/bin/python3", "/srv/bench/hold.py", way.address, way.http)
    pipe = subprocess.PIPE
    with host.popen(command, stdin=pipe, stderr=pipe) as holding:
        out, err = holding.stdout, holding.stderr
        if out is None or err is None or out.readline() != b"held\n":
            raise SystemExit(f"bench/forward.py: {way.name}: {err and err.read().decode()}")
        count = ["/usr/bin/python3", "/srv/bench/traffic.py", "footprint", *way.units]
        found = json.loads(host.succeed(count)).values()
        holding.communicate()
    return sum(of["processes"] for of in found), sum(of["kibibytes"] for of in found)


def measured(options: argparse.Namespace) -> dict[str, Figures]:
    """All figures, by the way's name."""
    figures = {way.name: Figures() for way in ways()}
    close = ("--header", "Connection: close")
    with running() as host:
        for way in ways():
            load(host, way, TOGETHER, WARM, *close)
        for repetition in range(options.repetitions):
            for way in ways():
                of = figures[way.name]
                of.connections.append(load(host, way, TOGETHER, options.seconds, *close).rate)
            for way in ways():
                of = figures[way.name]
                of.requests.append(load(host, way, TOGETHER, options.seconds).rate)
            for way in ways():
                of = figures[way.name]
                alone = load(host, way, 1, options.seconds)
                of.p50.append(alone.p50)
                of.p99.append(alone.p99)
            for way in ways():
                figures[way.name].gigabits.append(bulk(host, way, options.bytes))
            sys.stderr.write(f"repetition {repetition + 1} of {options.repetitions}\n")
        for way in ways():
            if way.units:
                of = figures[way.name]
                of.processes, of.kibibytes = memory(host, way)
    return figures


# The report.


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def ratio(of: list[float], base: list[float]) -> float:
    """The median of the repetitions' ratios: what slows a whole repetition down is in both."""
    return median(one / other for one, other in zip(of, base, strict=True))


def tables(figures: dict[str, Figures]) -> Iterator[str]:
    """What was measured, and each as a ratio to the direct way."""
    direct = figures[LOOPBACK]

    def cell(of: list[float], base: list[float], form: str) -> str:
        return f"{ratio(of, base):.2f} ({median(of):{form}})"

    head = ("connections/s", "keep-alive requests/s", "p50, µs", "p99, µs", "Gbit/s")
    yield row("way", *head)
    yield row("---", *["---:"] * len(head))
    for name, of in figures.items():
        yield row(
            name,
            cell(of.connections, direct.connections, ",.0f"),
            cell(of.requests, direct.requests, ",.0f"),
            cell(of.p50, direct.p50, ".0f"),
            cell(of.p99, direct.p99, ".0f"),
            cell(of.gigabits, direct.gigabits, ".1f"),
        )
    yield f"\nWith {OPEN:,} open connections:\n\n"
    yield row("way", "processes", "memory")
    yield row("---", "---:", "---:")
    for name, of in figures.items():
        if name not in {LOOPBACK, VETH}:
            yield row(name, f"{of.processes:,}", f"{of.kibibytes / 1024:,.1f} MiB")


def aims(figures: dict[str, Figures]) -> Iterator[str]:
    """What was to be reached, against two tiers of socat, and whether it is."""
    of_engine = {engine: figures[name] for engine, name in ENGINES.items()}
    name = DEFAULT_ENGINES["tcp"]
    default, socat = of_engine[name], of_engine["socat"]
    times = {e: ratio(of.connections, socat.connections) for e, of in of_engine.items()}
    fastest = max(times, key=lambda engine: times[engine])
    gigabits = ratio(default.gigabits, socat.gigabits)
    memory = socat.kibibytes / default.kibibytes
    yield row("aim, against two tiers of socat", "times", "holds")
    yield row("---", "---:", "---")
    for aim, least, found in (
        (f"{name}, the default: 5 times the connections/s", 5, times[name]),
        (f"{name}: 5 times the bytes/s", 5, gigabits),
        (f"one engine ({fastest}): 8 times the connections/s", 8, times[fastest]),
        (f"{name}: a tenth of the memory of {OPEN:,} connections", 10, memory),
    ):
        yield row(aim, f"{found:.2f}", "yes" if found >= least else "no")


def versions() -> str:
    """Those of what was measured, and of what measured it."""
    asked = {
        "socat": "socat -V | sed -n 2p | cut -d' ' -f3",
        "systemd": "systemctl --version | sed -n 1p | cut -d' ' -f2",
        "HAProxy": "haproxy -v | sed -n 1p | cut -d' ' -f3",
        "nftables": "nft --version | cut -d' ' -f2",
        "nginx": "nginx -v 2>&1 | cut -d/ -f2",
        "wrk": "wrk -v | sed -n 1p | cut -d' ' -f2",
        "iperf3": "iperf3 --version | sed -n 1p | cut -d' ' -f2",
    }
    told = {
        name: subprocess.run(
            ["sh", "-c", command], check=False, stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        for name, command in asked.items()
    }
    return ", ".join(f"{name} {version}" for name, version in told.items())


def lacking() -> str | None:
    """What this computer lacks, and what to do about it."""
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if not packages and not Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists():
        packages = ["libnginx-mod-stream"]
    if packages:
        return f"Debian installs what is missing by: apt-get install {' '.join(packages)}"
    return None if os.geteuid() == 0 else "machines need root: run as root"


def main() -> int:
    """Prints the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5, help="of each load (%(default)g)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--bytes", default="2G", help="of each stream (%(default)s)")
    options = parser.parse_args()
    if complaint := lacking():
        sys.stderr.write(f"bench/forward.py: {complaint}\n")
        return 1
    begun = time.monotonic()
    figures = measured(options)
    say = sys.stdout.write
    say("# Forwards, measured\n\n")
    say(f"Made by `python {shlex.join(sys.argv)}` in {time.monotonic() - begun:.0f} s on ")
    say(f"{os.cpu_count()} cores of {platform.machine()}, Linux {platform.release()}; ")
    say(f"{versions()}.\n\n")
    say(f"""\
A host with systemd of its own, a container on it with nginx and iperf3, and the units that
`holo compile` wrote for them. All ways lead to the same processes; direct over loopback goes from
within the container. Ratios to that in the same repetition, in brackets what was measured; medians
of {options.repetitions} repetitions, in which every way had its turn.

- connections/s: wrk for {options.seconds} s, {TOGETHER} at a time, each with one request.
- keep-alive requests/s: the same on {TOGETHER} connections that stay.
- p50, p99: from request to answer on one connection that stays.
- Gbit/s: iperf3, one stream of {options.bytes} bytes into the container.
- memory: proportional set size (PSS) of all processes that carry the connections. What the kernel
  keeps for sockets and pipes is not in it.

""")
    say("".join(tables(figures)))
    say("\n## Aims\n\n")
    say("".join(aims(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
