#!/usr/bin/python3
"""Stand-in for a Holochain conductor: what one does as far as its unit is concerned, no more.

It reads the passphrase from its standard input and its configuration from `--config-path`, makes
its data directory, opens the admin interface on 127.0.0.1, tells systemd that it is ready, and
agrees to every websocket, on which it says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_FORMS = (
    {"network_type", "bootstrap_service", "transport_pool"},
    {"bootstrap_url", "signal_url"},
)
"""The fields of `network` that a conductor up to 0.4 requires, and one since 0.5."""


def main() -> None:
    """Serve until SIGINT."""
    say("starting")
    if not sys.stdin.buffer.readline().strip():
        sys.exit("stand-in: no passphrase")
    config = json.loads(Path(sys.argv[sys.argv.index("--config-path") + 1]).read_text())
    if not any(form <= set(config["network"]) for form in _FORMS):
        sys.exit("stand-in: the network's configuration is that of no version")
    data = Path(config["data_root_path"], "databases", "conductor")
    data.mkdir(parents=True, exist_ok=True)
    port = config["admin_interfaces"][0]["driver"]["port"]
    server = socket.create_server(("127.0.0.1", port), backlog=128)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    notify(f"READY=1\nSTATUS=stand-in for a Holochain conductor, at 127.0.0.1:{port}")
    say(f"admin interface at 127.0.0.1:{port}")
    signal.sigwait([signal.SIGINT])
    say("closed")


def serve(server: socket.socket) -> None:
    """Take connections, each on a thread."""
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """Agree to a websocket, and keep it open until the other side has gone."""
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (data := connection.recv(4096)):
                return
            request += data
        lines = request.split(b"\r\n")[1:]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        key = headers.get(b"sec-websocket-key")
        if headers.get(b"upgrade", b"").lower() != b"websocket" or key is None:
            connection.sendall(_BAD)
            return
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 (RFC 6455's)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        while connection.recv(4096):
            pass


def notify(text: str) -> None:
    """Tell systemd."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), address.replace("@", "\0", 1))


def say(text: str) -> None:
    """Write a line of the log."""
    sys.stderr.write(f"stand-in for a Holochain conductor: {text}\n")


if __name__ == "__main__":
    main()
