"""A stand-in for the plugin `pulumi-language-python`, of which there is no package.

The engine starts it as it would the real one. It runs the `__main__.py` of a project in this
process, by what the Automation API has for programs in Python. Knows no virtual environments, and
no way to install what a program needs.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from concurrent import futures
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2


class Python(LanguageServer):
    """The language."""

    def __init__(self, engine: str) -> None:
        super().__init__(lambda: None)
        self.engine = engine

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.0.0")

    def Run(self, request: Any, context: Any) -> Any:
        folder = request.info.program_directory
        os.chdir(folder)

        def program() -> None:
            runpy.run_path(folder, run_name="__main__")

        self.program = program
        request.args.insert(0, self.engine)
        return super().Run(request, context)  # type: ignore[no-untyped-call] # pulumi has none


def serve() -> None:
    """Tells the port on standard output, as a plugin does. The last argument is the engine."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Python(sys.argv[-1]), server)
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    server.start()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    serve()
