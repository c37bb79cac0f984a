"""Mistakes in services that are known by their options, and what is around them: HI225 to HI232."""

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
        " `accounts` it would not know.",
        "Leave out `accounts`, or `operator_file`.",
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
        "a conductor does not reach its bootstrap service",
        "Conductors find each other by a bootstrap and a signal service. What a container in a"
        " network of its own reaches, its `egress` says.",
        "Give the container egress `internet`; or `hub` where both services are at the hub's"
        " address.",
        "warning",
    ),
    "HI231": Entry(
        "a certificate that nobody gives",
        "Let's Encrypt signs a certificate for a name by which it reaches the machine itself.",
        "Give `server_name` that name; for networks without internet, write `issuer: internal`.",
        "warning",
    ),
    "HI232": Entry(
        "a name of an account or user that NATS does not know, or knows twice",
        "Names of users are unique in a NATS server, whatever their account; `no_auth_user` is one"
        " of them, and `system_account` one of the accounts. Else the server does not start.",
        "Correct the name.",
    ),
}
