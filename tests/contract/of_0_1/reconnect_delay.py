"""Exponential backoff with full jitter for reconnecting, so that clients don't all return at the same moment."""

FIRST_S = 0.2
CAP_S = 30.0
FIRST_MINUTE_S = 60.0
FIRST_MINUTE_CAP_S = 5.0
"""Longest wait during the first minute: a restart of the server takes seconds, and the user watches."""


def delay_s(attempt: int, roll: float, waited_s: float = 0.0) -> float:
    """Seconds to wait before attempt number `attempt` (0, 1, 2 ...), after `waited_s` seconds of earlier waits.

    Uniform from 0 to a limit: 0.2 s, doubled with each attempt, 5 s at most until a minute was spent waiting, then
    30 s at most. `roll` is a random number from 0 to 1.

    >>> delay_s(0, 1.0), delay_s(3, 0.5), delay_s(1000, 1.0), delay_s(1000, 1.0, 60.0)
    (0.2, 0.8, 5.0, 30.0)
    """
    cap_s = FIRST_MINUTE_CAP_S if waited_s < FIRST_MINUTE_S else CAP_S
    return roll * min(cap_s, FIRST_S * float(2 ** min(attempt, 16)))
