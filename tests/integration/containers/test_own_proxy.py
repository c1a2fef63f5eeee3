"""HAProxy and nginx, with the configurations in deploy/, in place of the edge."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import httpx
import pytest

from tests.integration.containers.conftest import GATEWAYS
from tests.integration.containers.test_conversation import gateway_of
from tests.integration.containers.test_edge import frozen
from tests.support.engine import need_image
from tests.support.extra_container import ExtraContainer, extra_container
from tests.support.stack import ROOT, Stack
from tests.support.talker import contents


class Kind(NamedTuple):
    """A proxy: its image and the path of its configuration."""

    images: tuple[str, ...]
    file: str
    place: str


KINDS = {
    "haproxy": Kind(("haproxy:3.0",), "haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"),
    "nginx": Kind(("nginx:1.28", "nginx:latest"), "nginx.conf", "/etc/nginx/nginx.conf"),
}


@pytest.fixture(scope="module", params=KINDS)
def proxy(request: pytest.FixtureRequest, stack: Stack) -> Iterator[ExtraContainer]:
    kind = KINDS[request.param]
    image = need_image(request.config, *kind.images)
    with extra_container(stack, image, "--volume", f"{ROOT / 'deploy' / kind.file}:{kind.place}:ro") as proxy:
        yield proxy


async def test_a_proxy_serves_clients_over_all_gateways_and_logs_no_token(stack: Stack, proxy: ExtraContainer) -> None:
    token = stack.newcomer(f"proxied-{proxy.container[:6]}")
    async with AsyncExitStack() as clients:
        talkers = [await clients.enter_async_context(proxy.talker(token, how="query")) for _ in range(6)]
        met = Counter(map(gateway_of, talkers))
        assert (len(met), set(met.values())) == (GATEWAYS, {3})
        assert (await talkers[0].send("well met"))["type"] == "sent"
        for talker in talkers:
            assert contents(await talker.messages(1)) == ["well met"]
    page = proxy.http.get("/messages", params={"limit": 1}, headers={"Authorization": f"Bearer {token}"})
    assert [message["content"] for message in page.json()] == ["well met"]
    assert "/messages" in proxy.logs()
    assert token not in proxy.logs()


@pytest.mark.parametrize(
    "path",
    [
        "/internal/jwks",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/rooms/../internal/jwks",
        "/sessions/%2e%2e/metrics",
        "//internal/jwks",
        "/ws/../metrics",
        "/",
    ],
)
def test_a_proxy_answers_404_for_paths_that_are_not_public(proxy: ExtraContainer, path: str) -> None:
    answer = proxy.http.get(httpx.URL(proxy.http.base_url).copy_with(raw_path=path.encode()))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_proxy_refuses_an_oversized_body(proxy: ExtraContainer) -> None:
    answer = proxy.http.post("/register", content=b"x" * 65_537)
    assert (answer.status_code, answer.json()["code"]) == (413, "bad_request")


async def test_a_proxy_skips_a_frozen_gateway(
    request: pytest.FixtureRequest, stack: Stack, proxy: ExtraContainer
) -> None:
    if "nginx" in request.node.callspec.id:
        pytest.skip("nginx has one deadline for the handshake and for the whole of a WebSocket")
    token = stack.newcomer("unhurried")
    frozen_one, other = stack.containers("gateway")
    with frozen(stack, frozen_one):
        for _ in range(3):
            async with proxy.talker(token) as talker:
                assert gateway_of(talker) == other[:12]


def test_a_proxy_ignores_a_forged_x_forwarded_for(proxy: ExtraContainer) -> None:
    wrong = {"username": "nobody-here", "password": "not the password"}
    statuses = [
        proxy.http.post("/login", json=wrong, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(8)
    ]
    assert 429 in statuses
