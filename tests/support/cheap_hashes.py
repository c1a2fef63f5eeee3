"""Lets auth hash passwords with argon2id at its lowest cost, for tests that register users without being about hashing.

A hash takes 30 ms of a core otherwise, and a test needs three to five: starting auth, registering, logging in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from services.auth.users import password_hasher

MEMORY_KIB = 8
"""argon2's minimum."""
ITERATIONS = 1


@contextmanager
def cheap_hashes() -> Iterator[None]:
    """Hashers created while the block runs are cheap."""
    with patch.multiple(password_hasher, MEMORY_KIB=MEMORY_KIB, ITERATIONS=ITERATIONS):
        yield


def use_cheap_hashes() -> None:
    """Make every hasher that this process creates cheap, for a process that a test starts."""
    password_hasher.MEMORY_KIB = MEMORY_KIB
    password_hasher.ITERATIONS = ITERATIONS
