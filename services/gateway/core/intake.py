"""How much of what a connection sends is handled per event-loop iteration, and its rate of control frames. Pure."""

from chatterbox.chassis.core.token_bucket import TokenBucket

TURN_COST = 16
"""Cost of the frames that are handled per event-loop iteration (turn) and connection: 16 small ones, or a large one."""
COST_SHIFT = 12
"""A frame costs 1, and 1 for each full 4 KiB (2**12 bytes) of its payload, which may be JSON to decode."""
CONTROL_FRAMES_PER_S = 50.0
"""Pings and unrequested pongs per second on one connection, in the long run."""
CONTROL_FRAMES_BURST = 200
"""Pings and unrequested pongs at once on one connection before `CONTROL_FRAMES_PER_S` applies."""


def control_frame_bucket(now_s: float) -> TokenBucket:
    """The rate limit for control frames of one connection."""
    return TokenBucket.full(CONTROL_FRAMES_PER_S, CONTROL_FRAMES_BURST, now_s)
