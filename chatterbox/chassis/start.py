"""Refusing to start: one sentence for the operator instead of a trace."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class StartRefusedError(Exception):
    """The process can't start as things are; the message says why and what to do."""


class PlainStart:
    """ASGI middleware: a `StartRefusedError` in the lifespan is said in one line; anything else keeps its trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold_failure(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                held.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, hold_failure)
        except StartRefusedError as refusal:
            sys.stderr.write(f"chatterbox: {refusal}\n")
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            for message in held:
                await send(message)
            raise
