"""The content of an encrypted message: `e1.DEVICE.SESSION.BODY`. Pure.

`e1` names the algorithm (Megolm); DEVICE is the sending device, SESSION its outbound session, BODY the ciphertext. All
of it is ASCII without a colon.
"""

import base64
import binascii
import re
from typing import NamedTuple

from chatterbox.wire.errors import ChatError, Code

ALGORITHM = "e1"
DEVICE_CHARS = 10
_DEVICE = re.compile(rf"[A-Z2-7]{{{DEVICE_CHARS}}}", re.ASCII)
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_BODY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ENVELOPE = re.compile(rf"{ALGORITHM}\.({_DEVICE.pattern})\.({_SESSION.pattern})\.({_BODY.pattern})", re.ASCII)


class Envelope(NamedTuple):
    """An encrypted message, as it is stored."""

    device: str
    session: str
    """The id of the Megolm session: 32 bytes in unpadded base64url."""
    body: str
    """The Megolm message in unpadded base64url."""

    def __str__(self) -> str:
        return f"{ALGORITHM}.{self.device}.{self.session}.{self.body}"


def parse(text: str, max_bytes: int) -> Envelope:
    """Parse an envelope of at most `max_bytes` bytes; raises `envelope_invalid`. Any text is an input.

    >>> str(parse("e1.ABCDEFGHIJ." + "s" * 43 + ".Zm9v", 24576))[:14]
    'e1.ABCDEFGHIJ.'
    """
    if len(text) > max_bytes:
        raise ChatError(Code.ENVELOPE_INVALID, f"An encrypted message has at most {max_bytes} bytes.")
    if found := _ENVELOPE.fullmatch(text):
        return Envelope(*found.groups())
    algorithm, *parts = text.split(".")
    if algorithm != ALGORITHM or len(parts) != 3:
        raise ChatError(Code.ENVELOPE_INVALID, f"An encrypted message looks like {ALGORITHM}.DEVICE.SESSION.BODY.")
    device, session, _ = parts
    if not _DEVICE.fullmatch(device):
        raise ChatError(Code.ENVELOPE_INVALID, f"The device must be {DEVICE_CHARS} characters of A-Z and 2-7.")
    if not _SESSION.fullmatch(session):
        raise ChatError(Code.ENVELOPE_INVALID, "The session must be 43 characters of base64url.")
    raise ChatError(Code.ENVELOPE_INVALID, "The body must be base64url without padding.")


def is_device_id(text: str) -> bool:
    """Whether `text` has the form of a device id."""
    return _DEVICE.fullmatch(text) is not None


def is_session_id(text: str) -> bool:
    """Whether `text` has the form of the id of a Megolm session, in base64url."""
    return _SESSION.fullmatch(text) is not None


def to_base64url(data: bytes) -> str:
    """Unpadded base64url.

    >>> to_base64url(b"fo")
    'Zm8'
    """
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The inverse of `to_base64url`; raises `ValueError`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise ValueError("not base64url") from problem
