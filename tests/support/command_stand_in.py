"""A stand-in for the plugin `pulumi-resource-command`, of which there is no package.

The engine starts it as it would the real one. It does what the documentation says of
`command:local:Command`: `create`, `update` and `delete` are run by a shell, with `stdin`; nothing
is run in a preview or when no input is another; other triggers replace what has no `update`. It
notes each run in the file that COMMAND_LOG names, a line each: what was done, to which resource.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

MARK = "4dabf18193072939515e22adb298388d"  # how the engine marks a value that is a secret
OF_SECRETS = "1b47061264138c4ac30d75fd1eb44270"


def plain(value: Any) -> Any:
    """A value without the marks of secrets."""
    match value:
        case {"value": inner, **others} if MARK in others:
            return plain(inner)
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
    return value


def is_marked(value: Any) -> bool:
    match value:
        case dict():
            return MARK in value or any(map(is_marked, value.values()))
        case list():
            return any(map(is_marked, value))
    return False


def run(done: str, urn: str, text: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """What a command printed. Raises RuntimeError with all of that where it fails."""
    name = urn.rpartition("::")[2]
    note(f"{done} {name}")
    argv = [*inputs.get("interpreter", ["/bin/sh", "-c"]), text]
    environment = {**os.environ, **inputs.get("environment", {})}
    ended = subprocess.run(
        argv,
        input=inputs.get("stdin", ""),
        env=environment,
        cwd=inputs.get("dir"),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        note(f"failed {name}")
        told = f'exit status {ended.returncode}: running "{text}":\n{ended.stdout}{ended.stderr}'
        raise RuntimeError(told)
    return {"stdout": ended.stdout.removesuffix("\n"), "stderr": ended.stderr.removesuffix("\n")}


def note(words: str) -> None:
    with Path(os.environ["COMMAND_LOG"]).open("a", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.write(f"{words}\n")


def outputs(inputs: dict[str, Any], printed: dict[str, Any]) -> struct_pb2.Struct:
    """The inputs and what was printed: secret where an input is."""
    if is_marked(inputs):
        printed = {key: {MARK: OF_SECRETS, "value": text} for key, text in printed.items()}
    made = struct_pb2.Struct()
    made.update({**inputs, **printed})
    return made


def told(struct: struct_pb2.Struct) -> dict[str, Any]:
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return {key: value for key, value in values.items() if not key.startswith("__")}


class Commands(provider_pb2_grpc.ResourceProviderServicer):
    """The provider."""

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="1.2.1")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        olds, news = told(request.old_inputs), told(request.news)
        differing = sorted(
            key for key in {*olds, *news} if plain(olds.get(key)) != plain(news.get(key))
        )
        kind = provider_pb2.DiffResponse
        return kind(
            changes=kind.DIFF_SOME if differing else kind.DIFF_NONE,
            diffs=differing,
            replaces=["triggers"] if "triggers" in differing and "update" not in news else [],
        )

    def Create(self, request: Any, context: Any) -> Any:
        inputs = told(request.properties)
        printed = self._run("create", ["create"], request, inputs, context)
        name = request.urn.rpartition("::")[2]
        made = outputs(inputs, printed)
        return provider_pb2.CreateResponse(id=f"{name}{time.time_ns():x}", properties=made)

    def Update(self, request: Any, context: Any) -> Any:
        inputs = told(request.news)
        printed = self._run("update", ["update", "create"], request, inputs, context)
        return provider_pb2.UpdateResponse(properties=outputs(inputs, printed))

    def Delete(self, request: Any, context: Any) -> Any:
        self._run("delete", ["delete"], request, told(request.properties), context)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _run(
        self, done: str, fields: list[str], request: Any, inputs: dict[str, Any], context: Any
    ) -> dict[str, Any]:
        known = plain(inputs)
        command = next((known[field] for field in fields if field in known), None)
        if getattr(request, "preview", False) or command is None:
            return {}
        try:
            return run(done, request.urn, command, known)
        except RuntimeError as error:
            abort(context, str(error))


def abort(context: Any, text: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError(text)


def serve() -> None:
    """Tells the port on standard output, as a plugin does."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Commands(), server)
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    server.start()
    # An engine that was killed tells nobody.
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    serve()
