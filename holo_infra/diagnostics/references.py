"""Mistakes in what refers to something else: HI2xx."""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry

REFERENCES: dict[str, Entry] = {
    "HI201": Entry(
        "a peer is not known",
        "`allowed_peers` names containers of the same host that have a private network.",
        "Correct the name, or leave it out.",
    ),
    "HI202": Entry(
        "a setting needs a private network",
        "A container in the host's own network has the host's way out and its peers; nothing stands"
        " in between that could keep it from them.",
        "Leave `egress`, `isolated`, `allowed_peers`, `index` and `subnet` out, or use a private"
        " network.",
    ),
    "HI203": Entry(
        "there is no hub to be reached",
        "Egress `hub` opens the way to the address of the host that `Fleet.hub` names.",
        "Name the hub, and give that host its `address`.",
    ),
    "HI204": Entry(
        "a renamed thing is still there",
        "`renamed_from` hands the numbers and state of the old name to the new one; both cannot"
        " have them.",
        "Take `renamed_from` out, or the old one. A chain of renames is done one by one, with a"
        " `holo compile` after each.",
    ),
    "HI205": Entry(
        "two are renamed from one",
        "Numbers and state of the old name can go to one new name only.",
        "Take `renamed_from` out of one of the two.",
    ),
    "HI206": Entry(
        "a secret lies in the Nix store",
        "Everything in the store can be read by every user of the machine.",
        "Keep the secret outside, e.g. below /run/keys, and name that path.",
    ),
    "HI207": Entry(
        "a unit uses a secret that its container does not have",
        "A unit's `secrets` name keys of its container's `secrets`.",
        "Add the secret to the container, or correct the name.",
    ),
    "HI208": Entry(
        "a setting has a field of its own",
        "`Unit.settings` may replace our hardening, but not what other fields of the unit say.",
        "Use the field that is named.",
    ),
    "HI209": Entry(
        "a mount covers what a container needs",
        "At these paths of a container are its units, its identity, its state or the Nix store.",
        "Mount it somewhere else.",
    ),
    "HI210": Entry(
        "a probe does not fit the protocol",
        "A UDP service accepts no connection, so `http:` cannot be asked of it.",
        "Leave `probe` out, or write `none`: a UDP forward counts as ready at once.",
    ),
    "HI211": Entry(
        "two hosts have one address",
        "Each host is reached, and reaches others, by its own address.",
        "Correct one of the two.",
    ),
    "HI212": Entry(
        "two containers share one state folder",
        "Each would overwrite the other's files; so would they where one folder is in the other.",
        "Give them folders apart from each other, or leave `state` out.",
    ),
    "HI213": Entry(
        "an argument of systemd-nspawn is ours, or none of its own",
        "How the container boots, its network, name and notification are what the rest relies on."
        " systemd-nspawn takes `--machin` for `--machine`, so options are written in full, and in"
        " one word with their value.",
        "Leave the argument out, where fields of the container say the same; else write it as"
        " systemd-nspawn(1) does.",
    ),
    "HI214": Entry(
        "a forward binds an address that the host does not have",
        "A socket can be bound to 127.0.0.1 and its like, 0.0.0.0, and addresses of the host: its"
        " `address`, and those inside its `networks`.",
        "Correct `bind`, or add the network to `Host.networks`.",
        "warning",
    ),
    "HI215": Entry(
        "nothing answers questions for names",
        "The container may reach the internet, and its host names no `nameservers` for it.",
        "Give the host `nameservers`.",
        "warning",
    ),
    "HI216": Entry(
        "the host named is not in the fleet",
        "The command takes the name of one of the fleet's hosts.",
        "Use one of those that are listed.",
    ),
    "HI217": Entry(
        "a unit has the name of another",
        "The container has a unit of this name already: one of systemd's own, a forward's inner"
        " half, or a service's. Two definitions of one unit would be mixed, or one be lost. A unit"
        " `gateway` runs as `holo-gateway`, and must not have the user of a service, either.",
        "Give the unit another name.",
    ),
    "HI218": Entry(
        "a name server that containers cannot reach",
        "Containers of egress `internet` ask the host's `nameservers` themselves. 127.0.0.53 is in"
        " each container its own, and a host lets no container in; nor leads one to addresses of"
        " 169.254.0.0/16, where a cloud has its metadata.",
        "Give the addresses of servers beyond the host; `resolvectl` shows those that it asks.",
    ),
    "HI219": Entry(
        "a module has the name of a file that is written",
        "`hosts/`, `classes/`, `systemd/` and `flake.nix` of the output folder are made by `holo"
        " compile`, and what is there of others is in its way.",
        "Keep the module elsewhere in the folder, and name that path.",
    ),
    "HI220": Entry(
        "an inner port without an inner half",
        "Only engine `socat` listens on the container's address. The others reach the service"
        " without a port in between.",
        "Leave `inner_port` out, or write `engine: socat`.",
    ),
    "HI221": Entry(
        "an engine does not carry the protocol",
        "systemd-socket-proxyd and HAProxy carry TCP only.",
        "Leave `engine` out for `socat`, or use `nftables`.",
    ),
    "HI222": Entry(
        "nftables cannot lead from a loopback address",
        "What is sent to 127.0.0.1 comes from 127.0.0.1, too, and the kernel lets no such packet"
        " leave the host. Engine `nftables` leads on what comes to another address of the host.",
        "Bind an address of the host, or 0.0.0.0; or use another engine.",
    ),
    "HI223": Entry(
        "a service behind nftables listens on loopback only",
        "Engine `nftables` leads to the container's own address. What listens on 127.0.0.1 only is"
        " not reached there.",
        "Let the service listen on 0.0.0.0, or give the forward another engine.",
    ),
    "HI224": Entry(
        "a peer has nothing to be reached at",
        "Containers reach each other at their addresses. There listens what a unit says in"
        " `listens`, a service whose options say so, and what forwards of engine `socat` and"
        " `nftables` lead to; other engines lead to a service's 127.0.0.1.",
        "Give a forward of the peer `engine: socat`, or let its service listen on 0.0.0.0, and say"
        " so in `listens`.",
        "warning",
    ),
}
