"""Request ids: in responses, in calls to other services, and in log lines."""

import logging

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from chatterbox.chassis.http import internal_http
from chatterbox.chassis.http.http_app import HttpApp
from chatterbox.chassis.observability import logs, request_ids

KEY = "k" * 32


def echo() -> FastAPI:
    """An app that responds with the current request id."""
    app = HttpApp("echo")

    async def current(_: Request) -> Response:
        return internal_http.write(request_ids.current())

    async def broken(_: Request) -> Response:
        raise RuntimeError

    app.add_api_route("/", current)
    app.add_api_route("/broken", broken)
    return app


async def get(path: str = "/", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(echo(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://echo") as http:
        return await http.get(path, headers=headers)


async def test_a_received_request_id_is_kept() -> None:
    response = await get(**{"X-Request-Id": "deploy-7.1"})
    assert (response.json(), response.headers["X-Request-Id"]) == ("deploy-7.1", "deploy-7.1")


async def test_a_request_without_id_gets_a_new_one() -> None:
    one, other = await get(), await get()
    assert one.json() == one.headers["X-Request-Id"]
    assert one.json() != other.json()


@pytest.mark.parametrize("received", ["", "two words", "x" * 65, "Bearer eyJ.a.b/", "a\tb"])
async def test_an_invalid_request_id_is_replaced(received: str) -> None:
    response = await get(**{"X-Request-Id": received})
    assert len(response.headers["X-Request-Id"]) == 16
    assert response.headers.get_list("X-Request-Id") == [response.json()]


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/broken", 500)])
async def test_error_responses_carry_the_request_id(path: str, status: int) -> None:
    response = await get(path, **{"X-Request-Id": "r1"})
    assert (response.status_code, response.headers["X-Request-Id"]) == (status, "r1")


async def test_a_call_to_another_service_passes_the_current_id_on() -> None:
    request_ids.begin("r1")
    async with internal_http.in_process(echo(), KEY) as http:
        assert await internal_http.call(http, "GET", "/", None, str) == "r1"
    assert request_ids.current() == "r1"
    request_ids.begin(None)


async def test_a_call_outside_a_request_gets_an_id_of_its_own() -> None:
    async with internal_http.in_process(echo(), KEY) as http:
        one, other = [await internal_http.call(http, "GET", "/", None, str) for _ in range(2)]
    assert one != other
    assert request_ids.current() is None


async def test_a_log_line_contains_the_request_id() -> None:
    record = logging.makeLogRecord({"msg": "user.registered"})
    request_ids.begin("r1")
    assert logs.add_request_id(record)
    request_ids.begin(None)
    assert logs.TextFormatter().format(record).endswith("user.registered request=r1")
