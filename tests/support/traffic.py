"""A service that says what it has got, and clients of every kind; run in machines, by their Python.

    traffic.py serve 127.0.0.1:7000 …
    traffic.py CLIENT 127.0.0.1:7000 [ARGUMENT …]
    traffic.py footprint UNIT …
    traffic.py unreaped

A connection says on its first line what it wants. A client prints what it found as JSON, and fails
where it found what cannot be. Standard library only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

MIB = 1 << 20
BLOCK = random.Random(7).randbytes(MIB)
"""What is sent, again and again."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: a socket that is closed tells the other side so by a reset, and drops what it had."""
PATIENCE = 20.0
"""Seconds after which a client takes a connection for stuck."""
SOON = 2.0
"""Seconds after which a client takes a service for absent."""
AT_ONCE = 100
"""How many connections of a crowd are on their way at a time."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@cache
def digest_of(size: int) -> str:
    """The digest of this many bytes of what is sent."""
    digest = hashlib.sha256()
    for start in range(0, size, MIB):
        digest.update(BLOCK[: size - start])
    return digest.hexdigest()


# The service.


class Service:
    """What it has to remember between connections."""

    def __init__(self) -> None:
        self.open = 0
        self.told: dict[str, str] = {}
        """Digests of what came after `bye`, by the key that was given."""

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Does what one connection asks for."""
        self.open += 1
        with suppress(OSError):
            word, *arguments = (await reader.readline()).decode().split() or ["nothing"]
            await getattr(self, f"do_{word}")(reader, writer, *arguments)
        self.open -= 1
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def do_nothing(self, *_: object) -> None:
        """Closes: it was closed before it said anything."""

    async def do_echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Gives back what it gets."""
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()

    async def do_give(self, _: object, writer: asyncio.StreamWriter, size: str) -> None:
        """Sends so many bytes."""
        for start in range(0, int(size), MIB):
            writer.write(BLOCK[: int(size) - start])
            await writer.drain()

    async def do_take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: str
    ) -> None:
        """Reads so many bytes, and answers with their digest."""
        writer.write(f"{await _digest(reader, int(size))}\n".encode())
        await writer.drain()

    async def do_late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads until the client has said all, and answers with the digest after a while."""
        digest = await _digest(reader)
        await asyncio.sleep(0.5)
        writer.write(f"{digest}\n".encode())
        await writer.drain()

    async def do_bye(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        """Says all it has to say, and then hears the client out."""
        writer.write(b"bye\n")
        writer.write_eof()
        self.told[key] = await _digest(reader)

    async def do_told(self, _: object, writer: asyncio.StreamWriter, key: str) -> None:
        """Sends the digest of what came after `bye`; nothing while there is none."""
        writer.write(f"{self.told.get(key, '')}\n".encode())

    async def do_open(self, _: object, writer: asyncio.StreamWriter) -> None:
        """Sends how many other connections are open."""
        writer.write(f"{self.open - 1}\n".encode())

    async def do_reset(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: str
    ) -> None:
        """Sends at least so many bytes, reads some, and resets the connection."""
        for _ in range(0, int(after), MIB):
            writer.write(BLOCK)
            await writer.drain()
        await asyncio.wait_for(reader.read(1), PATIENCE)
        _forget(writer)


async def _digest(reader: asyncio.StreamReader, size: int = sys.maxsize) -> str:
    digest = hashlib.sha256()
    while size and (data := await reader.read(min(size, MIB))):
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


def _forget(writer: asyncio.StreamWriter) -> None:
    """Closes by a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def serve(*listens: str) -> None:
    """Runs the service at some addresses."""
    service = Service()
    for address, port in map(place_of, listens):
        await asyncio.start_server(service.connection, address, port, limit=MIB, backlog=4096)
    await asyncio.Event().wait()


# Its clients.


def place_of(text: str) -> tuple[str, int]:
    """Address and port."""
    address, _, port = text.rpartition(":")
    return address, int(port)


def _connected(place: str, say: str, patience: float = PATIENCE) -> socket.socket:
    client = socket.create_connection(place_of(place), patience)
    client.sendall(f"{say}\n".encode())
    return client


def ask(place: str, *words: str) -> str:
    """The line that the service answers."""
    with _connected(place, " ".join(words)) as client, client.makefile() as lines:
        return lines.readline().strip()


def echo(place: str, text: str) -> str:
    """What comes back soon; nothing where the connection ends before, or there is none."""
    with suppress(OSError), _connected(place, "echo", SOON) as client, client.makefile() as lines:
        client.sendall(f"{text}\n".encode())
        return lines.readline().strip()
    return ""


def down(place: str, size: str) -> dict[str, object]:
    """Digest and seconds of so many bytes from the service."""
    begun = time.monotonic()
    digest, buffer = hashlib.sha256(), memoryview(bytearray(MIB))
    with _connected(place, f"give {size}") as client:
        while got := client.recv_into(buffer):
            digest.update(buffer[:got])
    return {"digest": digest.hexdigest(), "seconds": time.monotonic() - begun}


def up(place: str, size: str) -> dict[str, object]:
    """The digest that the service made of so many bytes, and seconds."""
    begun = time.monotonic()
    with _connected(place, f"take {size}") as client, client.makefile() as lines:
        _send(client, int(size))
        digest = lines.readline().strip()
    return {"digest": digest, "seconds": time.monotonic() - begun}


def _send(client: socket.socket, size: int) -> None:
    for start in range(0, size, MIB):
        client.sendall(BLOCK[: size - start])


def finished(place: str, size: str) -> str:
    """What the service answers to a client that has closed its half of the connection."""
    with suppress(ConnectionError), _connected(place, "late") as client:
        _send(client, int(size))
        client.shutdown(socket.SHUT_WR)
        return client.makefile().readline().strip()
    return ""


def outlived(place: str, key: str, size: str) -> dict[str, str]:
    """What the service said before it closed its half of the connection, and then got."""
    said = ""
    with suppress(ConnectionError), _connected(place, f"bye {key}") as client:
        said = client.makefile().read().strip()
        time.sleep(0.2)
        _send(client, int(size))
        client.shutdown(socket.SHUT_WR)
    end = time.monotonic() + SOON
    while not (told := ask(place, "told", key)) and time.monotonic() < end:
        time.sleep(0.05)
    return {"said": said, "got": told}


async def _opened(place: str, say: str) -> Streams:
    address, port = place_of(place)
    reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
    writer.write(f"{say}\n".encode())
    return reader, writer


async def _echoed(streams: Streams, data: bytes) -> None:
    reader, writer = streams
    writer.write(data)
    back = await asyncio.wait_for(reader.readexactly(len(data)), PATIENCE)
    if back != data:
        raise ValueError(f"{data!r} came back as {back!r}")


async def _until_end(reader: asyncio.StreamReader) -> None:
    """Reads until the connection ends, in whatever way; TimeoutError where it is stuck."""
    with suppress(ConnectionError):
        await asyncio.wait_for(_digest(reader), PATIENCE)


async def crowd(place: str, count: str) -> dict[str, int]:
    """So many connections, of which each gives back its own bytes: when it is opened, and when a
    line comes on standard input. Then all are closed. On standard output a line tells when all
    are open.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Streams:
        async with places:
            streams = await _opened(place, "echo")
            await _echoed(streams, f"I am {number} ".encode() * 20)
            return streams

    crowd = await asyncio.gather(*(one(number) for number in range(int(count))))
    seen = await asyncio.to_thread(ask, place, "open")
    sys.stdout.write(f"{seen}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(_echoed(s, f"{n} again ".encode()) for n, s in enumerate(crowd)))
    for _, writer in crowd:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in crowd))
    return {"echoed": len(crowd)}


async def silent(place: str, count: str) -> dict[str, int]:
    """So many connections that say nothing at all, until a line comes on standard input.

    On standard output a line tells when all are open.
    """
    address, port = place_of(place)
    made = (asyncio.open_connection(address, port) for _ in range(int(count)))
    held = await asyncio.wait_for(asyncio.gather(*made), PATIENCE)
    sys.stdout.write("there\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for _, writer in held:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in held))
    return {"held": len(held)}


async def slow(place: str, count: str, size: str) -> dict[str, object]:
    """So many clients that say a byte now and then, and one that takes its time to read `size`."""

    async def speaker() -> int:
        streams = await _opened(place, "echo")
        for byte in range(20):
            await _echoed(streams, bytes([byte]))
            await asyncio.sleep(random.uniform(0.01, 0.1))
        streams[1].close()
        return 20

    async def reader() -> str:
        stream, writer = await _opened(place, f"give {size}")
        await asyncio.sleep(1)  # all buffers on the way are full now
        digest = await asyncio.wait_for(_digest(stream), PATIENCE)
        writer.close()
        return digest

    speakers = asyncio.gather(*(speaker() for _ in range(int(count))))
    digest, echoed = await asyncio.gather(reader(), speakers)
    return {"digest": digest, "echoed": sum(echoed)}


async def vanish(place: str, count: str) -> dict[str, int]:
    """So many clients each, who reset: while they read, while they write, while nothing happens."""

    async def while_reading() -> None:
        reader, writer = await _opened(place, f"give {64 * MIB}")
        await asyncio.wait_for(reader.readexactly(MIB // 4), PATIENCE)
        _forget(writer)

    async def while_writing() -> None:
        _, writer = await _opened(place, f"take {64 * MIB}")
        writer.write(BLOCK)
        await asyncio.sleep(0.05)
        _forget(writer)

    async def while_silent() -> None:
        streams = await _opened(place, "echo")
        await _echoed(streams, b"here")
        _forget(streams[1])

    kinds = (while_reading, while_writing, while_silent)
    await asyncio.gather(*(kind() for kind in kinds for _ in range(int(count))))
    return {"gone": len(kinds) * int(count)}


async def refused(place: str, count: str) -> dict[str, int]:
    """So many connections each that the service resets, with bytes on their way and without."""

    async def one(after: int) -> None:
        reader, writer = await _opened(place, f"reset {after}")
        if after:
            await asyncio.wait_for(reader.read(1), PATIENCE)
        writer.write(b"go")
        await _until_end(reader)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    await asyncio.gather(*(one(after) for after in (0, MIB) for _ in range(int(count))))
    return {"ended": 2 * int(count)}


async def until_end(place: str, count: str) -> dict[str, int]:
    """So many connections each that are silent and that read, until the service ends them.

    On standard output a line tells when all are there.
    """

    async def silent() -> None:
        streams = await _opened(place, "echo")
        await _echoed(streams, b"here")
        there.release()
        await _until_end(streams[0])

    async def reading() -> None:
        reader, _ = await _opened(place, f"give {1 << 50}")
        await asyncio.wait_for(reader.readexactly(MIB), PATIENCE)
        there.release()
        await _until_end(reader)

    async def tell() -> None:
        for _ in range(2 * int(count)):
            await there.acquire()
        sys.stdout.write("there\n")
        sys.stdout.flush()

    there = asyncio.Semaphore(0)
    clients = (kind() for kind in (silent, reading) for _ in range(int(count)))
    await asyncio.gather(tell(), *clients)
    return {"ended": 2 * int(count)}


# What stands between them.


def footprint(*units: str) -> dict[str, dict[str, int]]:
    """Processes of units, wherever in the tree of cgroups: their number, descriptors, KiB (PSS)."""
    found = {unit: {"processes": 0, "descriptors": 0, "kibibytes": 0} for unit in units}
    for folder in Path("/sys/fs/cgroup").rglob("*.service"):
        if folder.name in found:
            total = found[folder.name]
            for process in (folder / "cgroup.procs").read_text().split():
                with suppress(OSError):  # it ends just now
                    proc = Path("/proc") / process
                    pss = (proc / "smaps_rollup").read_text().split("\nPss:")[1].split()[0]
                    total["descriptors"] += len(list((proc / "fd").iterdir()))
                    total["kibibytes"] += int(pss)
                    total["processes"] += 1
    return found


def unreaped() -> int:
    """How many processes have ended, and nobody has asked how. They are in no tree of cgroups."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone just now
            count += stat.read_text().rpartition(")")[2].split()[0] == "Z"
    return count


COMMANDS: list[Callable[..., object]] = [
    *(serve, ask, echo, down, up, finished, outlived),
    *(crowd, silent, slow, vanish, refused, until_end, footprint, unreaped),
]


def main(name: str, *arguments: str) -> None:
    """Runs a command, and prints what it found."""
    (command,) = (command for command in COMMANDS if command.__name__ == name)
    found = command(*arguments)
    if isinstance(found, Awaitable):
        found = asyncio.run(_await(found))
    sys.stdout.write(f"{json.dumps(found)}\n")


async def _await(found: Awaitable[object]) -> object:
    return await found


if __name__ == "__main__":
    main(*sys.argv[1:])
