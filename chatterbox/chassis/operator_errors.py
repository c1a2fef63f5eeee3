"""What the operator must mend, told in one sentence on standard error instead of a trace."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OperatorError(Exception):
    """It can't be done as things are; the message says why and what to do."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Around a command: an `OperatorError` is said in one line, and the process exits with status 1."""
    try:
        yield
    except OperatorError as problem:
        _tell(problem)
        raise SystemExit(1) from None


class PlainStartupErrors:
    """ASGI middleware: the same for an `OperatorError` in the lifespan; anything else keeps its trace."""

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
        except OperatorError as problem:
            _tell(problem)
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it has nothing to add
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            for message in held:
                await send(message)
            raise


def _tell(problem: OperatorError) -> None:
    sys.stderr.write(f"chatterbox: {problem}\n")
