"""How long the server has owed an answer. Pure."""

from collections.abc import Iterable

PATIENCE_S = 5.0
"""An answer that takes no longer is not worth a word."""


class ResponseTimeout:
    """Knows since when each command has been without its reply. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def at(self, now_s: float, pending: Iterable[int]) -> float | None:
        """How long the oldest of the commands that are `pending` has waited; None while that is not long.

        >>> silence = ResponseTimeout()
        >>> [silence.at(0, [1]), silence.at(4, [1, 2]), silence.at(8, [1, 2]), silence.at(10, [2])]
        [None, None, 8, 6]
        """
        self._since_s = {command_id: self._since_s.get(command_id, now_s) for command_id in pending}
        silent_s = now_s - min(self._since_s.values(), default=now_s)
        return silent_s if silent_s >= PATIENCE_S else None
