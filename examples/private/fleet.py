"""One host with three private containers, each with an admin port and a gateway.

The services stand for a Holochain conductor's admin interface and its HTTP gateway: they listen on
the container's 127.0.0.1 only, and are reached through forwards.
"""

from holo_infra import Container, Fleet, Forward, Host, Unit


def container(number: int) -> Container:
    """One of the three: what differs between them is a port, and what is allocated."""
    return Container(
        units={
            "admin": Unit(
                description="Stands for a conductor's admin interface",
                exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/etc/holo"],
            ),
            "gateway": Unit(
                description="Stands for a conductor's HTTP gateway",
                exec_start=["busybox", "httpd", "-f", "-p", "127.0.0.1:4000", "-h", "/etc/holo"],
            ),
        },
        forwards={
            "admin": Forward(port=8000),
            "httpgw": Forward(port=4000, host_port=8080 + number, probe="http:/identity.env"),
        },
    )


fleet = Fleet(
    name="private",
    hosts={
        "alpha": Host(containers={f"holochain{number}": container(number) for number in range(3)}),
    },
)
