"""Mistakes in services that are known by their options, and what is around them: HI225 to HI235."""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry

SERVICES: dict[str, Entry] = {
    "HI225": Entry(
        "a service's secret is not in its container",
        "A bare name is a key of the container's `secrets`. A path is one inside the container,"
        " which sees of its host's files only `bind_mounts` and its own state, `/var/lib`.",
        "Name the host's file in the container's `secrets`, and that name in the service.",
    ),
    "HI226": Entry(
        "a service lacks a secret that it cannot do without",
        "A conductor needs the passphrase of its keystore, an orchestrator its database, and a user"
        " of a NATS account something to be known by.",
        "Add the file that is named.",
    ),
    "HI227": Entry(
        "accounts are described twice",
        "A NATS server with an operator takes accounts that the operator has signed; those in"
        " `accounts` it would not know, and with `no_auth_user` it does not start.",
        "Leave out what is named, or `operator_file`.",
    ),
    "HI228": Entry(
        "two NATS servers have one JetStream domain",
        "Hub and leaves are addressed by their domains. Where two have one, a request for the"
        " streams of one reaches the other. Without `domain` it is the machine's name, in a"
        " container `HOST_CONTAINER`.",
        "Give one of the two another `domain`, or leave it out.",
    ),
    "HI229": Entry(
        "an HTTP gateway does not fit its conductor",
        "hc-http-gw does not start with an application of which it knows no functions, and answers"
        " nothing where it does not find the conductor's admin interface.",
        "Add the application to `allowed_fns_per_app_id`; give the conductor's port in"
        " `admin_websocket_url`.",
        "warning",
    ),
    "HI230": Entry(
        "a service does not reach what it needs",
        "Conductors find each other by a bootstrap and a signal service; NATS servers, gateways and"
        " orchestrators join a hub. What a container in a network of its own reaches, its `egress`"
        " says.",
        "Give the container egress `internet`; or `hub` where all of this is at the hub's address.",
        "warning",
    ),
    "HI231": Entry(
        "a certificate that nobody gives",
        "Let's Encrypt signs a certificate for a DNS name by which it reaches the machine itself,"
        " at port 443.",
        "Give `server_name` that name, and serve it on 443; for networks without internet, write"
        " `issuer: internal`.",
        "warning",
    ),
    "HI232": Entry(
        "a name of an account or user that NATS does not know, or knows twice",
        "Names of users are unique in a NATS server, whatever their account; `no_auth_user` is one"
        " of them, and has no `nkey`; `system_account` and `hub.account` are accounts. Else the"
        " server does not start.",
        "Correct the name.",
    ),
    "HI233": Entry(
        "two versions of a program that is there once",
        "A machine without Nix has one `/usr/bin/holochain`, and one `/usr/bin/hc-http-gw`: all"
        " services of the host and its containers run it, whatever version or package they name.",
        "Give them one version and one package, or put them on hosts of their own, or on NixOS.",
        "warning",
    ),
    "HI234": Entry(
        "a folder for state is another's",
        "A service's folder is made for its user alone. Two in one folder, or one in another's,"
        " spoil or lose what they store; systemd, containers and units have folders of theirs.",
        "Give `store_dir` a folder of its own, such as `/var/lib/nats/streams`, or leave it out.",
    ),
    "HI235": Entry(
        "a leaf is joined to its hub, and nothing passes",
        "A leaf joins one of its accounts to the hub, without `hub.account` the one that servers"
        " without accounts have. With `tls_insecure` it speaks TLS, whatever its URL says; the"
        " port for leaves of a hub of this fleet has none.",
        "Name an account in `hub.account`; leave out `tls_insecure`, or write `tls` or `wss`.",
        "warning",
    ),
}
