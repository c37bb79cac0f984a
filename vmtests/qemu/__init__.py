"""Machines that QEMU runs, with a kernel, a disk, a boot and snapshots of their own.

    with Machine(Qemu("web", debian_image("nginx"))) as web:
        web.wait_for_open_port(80)
        web.snapshot("fresh")

`debian_image` makes an image of Debian's packages, `Image` names another one. `Qemu` goes on from
a snapshot of the image just booted, which `warm` makes and keeps. `Virtual` is what it shares with
`vmtests.nixos.NixosVm`: an `emulator` in namespaces of its own, a `login` on its console, and a
`channel` that commands run over, by `server.sh` in the guest. The guest needs systemd, bash, perl
and virtio; a processor that virtualises is used only where that is asked for.
"""

from vmtests.qemu.backend import Qemu
from vmtests.qemu.image import Image, debian_image
from vmtests.qemu.virtual import Virtual

__all__ = ["Image", "Qemu", "Virtual", "debian_image"]
