"""The edge container: the only published port, serving public paths only."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.containers.test_conversation import gateway_of
from tests.support.extra_container import extra_container
from tests.support.stack import Stack

CANARY = "canary-token-that-no-log-may-hold"


@pytest.mark.parametrize(
    "path",
    [
        "/internal/jwks",
        "/internal/heads",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/docs/../internal/jwks",
        "/rooms/../internal/jwks",
        "/rooms/%2e%2e/internal/jwks",
        "//internal/jwks",
        "/INTERNAL/jwks",
    ],
)
def test_the_edge_answers_404_for_paths_that_are_not_public(stack: Stack, path: str) -> None:
    answer = stack.http.get(httpx.URL(stack.url).copy_with(raw_path=path.encode()))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_only_the_edge_has_a_published_port_and_it_is_on_loopback(stack: Stack) -> None:
    published = {
        (each.Service, port.URL, port.PublishedPort)
        for each in stack.compose.get_containers()
        for port in each.Publishers or ()
        if port.PublishedPort
    }
    assert published == {("edge", "127.0.0.1", stack.port)}


def test_the_edge_serves_one_api_reference_for_all_services(stack: Stack) -> None:
    paths = stack.http.get("/openapi.json").raise_for_status().json()["paths"]
    assert {"/login", "/messages", "/rooms"} <= set(paths)
    assert stack.http.get("/asyncapi.json").raise_for_status().json()["asyncapi"].startswith("3.")
    page = stack.http.get("/docs").raise_for_status()
    assert page.headers["content-type"].startswith("text/html")
    assert stack.http.get("/docs-assets/swagger-ui-bundle.js").status_code == 200
    start = stack.http.get("/").raise_for_status()
    assert 'href="docs"' in start.text
    assert "health" not in start.text


def test_the_edge_refuses_an_oversized_body_or_head(stack: Stack) -> None:
    def endless() -> Iterator[bytes]:
        yield from (b"x" * 8192 for _ in range(9))

    said = stack.http.post("/register", content=b"x" * 65_537)
    unsaid = stack.http.post("/register", content=endless())
    assert (said.status_code, unsaid.status_code) == (413, 413)
    assert said.json()["code"] == "bad_request"
    assert stack.http.get("/rooms", headers={"X-Long": "x" * 60_000}).status_code == 431


def test_the_edge_ignores_a_forged_x_forwarded_for(stack: Stack) -> None:
    """A client that could claim any address would evade the limits per address."""
    wrong = {"username": "nobody-here", "password": "not the password"}
    statuses = [
        stack.http.post("/login", json=wrong, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(8)
    ]
    assert 429 in statuses


def test_with_frozen_gateways_the_edge_answers_unavailable_and_logs_no_token(stack: Stack) -> None:
    with frozen(stack, *stack.containers("gateway")):
        answer = stack.http.get("/ws", params={"token": CANARY}, headers={"Authorization": f"Bearer {CANARY}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert CANARY not in stack.run("logs", "--no-color")


def test_the_access_log_of_the_edge_contains_no_token(stack: Stack) -> None:
    """By default the edge logs no request, so this tests another one that logs every request."""
    image = stack.inspect(stack.containers("edge")[0])["Image"]
    options = (
        "CHATTERBOX_EDGE_ADDRESS=http://:8000",
        "CHATTERBOX_EDGE_LOG_LEVEL=DEBUG",
        "CHATTERBOX_EDGE_PROXY_LOG_LEVEL=DEBUG",
    )
    with extra_container(stack, image, *(f"--env={option}" for option in options)) as edge:
        for query in (
            f"token={CANARY}",
            f"token={CANARY}&a=b&token={CANARY}",
            f"%74oken={CANARY}",
            f"a;token={CANARY}",
        ):
            for path in ("ws", "rooms", "nothing"):
                edge.http.get(f"/{path}?{query}", headers={"Authorization": f"Bearer {CANARY}", "Cookie": CANARY})
        logs = edge.logs()
    assert "/ws?a=b&token=hidden&token=hidden" in logs.replace("\\u0026", "&")
    assert CANARY not in logs


async def test_the_edge_skips_a_frozen_gateway(stack: Stack) -> None:
    token = stack.newcomer("patient")
    frozen_one, other = stack.containers("gateway")
    with frozen(stack, frozen_one):
        for _ in range(3):
            async with stack.talker(token) as talker:
                assert gateway_of(talker) == other[:12]


@contextmanager
def frozen(stack: Stack, *containers: str) -> Iterator[None]:
    """Pause containers: they keep their addresses and answer nothing."""
    for container in containers:
        stack.engine("pause", container)
    try:
        yield
    finally:
        for container in containers:
            stack.engine("unpause", container)
        stack.wait_until_healthy()
