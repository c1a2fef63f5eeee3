"""Ways to break history's promises on purpose: the fault suite must turn red with each, or it proves nothing.

Never for production: without `CHATTERBOX_SABOTAGE=1` every one of them is refused at start.
"""

from typing import Literal

from pydantic import ValidationInfo, field_validator

from chatterbox.chassis.settings import Environment


class SabotageSettings(Environment):
    """For tests only. Each needs `CHATTERBOX_SABOTAGE=1` beside it."""

    # Declared first: the validator of the others reads it.
    sabotage: bool = False
    """For tests only: allow the switches that break promises."""
    sabotage_synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL"
    """For tests only: SQLite's `synchronous`; anything but FULL loses acknowledged messages when the power fails."""
    sabotage_ack_before_commit: bool = False
    """For tests only: acknowledge messages before they are stored."""

    @field_validator("sabotage_synchronous", "sabotage_ack_before_commit")
    @classmethod
    def _only_on_purpose(cls, value: object, info: ValidationInfo) -> object:
        if value not in ("FULL", False) and not info.data.get("sabotage"):
            raise ValueError("this loses acknowledged messages; it is for tests, which also set CHATTERBOX_SABOTAGE=1")
        return value
