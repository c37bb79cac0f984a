#!/usr/bin/env python3
"""A client of NATS for scenarios' scripts, on the machine of the server that it speaks with.

    holo-scenario-nats domain                 print the JetStream domain of the server
    holo-scenario-nats add STREAM SUBJECT     make a stream
    holo-scenario-nats mirror STREAM OF DOMAIN    make a stream that follows one of another domain
    holo-scenario-nats publish SUBJECT FIRST LAST    numbers, each when the one before is stored
    holo-scenario-nats holds STREAM FIRST LAST    succeed if a stream has these numbers, in order

It stands alone: in NixOS it is a package of its own, elsewhere a file, with nats-py in `../lib`.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "lib"))

import nats
from nats.js import JetStreamContext
from nats.js.api import ExternalStream, StreamConfig, StreamSource

SERVER = "nats://127.0.0.1:4222"
_PATIENCE = 20


class Refused(Exception):  # noqa: N818 (it is told to who asked)
    """What was asked for is not so."""


async def main(command: str, *arguments: str) -> None:
    """Carry out one command."""
    client = await nats.connect(SERVER, allow_reconnect=False, error_cb=_told)
    try:
        await asyncio.wait_for(_do(client.jetstream(timeout=5), command, arguments), _PATIENCE)
    finally:
        await client.close()


async def _do(js: JetStreamContext, command: str, arguments: tuple[str, ...]) -> None:
    match command, arguments:
        case "domain", ():
            print((await js.account_info()).domain)  # noqa: T201 (what was asked for)
        case "add", (stream, subject):
            await js.add_stream(StreamConfig(name=stream, subjects=[subject]))
        case "mirror", (stream, of, domain):
            source = StreamSource(name=of, external=ExternalStream(api=f"$JS.{domain}.API"))
            await js.add_stream(StreamConfig(name=stream, mirror=source))
        case "publish", (subject, first, last):
            for number in range(int(first), int(last) + 1):
                await js.publish(subject, str(number).encode())
        case "holds", (stream, first, last):
            state = (await js.stream_info(stream)).state
            wanted = list(range(int(first), int(last) + 1))
            if state.messages != len(wanted):
                raise Refused(f"{stream} has {state.messages} messages, not {len(wanted)}")
            for number, sequence in zip(wanted, count(state.first_seq), strict=False):
                if (found := (await js.get_msg(stream, seq=sequence)).data) != str(number).encode():
                    raise Refused(f"{stream} has {found!r} in place of {number}")
        case _:
            raise Refused(__doc__)


async def _told(_: Exception) -> None:
    """Told of an error that is raised as well."""


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except Refused as refused:
        sys.exit(str(refused))
