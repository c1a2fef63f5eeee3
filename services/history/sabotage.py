"""Ways to break history's promises on purpose: the fault suite must turn red with each, or it proves nothing.

Never for production: without `CHATTERBOX_SABOTAGE=1` every one of them is refused at start.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from pydantic import ValidationInfo, field_validator

from chatterbox.chassis.settings import Environment
from chatterbox.wire.history_api import Append


class SabotageSettings(Environment):
    """For tests only. Each needs `CHATTERBOX_SABOTAGE=1` beside it."""

    # Declared first: the validator of the others reads it.
    sabotage: bool = False
    """For tests only: allow the switches that break promises."""
    sabotage_synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL"
    """For tests only: SQLite's `synchronous`; anything but FULL loses acknowledged messages when the power fails."""
    sabotage_ack_before_commit: bool = False
    """For tests only: acknowledge messages before they are stored."""
    sabotage_publish_before_commit: bool = False
    """For tests only: tell the gateways of messages before they are stored."""
    sabotage_forget_keys: bool = False
    """For tests only: store a message anew each time it comes."""

    @field_validator(
        "sabotage_synchronous", "sabotage_ack_before_commit", "sabotage_publish_before_commit", "sabotage_forget_keys"
    )
    @classmethod
    def _only_on_purpose(cls, value: object, info: ValidationInfo) -> object:
        if value not in ("FULL", False) and not info.data.get("sabotage"):
            raise ValueError("this loses or doubles messages; it is for tests, which also set CHATTERBOX_SABOTAGE=1")
        return value

    def of_the_writer(self) -> "Sabotage":
        return Sabotage(
            ack_before_commit=self.sabotage_ack_before_commit,
            publish_before_commit=self.sabotage_publish_before_commit,
            forget_keys=self.sabotage_forget_keys,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """What the writer does wrong: nothing, unless a test wants it."""

    ack_before_commit: bool = False
    publish_before_commit: bool = False
    forget_keys: bool = False

    @property
    def acts_before_commit(self) -> bool:
        return self.ack_before_commit or self.publish_before_commit

    def keyed(self, messages: Sequence[Append]) -> Sequence[Append]:
        """The messages under the keys that they are stored by."""
        if not self.forget_keys:
            return messages
        return [msgspec.structs.replace(message, key=secrets.token_hex(8)) for message in messages]
