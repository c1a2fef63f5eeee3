"""How much of what a connection sends is handled per event-loop iteration, and its rate of control frames. Pure."""

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.wire.rate_limits import CONTROL_FRAMES, FRAMES_PER_TURN

TURN_COST = FRAMES_PER_TURN.bound.limit
"""Cost of the frames that are handled per event-loop iteration (turn) and connection: 16 small ones, or a large one."""
COST_SHIFT = 12
"""A frame costs 1, and 1 for each full 4 KiB (2**12 bytes) of its payload, which may be JSON to decode."""


def control_frame_bucket(now_s: float) -> TokenBucket:
    """The rate limit for control frames of one connection."""
    return TokenBucket.full(CONTROL_FRAMES.bound.per_s, CONTROL_FRAMES.bound.burst, now_s)
