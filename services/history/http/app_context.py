"""FastAPI dependencies: the context of the app and its service."""

from typing import Annotated

from fastapi import Depends, Request

from services.history.context import HistoryContext
from services.history.history import HistoryService


def context_of(request: Request) -> HistoryContext:
    """The context of the app that `request` was sent to."""
    context = request.app.state.context
    assert isinstance(context, HistoryContext)  # noqa: S101 - `create_app` put it there
    return context


async def _service(request: Request) -> HistoryService:
    """A coroutine because FastAPI would run a plain function in a thread."""
    return context_of(request).service


Service = Annotated[HistoryService, Depends(_service)]
