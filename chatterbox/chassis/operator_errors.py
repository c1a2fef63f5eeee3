"""Errors for the operator: printed as one sentence on standard error, without a traceback."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OperatorError(Exception):
    """A problem that the operator must fix; the message says what is wrong and what to do."""


@contextmanager
def report_operator_errors() -> Iterator[None]:
    """For a command: print an `OperatorError` raised in the block, and exit with status 1."""
    try:
        yield
    except OperatorError as problem:
        _print(problem)
        raise SystemExit(1) from None


class StartupErrorMiddleware:
    """ASGI middleware: prints an `OperatorError` raised in the lifespan; any other exception keeps its traceback."""

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
            _print(problem)
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # suppress uvicorn's own report
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            for message in held:
                await send(message)
            raise


def _print(problem: OperatorError) -> None:
    sys.stderr.write(f"chatterbox: {problem}\n")
