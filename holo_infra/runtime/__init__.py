"""Starts what was compiled, on machines with systemd: this computer, one behind SSH, a lab's.

`machine` is the one way to a machine, `bundle` what a host is made of, `apply` puts it there,
`readiness` waits for it, `drift` compares, `lab` has machines of its own.
"""

from holo_infra.runtime.failure import Failure

__all__ = ["Failure"]
