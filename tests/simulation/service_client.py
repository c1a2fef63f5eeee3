"""A gateway's simulated connection to history or auth: slow, failing before or after the work is done, or down.

It replaces the HTTP client only; `chatterbox.chassis.http.internal_http` still handles deadlines, refusals and
unreadable responses.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import httpx
import msgspec

from chatterbox.chassis.http.internal_http import DEADLINE_S, call
from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError
from tests.simulation.conditions import grid
from tests.simulation.service import Service

CALM_S = (0.001, 0.003)
"""Latency in one direction once failures have ended (seconds)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of a response that `chatterbox.chassis.http.internal_http` reads."""

    status_code: int
    content: bytes

    @property
    def is_success(self) -> bool:
        return self.status_code < 400


class ServiceClient:
    """One gateway's client of one service."""

    def __init__(self, name: str, service: Service) -> None:
        self.base_url = f"http://{name}"
        self.is_cut = False
        """Whether the gateway has ended: it gets no more responses."""
        self._service = service
        self._rng = service.rng

    @property
    def client(self) -> httpx.AsyncClient:
        return cast("httpx.AsyncClient", self)

    async def append(
        self, messages: list[history_api.Append], changes: Sequence[history_api.AnyMessageChange] = ()
    ) -> history_api.AppendAnswer:
        """Stands for `AppendClient.append`."""
        batch = history_api.AppendBatch(messages, changes=list(changes))
        return await call(self.client, "POST", "/internal/append", batch, history_api.AppendAnswer)

    async def request(self, method: str, url: httpx.URL, *, content: bytes | None, headers: dict[str, str]) -> Answer:
        """Send a request and wait. The service handles it even if the caller stops waiting."""
        loop = asyncio.get_running_loop()
        if self.is_cut:
            raise httpx.ConnectError("this gateway has ended")
        answer: asyncio.Future[Answer] = loop.create_future()
        path = str(url).removeprefix(self.base_url)
        loop.call_later(self._delay_s(), self._arrive, path, content, answer)
        return await answer

    def _delay_s(self) -> float:
        return grid(self._rng, CALM_S if self._service.is_calm else self._service.conditions.call_s)

    def _happens(self, probability: float) -> bool:
        return not self._service.is_calm and self._rng.random() < probability

    def _arrive(self, path: str, content: bytes | None, answer: "asyncio.Future[Answer]") -> None:
        conditions = self._service.conditions
        if self._service.is_down:
            self._later(answer, httpx.ConnectError("the service is down"))
            return
        if self._happens(conditions.fail_before):
            self._later(answer, self._encoded(self._service.failed(path, content or b"")))
            return
        answered = self._answer(path, content or b"")
        if self._happens(conditions.fail_after):
            self._later(answer, httpx.ReadError("the connection was lost"))
        else:
            self._later(answer, answered, DEADLINE_S if self._happens(conditions.late) else 0)

    @staticmethod
    def _encoded(result: object) -> Answer | Exception:
        return result if isinstance(result, Exception) else Answer(200, msgspec.json.encode(result))

    def _answer(self, path: str, content: bytes) -> Answer | Exception:
        try:
            return self._encoded(self._service.handle(path, content))
        except ChatError as refusal:
            problem = {"code": refusal.code, "detail": refusal.detail, "retry_after_s": refusal.retry_after_s}
            return Answer(refusal.status, msgspec.json.encode(problem))

    def _later(self, answer: "asyncio.Future[Answer]", result: Answer | Exception, more_s: float = 0) -> None:
        """Deliver a result after the latency; `_give` drops it if the service has restarted meanwhile."""
        asyncio.get_running_loop().call_later(
            self._delay_s() + more_s, self._give, answer, result, self._service.restarts
        )

    def _give(self, answer: "asyncio.Future[Answer]", result: Answer | Exception, restarts: int) -> None:
        if answer.done() or self.is_cut:
            return
        if restarts != self._service.restarts:
            result = httpx.ReadError("the connection was lost")
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
