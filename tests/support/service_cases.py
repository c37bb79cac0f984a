"""Fleets with one thing wrong in their services, and what is told of them."""

from __future__ import annotations

from tests.support.cases import UNIT, Case

KEY = "UC77G7G2TBJFGQWFMQUDNY5DQUAJQIY25P3RAVGN2XIMH6ZICU25S5VL"
SERVICE_CASES = {
    "a user's name in two accounts": Case(
        "HI232",
        """
hosts:
  alpha:
    services:
      nats_server:
        accounts:
          A: {users: {x: {password_file: /run/keys/a}}}
          B: {users: {§x: {password_file: /run/keys/b}}}
""",
        "account A has a user x too",
        "another name",
    ),
    "a user for those without a name, whom nobody knows": Case(
        "HI232",
        """
hosts:
  alpha:
    services:
      nats_server:
        no_auth_user: §guest
        accounts: {A: {users: {x: {password_file: /run/keys/a}}}}
""",
        "no account has a user guest",
        "users: x",
    ),
    "an account of the server's own that is not there": Case(
        "HI232",
        """
hosts:
  alpha:
    services:
      nats_server: {system_account: §SYS, accounts: {A: {}}}
""",
        "there is no account SYS",
        "accounts: A",
    ),
    "a service of the host on the port of another": Case(
        "HI104",
        """
hosts:
  alpha:
    services:
      nats_server: {port: 8080}
      §gateway: {nats: {}}
""",
        "port 8080 of 127.0.0.1 is taken by hosts.alpha.services.nats_server (127.0.0.1:8080)",
        "another port",
    ),
    "a forward on the port of a service of the host": Case(
        "HI104",
        """
hosts:
  alpha:
    services: {gateway: {}}
    containers:
      a: {forwards: {web: {port: 80, host_port: §8080}}}
""",
        "taken by hosts.alpha.services.gateway (127.0.0.1:8080)",
        "another port",
    ),
    "a service of the host's network on the port of sshd": Case(
        "HI104",
        """
hosts:
  alpha:
    containers:
      a: {network: shared, services: {§holochain_bootstrap: {port: 22}}}
""",
        "port 22 of 127.0.0.1 is taken by hosts.alpha.listens.0",
        "another port",
    ),
    "a unit on the port of a service of its container": Case(
        "HI105",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{w: {UNIT}, listens: ["0.0.0.0:8090"]}}}}
        services: {{§hc_http_gw: {{}}}}
""",
        "is taken by hosts.alpha.containers.a.units.w.listens.0",
        "another port",
    ),
    "an inner port on which a service listens": Case(
        "HI105",
        """
hosts:
  alpha:
    containers:
      a:
        services: {gateway: {address: 0.0.0.0}}
        forwards: {web: {port: 80, inner_port: §8080, engine: socat}}
""",
        "is taken by hosts.alpha.containers.a.services.gateway (0.0.0.0:8080)",
        "another port",
    ),
    "a service behind nftables on 127.0.0.1": Case(
        "HI223",
        """
hosts:
  alpha:
    containers:
      a:
        services: {§gateway: {}}
        forwards: {web: {port: 8080, bind: 0.0.0.0, engine: nftables}}
""",
        "forwards.web leads to the container's address, and nothing listens there",
        "listen on 0.0.0.0",
    ),
    "a unit of a service's name": Case(
        "HI217",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{§hc-http-gw: {UNIT}}}}}
        services: {{hc_http_gw: {{}}}}
""",
        "hc-http-gw is the name of a unit or user of hosts.alpha.containers.a.services.hc_http_gw",
        "another name",
    ),
    "a unit with the user of a service": Case(
        "HI217",
        f"""
hosts:
  alpha:
    containers:
      a:
        units: {{§gateway: {UNIT}}}}}
        services: {{gateway: {{}}}}
""",
        "gateway is the name of a unit or user of hosts.alpha.containers.a.services.gateway",
        "another name",
    ),
    "a name that is no secret of the container": Case(
        "HI225",
        """
hosts:
  alpha:
    nameservers: [192.0.2.53]
    containers:
      a:
        egress: internet
        services: {holochain: {passphrase_file: §passphrase}}
        secrets: {token: /run/keys/token}
""",
        "the container has no secret passphrase",
        "add it to the container's secrets (now: token)",
    ),
    "a path that the container does not see": Case(
        "HI225",
        """
hosts:
  alpha:
    nameservers: [192.0.2.53]
    containers:
      a:
        egress: internet
        services: {nats_server: {hub: {url: "nats://192.0.2.1", nkey_file: §/run/keys/nk}}}
        bind_mounts: {/run/key: {source: /run/keys}}
""",
        "the container does not see /run/keys/nk of its host",
        "name it in the container's secrets",
    ),
    "the password of a user with dots in its name": Case(
        "HI225",
        """
hosts:
  alpha:
    containers:
      a:
        services:
          nats_server: {accounts: {A: {users: {a.b.c: {password_file: §password}}}}}
""",
        "the container has no secret password",
        "(now: none)",
    ),
    "a conductor without a passphrase": Case(
        "HI226",
        """
hosts:
  alpha: {services: {§holochain: {}}}
""",
        "does not start without a passphrase",
        "add passphrase_file",
    ),
    "an orchestrator without its database": Case(
        "HI226",
        """
hosts:
  alpha: {services: {orchestrator: {§mongo: {cluster_id_file: /run/keys/cluster}}}}
""",
        "does not start without a database",
        "give url_file, or cluster_id_file and password_file",
    ),
    "a user with neither key nor password": Case(
        "HI226",
        """
hosts:
  alpha:
    services:
      nats_server: {accounts: {A: {users: {a: {}, §b: {}}}}, no_auth_user: a}
""",
        "whoever calls itself b is this user",
        "give nkey or password_file",
    ),
    "accounts beside an operator": Case(
        "HI227",
        """
hosts:
  alpha:
    services:
      nats_server: {operator_file: /run/keys/operator.jwt, §accounts: {A: {}}}
""",
        "accounts come as JWTs that it has signed",
        "leave out accounts, or operator_file",
    ),
    "two leaves of one domain": Case(
        "HI228",
        """
hosts:
  alpha:
    services:
      nats_server: {hub: {url: "nats://192.0.2.1"}, jetstream: {domain: leaf}}
  beta:
    services:
      host_agent: {nats: {hub: {url: "nats://192.0.2.1"}, domain: §leaf}}
""",
        "leaf is the JetStream domain of hosts.alpha.services.nats_server",
        "another domain",
    ),
    "a leaf with the domain that the hub has by default": Case(
        "HI228",
        """
hosts:
  hub: {services: {nats_server: {}}}
  alpha:
    containers:
      a:
        network: shared
        services: {nats_server: {hub: {url: "nats://192.0.2.1"}, jetstream: {domain: §hub}}}
""",
        "hub is the JetStream domain of hosts.hub.services.nats_server",
        "another domain",
    ),
    "a hub and an agent's leaf on one machine": Case(
        "HI228",
        """
hosts:
  alpha:
    services:
      nats_server: {}
      host_agent: {§nats: {listen_port: 4333, hub: {url: "nats://192.0.2.1"}}}
""",
        "alpha is the JetStream domain of hosts.alpha.services.nats_server",
        "another domain",
    ),
    "an application without functions": Case(
        "HI229",
        """
hosts:
  alpha:
    services:
      hc_http_gw:
        allowed_fns_per_app_id: {forum: "*"}
        allowed_app_ids: [forum, §blog]
""",
        "blog has no functions that may be called",
        "add it to allowed_fns_per_app_id",
    ),
    "a gateway at another port than the conductor's": Case(
        "HI229",
        """
hosts:
  alpha:
    services:
      holochain: {passphrase_file: /run/keys/passphrase, admin_websocket_port: 8500}
      hc_http_gw: {admin_websocket_url: §"ws://localhost:8000"}
""",
        "the conductor beside it has its admin interface on port 8500",
        "write ws://127.0.0.1:8500",
    ),
    "a conductor that reaches nothing": Case(
        "HI230",
        """
hosts:
  alpha:
    containers:
      a:
        services: {§holochain: {passphrase_file: key}}
        secrets: {key: /run/keys/key}
""",
        "https://bootstrap.holo.host cannot be reached: the container's egress is none",
        "give the container egress internet",
    ),
    "a conductor with a signal service beyond the hub": Case(
        "HI230",
        """
hub: hub
hosts:
  hub: {address: 192.0.2.1}
  alpha:
    containers:
      a:
        egress: hub
        services:
          holochain:
            passphrase_file: key
            bootstrap_service_url: http://192.0.2.1:50000
            webrtc_transport_pool_signal_url: §ws://192.0.2.2:50000
        secrets: {key: /run/keys/key}
""",
        "ws://192.0.2.2:50000 cannot be reached: the container's egress is hub",
        "a service at the hub",
    ),
    "a certificate for localhost": Case(
        "HI231",
        """
hosts:
  alpha: {services: {nats_server: {§caddy: {enable: true}}}}
""",
        "Let's Encrypt gives no certificate for localhost",
        "give server_name",
    ),
    "a certificate for an address": Case(
        "HI231",
        """
hosts:
  alpha: {services: {gateway: {caddy: {enable: true, server_name: §192.0.2.1}}}}
""",
        "Let's Encrypt gives no certificate for 192.0.2.1",
        "a DNS name",
    ),
    "a certificate for a gateway at another port": Case(
        "HI231",
        """
hosts:
  alpha:
    services:
      gateway: {external_port: §8443, caddy: {enable: true, server_name: gw.example.org}}
""",
        "Let's Encrypt asks at port 443, and this is at 8443",
        "serve it on 443",
    ),
    "a certificate for a websocket that a forward puts at another port": Case(
        "HI231",
        """
hosts:
  alpha:
    containers:
      a:
        services:
          §nats_server: {caddy: {enable: true, server_name: nats.example.org}}
        forwards: {tls: {port: 443, host_port: 8443, bind: 0.0.0.0}}
""",
        "and this is at 8443",
        "or give issuer internal",
    ),
    "a user for those without a name, who has a key": Case(
        "HI232",
        f"""
hosts:
  alpha:
    services:
      nats_server:
        no_auth_user: §x
        accounts: {{A: {{users: {{x: {{nkey: {KEY}}}}}}}}}
""",
        "x has an nkey, and NATS knows it by that alone",
        "name a user without nkey",
    ),
    "a leaf's account that is not there": Case(
        "HI232",
        """
hosts:
  alpha:
    services:
      nats_server: {hub: {url: "nats://192.0.2.1", account: §B}, accounts: {A: {}}}
""",
        "there is no account B",
        "accounts: A",
    ),
    "an account of an agent's server, which has none": Case(
        "HI232",
        """
hosts:
  alpha:
    services:
      host_agent: {nats: {hub: {url: "nats://192.0.2.1", account: §A}}}
""",
        "the agent's server has no account A",
        "leave it out",
    ),
    "nobody to prove who it is, beside an operator": Case(
        "HI227",
        """
hosts:
  alpha:
    services:
      nats_server: {operator_file: /run/keys/operator.jwt, no_auth_user: §x}
""",
        "everyone proves who it is",
        "leave out no_auth_user, or operator_file",
    ),
    "a leaf that does not reach its hub": Case(
        "HI230",
        """
hosts:
  alpha:
    containers:
      a: {services: {nats_server: {hub: {url: §"nats://192.0.2.1:7422"}}}}
""",
        "nats://192.0.2.1:7422 cannot be reached: the container's egress is none",
        "or hub for what is at the hub's address",
    ),
    "an agent's leaf that names another host than the hub": Case(
        "HI230",
        """
hub: hub
hosts:
  hub: {address: 192.0.2.1}
  alpha:
    containers:
      a:
        egress: hub
        services: {host_agent: {nats: {hub: {url: §"wss://hub.example.org"}}}}
""",
        "wss://hub.example.org cannot be reached: the container's egress is hub",
        "give the container egress internet",
    ),
    "a gateway that does not reach the hub": Case(
        "HI230",
        """
hosts:
  alpha:
    containers:
      a: {services: {gateway: {nats: {hub: {url: §"nats://192.0.2.1"}}}}}
""",
        "nats://192.0.2.1 cannot be reached",
        "give the container egress internet",
    ),
    "two versions of Holochain without Nix": Case(
        "HI233",
        """
hosts:
  alpha:
    platform: systemd
    nameservers: [192.0.2.53]
    containers:
      a: &a {egress: internet, services: {holochain: {passphrase_file: /var/lib/key}}}
      b:
        <<: *a
        services: {holochain: {passphrase_file: /var/lib/key, version: §"0.4"}}
""",
        "without Nix it runs /usr/bin/holochain,"
        " as hosts.alpha.containers.a.services.holochain does",
        "give both one version",
    ),
    "two packages of the gateway without Nix, one of the host's own": Case(
        "HI233",
        """
hosts:
  alpha:
    platform: systemd
    services: {hc_http_gw: {}}
    containers:
      a: {services: {hc_http_gw: {package: §gateway-next}}}
""",
        "without Nix it runs /usr/bin/hc-http-gw, as hosts.alpha.services.hc_http_gw does",
        "give both one package",
    ),
    "two NATS servers with one folder": Case(
        "HI234",
        """
hosts:
  alpha:
    services:
      nats_server: {jetstream: {store_dir: §/var/lib/nats/streams, domain: hub}}
      host_agent:
        nats:
          listen_port: 4333
          hub: {url: "nats://192.0.2.1"}
          store_dir: /var/lib/nats/streams
""",
        "is where hosts.alpha.services.host_agent.nats.store_dir keeps its state",
        "give another folder",
    ),
    "streams in the folder of a conductor": Case(
        "HI234",
        """
hosts:
  alpha:
    services:
      nats_server: {jetstream: {store_dir: §/var/lib/holo/holochain/streams}}
      holochain: {passphrase_file: /k/key}
""",
        "is where hosts.alpha.services.holochain keeps its state",
        "give another folder",
    ),
    "streams in the state of a container": Case(
        "HI234",
        """
hosts:
  alpha:
    services:
      nats_server: {jetstream: {store_dir: §/var/lib/nats/state}}
    containers:
      a: {state: /var/lib/nats/}
""",
        "is where hosts.alpha.containers.a keeps its state",
        "give another folder",
    ),
    "streams among the folders of units": Case(
        "HI234",
        """
hosts:
  alpha:
    services:
      nats_server: {jetstream: {store_dir: §/var/lib/holo/units}}
""",
        "/var/lib/holo/units is no folder of its own, but of units",
        "leave it out",
    ),
    "a leaf of whose accounts none is joined": Case(
        "HI235",
        """
hosts:
  alpha:
    services:
      nats_server:
        §hub: {url: "nats://192.0.2.1"}
        accounts: {A: {users: {x: {password_file: /k/x}}}}
""",
        "the users of the leaf's accounts reach nobody at the hub",
        "bind it to an account by hub.account",
    ),
    "a leaf that speaks TLS to a URL without": Case(
        "HI235",
        """
hosts:
  alpha:
    services:
      host_agent: {nats: {hub: {url: "nats://192.0.2.1", tls_insecure: §true}}}
""",
        "with tls_insecure, the leaf speaks TLS to nats://192.0.2.1, too",
        "leave tls_insecure out, or write tls://",
    ),
}
