"""IPv4 networks as numbers: what is needed to cut a pool into /30s. Pure.

The standard library's `ipaddress` says the same with an object an address, at fifty times the cost.
"""

from __future__ import annotations

from typing import NamedTuple


class Block(NamedTuple):
    """A network: its first address as a number, and how many addresses it has."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.start + self.size

    def overlaps(self, other: Block) -> bool:
        """Whether an address is in both."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{quad(self.start)}/{33 - self.size.bit_length()}"


SUBNET = 4
"""Addresses of a container's /30."""


def number(address: str) -> int:
    """A dotted quad as a number."""
    a, b, c, d = address.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def quad(address: int) -> str:
    """A number as a dotted quad."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def block(network: str) -> Block:
    """A network as `10.64.0.0/16`; bits of the host stay in the start."""
    address, _, length = network.partition("/")
    return Block(number(address), 1 << (32 - int(length)))


def is_aligned(network: Block) -> bool:
    """Whether the network begins where one of its size can begin."""
    return network.start % network.size == 0


def octet(index: int) -> Block:
    """The /30 of an index in scheme `octet`."""
    return Block(10 << 24 | (85 + index) << 8, SUBNET)
