"""Every kind of mistake that is told, by its code: what it means, and how it is mended.

`holo explain CODE` and docs/diagnostics.md show these texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of mistake."""

    title: str
    """What is wrong, in a few words."""
    meaning: str
    """Why it is a mistake, and what would go wrong."""
    cure: str
    """What to do about it."""
    severity: Literal["error", "warning"] = "error"


_TAKEN = "Two sockets cannot be bound to one port of one address; 0.0.0.0 is every address."

CATALOGUE: dict[str, Entry] = {
    # HI0xx: the file, and values by themselves.
    "HI001": Entry(
        "the file cannot be read",
        "There is no such file, it may not be read, it is not UTF-8 text, or its name ends in"
        " neither .py nor .yaml.",
        "Give the path of a fleet.py or fleet.yaml that exists.",
    ),
    "HI002": Entry(
        "not valid YAML",
        "The file breaks the grammar of YAML at the place that is named.",
        "Mend the line; often a quote, a colon or the indentation is wrong.",
    ),
    "HI003": Entry(
        "the program of the fleet fails",
        "A fleet.py is a Python program. It is no valid Python, or it ended with an exception.",
        "Mend the line that is named; `python fleet.py` shows the same.",
    ),
    "HI004": Entry(
        "the file defines no fleet",
        "A fleet.py ends with a variable `fleet` that holds a Fleet; a fleet.yaml is a mapping with"
        " `name` and `hosts`.",
        "End the program with `fleet = Fleet(name=…, hosts={…})`, or begin with `holo init`.",
    ),
    "HI005": Entry(
        "a key is given twice",
        "YAML readers keep one of the two and drop the other without a word.",
        "Take one out, or join the two.",
    ),
    "HI006": Entry(
        "a key is not text",
        "All keys of a fleet are names; YAML reads `8000:` as a number and `true:` as a boolean.",
        "Put the key in quotes, or use a name.",
    ),
    "HI007": Entry(
        "YAML that a fleet does not use",
        "Tags, documents after the first, aliases that contain themselves, and very deep or very"
        " large structures are refused.",
        "Write the values out.",
    ),
    "HI010": Entry(
        "a field is missing",
        "The field has no default.",
        "Add it.",
    ),
    "HI011": Entry(
        "a field is not known",
        "Nothing would read it; most often it is misspelt, or stands one level too deep.",
        "Correct the name, or take it out; `holo schema` lists all fields.",
    ),
    "HI012": Entry(
        "a value is of another type",
        'Values are not converted: `"8000"` is text and no number, `26.05` a number and no text.',
        "Write the value as the type that is named; in YAML, quotes make text.",
    ),
    "HI013": Entry(
        "a value or name has another form",
        "Names become parts of unit names, host names and namespaces, addresses and paths reach"
        " systemd and Nix. What these would read differently is refused.",
        "Write it as the message says.",
    ),
    "HI014": Entry(
        "a number is out of range",
        "Ports are 1 to 65535; other numbers have the bounds that are named.",
        "Give a number within the bounds.",
    ),
    "HI015": Entry(
        "a value is not one of the choices",
        "The field takes one of a few words.",
        "Use one of those that are named.",
    ),
    "HI016": Entry(
        "something is empty that must not be",
        "A command, for one, has at least the name of a program.",
        "Give at least one item.",
    ),
    "HI017": Entry(
        "text that cannot be carried",
        "A Nix string cannot hold NUL, systemd refuses noncharacters and values over 64 KiB, and"
        " a command begins with an absolute path or the bare name of a program.",
        "Change the text as the message says.",
    ),
    # HI1xx: numbers.
    "HI101": Entry(
        "a port of the host has two owners",
        _TAKEN + " A port of a protocol belongs to one forward of a host, whatever it binds.",
        "Leave `host_port` out of one of the two, or give it another number; in the host's own"
        " network, let the service listen on another port.",
    ),
    "HI102": Entry(
        "a port of a container's address has two owners",
        _TAKEN,
        "Leave `inner_port` out of one of the two, or give it another number.",
    ),
    "HI103": Entry(
        "a forward cannot translate in the host's own network",
        "A container of network `shared` has the host's network: its service listens on the host,"
        " and nothing stands in between that could change the port or the address, or wait for it.",
        "Leave `host_port`, `inner_port`, `bind` and `probe` out.",
    ),
    "HI104": Entry(
        "two listen on one port of the host",
        _TAKEN + " `Host.listens` says what the host itself listens on (sshd by default).",
        "Give one of the two another port or another address.",
    ),
    "HI105": Entry(
        "two listen on one port of a container",
        _TAKEN + " In a container listen its units (`Unit.listens`, and on 127.0.0.1 the service"
        " behind each forward) and, on the container's own address, the forwards' inner halves.",
        "Give one of the two another port, or let the service listen on 127.0.0.1 only.",
    ),
    "HI106": Entry(
        "no port is left",
        "Ports are given from 1024 to 32767, below those that the kernel takes for itself.",
        "Move containers to another host.",
    ),
    "HI107": Entry(
        "no address of scheme `octet` is left",
        "Scheme `octet` has 171 networks a host: 10.0.85.0/30 to 10.0.255.0/30.",
        "Put the host's further containers into a network of scheme `packed`.",
    ),
    "HI108": Entry(
        "the pool of a network is used up",
        "Each container takes a /30, four addresses, of the pool of its network.",
        "Give the network a larger pool, or the containers another network.",
    ),
    "HI109": Entry(
        "an index has two owners",
        "A container's index is unique on its host: it names the network interface and, in scheme"
        " `octet`, gives the address.",
        "Leave `index` out of one of the two, or give it another number.",
    ),
    "HI110": Entry(
        "two containers' subnets overlap",
        "Two links with one address cannot both be routed.",
        "Leave `subnet` out of one of the two, or give the networks pools that do not overlap.",
    ),
    "HI111": Entry(
        "a container's subnet is where something else is",
        "The host would send packets for its neighbours into the container: those for its own"
        " `networks`, for the `address` of any host of the fleet, for its `nameservers`.",
        "Give the container another network or subnet, or correct what the hosts say.",
    ),
    "HI112": Entry(
        "a pool overlaps a network that other software uses",
        "QEMU, Docker, libvirt and others take these networks without asking. Where they run on a"
        " host, packets go astray.",
        "Use another pool, unless none of them will ever run there.",
        "warning",
    ),
    "HI113": Entry(
        "a port lies in the kernel's ephemeral range",
        "Ports 32768 to 60999 are taken by outgoing connections: now and then the forward will find"
        " its port in use when it starts.",
        "Give a `host_port` below 32768, or reserve it (`net.ipv4.ip_local_reserved_ports`).",
        "warning",
    ),
    "HI114": Entry(
        "an index is out of the scheme's range",
        "Scheme `octet` has the indices 0 to 170 (171 would be octet 256), scheme `packed` those"
        " above.",
        "Leave `index` out, or give one of the range.",
    ),
    "HI115": Entry(
        "a subnet does not fit its network",
        "A container's `subnet` is a /30 of the pool of its network; scheme `octet` derives it from"
        " the index.",
        "Leave `subnet` out, or give a /30 of the pool.",
    ),
    "HI116": Entry(
        "a pool or network is not usable",
        "It is written as the address of the network, a slash and the prefix's length; host bits"
        " must be zero, and a pool holds at least one /30 of ordinary addresses.",
        "Correct the address or the length.",
    ),
    "HI117": Entry(
        "a network is not known",
        "A container's network is `private`, `shared`, or a key of `Fleet.networks`.",
        "Correct the name, or add the network.",
    ),
    "HI118": Entry(
        "scheme and pool do not go together",
        "Scheme `packed` cuts subnets from its `pool`; scheme `octet` has its own addresses.",
        "Give `packed` a pool, and `octet` none.",
    ),
    "HI119": Entry(
        "a fixed number takes another's",
        "The lock file keeps the number for one, and the fleet now fixes it for another. The fixed"
        " number wins, the other gets a new one: what used it finds somebody else there.",
        "Fix another number, or give the one that is moved a number that you choose.",
        "warning",
    ),
    # HI2xx: what refers to something else.
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
        "The container has a unit of this name already: one of systemd's own, or a forward's inner"
        " half. Two definitions of one unit would be mixed, or one be lost.",
        "Give the unit another name.",
    ),
    "HI218": Entry(
        "a name server that containers cannot reach",
        "Containers of egress `internet` ask the host's `nameservers` themselves. 127.0.0.53 is in"
        " each container its own, and a host lets no container in.",
        "Give the addresses of servers beyond the host; `resolvectl` shows those that it asks.",
    ),
    "HI219": Entry(
        "a module has the name of a file that is written",
        "`hosts/`, `classes/`, `systemd/` and `flake.nix` of the output folder are made by `holo"
        " compile`, and what is there of others is in its way.",
        "Keep the module elsewhere in the folder, and name that path.",
    ),
    # HI3xx: the lock file, and the folder that is written.
    "HI301": Entry(
        "the lock file is broken",
        "Numbers are only kept while it can be read; without it all would be given anew.",
        "Take the file back from version control.",
    ),
    "HI302": Entry(
        "the lock file is of another version",
        "It was written by a newer holo.",
        "Use that version of holo.",
    ),
    "HI303": Entry(
        "a number or name is twice in the lock file",
        "That is what a merge leaves when two branches took the same number, or both have a line of"
        " one name. Of two such lines, one would be dropped without a word.",
        "Take one of the two out of the lock file: `holo compile` gives new numbers to what has"
        " none.",
    ),
    "HI304": Entry(
        "the lock file would change",
        "`--locked` compiles only what has all its numbers in the lock file already.",
        "Run `holo compile` without `--locked`, and commit the lock file.",
    ),
    "HI310": Entry(
        "the output folder is not ours",
        "It is not empty, and has no manifest of `holo compile`: it may be somebody's work.",
        "Give an empty or new folder, or one that `holo compile` has written.",
    ),
    "HI311": Entry(
        "a file is in the way",
        "What `holo compile` did not write has the name of a file or folder that it writes.",
        "Move it away.",
    ),
    "HI312": Entry(
        "a file was changed by hand",
        "The next run would overwrite the changes.",
        "Move the changes away: into a module that `Host.imports` names, or into the fleet.",
    ),
    "HI313": Entry(
        "the folder cannot be written",
        "The new tree is made beside the old one, and takes its place in one step. That needs a"
        " folder, and one above it, that are writable, and a file system with hard links that can"
        " exchange two folders; none can be mounted inside.",
        "Give another folder, or change its mode or owner.",
    ),
    "HI314": Entry(
        "a module that a host imports is missing",
        "`Host.imports` names files of yours in the output folder, by their paths inside it. Nix"
        " will not evaluate the host without them.",
        "Put the module there; `holo compile` leaves it alone.",
        "warning",
    ),
    "HI320": Entry(
        "a program is missing",
        "The command uses a program of the system that is not installed.",
        "Install it as the hint says.",
    ),
}
