"""FastAPI dependencies: the context of the app and its service."""

from typing import Annotated

from fastapi import Depends, Request

from chatterbox.chassis.http import http_app
from services.history.history import HistoryService
from services.history.history_context import HistoryContext
from services.history.public_pages import PublicPages


def context_of(request: Request) -> HistoryContext:
    """The context of the app that handles `request`."""
    return http_app.context_of(request, HistoryContext)


async def _history(request: Request) -> HistoryService:
    """A coroutine because FastAPI would run a plain function in a thread."""
    return context_of(request).history


History = Annotated[HistoryService, Depends(_history)]


async def _pages(request: Request) -> PublicPages:
    return context_of(request).pages


Pages = Annotated[PublicPages, Depends(_pages)]
