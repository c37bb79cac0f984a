"""The forms that texts of a fleet must have, in words."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_args

from pydantic.fields import FieldInfo

from holo_infra.model import names
from holo_infra.model.fleet import Fleet, Host
from holo_infra.model.services import base, hc_http_gw, holochain, nats_server
from nixgen import PackageName, PlainText


class Form(NamedTuple):
    """What a text must look like."""

    noun: str
    """What such a text is, with its article."""
    rule: str
    """What makes it one."""
    is_name: bool = True
    """Whether lower case, or hyphens, may be what was meant."""


_FORMS: list[tuple[Any, Form]] = [
    (
        names.HostName,
        Form(
            "a name",
            "lower-case letters, digits and hyphens, a letter first, no hyphen last,"
            " at most 63 characters",
        ),
    ),
    (
        names.ForwardName,
        Form(
            "a forward's name",
            "lower-case letters and digits, a letter first, at most 63 characters",
        ),
    ),
    (
        names.UnitName,
        Form(
            "a unit's name",
            "lower-case letters, digits and hyphens, a letter first, no hyphen last,"
            " at most 26 characters, without .service",
        ),
    ),
    (names.IPv4, Form("an IPv4 address", "four numbers of 0 to 255 as in 10.0.85.2")),
    (
        names.IPv4Network,
        Form("an IPv4 network", "an address, a slash and 0 to 32, as in 10.64.0.0/16"),
    ),
    (
        names.Listener,
        Form("a listener", "address and port as in 0.0.0.0:22, and /udp where it is UDP"),
    ),
    (
        names.AbsolutePath,
        Form("an absolute path", "it begins with / and holds no control characters"),
    ),
    (
        names.ModulePath,
        Form(
            "a module of the output folder",
            "a path inside it that ends in .nix, as in machines/alpha.nix",
        ),
    ),
    (
        names.MemorySize,
        Form("a size", "bytes, or a whole number with K, M, G or T, as in 512M"),
    ),
    (
        names.SecretName,
        Form(
            "a secret's name",
            "letters, digits, `_`, `.` and `-`, a letter or `_` first, at most 200 characters",
        ),
    ),
    (
        names.DirectiveName,
        Form("a directive", "letters and digits, an upper-case letter first, as in MemoryMax"),
    ),
    (
        names.VariableName,
        Form("a variable's name", "letters, digits and `_`, no digit first"),
    ),
    (
        names.VariableValue,
        Form("such text", "it holds no control characters but tab and line break"),
    ),
    (names.Probe, Form("a probe", "tcp, none, or http: and a path, as in http:/health")),
    (
        PlainText,
        Form(
            "plain text",
            "one line without backslash and control characters, no space first or last",
        ),
    ),
    (
        PackageName,
        Form("a package's name", "its attribute path in nixpkgs, as in python3Packages.flask"),
    ),
    (
        Host.model_fields["state_version"],
        Form("a release of NixOS", "year and month as in 26.05"),
    ),
    (
        Fleet.model_fields["name"],
        Form("a fleet's name", "lower-case letters, digits and hyphens, a letter first"),
    ),
    (
        names.SecretFile,
        Form(
            "a secret",
            "an absolute path outside /nix and /proc, without `.` in front of a part; or the name"
            " that the container's secrets have for it",
            is_name=False,
        ),
    ),
    (
        base.DnsName,
        Form("a DNS name", "labels with dots between, as in hub.example.org; or an IPv4 address"),
    ),
    (
        base.NatsUrl,
        Form("a NATS server's URL", "nats, tls, ws or wss, as in wss://hub.example.org:443"),
    ),
    (
        base.ClientHub.model_fields["user"],
        Form("a user", "letters, digits, `_`, `.`, `@` and `-`, at most 100 characters"),
    ),
    (holochain.HttpUrl, Form("a URL of HTTP", "as in https://bootstrap.example.org")),
    (holochain.WebsocketUrl, Form("a URL of a websocket", "as in wss://signal.example.org")),
    (
        holochain.IceUrl,
        Form("a STUN or TURN server", "stun, stuns, turn or turns, as in stun:stun.example.org"),
    ),
    (holochain.Origins, Form("a list of origins", "`*`, or origins with commas between")),
    (
        holochain.LogFilter,
        Form("a log filter", "a level, or levels of parts, as in info,kitsune2=debug"),
    ),
    (
        hc_http_gw.AppId,
        Form("an application's id", "letters, digits and `_`, at most 200 characters"),
    ),
    (
        hc_http_gw.AllowedFunctions,
        Form("a list of functions", "`*`, or as in posts/get_all,posts/get"),
    ),
    (
        nats_server.UserName,
        Form(
            "a user's name",
            "letters, digits, `_`, `.`, `@` and `-`, a letter or digit first, at most 100"
            " characters",
        ),
    ),
    (
        base.AccountName,
        Form(
            "an account's name",
            "letters, digits, `_` and `-`, or `$` first, at most 100 characters",
        ),
    ),
    (
        nats_server.UserKey,
        Form("a user's public key", "U and 55 upper-case letters and digits, as `nk` prints it"),
    ),
    (
        nats_server.AccountKey,
        Form("an account's public key", "A and 55 upper-case letters and digits"),
    ),
    (
        nats_server.StorageSize,
        Form("a size with its unit", "a whole number with K, M, G or T, as in 20G"),
    ),
    (nats_server.Jwt, Form("a JWT", "three parts in base64 with dots between")),
    (
        nats_server.Subject,
        Form(
            "a subject",
            "words with dots between, `*` for one, `>` last, as in WORKLOAD.*.update",
            is_name=False,
        ),
    ),
    (
        nats_server.Subscription,
        Form(
            "a subject",
            "words with dots between, and perhaps a queue: WORKLOAD.*.update agents",
            is_name=False,
        ),
    ),
    (
        nats_server.Domain,
        Form(
            "a JetStream domain",
            "letters, digits, `_` and `-`, a letter or digit first, at most 127 characters",
        ),
    ),
    (
        nats_server.StateFolder,
        Form("a folder for state", "one below /var/lib, as in /var/lib/holo/nats-server"),
    ),
]


@cache
def forms() -> dict[str, Form]:
    """Forms by the pattern that pydantic checks them with."""
    return {pattern: form for type_, form in _FORMS for pattern in _patterns(type_)}


def _patterns(type_: Any) -> list[str]:
    field = type_ if isinstance(type_, FieldInfo) else FieldInfo.from_annotation(type_)
    if not field.metadata:  # that of `Annotated[…] | None` is deeper
        field = FieldInfo.from_annotation(get_args(field.annotation)[0])
    texts = (getattr(item, "pattern", None) for item in field.metadata)
    return [text for text in texts if isinstance(text, str)]
