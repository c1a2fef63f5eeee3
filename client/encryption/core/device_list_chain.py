"""Whether a device list follows the one that was seen before. Pure.

`(generation, version)` of a user's list only rises, so that a server can't bring back an earlier list, in which a
device still stands that its owner removed.
"""

from enum import StrEnum

import msgspec

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.position import Whole


class ListPlace(msgspec.Struct, frozen=True, kw_only=True, order=False):
    """The highest device list of a user that was seen under one master key."""

    generation: Whole
    version: Whole
    digest: str
    """SHA-256 of what was signed, in base64url: two lists of the same version must be the same."""
    self_signing: str
    """The self-signing key of this generation."""


class Succession(StrEnum):
    """How an offered list stands to the one that was seen before."""

    NEWER = "newer"
    SAME = "same"
    LOWER = "lower"
    CONFLICTING = "conflicting"
    """It has the same version and says something else, or it has another self-signing key in the same generation."""


def place_of(keys: UserKeys, digest: str) -> ListPlace:
    """Where the list of `keys` stands; `digest` is that of its signed part."""
    listed = keys.list
    return ListPlace(
        generation=listed.generation,
        version=listed.version,
        digest=digest,
        self_signing=keys.self_signing.public_key,
    )


def succession(held: ListPlace | None, offered: ListPlace) -> Succession:
    """Compare an offered list with the highest that was seen under the same master key.

    `brings_back` looks at removed devices.
    """
    if held is None:
        return Succession.NEWER
    if (offered.generation, offered.version) < (held.generation, held.version):
        return Succession.LOWER
    if (offered.generation, offered.version) == (held.generation, held.version):
        return Succession.SAME if offered.digest == held.digest else Succession.CONFLICTING
    if offered.version <= held.version:
        return Succession.CONFLICTING
    if offered.generation == held.generation and offered.self_signing != held.self_signing:
        return Succession.CONFLICTING
    return Succession.NEWER


def brings_back(held: UserKeys | None, offered: UserKeys) -> bool:
    """Whether an offered list forgets that a device was removed."""
    if held is None or held.master.public_key != offered.master.public_key:
        return False
    return not set(held.list.removed) <= set(offered.list.removed)
