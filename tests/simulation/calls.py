"""The ways from gateways to history and auth: late, failing before or after the work was done, or away.

They replace the HTTP client only; `chatterbox.chassis.http.internal_http` still handles deadlines, refusals and
unreadable answers.
"""

import asyncio
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
"""One way, once nothing goes wrong any more (seconds)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What `chatterbox.chassis.http.internal_http` reads of a response."""

    status_code: int
    content: bytes

    @property
    def is_success(self) -> bool:
        return self.status_code < 400


class Way:
    """One gateway's client of one service."""

    def __init__(self, name: str, service: Service) -> None:
        self.base_url = f"http://{name}"
        self.is_cut = False
        """Whether the gateway is gone: nothing it asked is answered any more."""
        self._service = service
        self._chance = service.chance

    @property
    def client(self) -> httpx.AsyncClient:
        return cast("httpx.AsyncClient", self)

    async def append(
        self, messages: list[history_api.Append]
    ) -> list[history_api.Appended | history_api.AppendRefused]:
        """Stands for the line by which messages are brought."""
        answer = await call(
            self.client, "POST", "/internal/append", history_api.AppendBatch(messages), history_api.AppendAnswer
        )
        return answer.outcomes

    async def request(self, method: str, path: str, *, content: bytes | None, headers: dict[str, str]) -> Answer:
        """Ask, and wait. What was asked is done even if nobody waits any more: the request is on its way."""
        loop = asyncio.get_running_loop()
        if self.is_cut:
            raise httpx.ConnectError("this gateway is gone")
        answer: asyncio.Future[Answer] = loop.create_future()
        loop.call_later(self._delay_s(), self._arrive, path, content, answer)
        return await answer

    def _delay_s(self) -> float:
        return grid(self._chance, CALM_S if self._service.is_calm else self._service.conditions.call_s)

    def _happens(self, likelihood: float) -> bool:
        return not self._service.is_calm and self._chance.random() < likelihood

    def _arrive(self, path: str, content: bytes | None, answer: "asyncio.Future[Answer]") -> None:
        conditions = self._service.conditions
        if self._service.is_away:
            self._later(answer, httpx.ConnectError("it is away"))
            return
        if self._happens(conditions.fail_before):
            self._later(answer, self._encoded(self._service.failed(path, content or b"")))
            return
        answered = self._answer(path, content or b"")
        if self._happens(conditions.fail_after):
            self._later(answer, httpx.ReadError("the connection ended"))
        else:
            self._later(answer, answered, DEADLINE_S if self._happens(conditions.late) else 0)

    @staticmethod
    def _encoded(result: object) -> Answer | Exception:
        return result if isinstance(result, Exception) else Answer(200, msgspec.json.encode(result))

    def _answer(self, path: str, content: bytes) -> Answer | Exception:
        try:
            return self._encoded(self._service.carry_out(path, content))
        except ChatError as refusal:
            problem = {"code": refusal.code, "detail": refusal.detail, "retry_after_s": refusal.retry_after_s}
            return Answer(refusal.status, msgspec.json.encode(problem))

    def _later(self, answer: "asyncio.Future[Answer]", result: Answer | Exception, more_s: float = 0) -> None:
        """What is on its way back when the service ends never comes, as `_give` finds out."""
        asyncio.get_running_loop().call_later(self._delay_s() + more_s, self._give, answer, result, self._service.lives)

    def _give(self, answer: "asyncio.Future[Answer]", result: Answer | Exception, lives: int) -> None:
        if answer.done() or self.is_cut:
            return
        if lives != self._service.lives:
            result = httpx.ReadError("the connection ended")
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
