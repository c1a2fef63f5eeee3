"""Message batches as they are published to a room's channel."""

from chatterbox.wire.broker_events import Batch, decode_room_payload


def message_batch(payload: bytes) -> Batch:
    """Decode a payload that must be a batch of messages."""
    decoded = decode_room_payload(payload)
    assert isinstance(decoded, Batch), f"a batch of messages was expected: {payload[:100]!r}"
    return decoded
