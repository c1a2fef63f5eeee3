"""The HTTP response with a page of messages, or 304 if the client has it already (RFC 9110 section 13)."""

from collections.abc import Iterable

from starlette.responses import Response

from services.history.core.page_cache import EncodedPage

REV_HEADER = "X-Room-Rev"
_REV = REV_HEADER.lower().encode()
_JSON = (b"content-type", b"application/json")


class PageResponse(Response):
    """`if_none_match` are the values of the request's `If-None-Match` headers."""

    def __init__(self, page: EncodedPage, if_none_match: Iterable[bytes]) -> None:  # Starlette's takes twice the time
        is_unchanged = any(page.etag in value or value.strip() == b"*" for value in if_none_match)
        self.status_code = 304 if is_unchanged else 200
        self.background = None
        self.body = b"" if is_unchanged else page.body
        self.raw_headers = [(b"etag", page.etag), (_REV, page.rev)]
        if not is_unchanged:
            self.raw_headers += (_JSON, (b"content-length", str(len(page.body)).encode()))
