"""What the operator decides about end-to-end encryption."""

from enum import StrEnum


class EncryptionPolicy(StrEnum):
    """Which conversations of a server are encrypted. A room is encrypted from its beginning or never."""

    OFF = "off"
    """None; no keys are taken."""
    ALLOWED = "allowed"
    """Those that are begun so."""
    DIRECT = "direct"
    """All new direct conversations; earlier ones that are not encrypted take no new messages."""
    PRIVATE = "private"
    """As `direct`, and all new private rooms."""

    @property
    def direct_is_encrypted(self) -> bool:
        """Whether a direct conversation is encrypted if the client does not say."""
        return self in {EncryptionPolicy.DIRECT, EncryptionPolicy.PRIVATE}

    @property
    def private_must_be_encrypted(self) -> bool:
        """Whether new private rooms have to be encrypted."""
        return self is EncryptionPolicy.PRIVATE


DEFAULT_POLICY = EncryptionPolicy.DIRECT
"""The policy of a server whose operator set none."""
