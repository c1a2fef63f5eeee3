"""Reducer for whether this device is in use: away after minutes without a key, or when the user says so. Pure."""

from dataclasses import replace

from client.core.client_state import ReducerStep
from client.core.events import MinuteOver, StartTimer
from client.core.notes import AwayChanged
from client.core.people import screen_rules
from client.core.people.people_state import DeviceUse

MINUTE_S = 60.0
"""How often the client looks whether the device was used (seconds)."""
IDLE_MINUTES = 5
"""Minutes without a key or the focus after which the user is away."""


def use(step: ReducerStep) -> None:
    """The user pressed a key, or the terminal got the focus. Costs next to nothing if that was so in this minute."""
    device = step.state.people.device
    if device.is_used and device.is_counting:
        return
    if not device.is_counting:
        step.emit(StartTimer(MINUTE_S, MinuteOver()))
    _set(step, replace(device, is_used=True, idle_minutes=0, is_counting=True, is_idle=False))


def set_away(step: ReducerStep, *, is_away: bool) -> None:
    """The user said that they are away, or back."""
    _set(step, replace(step.state.people.device, is_set_away=is_away))
    if not is_away:
        use(step)


def end_minute(step: ReducerStep) -> None:
    """Count minutes without a key; after the last one, stop until the device is used again."""
    device = step.state.people.device
    idle_minutes = 0 if device.is_used else device.idle_minutes + 1
    is_idle = idle_minutes >= IDLE_MINUTES
    if not is_idle:
        step.emit(StartTimer(MINUTE_S, MinuteOver()))
    _set(step, replace(device, is_used=False, idle_minutes=idle_minutes, is_idle=is_idle, is_counting=not is_idle))


def _set(step: ReducerStep, device: DeviceUse) -> None:
    """Replace the state, and tell the face and the server if it changes whether the user is away."""
    was_away = step.state.people.device.is_away
    step.set_state(replace(step.state, people=replace(step.state.people, device=device)))
    if device.is_away != was_away:
        step.show(AwayChanged(device.is_away))
        screen_rules.advance(step)
