"""Appending messages by RPC: a gateway's `AppendClient` against history as it is served."""

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
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
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
from tests.support.loopback import NO_TLS
from tests.support.socket_server import served


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[Service]:
    clock = Clock()
    async with running(tmp_path, FakeAuth(clock), clock) as service:
        await service.greet("alice")
        yield service


@asynccontextmanager
async def at_port(app: ASGIApp, http_class: type[HttpProtocol] = HttpProtocol) -> AsyncIterator[str]:
    """Serve `app` as history is served; yields its URL."""
    config = serve.config(app, http_class=http_class)
    config.lifespan = "off"
    async with served(config) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def url(history: Service) -> AsyncIterator[str]:
    async with at_port(history.app, append_protocol(history.app, CallerKeys.shared(SERVICE_KEY))) as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[AppendClient]:
    client = AppendClient(url, SERVICE_KEY)
    yield client
    await client.close()


def offsets(answer: history_api.AppendAnswer) -> list[int]:
    return [outcome.offset for outcome in answer.outcomes if isinstance(outcome, history_api.Appended)]


class TestAppend:
    async def test_append_returns_one_outcome_per_message(self, history: Service, client: AppendClient) -> None:
        messages = [history.message("a", "k1"), history.message("b", "k2", room_id=99)]
        stored, refused = (await client.append(messages, [])).outcomes
        assert isinstance(stored, history_api.Appended)
        assert (stored.offset, getattr(refused, "code", None)) == (1, Code.ROOM_UNKNOWN)

    async def test_concurrent_batches_are_each_stored_contiguously(
        self, history: Service, client: AppendClient
    ) -> None:
        batches = [[history.message("x", f"{task}-{number}") for number in range(5)] for task in range(20)]
        answers = await asyncio.gather(*(client.append(batch, []) for batch in batches))
        stored = sorted(offsets(answer) for answer in answers)
        assert stored == [list(range(first, first + 5)) for first in range(1, 101, 5)]

    async def test_a_refused_batch_leaves_the_connection_usable(self, history: Service, client: AppendClient) -> None:
        with pytest.raises(ChatError, match="at most 2000"):
            await client.append([history.message("x", "k")] * 2001, [])
        assert offsets(await client.append([history.message("a", "k1")], [])) == [1]

    async def test_a_batch_of_1000_long_messages_is_stored(self, history: Service, client: AppendClient) -> None:
        large = [history.message("x" * 4000, f"k{number}") for number in range(1000)]
        assert len(offsets(await client.append(large, []))) == 1000


class TestLostConnection:
    async def test_an_idle_lost_connection_is_reopened(self, history: Service, client: AppendClient) -> None:
        await client.append([history.message("a", "k1")], [])
        assert client._rpc is not None
        client._rpc.abort()
        assert offsets(await client.append([history.message("b", "k2")], [])) == [2]

    async def test_a_batch_on_a_lost_connection_is_retried_and_stored_once(
        self, history: Service, client: AppendClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await client.append([history.message("a", "k1")], [])
        call, broken = RpcClient.call, asyncio.Event()

        async def break_once(connection: RpcClient, batch: bytes) -> bytes:
            answer = await call(connection, batch)
            if not broken.is_set():
                broken.set()
                raise ConnectionResetError
            return answer

        monkeypatch.setattr(RpcClient, "call", break_once)
        assert offsets(await client.append([history.message("b", "k2")], [])) == [2]
        assert offsets(await client.append([history.message("c", "k3")], [])) == [3]

    async def test_the_response_to_a_cancelled_batch_is_not_given_to_the_next_one(
        self, history: Service, client: AppendClient
    ) -> None:
        await client.append([history.message("a", "k1")], [])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):  # once it is sent
                await client.append([history.message("late", "k3")], [])
        [outcome] = (await client.append([history.message("b", "k2", room_id=99)], [])).outcomes
        assert isinstance(outcome, history_api.AppendRefused)

    async def test_an_unreachable_history_is_unavailable(self, client: AppendClient) -> None:
        unreachable = AppendClient("http://127.0.0.1:9", SERVICE_KEY)
        with pytest.raises(UnavailableError) as problem:
            await unreachable.append([], [])
        assert problem.value.why.startswith("no answer from http://127.0.0.1:9: ")


class TestAccess:
    @pytest.mark.parametrize(
        "headers", [{}, {"Authorization": f"Bearer {SERVICE_KEY}x"}, {"Authorization": "Bearer \xe9"}]
    )
    async def test_an_upgrade_without_the_service_key_is_refused(self, url: str, headers: dict[str, str]) -> None:
        switching = {"Connection": "Upgrade", "Upgrade": UPGRADE.decode()}
        sent = httpx.Headers({**switching, **headers}, encoding="latin-1")
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            assert (await http.get(url + PATH, headers=sent)).json()["code"] == Code.SERVICE_KEY_INVALID

    async def test_an_upgrade_with_a_session_token_is_refused(self, history: Service, url: str) -> None:
        token = history.headers("alice")["Authorization"].removeprefix("Bearer ")
        with pytest.raises(RpcRefusedError) as refusal:
            await open_rpc(url + PATH, token, MAX_BATCH_BYTES)
        assert refusal.value.status == 401

    async def test_only_the_key_of_gateways_opens_the_append_connection(self, history: Service) -> None:
        keys = {service: f"the key of {service} in this test" for service in ServiceName}
        async with at_port(history.app, append_protocol(history.app, CallerKeys.of(keys))) as url:
            for service, key in keys.items():
                if service is ServiceName.GATEWAY:
                    (await open_rpc(url + PATH, key, MAX_BATCH_BYTES)).close()
                else:
                    with pytest.raises(RpcRefusedError) as refusal:
                        await open_rpc(url + PATH, key, MAX_BATCH_BYTES)
                    assert refusal.value.status == 401

    async def test_a_wrong_service_key_is_reported_to_the_operator(self, url: str) -> None:
        client = AppendClient(url, "another key")
        with pytest.raises(UnavailableError) as problem:
            await client.append([], [])
        assert problem.value.why.startswith(f"{url} refuses our service key; its CHATTERBOX_CALLER_KEYS must contain")

    async def test_a_request_without_upgrade_gets_404(self, url: str) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            assert (await http.get(url + PATH)).status_code == 404

    @pytest.mark.parametrize(
        "request_body",
        [b"", b"[]", b"{}", b"\xff", b'{"messages":[1]}', b'{"messages":[{"room_id":1}]}', b"[" * 20_000],
    )
    async def test_a_malformed_batch_is_refused_and_the_connection_stays_open(
        self, history: Service, url: str, request_body: bytes
    ) -> None:
        connection = await open_rpc(url + PATH, SERVICE_KEY, MAX_BATCH_BYTES)
        for _ in range(2):
            answer = decode_json(await connection.call(request_body), history_api.AppendAnswer)
            assert answer.refused is not None
            assert answer.refused.code == Code.BAD_REQUEST
        connection.close()


async def _respond_with_other_json(_: bytes) -> bytes:
    return b'{"outcomes": "none"}'


async def _respond_with_unknown_code(_: bytes) -> bytes:
    return b'{"refused": {"outcome": "refused", "code": "of_next_year", "detail": "No."}}'


def _rpc_protocol(handler: RpcHandler) -> type[HttpProtocol]:
    return rpc_upgrade_protocol(PATH, CallerKeys.shared(SERVICE_KEY), ServiceName.GATEWAY, handler, MAX_BATCH_BYTES)


@pytest.mark.parametrize(
    ("app", "http_class"),
    [
        (Starlette(routes=[Route(PATH, lambda _: PlainTextResponse("hello"))]), HttpProtocol),
        (Starlette(), HttpProtocol),
        (Starlette(), _rpc_protocol(_respond_with_other_json)),
        (Starlette(), _rpc_protocol(_respond_with_unknown_code)),
    ],
    ids=["http", "nothing", "another-protocol", "another-code"],
)
async def test_a_server_that_is_not_history_is_reported_as_another_service(
    app: Starlette, http_class: type[HttpProtocol]
) -> None:
    async with at_port(app, http_class) as url:
        client = AppendClient(url, SERVICE_KEY)
        with pytest.raises(UnavailableError) as problem:
            await client.append([], [])
        assert f"the server at {url} does not know {PATH}: it is another service" in problem.value.why
