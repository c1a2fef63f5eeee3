"""Headers of the resumable upload protocol tus 1.0.0 (tus.io/protocols/resumable-upload). Pure."""

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
CHECKSUMS = ("sha1", "sha256")
"""The protocol demands SHA-1."""
CHUNK_TYPE = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}")
_METADATA_KEYS = ("filename", "name", "keep_metadata", "room")


class TusHeaderError(ValueError):
    """A header is missing or invalid; the message says which, and how it looks."""


class Checksum(NamedTuple):
    """What the bytes of a chunk must hash to."""

    algorithm: str
    digest: bytes


def number(name: str, text: str | None) -> int:
    """The whole number in the header `name`; raises `TusHeaderError`."""
    if text is None or not _NUMBER.fullmatch(text):
        raise TusHeaderError(f"{name} must be a whole number.")
    return int(text)


def metadata(text: str | None) -> dict[str, str]:
    """The values of `Upload-Metadata` that are used; raises `TusHeaderError`.

    >>> metadata("room ZGV2,filename YS50eHQ=,other AAAA,keep_metadata")
    {'room': 'dev', 'filename': 'a.txt', 'keep_metadata': ''}
    """
    found: dict[str, str] = {}
    for pair in filter(None, (text or "").split(",")):
        key, _, value = pair.strip().partition(" ")
        if key not in _METADATA_KEYS:
            continue
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise TusHeaderError("Upload-Metadata must be pairs of a key and its value in Base64.") from None
    return found


def checksum(text: str | None) -> Checksum | None:
    """The value of `Upload-Checksum`, if there is one; raises `TusHeaderError`."""
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if algorithm not in CHECKSUMS or not digest:
        raise TusHeaderError(f"Upload-Checksum must be {' or '.join(CHECKSUMS)}, and the checksum in Base64.")
    return Checksum(algorithm, digest)


def expires(ms: int) -> str:
    """The value of `Upload-Expires`, of milliseconds since 1970.

    >>> expires(0)
    'Thu, 01 Jan 1970 00:00:00 GMT'
    """
    return format_datetime(datetime.fromtimestamp(ms / 1000, UTC), usegmt=True)
