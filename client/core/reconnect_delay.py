"""Exponential backoff with full jitter for reconnecting, so that clients don't all return at the same moment."""

FIRST_S = 0.2
CAP_S = 30.0


def delay_s(attempt: int, roll: float) -> float:
    """Seconds to wait before attempt number `attempt` (0, 1, 2 ...).

    Uniform from 0 to a limit: 0.2 s, doubled with each attempt, 30 s at most. `roll` is a random number from 0 to 1.

    >>> delay_s(0, 1.0), delay_s(3, 0.5), delay_s(1000, 1.0)
    (0.2, 0.8, 30.0)
    """
    return roll * min(CAP_S, FIRST_S * float(2 ** min(attempt, 16)))
