"""Whether our clock and those of the services we call agree: every answer carries its sender's time.

Tokens are void while they differ by more than `tokens.LEEWAY_S`: one that was issued this moment comes from the future,
or has expired long ago. A date tells whole seconds, and is up to a second old: so we say so from `OFF_S` on.
"""

import logging
import time
from collections.abc import Callable

import httpx

from chatterbox.wire.text_rules import http_date_s

log = logging.getLogger("chatterbox.clock_skew")

OFF_S = 3.0
DATE_IS_OLD_S = 2.0
"""A `Date` header is cut to the second, and made anew once a second."""


class ClockSkew:
    """What is known of the clocks of others. `now_s` is seconds since 1970."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self.now_s = now_s
        self._seen: dict[str, str] = {}
        self._off: dict[str, float] = {}

    def note(self, where: str, date: str | None, asked_s: float) -> None:
        """An answer from `where`, asked for at `asked_s`, has come with this `Date`."""
        if not date or self._seen.get(where) == date:
            return
        self._seen[where] = date
        theirs_s = http_date_s(date)
        if theirs_s is None:
            return
        ahead_s = theirs_s - self.now_s()
        behind_s = asked_s - theirs_s - DATE_IS_OLD_S
        self._judge(where, ahead_s if ahead_s > OFF_S else -behind_s if behind_s > OFF_S else 0)

    def _judge(self, where: str, off_s: float) -> None:
        was_off = where in self._off
        if off_s:
            self._off[where] = off_s
        else:
            self._off.pop(where, None)
        if off_s and not was_off:
            log.warning(
                "clock_skew.detected", extra={"where": where, "why": f"{_words(off_s)}; set both clocks by NTP"}
            )
        elif was_off and not off_s:
            log.warning("clock_skew.resolved", extra={"where": where})

    def report(self) -> dict[str, str]:
        """`clock`, and whose is off by how much; nothing while all agree."""
        said = [f"that of {where} is {_words(off_s)}" for where, off_s in self._off.items()]
        return {"clock": ", ".join(said)} if said else {}


def _words(off_s: float) -> str:
    return f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} ours"


class ClockSkewTransport(httpx.AsyncBaseTransport):
    """Shows every answer to `clocks`."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clocks: ClockSkew) -> None:
        self._inner = inner
        self._clocks = clocks

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked_s = self._clocks.now_s()
        response = await self._inner.handle_async_request(request)
        where = f"{request.url.scheme}://{request.url.netloc.decode()}"
        self._clocks.note(where, response.headers.get("date"), asked_s)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
