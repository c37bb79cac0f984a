"""What a forward asks of its engine, and of the service behind it."""

from __future__ import annotations

from collections.abc import Iterator

from holo_infra.allocate.scope import listener
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Forward


def check_forwards(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    """What is wrong with the forwards of a container in a network of its own, each by itself."""
    for key, forward in container.forwards.items():
        where = (*path, "forwards", key)
        if forward.protocol == "udp" and forward.probe.startswith("http:"):
            hint = "leave probe out: a UDP forward counts as ready at once"
            message = "a UDP service answers no HTTP request"
            yield Diagnostic("HI210", (*where, "probe"), message, hint)
        if forward.inner_port is not None and forward.carrier != "socat":
            message = f"{forward.carrier} needs no port of the container's address"
            hint = "leave inner_port out, or write engine: socat"
            yield Diagnostic("HI220", (*where, "inner_port"), message, hint)
        if forward.protocol == "udp" and forward.carrier in {"socket-proxyd", "haproxy"}:
            message = f"{forward.carrier} carries no UDP"
            hint = "leave engine out, or use socat or nftables"
            yield Diagnostic("HI221", (*where, "engine"), message, hint)
        if forward.carrier == "nftables":
            yield from _nftables(path, where, forward, container)


def _nftables(
    path: FieldPath,
    where: FieldPath,
    forward: Forward,
    container: Container,
) -> Iterator[Diagnostic]:
    if forward.bind.startswith("127."):
        message = f"what comes for {forward.bind} is not led on: it cannot leave the host"
        hint = "bind an address of the host or 0.0.0.0, or leave engine out"
        at = (*where, "engine" if forward.bind == "127.0.0.1" else "bind")
        yield Diagnostic("HI222", at, message, hint)
    heard = [(way, *listener(text)) for way, text in container.listeners()]
    service = (forward.port, forward.protocol)
    found = [(way, address) for way, address, *rest in heard if (*rest,) == service]
    if found and all(address.startswith("127.") for _, address in found):
        message = f"{dotted(where)} leads to the container's address, and nothing listens there"
        hint = "listen on 0.0.0.0, or give the forward another engine"
        yield Diagnostic("HI223", (*path, *found[0][0]), message, hint)
