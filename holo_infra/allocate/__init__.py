"""Gives every container its number and every forward its ports, the same ones every time."""

from holo_infra.allocate.allocation import allocate
from holo_infra.allocate.lock import read_lock, render_lock
from holo_infra.allocate.numbers import Allocation, ContainerNumbers, HostNumbers, Ports

__all__ = [
    "Allocation",
    "ContainerNumbers",
    "HostNumbers",
    "Ports",
    "allocate",
    "read_lock",
    "render_lock",
]
