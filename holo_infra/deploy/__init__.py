"""A fleet as a stack of Pulumi: components that others may use, and the program of a stack.

Machines are reached by `holo` itself, from the folder of the stack. Nothing here opens a
connection. It knows what was compiled by its digests alone.
"""

from holo_infra.deploy.credentials import Credentials, CredentialsArgs
from holo_infra.deploy.deployments import (
    Deployment,
    NixosDeployment,
    NixosDeploymentArgs,
    UnitDeployment,
    UnitDeploymentArgs,
)
from holo_infra.deploy.fleet import Fleet, FleetArgs, Host, HostArgs
from holo_infra.deploy.places import Existing, Hetzner, Place

__all__ = [
    "Credentials",
    "CredentialsArgs",
    "Deployment",
    "Existing",
    "Fleet",
    "FleetArgs",
    "Hetzner",
    "Host",
    "HostArgs",
    "NixosDeployment",
    "NixosDeploymentArgs",
    "Place",
    "UnitDeployment",
    "UnitDeploymentArgs",
]
