"""Ways to break the gateway's promises on purpose: the tests of them must turn red with each, or they prove nothing.

Never for production: without `CHATTERBOX_SABOTAGE=1` every one of them is refused at start.
"""

from pydantic import ValidationInfo, field_validator

from chatterbox.chassis.settings import Environment


class SabotageSettings(Environment):
    """For tests only. Each needs `CHATTERBOX_SABOTAGE=1` beside it."""

    # Declared first: the validator of the others reads it.
    sabotage: bool = False
    """For tests only: allow the switches that break promises."""
    sabotage_canary_off: bool = False
    """For tests only: a gateway that does not find out by itself whether it hears the broker."""

    @field_validator("sabotage_canary_off")
    @classmethod
    def _only_on_purpose(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("sabotage"):
            raise ValueError("this may leave a gateway deaf; it is for tests, which also set CHATTERBOX_SABOTAGE=1")
        return value
