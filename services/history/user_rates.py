"""Rate limits of each user's requests, over all routes, connections and gateways. Messages have `send_limits`."""

import time
from collections.abc import Callable

from chatterbox.chassis.core.rate_limiter import REMEMBERED, RateLimiter
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_bounds import Rate, RateLimit
from chatterbox.wire.rate_limits import (
    CHANGES,
    DEVICE_LISTS,
    DIRECTS,
    INVITATIONS,
    KEY_UPLOADS,
    LISTINGS,
    READS,
    ROOMS_CREATED,
)

_ROWS = (CHANGES, ROOMS_CREATED, DIRECTS, INVITATIONS, READS, LISTINGS, KEY_UPLOADS, DEVICE_LISTS)


class UserRates:
    """One rate limiter per row of the table. `clock` is monotonic, in seconds."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED
    ) -> None:
        self._clock = clock
        self._limiters: dict[RateLimit[Rate], RateLimiter[int]] = {
            row: RateLimiter(limits.rate(row) if row.settings else row.bound, name=row.name, remembered=remembered)
            for row in _ROWS
        }

    def spend(self, row: RateLimit[Rate], user_id: int) -> None:
        """Count an action of a user; raises `rate_limited`, with the time to wait, beyond the rate."""
        self._limiters[row].spend(user_id, self._clock())
