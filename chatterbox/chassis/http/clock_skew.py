"""Detects clock skew between this machine and the services it calls, from the `Date` header of their responses.

If two clocks differ by more than `auth_api.LEEWAY_S`, tokens are refused: one just issued lies in the future, or has
already expired. `Date` has a resolution of one second and may be a second old, so skew is reported from `SKEW_S` on.
"""

import logging
import time
from collections.abc import Callable

import httpx

from chatterbox.chassis.observability.incident import Incident
from chatterbox.wire.text_rules import http_date_s

log = logging.getLogger("chatterbox.clock_skew")

SKEW_S = 3.0
DATE_AGE_S = 2.0
"""How old a `Date` header may be: it is truncated to a second, and refreshed once per second."""


class ClockSkew:
    """The skew of each service called. `now_s` is seconds since 1970."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self.now_s = now_s
        self._last_dates: dict[str, str] = {}
        self._skew_s: dict[str, float] = {}
        self._incidents: dict[str, Incident] = {}

    def observe(self, where: str, date: str | None, requested_s: float) -> None:
        """Compare the `Date` header of a response from `where`, to a request sent at `requested_s`."""
        if not date or self._last_dates.get(where) == date:
            return
        self._last_dates[where] = date
        their_s = http_date_s(date)
        if their_s is None:
            return
        ahead_s = their_s - self.now_s()
        behind_s = requested_s - their_s - DATE_AGE_S
        self._update(where, ahead_s if ahead_s > SKEW_S else -behind_s if behind_s > SKEW_S else 0)

    def _update(self, where: str, skew_s: float) -> None:
        incident = self._incidents.get(where)
        if incident is None:
            incident = self._incidents[where] = Incident(
                log, down="clock_skew.detected", up="clock_skew.resolved", where=where
            )
        if not skew_s:
            self._skew_s.pop(where, None)
            incident.recover()
            return
        self._skew_s[where] = skew_s
        if not incident.is_open:  # once, although the number of seconds changes
            incident.fail(f"{_described(skew_s)}; set both clocks by NTP")

    def report(self) -> dict[str, str]:
        """`clock` and the skew of each service; empty while there is none."""
        skews = [f"that of {where} is {_described(skew_s)}" for where, skew_s in self._skew_s.items()]
        return {"clock": ", ".join(skews)} if skews else {}


def _described(skew_s: float) -> str:
    return f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} ours"


class ClockSkewTransport(httpx.AsyncBaseTransport):
    """Passes the `Date` header of every response to `skew`."""

    def __init__(self, inner: httpx.AsyncBaseTransport, skew: ClockSkew) -> None:
        self._inner = inner
        self._skew = skew

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        requested_s = self._skew.now_s()
        response = await self._inner.handle_async_request(request)
        where = f"{request.url.scheme}://{request.url.netloc.decode()}"
        self._skew.observe(where, response.headers.get("date"), requested_s)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
