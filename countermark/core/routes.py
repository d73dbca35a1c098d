"""Routes whose JSON body FastAPI reads itself: within a limit, which it would not keep by itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

MOST_BYTES = 1024**2


class SmallBody(APIRoute):
    """A route that answers 413 once more than 1 MiB of a declared body has come.

    FastAPI reads a declared body whole, before any dependency asks for a key. Routes without one read their own.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given at most so much of a body."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def within(request: Request) -> Response:
            received = 0

            async def receive() -> Message:
                nonlocal received
                message = await request.receive()
                received += len(message.get("body", b""))
                if received > MOST_BYTES:
                    raise HTTPException(413, f"The body is larger than the limit of {MOST_BYTES} bytes")
                return message

            return await handle(Request(request.scope, receive))

        return within
