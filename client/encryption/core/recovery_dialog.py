"""How a recovery key is shown and typed back: a state machine that the faces render. Pure."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from client.encryption.core.recovery_key import GROUPS, format_recovery_key, is_group

LATER = "later"
DAY_MS = 24 * 3600 * 1000


class Typed(Enum):
    """What the typed answer was."""

    RIGHT = auto()
    """Both groups are right: the key may be used from now on."""
    WRONG = auto()
    """Ask again."""
    LATER = auto()
    """The user does it later: the key is thrown away, and another one is made then."""


@dataclass(frozen=True, slots=True)
class RecoveryDialog:
    """A recovery key that was shown, and the two groups that are to be typed back."""

    key: bytes
    groups: tuple[int, int]
    """From 1, in order."""
    mistyped: tuple[int, ...] = ()
    """The groups that were wrong in the last answer."""

    @property
    def shown(self) -> str:
        return format_recovery_key(self.key)


Answer: TypeAlias = tuple[Typed, RecoveryDialog]


def begin(key: bytes, random: bytes) -> RecoveryDialog:
    """Show `key`; two different groups are chosen by two random bytes."""
    first = random[0] % GROUPS
    second = (first + 1 + random[1] % (GROUPS - 1)) % GROUPS
    low, high = sorted((first + 1, second + 1))
    return RecoveryDialog(key, (low, high))


def answer(dialog: RecoveryDialog, typed: str) -> Answer:
    """The user typed the two groups, one after the other, or `later`."""
    if typed.strip().casefold() == LATER:
        return Typed.LATER, dialog
    words = typed.replace("-", " ").split()
    if len(words) == 1 and len(words[0]) == 8:
        words = [words[0][:4], words[0][4:]]
    if len(words) != len(dialog.groups):
        return Typed.WRONG, RecoveryDialog(dialog.key, dialog.groups, dialog.groups)
    wrong = tuple(
        group for group, word in zip(dialog.groups, words, strict=True) if not is_group(dialog.key, group, word)
    )
    return (Typed.WRONG if wrong else Typed.RIGHT), RecoveryDialog(dialog.key, dialog.groups, wrong)


def is_reminder_due(reminded_ms: int, now_ms: int) -> bool:
    """Whether to say again that there is no recovery key: once a day. A clock that was set back does not silence it."""
    return not 0 <= now_ms - reminded_ms < DAY_MS
