#!/usr/bin/python3
"""Stand-in for Holochain's HTTP gateway: its variables, its paths, its answers.

`/health`, and `/DNA/COORDINATOR/ZOME/FUNCTION?payload=…` as the gateway's `spec.md` has it. Which
applications there are it asks of the conductor's admin interface: it opens a websocket, and takes
it that there are none.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import sys
import urllib.parse
from http import HTTPStatus

_DNA = re.compile(r"u[A-Za-z0-9_-]{52}")
_PATH = re.compile(r"/([^/]+)/([^/]+)/([^/]+)/([^/]+)")
_ANSWER = 5
_ASK = (
    "GET / HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Origin: hc-http-gw\r\n\r\n"
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET."""

    server_version = "hc-http-gw-stand-in"

    def do_GET(self) -> None:
        """The name is http.server's."""
        path = urllib.parse.urlsplit(self.path).path
        if path == "/health":
            self.tell(HTTPStatus.OK, "Ok")
        elif not (found := _PATH.fullmatch(path)):
            self.refuse(HTTPStatus.NOT_FOUND, "unknown path")
        elif not _DNA.fullmatch(found[1]):
            self.refuse(HTTPStatus.BAD_REQUEST, "Invalid DNA hash")
        elif not conductor_answers():
            self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the conductor cannot be reached")
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "no app with this DNA is installed")

    def refuse(self, status: HTTPStatus, error: str) -> None:
        """Answer with an error, as JSON."""
        self.tell(status, json.dumps({"error": error}))

    def tell(self, status: HTTPStatus, text: str) -> None:
        """Answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Write a line of the log."""
        say(format % args)


def conductor_answers() -> bool:
    """Whether the admin interface agrees to a websocket."""
    url = urllib.parse.urlsplit(os.environ["HC_GW_ADMIN_WS_URL"])
    where = (url.hostname or "127.0.0.1", url.port or 80)
    try:
        with socket.create_connection(where, _ANSWER) as connection:
            connection.sendall(_ASK.format(url.netloc).encode())
            return b" 101 " in connection.recv(4096).split(b"\r\n")[0]
    except OSError:
        return False


def say(text: str) -> None:
    """Write a line of the log."""
    sys.stderr.write(f"stand-in for Holochain's HTTP gateway: {text}\n")


def main() -> None:
    """Serve until a signal."""
    apps = [app for app in os.environ["HC_GW_ALLOWED_APP_IDS"].split(",") if app]
    if missing := [app for app in apps if f"HC_GW_ALLOWED_FNS_{app}" not in os.environ]:
        sys.exit(f"stand-in: no functions are allowed of {', '.join(missing)}")
    address = (os.environ["HC_GW_ADDRESS"], int(os.environ["HC_GW_PORT"]))
    say(f"at {address[0]}:{address[1]}")
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
