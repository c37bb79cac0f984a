"""Questions for a conductor's HTTP gateway, as scenarios' scripts ask them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holo_infra.scenarios.steps import ANSWER, PATIENCE, inside

if TYPE_CHECKING:
    from vmtests import Machine

DNA = "uhC0kwENLeSuselWQJtywbYB1QyFK1d-ujmFFtxsq6CYY7_Ohri2u"
CALL = "forum/posts/get?payload=WzFd"


def status(host: Machine, path: str, port: int = 8080) -> str:
    """The status with which the gateway answers at a path."""
    told = "--output /dev/null --write-out '%{http_code}'"
    return host.succeed(
        f"curl --silent --max-time {ANSWER} {told} 'http://127.0.0.1:{port}/{path}'"
    )


def gateway_answers(host: Machine, port: int = 8080) -> None:
    """Wait until it is healthy, and see that it reads what it is asked."""
    url = f"http://127.0.0.1:{port}/health"
    host.wait_until_succeeds(f"curl --silent --fail --max-time {ANSWER} {url}", timeout=PATIENCE)
    assert status(host, f"no-dna/{CALL}", port) == "400", "no hash of a DNA is taken for one"


def gateway_asks_conductor(host: Machine, container: str, port: int = 8080) -> None:
    """See that the gateway asks the conductor which applications there are: here none.

    Without a conductor it cannot know.
    """
    found = status(host, f"{DNA}/{CALL}", port)
    assert found == "404", f"{found}: the gateway does not reach its conductor"
    inside(host, container, "systemctl stop holochain")
    found = status(host, f"{DNA}/{CALL}", port)
    assert found in {"500", "502"}, f"{found} without a conductor"
    inside(host, container, "systemctl start holochain")
