"""What is inside an Olm message: its type and content, from whom it is, and for whom. Pure.

As Matrix has it: sender, recipient and both Ed25519 keys are inside and are checked, so that no message can be passed
on under another name. Besides, `cb.n` is the number of the message between the two devices, and `cb.l` the version of
the sender's device list, so that what the server leaves out is noticed.
"""

from typing import Any

import msgspec

from chatterbox.wire.encryption.device_keys import DeviceKeys
from chatterbox.wire.position import Whole


class OlmParty(msgspec.Struct, frozen=True):
    """A user and a device's Ed25519 key, as they stand in the payload."""

    user: str
    """As `matrix_user` names the user."""
    ed25519: str


class _Keys(msgspec.Struct, frozen=True):
    ed25519: str


class OlmPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plaintext of an Olm message. Unknown fields are ignored."""

    type: str
    content: dict[str, Any]
    sender: str
    recipient: str
    recipient_keys: _Keys
    keys: _Keys
    sender_device_keys: DeviceKeys | None = None
    n: Whole = msgspec.field(default=0, name="cb.n")
    list_version: Whole = msgspec.field(default=0, name="cb.l")


class ReceivedToDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A to-device message that was decrypted and checked, or one in clear."""

    user_id: int
    """0 for one in clear whose sender is not known yet."""
    username: str
    device: str
    """The sending device."""
    type: str
    content: dict[str, Any]
    encrypted: bool
    """Whether it came in an Olm message: else anybody may have written it."""
    is_trusted: bool = False
    """Whether the sending device is in the list of its owner."""


class OlmPayloadError(ValueError):
    """An Olm message is not what it must be; the text says why, without its content."""


_DECODER = msgspec.json.Decoder(OlmPayload)


def build(
    type_: str,
    content: dict[str, Any],
    *,
    sender: OlmParty,
    recipient: OlmParty,
    n: int,
    list_version: int,
    sender_device_keys: DeviceKeys | None = None,
) -> bytes:
    """The plaintext of an Olm message."""
    return msgspec.json.encode(
        OlmPayload(
            type=type_,
            content=content,
            sender=sender.user,
            recipient=recipient.user,
            recipient_keys=_Keys(recipient.ed25519),
            keys=_Keys(sender.ed25519),
            sender_device_keys=sender_device_keys,
            n=n,
            list_version=list_version,
        )
    )


def parse(plaintext: bytes, *, sender: OlmParty, recipient: OlmParty) -> OlmPayload:
    """Parse and check the plaintext of an Olm message. Any bytes are an input; raises `OlmPayloadError`.

    `sender` is whose keys the Olm session is with, and `recipient` this device.
    """
    try:
        payload = _DECODER.decode(plaintext)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise OlmPayloadError("it is malformed") from None
    if payload.sender != sender.user or payload.keys.ed25519 != sender.ed25519:
        raise OlmPayloadError("its sender is another one")
    if payload.recipient != recipient.user or payload.recipient_keys.ed25519 != recipient.ed25519:
        raise OlmPayloadError("it is for another device")
    return payload
