"""Responses with the bytes of a stored file: headers that keep browsers from running it, conditions and ranges."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from chatterbox.wire.errors import ChatError
from services.files.core.byte_range import ByteSpan, UnsatisfiableError, matches, requested_span

log = logging.getLogger("chatterbox.files")

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Accept-Ranges": "bytes",
}
Blocks = Callable[[int, int], AsyncIterator[bytes]]
"""The bytes from one offset up to another."""


async def stored_response(
    request: Request, stack: AsyncExitStack, blocks: Blocks, *, size: int, etag: str, headers: dict[str, str]
) -> Response:
    """The response to a GET or HEAD of a file that `stack` has open; closes the stack when it is sent."""
    headers = {**SAFE_HEADERS, **headers, "ETag": etag}
    span = None
    try:
        if matches(request.headers.get("if-none-match", ""), etag):
            return await _without_body(stack, 304, headers)
        span = _span(request.headers, etag, size)
    except UnsatisfiableError:
        return await _without_body(stack, 416, {**headers, "Content-Range": f"bytes */{size}"})
    start, end = span or ByteSpan(0, size)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return await _without_body(stack, status, headers)
    return _StoredResponse(blocks(start, end), status, headers, stack)


def _span(headers: Headers, etag: str, size: int) -> ByteSpan | None:
    return requested_span(headers.get("range", ""), headers.get("if-range", ""), etag, size)


async def _without_body(stack: AsyncExitStack, status: int, headers: dict[str, str]) -> Response:
    await stack.aclose()
    return Response(status_code=status, headers=headers)


class _StoredResponse(StreamingResponse):
    def __init__(
        self, blocks: AsyncIterator[bytes], status: int, headers: dict[str, str], stack: AsyncExitStack
    ) -> None:
        super().__init__(blocks, status, headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                await super().__call__(scope, receive, send)
            except ChatError as problem:  # the reader lost access; the connection ends before the file does
                log.info("download.stopped", extra={"code": problem.code})
