"""Vendored from version 0.1 of the client, with the fields that its core reads."""

import msgspec

DEFAULT_ROOM = "general"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    content_chars: int = 4000
    frame_bytes: int = 65_536
    page_messages: int = 200
