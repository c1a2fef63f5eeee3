"""Internal routes are open to the services that need them, by the key of each service."""

from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http.internal_http import in_process
from services.auth.http import internal_routes as auths
from services.history.http import internal_file_routes, internal_people_routes
from services.history.http import internal_routes as historys
from tests.support import auth_site, history
from tests.support.history import Clock, FakeAuth

AUTH, FILES, GATEWAY, HISTORY = ServiceName.AUTH, ServiceName.FILES, ServiceName.GATEWAY, ServiceName.HISTORY
KEYS = {service: f"the key of {service} in these tests" for service in ServiceName}
AUTHS_ROUTES = {
    ("GET", "/internal/jwks"): {FILES, GATEWAY, HISTORY},
    ("GET", "/internal/revocations"): {FILES, GATEWAY, HISTORY},
    ("POST", "/internal/user"): {HISTORY},
    ("POST", "/internal/users"): {HISTORY},
    ("POST", "/internal/display-name"): {HISTORY},
    ("POST", "/internal/ban"): {AUTH},
    ("POST", "/internal/unban"): {AUTH},
}
"""With auth's own key, the operator's commands call auth."""


async def callers_of(app: FastAPI, method: str, path: str) -> set[ServiceName]:
    """The services whose key opens this route."""
    allowed = set()
    for service, key in KEYS.items():
        async with in_process(app, key) as http:
            if not _is_refused(await http.request(method, path, content=b"{}")):
                allowed.add(service)
    return allowed


def _is_refused(response: httpx.Response) -> bool:
    return response.status_code == 401 and response.json()["code"] == "service_key_invalid"


def routes_of(router: APIRouter) -> list[tuple[str, str]]:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    return [(method, route.path) for route in routes for method in sorted(route.methods or ())]


async def test_each_internal_route_of_auth_is_open_to_its_callers_only(tmp_path: Path) -> None:
    async with auth_site.running(tmp_path, callers=CallerKeys.of(KEYS)) as site:
        found = {route: await callers_of(site.app, *route) for route in routes_of(auths.router)}
    assert found == AUTHS_ROUTES


@pytest.mark.parametrize(("router", "caller"), [(historys.router, GATEWAY), (internal_file_routes.router, FILES)])
async def test_every_internal_route_of_history_is_open_to_one_service_only(
    tmp_path: Path, router: APIRouter, caller: ServiceName
) -> None:
    clock = Clock()
    async with history.running(tmp_path, FakeAuth(clock), clock, callers=CallerKeys.of(KEYS)) as service:
        found = {route: await callers_of(service.app, *route) for route in routes_of(router)}
    assert len(found) >= 5
    assert found == {route: {caller} for route in found}


async def test_pictures_are_set_by_the_files_service_and_the_rest_about_users_by_gateways(tmp_path: Path) -> None:
    clock = Clock()
    async with history.running(tmp_path, FakeAuth(clock), clock, callers=CallerKeys.of(KEYS)) as service:
        found = {
            path: await callers_of(service.app, method, path)
            for method, path in routes_of(internal_people_routes.router)
        }
    assert found == {
        "/internal/people": {GATEWAY},
        "/internal/seen": {GATEWAY},
        "/internal/receipts": {GATEWAY},
        "/internal/avatar": {FILES},
    }


@pytest.mark.parametrize("key", ["", "x", "k" * 32])
async def test_an_unknown_key_opens_no_internal_route(tmp_path: Path, key: str) -> None:
    async with auth_site.running(tmp_path, callers=CallerKeys.of(KEYS)) as site, in_process(site.app, key) as http:
        for method, path in routes_of(auths.router):
            assert _is_refused(await http.request(method, path, content=b"{}"))


async def test_a_gateway_cannot_ban(tmp_path: Path) -> None:
    async with auth_site.running(tmp_path, callers=CallerKeys.of(KEYS)) as site:
        token = await site.registered()
        async with in_process(site.app, KEYS[GATEWAY]) as http:
            assert _is_refused(await http.post("/internal/ban", json={"username": "alice"}))
        assert (await site.sessions(token)).status_code == 200
