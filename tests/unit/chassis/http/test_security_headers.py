"""Security headers of responses."""

from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message

from chatterbox.chassis.http.security_headers import DOCS_POLICY, START_POLICY, SecurityHeadersMiddleware

CADDYFILE = Path(__file__).parents[4] / "deploy" / "Caddyfile"


async def headers(
    path: str = "/rooms", *, has_domain: bool = False, own: dict[str, str] | None = None, **scope: Any
) -> Headers:
    """The headers of the response to a request; the app itself sets `own`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"type": "http", "path": path, "scheme": "http", "headers": [], "method": "GET", **scope}
    app = Response(headers=own)
    await SecurityHeadersMiddleware(app, has_domain=has_domain)(request, receive, send)
    return Headers(raw=sent[0]["headers"])


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_answers_are_neither_stored_nor_sniffed(kind: str) -> None:
    extensions: dict[str, object] = {"websocket.http.response": {}}
    answer = await headers(type=kind, extensions=extensions)
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["cache-control"] == "no-store"


async def test_assets_of_the_api_reference_may_be_stored() -> None:
    answer = await headers("/docs-assets/swagger-ui.css")
    assert "cache-control" not in answer
    assert answer["x-content-type-options"] == "nosniff"


async def test_a_header_of_the_app_is_kept() -> None:
    assert (await headers(own={"Cache-Control": "max-age=5"})).getlist("cache-control") == ["max-age=5"]


@pytest.mark.parametrize(("path", "policy"), [("/docs", DOCS_POLICY), ("/", START_POLICY)])
async def test_each_page_has_the_same_policy_as_at_the_edge(path: str, policy: str) -> None:
    assert (await headers(path))["content-security-policy"] == policy
    assert "content-security-policy" not in await headers()
    assert f'Content-Security-Policy "{policy}"' in CADDYFILE.read_text()


async def test_hsts_is_sent_over_https_if_there_is_a_domain() -> None:
    assert (await headers(has_domain=True, scheme="https"))["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in await headers(has_domain=True, scheme="http")
    assert "strict-transport-security" not in await headers(has_domain=False, scheme="https")
