"""Answers the usual requests for pages of messages before FastAPI, which would take most of their time.

`message_routes.messages` documents the route, and answers what is left to it the same way: other parameters, and
numbers that are not written as usual.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from services.history.core.message_page import MAX_INTEGER
from services.history.core.page_json import RequestedPage, requested_page
from services.history.history_context import HistoryContext
from services.history.http.current_user import user_of
from services.history.http.page_response import PageResponse

PATH = "/messages"
DEFAULT_LIMIT = 50
_QUERY_BYTES = 300
"""A longer query is left to FastAPI, so that the remembered ones stay small."""
_REMEMBERED = 1_000
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_NUMBERS = ("limit", "offset", "before", "after", "around")


class PageRequest(NamedTuple):
    """A query that is answered here."""

    room: str
    page: RequestedPage


class PageEndpoint:
    """ASGI middleware inside the one that handles exceptions. `context` returns the context of the running app."""

    def __init__(self, app: ASGIApp, context: Callable[[], HistoryContext], route: BaseRoute) -> None:
        """`route` is FastAPI's, for the metrics."""
        self._app = app
        self._context = context
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        if request is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        authorization: str | None = None
        if_none_match = []
        for name, value in scope["headers"]:
            if name == b"authorization" and authorization is None:
                authorization = value.decode("latin-1")
            elif name == b"if-none-match":
                if_none_match.append(value)
        try:
            context = self._context()
            user = await user_of(context, authorization)
            page = await context.pages.page(request.room, user, request.page)
        except ChatError as problem:
            await answer(problem)(scope, receive, send)
        else:
            await PageResponse(page, if_none_match)(scope, receive, send)


def _request(scope: Scope) -> PageRequest | None:
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
        return None
    query = scope["query_string"]
    return parsed(query) if len(query) <= _QUERY_BYTES else None


@lru_cache(_REMEMBERED)
def parsed(query: bytes) -> PageRequest | None:
    """The page that a query string asks for; None: it is left to FastAPI.

    >>> parsed(b"room=engines&before=100").room
    'engines'
    >>> parsed(b"limit=many"), parsed(b"thread=7")
    (None, None)
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    values = dict(pairs)
    room = values.pop("room", DEFAULT_ROOM)
    is_repeated = len(dict(pairs)) < len(pairs)
    if is_repeated or not all(name in _NUMBERS and _NUMBER.fullmatch(value) for name, value in values.items()):
        return None
    numbers = {name: int(value) for name, value in values.items()}
    limit = numbers.pop("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= Limits().page_messages or max(numbers.values(), default=0) > MAX_INTEGER:
        return None
    return PageRequest(room, requested_page(limit, **numbers))
