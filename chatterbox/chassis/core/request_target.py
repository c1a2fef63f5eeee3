"""Parses the target of an HTTP request (RFC 9112 section 3.2). Pure."""

import re
from typing import NamedTuple

from chatterbox.chassis.core.host_names import host_port

_ORIGIN = re.compile(rb"/[!-\"$-~]*")
_ABSOLUTE = re.compile(rb"https?://([!-\"$-.0->@-~]+)(/[!-\"$->@-~]*)?(\?[!-\"$-~]*)?", re.IGNORECASE)


class BadRequestError(ValueError):
    """The request is not valid; the message gives the reason."""


class RequestTarget(NamedTuple):
    """A request target as every route expects it."""

    origin_form: bytes
    """Path, still percent-encoded, and query; it begins with a slash and is ASCII without spaces."""
    authority: bytes | None
    """The server that an absolute form names; it replaces the `Host` header (RFC 9112 section 3.2.2)."""


def parse_target(method: str, target: bytes) -> RequestTarget:
    """Parse the target of a request with this method; raises `BadRequestError`.

    The asterisk form is treated as the root path, as RFC 9112 section 3.2.4 does in the other direction.

    >>> parse_target("GET", b"/rooms?limit=5"), parse_target("GET", b"http://x")
    (RequestTarget(origin_form=b'/rooms?limit=5', authority=None), RequestTarget(origin_form=b'/', authority=b'x'))
    """
    if method == "CONNECT":
        raise BadRequestError("CONNECT is not supported: this server is not a proxy.")
    if _ORIGIN.fullmatch(target):
        return RequestTarget(target, None)
    if target == b"*" and method == "OPTIONS":
        return RequestTarget(b"/", None)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _is_authority(absolute[1]):
        raise BadRequestError("The request target is not valid (RFC 9112 section 3.2).")
    return RequestTarget((absolute[2] or b"/") + (absolute[3] or b""), absolute[1])


def _is_authority(authority: bytes) -> bool:
    try:
        return bool(host_port(authority.decode("ascii")).host)
    except ValueError:
        return False
