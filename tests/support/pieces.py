"""What fleets are fuzzed with: good ones, and pieces that fit nowhere, somewhere, or nearly.

No program of these touches a file or the network, loops without end, or stops the process.
"""

from __future__ import annotations

from typing import Any

from tests.support.values import HOSTILE

GOOD = """\
name: private
hub: alpha
networks:
  lab: {scheme: packed, pool: 10.64.0.0/16}
hosts:
  alpha:
    address: 192.0.2.1
    networks: [192.0.2.0/24]
    nameservers: [192.0.2.53]
    listens: ["0.0.0.0:22", "192.0.2.1:53/udp"]
    imports: [machines/alpha.nix]
    services:
      nats_server:
        host: 0.0.0.0
        jetstream: {domain: hub}
        accounts: {HOLO: {users: {gw: {password_file: /run/keys/gw, publish: ["a.*"]}}}}
        extra_attrs: {debug: true, lists: [1, {a: null}]}
    renamed_from: omega
    containers:
      web0: &web
        units: &units
          web:
            exec_start: [busybox, httpd, -f, -p, "127.0.0.1:8000"]
            environment: {LEVEL: info, "TEXT": 'it''s: "quoted"'}
        services: {hc_http_gw: {allowed_fns_per_app_id: {forum: "posts/get"}}}
        forwards:
          admin: {port: 8000, engine: socat}
          httpgw: {port: 4000, host_port: 8080, probe: "http:/health", renamed_from: gw}
        limits: {memory: 512M, cpu_percent: 50, tasks: 64}
        nspawn_args: [--setenv=LEVEL=info]
      web1:
        <<: *web
        network: lab
        subnet: 10.64.0.8/30
        egress: hub
        allowed_peers: [web0]
        forwards: {}
        renamed_from: front
      web2:
        network: shared
        units: *units
  beta:
    platform: systemd
    state_version: "25.11"
    nameservers: [192.0.2.53]
    containers:
      store:
        index: 7
        egress: internet
        isolated: false
        state: /srv/store
        units:
          store:
            exec_start: [/bin/store, --verbose]
            package: busybox
            secrets: [token]
            settings: {MemoryMax: 64M}
            listens: ["127.0.0.1:7000/udp"]
        forwards:
          store: {port: 7000, protocol: udp, bind: 0.0.0.0, inner_port: 7001}
        services: {holochain: {version: "0.4", passphrase_file: token}}
        bind_mounts: {/srv/www: {source: /var/www, writable: true}}
        secrets: {token: /run/keys/token}
"""
PROGRAM = """\
from holo_infra import *

units = {"web": Unit(exec_start=["busybox", "httpd", "-p", "127.0.0.1:8000"])}
web0 = Container(
    units=units,
    forwards={
        "admin": Forward(port=8000, engine="socat"),
        "httpgw": Forward(port=4000, host_port=8080, probe="http:/health", renamed_from="gw"),
    },
    limits=Limits(memory="512M", cpu_percent=50, tasks=64),
    services=Services(hc_http_gw=HcHttpGw(allowed_fns_per_app_id={"forum": "*"})),
    bind_mounts={"/srv": BindMount(source="/var/srv", writable=True)},
    nspawn_args=["--setenv=LEVEL=info"],
)
web1 = Container(network="shared", units=units)
keeper = Unit(
    exec_start=["/bin/store"], package="busybox", secrets=["token"], listens=["127.0.0.1:7000/udp"],
    environment={"LEVEL": "info"}, settings={"MemoryMax": "64M"},
)
store = Container(
    network="lab", subnet="10.64.0.8/30", egress="hub", isolated=False, allowed_peers=["web0"],
    units={"store": keeper}, forwards={"store": Forward(port=7000, protocol="udp", bind="0.0.0.0")},
    state="/srv/store", secrets={"token": "/run/keys/token"}, renamed_from="front",
)
server = NatsServer(accounts={"A": {"users": {}}}, extra_attrs={"debug": True})
fleet = Fleet(
    name="private",
    hub="alpha",
    networks={"lab": Network(scheme="packed", pool="10.64.0.0/16")},
    hosts={
        "alpha": Host(
            address="192.0.2.1", networks=["192.0.2.0/24"], nameservers=["192.0.2.53"],
            listens=["0.0.0.0:22"], imports=["machines/alpha.nix"], renamed_from="omega",
            services=Services(nats_server=server),
            containers={"web0": web0, "web1": web1, "store": store},
        ),
        "beta": Host(platform="systemd", state_version="25.11"),
    },
)
"""

FITTING: list[Any] = [
    *("alpha", "beta", "web0", "web1", "store", "shared", "private", "lab", "packed", "octet"),
    *("hub", "internet", "none", "udp", "tcp", "http:/x", "front", "omega", "gw", "512M", "token"),
    *(
        "socat",
        "haproxy",
        "nftables",
        "socket-proxyd",
        "192.0.2.1",
        "0.0.0.0/0",
        "10.64.0.8/30",
        "10.64.0.9/30",
        "10.64.0.0/16",
        "10.0.85.0/24",
    ),
    *(1, 7, 22, 64, 4000, 7000, 8000, 8001, 8080, 40_000, True, False, None, "/srv", "/var/lib"),
    *("/nix/store/key", "/run/keys/token", "machines/beta.nix", "hosts/beta.nix", "25.05"),
    *(
        ["web0"],
        ["web1", "store"],
        ["token"],
        ["0.0.0.0:8080"],
        ["0.0.0.0:7000/udp"],
        ["10.0.0.0/8"],
    ),
    *(["--boot"], ["-b"], ["--bind=/srv"], ["hosts/alpha.nix"], ["192.0.2.53"], ["sh", "-c", "x"]),
    *({"token": "/run/keys/token"}, {"MemoryMax": "1G"}, {"ExecStart": "x"}, {"LEVEL": "info"}),
    *({"/etc": {"source": "/srv"}}, {"scheme": "packed"}, {"lab": {}}, {"memory": "1G"}, {}, []),
    *({"nats_server": {}}, {"holochain": {"passphrase_file": "token"}}, {"hc-http-gw": {}}),
    *("hc-http-gw", "0.5", "ws://127.0.0.1:8500", "wss://hub.example.org", {"url": "nats://x"}),
    *({"A": {"users": {"u": {}}}}, {"enable": True}, {"a": [0.5]}, {"domain": "hub"}),
    *({"admin": {"port": 8000}}, {"systemd-x": {"exec_start": ["x"]}}, {"web0": {"index": 0}}),
]
"""Values that fit somewhere: what is wrong with them there, only a look at the rest can tell."""

PIECES = [
    *HOSTILE,
    *("yes", "null", "~", "26.05", "0x1F", "0o17", "1e400", ".nan", "-.inf", "9" * 5000, "-1"),
    *("&a", "*a", "*web", "*units", "<<: *web", "<<: 3", "!!int ", "!!binary ", "!x ", "? ", "- "),
    *("--- ", "...", "|", ">-", "\t", ": ", "{a: ", "[", "]", "}", "%YAML 1.2", "@", "`", "\0"),
    *('"\\u0000"', '"\\x1b[31m"', "[[[[", "{{{{", "&b [*b]", "# ", "\ufeff", "\ufffe", "\u202e"),
]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 65536, 10**40, 26.05, float("nan"), float("inf"), "", "x"),
    *("8000", "yes", "\x00", "\x1b[31m", "a" * 70_000, [], {}, [[]], [None], {"x": 1}, {"": {}}),
    *({"Web_0": {}}, {"a.b": None}, ["+x"], "300.1.1.1", "/nix/store/x", *HOSTILE),
    *(["x", 1], {8000: 1}, {None: 1}, {True: {}}, "é" * 40_000, {"exec_start": ["x"]}),
    *({"exec_start": []}, {"units": {"x": {"exec_start": []}}}),
]

WEIRD = {
    "builtins": "import builtins\n",
    "sys": "import sys\n",
    "Weird": """
class Weird:
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __repr__
""",
    "WeirdText": """
class WeirdText(str):
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __eq__ = __getitem__ = __repr__
    __hash__ = str.__hash__
""",
    "WeirdNumber": """
class WeirdNumber(int):
    def __repr__(self): raise RuntimeError("no repr")
    __str__ = __index__ = __format__ = __repr__
""",
    "WeirdDict": """
class WeirdDict(dict):
    def items(self): raise RuntimeError("no items")
    __iter__ = keys = __getitem__ = items
""",
    "WeirdError": """
class WeirdError(Exception):
    def __str__(self): raise RuntimeError("no message")
""",
    "Liar": """
class Liar:
    __class__ = Fleet
""",
    "Another": """
class Another(Fleet):
    more: int = 3
""",
    "Stop": "class Stop(BaseException): pass\n",
    "round": "round = {}; round['round'] = round\n",
    "deep": """
deep = []
for _ in range(3000): deep = [deep]
""",
}
"""What expressions and statements use, by the name that they use."""
EXPRESSIONS = [
    *("None", "True", "0", "-1", "65536", "10 ** 40", "10 ** 5000", "26.05", "float('nan')", "''"),
    *("'x'", "'8000'", "b'x'", "[]", "{}", "()", "{'x'}", "[None]", "{'Web_0': Container()}"),
    *("'\\0'", "'\\ud800'", "'\\x1b[31m'", "'a' * 70_000", "...", "object()", "Host", "print"),
    *("Weird()", "WeirdText('x')", "WeirdNumber(3)", "WeirdDict(a=1)", "round", "deep", "Liar()"),
    *("Host()", "Container()", "Forward(port=1)", "Forward(port=0)", "Fleet(name='x')", "units"),
    *("Unit(exec_start=[])", "{3: Host()}", "{WeirdText('x'): Host()}", "nothing", "1 / 0"),
    *("Container.model_construct(zzz=1)", "Host.__new__(Host)", "{(1, 2): 3}", "[].pop()"),
    *("{'\\ud800': Host()}", "Unit.model_construct()", "Another(name='x')", "range(3)", "Unit"),
]
STATEMENTS = [
    *("fleet.hosts['../x'] = Host()", "fleet.hosts['beta'] = 3", "fleet.hosts[3] = Host()"),
    *("fleet.hosts.clear()", "fleet.hosts['x'] = round", "fleet.hosts['x'] = Weird()"),
    *("fleet.hosts[Weird] = Host()", "fleet = None"),
    *("fleet.hosts['alpha'].containers['web0'].forwards['admin'] = 3", "fleet.name = 'x'"),
    *("fleet.hosts['alpha'].containers['\\x1b'] = Container()", "fleet = Weird()", "del fleet"),
    "fleet.__dict__['hosts'] = WeirdDict(a=1)",
    *("fleet.__dict__['hosts'] = deep", "fleet.__dict__['more'] = 1", "fleet.__dict__.clear()"),
    *("fleet = Fleet.model_construct(hosts=3)", "fleet = Fleet.__new__(Fleet)", "fleet = Fleet"),
    *("fleet = Another(name='x')", "fleet = Liar()", "fleet = fleet.model_copy(update={'x': 1})"),
    *("web0.forwards['admin'].__dict__['port'] = float('nan')", "web0.__dict__['units'] = None"),
    *("fleet = fleet.model_copy(update={'hosts': {'a': Container()}})", "web0.units.clear()"),
    *("raise WeirdError", "raise Stop", "raise KeyError(Weird())", "raise SystemExit(Weird())"),
    *("server.extra_attrs['x'] = {1}", "server.extra_attrs['x'] = server.extra_attrs"),
    *("server.extra_attrs['x'] = deep", "server.accounts['A'].users['u'] = 3"),
    *("server.accounts['A'] = Weird()", "server.extra_attrs[WeirdText('x')] = 1"),
    *("web0.services.hc_http_gw.allowed_app_ids.append('x y')", "web0.services.__dict__.clear()"),
    *("server.extra_attrs['x'] = WeirdNumber(1)", "server.extra_attrs['x'] = WeirdDict(a=1)"),
    *("1 / 0", "import nowhere", "sys.exit()", "sys.exit(3)", "sys.exit('\\x1b[31m')", "assert 0"),
    *("raise ExceptionGroup('x', [ValueError(1)])", "raise SyntaxError('x', ('y', 'z', 1, 2))"),
    *("exec('x = (')", "print('said')", "sys.stdout = None", "sys.path.clear()", "fleet.x"),
    *("builtins.isinstance = None", "del builtins.len", "builtins.BaseException = None"),
    *("builtins.repr = builtins.str = 1 .__add__", "builtins.__dict__.clear()", "web0 = 3"),
    *("sys.setrecursionlimit(60)", "sys.modules.clear()", "def f(): f()\nf()", "units['web'] = 3"),
    *("raise MemoryError", "raise GeneratorExit if False else StopIteration", "global x", "return"),
    *("try:\n    Forward(port=0)\nexcept ValueError:\n    pass", "Forward(port='x')", "((((((("),
    *("class Mine(Container):\n    more: int\nMine(more='x')", "Fleet.model_validate({})"),
    *("from dataclasses import dataclass\n@dataclass\nclass D:\n    x: 'int' = 0", "'\\N{x}'"),
]
