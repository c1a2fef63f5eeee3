"""Normalises room names that a person typed."""

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.failures import UsageError


def room_name(name: str) -> str:
    """Return the canonical name of a room; raises `UsageError`."""
    try:
        return text_rules.room_name(name.removeprefix("#"), Limits())
    except ChatError as refusal:
        raise UsageError(refusal.detail) from None
