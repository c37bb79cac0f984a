"""A machine behind SSH, by the user's own ssh: its configuration, keys, agent and known hosts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from types import TracebackType
from typing import Self

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import TIMEOUT, late
from vmtests.places import Result

_URL = re.compile(
    r"ssh://(?:(?P<user>[^@/:\s-][^@/:\s]*)@)?"
    r"(?:\[(?P<six>[\da-fA-F:.]+(?:%[\w.-]+)?)\]|(?P<host>[^@/:\s\[\]-][^@/:\s\[\]]*))"
    r"(?::(?P<port>\d{1,5}))?/?"
)
_CONNECT = 15
"""Seconds for a connection to come about."""
_ALIAS = "holo-machine"
"""The name under which a given host key is known."""
_LONGEST = 69
"""Characters of a folder below which sockets can be: their paths have 107."""
_LOST = 255
"""ssh's own status where it has no connection, or has lost it."""


def is_address(url: str) -> bool:
    """Whether it has the form of a machine's address."""
    return _URL.fullmatch(url) is not None


class SshMachine:
    """A machine at `ssh://[user@]host[:port]`; one connection carries all commands.

    Another user than root needs sudo without a password. Nobody is asked for anything: what needs
    a password fails.
    """

    def __init__(self, url: str, config: Path | None = None, host_key: str | None = None) -> None:
        """`config`: for ssh's `-F`, in place of the user's own. Raises Failure for a bad URL.

        `host_key`: the only key that the machine may have, as `ssh-ed25519 AAAA…`, whatever hosts
        the user knows.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise Failure(f"{url}: no address of a machine", "write ssh://[user@]host[:port]")
        if shutil.which("ssh") is None:
            raise Failure("ssh is not installed", "Debian: apt-get install openssh-client")
        self.name = url
        self._sockets = _folder()
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(_CONNECT),
            "ControlMaster": "auto",
            "ControlPath": f"{self._sockets}/s",
            "ControlPersist": "60",
            # A connection that is dead is told after 45 s, also by the commands on it.
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "3",
        }
        if host_key is not None:
            options |= self._known(host_key)
        self._ssh = ["ssh", *(["-F", str(config)] if config else [])]
        self._ssh += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        if found["user"]:
            self._ssh += ["-l", found["user"]]
        if found["port"]:
            self._ssh += ["-p", found["port"]]
        self.options = self._ssh[1:]
        """ssh's arguments, for other programs that call it while this is open."""
        self._host = found["six"] or found["host"]
        self.target = f"{found['user']}@{self._host}" if found["user"] else self._host
        """The machine, as such programs name it."""
        self._as_root: list[str] = []

    @property
    def is_root(self) -> bool:
        """Whether who logs in there is root."""
        return not self._as_root

    def __enter__(self) -> Self:
        try:
            self._become_root()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        command = [*self._ssh, "-O", "exit", self._host]
        # One that does not end ends by itself; what went wrong before is of more use.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, check=False, capture_output=True, timeout=_CONNECT)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
        """Run a command there. Its words pass the login shell unharmed."""
        try:
            done = subprocess.run(
                self._there(argv), input=stdin, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise late(self.name, argv, timeout) from None
        if done.returncode == _LOST:
            told = done.stderr.decode(errors="replace").strip() or "the connection is lost"
            raise Failure(f"{self.name}: {told}", f"try: ssh {self.name} true")
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command there."""
        return subprocess.Popen(self._there(argv), stdin=PIPE, stdout=PIPE, stderr=PIPE)

    def journal_of(self, container: str) -> str:
        """Journalctl there."""
        return f"journalctl --machine={container}"

    def _known(self, host_key: str) -> dict[str, str]:
        """Options by which no other key is accepted."""
        known = self._sockets / "known_hosts"
        known.write_text(f"{_ALIAS} {host_key}\n")
        return {
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": _ALIAS,
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            # Of what ssh would do with more keys: nothing.
            "UpdateHostKeys": "no",
        }

    def _there(self, argv: Sequence[str]) -> list[str]:
        return [*self._ssh, self._host, "--", shlex.join([*self._as_root, *argv])]

    def _become_root(self) -> None:
        if self.run(["id", "-u"]).stdout.strip() != b"0":
            self._as_root = ["sudo", "--non-interactive", "--"]
            done = self.run(["true"])
            if done.returncode != 0:
                told = done.stderr.decode(errors="replace").strip()
                raise Failure(
                    f"{self.name}: not root there, and sudo does not help: {told}",
                    "log in as root, or let sudo work without a password",
                )


def _folder() -> Path:
    """A folder of this process's own for ssh's sockets; those of processes that are gone go."""
    name = f"holo-ssh-{os.getuid()}"
    ours = Path(tempfile.gettempdir(), name)
    if len(str(ours)) > _LONGEST:
        ours = Path("/tmp", name)  # noqa: S108 - where it is ours alone is looked at below
    ours.mkdir(mode=0o700, exist_ok=True)
    about = ours.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise Failure(f"{ours}: not a folder of yours alone", "remove it")
    for folder in ours.iterdir():
        if not Path("/proc", folder.name.partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=ours))
