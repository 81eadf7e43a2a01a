"""An application with more below some of its paths: FastStream's own routes are exact. For the services."""

from collections.abc import Mapping
from typing import Any

from faststream.asgi import AsgiFastStream
from faststream.asgi.types import ASGIApp, Receive, Scope, Send


class MountedApp(AsgiFastStream):
    def __init__(self, *arguments: Any, mounts: Mapping[str, ASGIApp], **options: Any) -> None:
        """mounts: the beginning of a path, as `/v1/`, -> who answers there."""
        super().__init__(*arguments, **options)
        self._mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for prefix, mounted in self._mounts.items():
                if scope["path"].startswith(prefix):
                    return await mounted(scope, receive, send)
        return await super().__call__(scope, receive, send)
