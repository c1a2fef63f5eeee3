"""The mark before a name that shows whether the user is here. Pure.

The shapes differ, not only the colours; the profile view and `/who` say it in words.
"""

from chatterbox.wire.people import PresenceState
from client.screen.layout.spans import Span, SpanRole

_MARKS = {
    PresenceState.ONLINE: ("●", SpanRole.ONLINE),
    PresenceState.AWAY: ("◐", SpanRole.AWAY),
    PresenceState.OFFLINE: ("○", SpanRole.MARK),
    PresenceState.UNKNOWN: (" ", SpanRole.MARK),
}


def presence_mark(state: PresenceState) -> Span:
    """One column: ● online, ◐ away, ○ offline, blank if it is not known."""
    return Span(*_MARKS[state])
