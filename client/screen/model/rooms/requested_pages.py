"""Pages of a room's history that were requested, so that none is requested twice. Pure."""

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from chatterbox.wire.frames import ReadHistory

PageKey: TypeAlias = tuple[str, int]
"""A requested page: `before`, `after`, `around` or a thread, and an offset; offset 0 before is the newest page."""


@dataclass
class RequestedPages:
    """Pages without a reply, and those that the server refused: they are requested again after the next scroll."""

    _requested: set[PageKey] = field(default_factory=set)
    _refused: set[PageKey] = field(default_factory=set)

    def request(self, key: PageKey) -> bool:
        """Note that a page is requested; False if it is requested already and has no reply."""
        if key in self._requested:
            return False
        self._requested.add(key)
        return True

    def receive(self, request: ReadHistory) -> None:
        self._requested.discard(page_key(request))

    def refuse(self, request: ReadHistory) -> None:
        self._refused.add(page_key(request))

    def retry_refused(self) -> None:
        """Let refused pages be requested again."""
        self._requested -= self._refused
        self._refused.clear()

    def forget(self) -> None:
        """Forget the pages requested on a lost connection: they are not answered any more."""
        self._requested.clear()
        self._refused.clear()


def page_key(request: ReadHistory) -> PageKey:
    if request.thread is not msgspec.UNSET:
        return (f"thread {request.thread}", request.before or 0)
    if request.around is not msgspec.UNSET:
        return ("around", request.around)
    return ("after", request.after) if request.after is not None else ("before", request.before or 0)
