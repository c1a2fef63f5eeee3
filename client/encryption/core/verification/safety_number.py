"""Safety numbers: 60 digits that two users compare by phone, to be sure that they have each other's master keys. Pure.

Each user's half is 30 digits of an iterated SHA-512 of user id and master key, as Signal's numbers are; the lower half
comes first, so both see the same. Devices play no part: the number changes only with a master key.
"""

import base64
import hashlib

GROUPS = 12
_GROUP_DIGITS = 5
_VERSION = b"chatterbox-safety-number-1"
_ROUNDS = 5200
"""As Signal has it: makes a search for a key with a similar number slower."""


def safety_number(one: tuple[int, str], other: tuple[int, str]) -> str:
    """The number of two users in 12 groups of 5 digits. Each is given by user id and master key (unpadded base64).

    Raises `ValueError` if a key is not base64 of 32 bytes.

    >>> ada, bob = (1, "A" * 43), (2, "B" * 42 + "A")
    >>> safety_number(ada, bob) == safety_number(bob, ada)
    True
    """
    digits = "".join(sorted((_half(*one), _half(*other))))
    return " ".join(digits[at : at + _GROUP_DIGITS] for at in range(0, len(digits), _GROUP_DIGITS))


def normalized(text: str) -> str:
    """The digits of a number as a person typed it, with or without spaces and line breaks.

    >>> normalized(" 12345 67890 ")
    '1234567890'
    """
    return "".join(text.split())


def _half(user_id: int, master_key: str) -> str:
    key = base64.b64decode(master_key + "=" * (-len(master_key) % 4), validate=True)
    if len(key) != 32:
        raise ValueError("a master key has 32 bytes")
    who = str(user_id).encode("ascii")
    state = _VERSION + len(who).to_bytes(2, "big") + who + key
    for _ in range(_ROUNDS):
        state = hashlib.sha512(state + key).digest()
    chunks = (state[at : at + 5] for at in range(0, GROUPS // 2 * 5, 5))
    return "".join(f"{int.from_bytes(chunk, 'big') % 10**_GROUP_DIGITS:0{_GROUP_DIGITS}d}" for chunk in chunks)
