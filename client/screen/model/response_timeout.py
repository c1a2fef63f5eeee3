"""Measures how long the server has not answered. Pure."""

from collections.abc import Iterable

REPORTED_FROM_S = 5.0
"""A shorter wait for a reply is not reported (seconds)."""


class ResponseTimeout:
    """Remembers since when each command waits for its reply. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def waited_s(self, now_s: float, pending: Iterable[int]) -> float | None:
        """How long the oldest of the `pending` commands has waited (seconds); None below `REPORTED_FROM_S`.

        >>> timeout = ResponseTimeout()
        >>> [timeout.waited_s(0, [1]), timeout.waited_s(4, [1, 2]), timeout.waited_s(8, [1, 2])]
        [None, None, 8]
        >>> timeout.waited_s(10, [2])
        6
        """
        self._since_s = {command_id: self._since_s.get(command_id, now_s) for command_id in pending}
        waited_s = now_s - min(self._since_s.values(), default=now_s)
        return waited_s if waited_s >= REPORTED_FROM_S else None
