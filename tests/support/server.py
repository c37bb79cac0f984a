"""A machine of its own, from a Debian tree, that is reached by SSH on this computer's loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmtests.places import NspawnMachine, publish

ROOT = Path(__file__).parent.parent.parent
NEEDS = ("nspawn", "mmdebstrap", "ssh")
"""What such a machine needs of this computer."""
CUT = """
until grep -q '"settled": false' /etc/holo/applied.json; do sleep 0.01; done
pkill -STOP -f 'sshd: roo[t]'
systemctl stop ssh.service
pkill -KILL -f 'sshd: roo[t]'
"""
"""Ends all connections once something is being changed, and lets no other come: a script for sh."""


@dataclass(frozen=True)
class Server:
    """A running machine, and how `holo` reaches it."""

    machine: NspawnMachine
    url: str
    config: Path
    """For ssh: the key, and whose host key is known."""
    host_key: str
    """The public half of it."""
    files_before: set[str]
    """What files there were before anything was applied."""

    def files(self) -> set[str]:
        """What files there are now."""
        return _files(self.machine)

    @property
    def to(self) -> list[str]:
        """The options that lead `holo apply` and its like there."""
        return ["--to", self.url, "--ssh-config", str(self.config)]


def debian_tree(*packages: str) -> Path:
    """The root tree with these packages; made once, and kept outside of the project."""
    command = [str(ROOT / "scripts" / "debian-tree"), *packages]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


@contextmanager
def server(folder: Path, name: str = "edge") -> Iterator[Server]:
    """A machine with systemd and sshd; `folder` is for keys, which more machines may share."""
    key = folder / "key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    files = {
        "/etc/ssh/keys": public,  # of all users
        "/etc/ssh/sshd_config.d/keys.conf": "AuthorizedKeysFile /etc/ssh/keys\n",
    }
    with NspawnMachine(name, tree=debian_tree(), files=files) as machine:
        machine.succeed(["ssh-keygen", "-A"])
        machine.systemctl("start", "ssh.service")
        port = publish(machine, 0, "127.0.0.1:22")["port"]
        known = machine.succeed(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"])
        with (folder / "known_hosts").open("a") as hosts:
            hosts.write(f"[127.0.0.1]:{port} {known}")
        config = folder / "config"
        config.write_text(
            f"IdentityFile {key}\n"
            f"UserKnownHostsFile {folder}/known_hosts\n"
            "IdentitiesOnly yes\nStrictHostKeyChecking yes\n"
        )
        url = f"ssh://root@127.0.0.1:{port}"
        yield Server(machine, url, config, " ".join(known.split()[:2]), _files(machine))


def _files(machine: NspawnMachine) -> set[str]:
    """Everything where something of ours could be."""
    found = machine.execute(["find", "/etc/systemd", "/etc/holo", "/etc/sysctl.d"])
    return set(found.stdout.decode().splitlines())
