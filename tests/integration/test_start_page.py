"""The page at the server's address."""

import re

import pytest

from chatterbox.chassis.http.security_headers import START_POLICY
from tests.support.server import Server


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/html, application/json"])
async def test_the_start_page_says_what_the_server_is_and_how_to_connect(server: Server, accept: str) -> None:
    page = await server.http.get("/", headers={"Accept": accept})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "chatterbox register --server" in page.text
    assert {"docs", "health/live", "health/ready"} <= set(re.findall('href="([^"]+)"', page.text))


async def test_the_start_page_has_no_script_and_a_strict_policy(server: Server) -> None:
    page = await server.http.get("/")
    assert "<script" not in page.text
    assert page.headers["content-security-policy"] == START_POLICY


async def test_programs_that_ask_for_json_get_json_at_the_root(server: Server) -> None:
    answer = await server.http.get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/", "/docs", "/asyncapi.json", "/health/live"])
async def test_another_method_on_a_page_is_refused_as_json(server: Server, path: str) -> None:
    answer = await server.http.post(path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
