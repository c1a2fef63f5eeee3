"""Both ends of the line by which messages come to history: a gateway's `AppendClient`, and history as it is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from chatterbox.chassis import serve
from chatterbox.chassis.core.length_prefix import UPGRADE
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.http.internal_http import UnavailableError
from chatterbox.chassis.rpc.rpc_client import RpcClient, RpcRefusedError, open_rpc
from chatterbox.chassis.rpc.rpc_server import RpcHandler, rpc_upgrade_protocol
from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import decode_json
from services.gateway.upstream.append_client import PATH, AppendClient
from services.history.messages.append_server import MAX_BATCH_BYTES, append_protocol
from tests.support.history import SERVICE_KEY, Clock, FakeAuth, Service, running
from tests.support.live import served
from tests.support.loopback import NO_TLS


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[Service]:
    clock = Clock()
    async with running(tmp_path, FakeAuth(clock), clock) as service:
        await service.greet("alice")
        yield service


@asynccontextmanager
async def at_port(app: ASGIApp, http_class: type[HttpProtocol] = HttpProtocol) -> AsyncIterator[str]:
    """`app`, served as history is; gives its URL."""
    config = serve.config(app, http_class=http_class)
    config.lifespan = "off"
    async with served(config) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def url(history: Service) -> AsyncIterator[str]:
    async with at_port(history.app, append_protocol(history.app, SERVICE_KEY)) as url:
        yield url


@pytest.fixture
async def line(url: str) -> AsyncIterator[AppendClient]:
    line = AppendClient(url, SERVICE_KEY)
    yield line
    await line.close()


def offsets(outcomes: list[history_api.Appended | history_api.AppendRefused]) -> list[int]:
    return [outcome.offset for outcome in outcomes if isinstance(outcome, history_api.Appended)]


class TestBatches:
    async def test_are_answered_one_outcome_for_each_message(self, history: Service, line: AppendClient) -> None:
        stored, refused = await line.append([history.message("a", "k1"), history.message("b", "k2", room_id=99)])
        assert isinstance(stored, history_api.Appended)
        assert (stored.offset, getattr(refused, "code", None)) == (1, Code.ROOM_UNKNOWN)

    async def test_of_many_tasks_are_stored_each_as_a_whole(self, history: Service, line: AppendClient) -> None:
        batches = [[history.message("x", f"{task}-{number}") for number in range(5)] for task in range(20)]
        answers = await asyncio.gather(*(line.append(batch) for batch in batches))
        stored = sorted(offsets(answer) for answer in answers)
        assert stored == [list(range(first, first + 5)) for first in range(1, 101, 5)]

    async def test_that_history_refuses_are_refused_and_the_line_goes_on(
        self, history: Service, line: AppendClient
    ) -> None:
        with pytest.raises(ChatError, match="at most 2000"):
            await line.append([history.message("x", "k")] * 2001)
        assert offsets(await line.append([history.message("a", "k1")])) == [1]

    async def test_may_be_large(self, history: Service, line: AppendClient) -> None:
        large = [history.message("x" * 4000, f"k{number}") for number in range(1000)]
        assert len(offsets(await line.append(large))) == 1000


class TestALineThatEnds:
    async def test_while_nothing_is_on_its_way_is_opened_anew(self, history: Service, line: AppendClient) -> None:
        await line.append([history.message("a", "k1")])
        assert line._rpc is not None
        line._rpc.abort()
        assert offsets(await line.append([history.message("b", "k2")])) == [2]

    async def test_amid_a_batch_has_it_asked_once_more_and_stored_once(
        self, history: Service, line: AppendClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await line.append([history.message("a", "k1")])
        whole, broken = RpcClient.call, asyncio.Event()

        async def breaks_once(connection: RpcClient, batch: bytes) -> bytes:
            answer = await whole(connection, batch)
            if not broken.is_set():
                broken.set()
                raise ConnectionResetError
            return answer

        monkeypatch.setattr(RpcClient, "call", breaks_once)
        assert offsets(await line.append([history.message("b", "k2")])) == [2]
        assert offsets(await line.append([history.message("c", "k3")])) == [3]

    async def test_because_nobody_waits_any_more_gives_no_answer_to_the_next(
        self, history: Service, line: AppendClient
    ) -> None:
        await line.append([history.message("a", "k1")])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):  # once it is sent
                await line.append([history.message("late", "k3")])
        [outcome] = await line.append([history.message("b", "k2", room_id=99)])
        assert isinstance(outcome, history_api.AppendRefused)

    async def test_and_cannot_be_opened_makes_history_unavailable(self, line: AppendClient) -> None:
        nowhere = AppendClient("http://127.0.0.1:9", SERVICE_KEY)
        with pytest.raises(UnavailableError) as problem:
            await nowhere.append([])
        assert problem.value.why.startswith("no answer from http://127.0.0.1:9: ")


class TestStrangers:
    @pytest.mark.parametrize(
        "headers", [{}, {"Authorization": f"Bearer {SERVICE_KEY}x"}, {"Authorization": "Bearer \xe9"}]
    )
    async def test_are_refused(self, url: str, headers: dict[str, str]) -> None:
        switching = {"Connection": "Upgrade", "Upgrade": UPGRADE.decode()}
        given = httpx.Headers({**switching, **headers}, encoding="latin-1")
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            assert (await http.get(url + PATH, headers=given)).json()["code"] == Code.SERVICE_KEY_INVALID

    async def test_users_are_refused(self, history: Service, url: str) -> None:
        token = history.headers("alice")["Authorization"].removeprefix("Bearer ")
        with pytest.raises(RpcRefusedError) as refused:
            await open_rpc(url + PATH, token, MAX_BATCH_BYTES)
        assert refused.value.status == 401

    async def test_learn_why_as_operators_do(self, url: str) -> None:
        line = AppendClient(url, "another key")
        with pytest.raises(UnavailableError) as problem:
            await line.append([])
        reason = "refuses our service key; CHATTERBOX_SERVICE_KEY must be the same for all services"
        assert problem.value.why == f"{url} {reason}"

    async def test_who_does_not_ask_for_a_line_finds_nothing(self, url: str) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            assert (await http.get(url + PATH)).status_code == 404

    @pytest.mark.parametrize(
        "question",
        [b"", b"[]", b"{}", b"\xff", b'{"messages":[1]}', b'{"messages":[{"room_id":1}]}', b"[" * 20_000],
    )
    async def test_questions_that_are_no_batch_are_refused_and_the_line_goes_on(
        self, history: Service, url: str, question: bytes
    ) -> None:
        line = await open_rpc(url + PATH, SERVICE_KEY, MAX_BATCH_BYTES)
        for _ in range(2):
            answer = decode_json(await line.call(question), history_api.AppendAnswer)
            assert answer.refused is not None
            assert answer.refused.code == Code.BAD_REQUEST
        line.close()


async def _says_something_else(_: bytes) -> bytes:
    return b'{"outcomes": "none"}'


async def _says_what_we_do_not_know(_: bytes) -> bytes:
    return b'{"refused": {"outcome": "refused", "code": "of_next_year", "detail": "No."}}'


def _door(answer: RpcHandler) -> type[HttpProtocol]:
    return rpc_upgrade_protocol(PATH, SERVICE_KEY, answer, MAX_BATCH_BYTES)


@pytest.mark.parametrize(
    ("app", "http_class"),
    [
        (Starlette(routes=[Route(PATH, lambda _: PlainTextResponse("hello"))]), HttpProtocol),
        (Starlette(), HttpProtocol),
        (Starlette(), _door(_says_something_else)),
        (Starlette(), _door(_says_what_we_do_not_know)),
    ],
    ids=["http", "nothing", "another-protocol", "another-code"],
)
async def test_another_service_is_told_apart(app: Starlette, http_class: type[HttpProtocol]) -> None:
    async with at_port(app, http_class) as url:
        line = AppendClient(url, SERVICE_KEY)
        with pytest.raises(UnavailableError) as problem:
            await line.append([])
        assert f"the server at {url} does not know {PATH}: it is another service" in problem.value.why
