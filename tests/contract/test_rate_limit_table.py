"""The table of rate limits has a row for every route and every command, and the code reads its values from there."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from chatterbox.chassis.settings import LimitSettings
from chatterbox.wire import rate_limits
from chatterbox.wire.frames import asyncapi
from chatterbox.wire.rate_bounds import Bound, Key, RateLimit
from chatterbox.wire.rate_limits import RATE_LIMITS, SENDS, UNCOUNTED
from services.allinone.app import create_all
from services.auth.settings import AuthSettings
from services.files.settings import FilesSettings
from tests.support.server import settings_for

ROOT = Path(__file__).parents[2]
OF_A_CLIENT = {Key.ACCOUNT, Key.ACCOUNT_AND_ADDRESS, Key.ADDRESS, Key.SESSION, Key.USER}
"""Keys that a client can't multiply by opening more connections."""
ROWS = {name: row for name, row in vars(rate_limits).items() if isinstance(row, RateLimit)}


def actions(keys: Iterable[Key]) -> set[str]:
    return {action for row in RATE_LIMITS if row.key in set(keys) for action in row.actions}


def routes(of: Iterable[BaseRoute]) -> Iterator[str]:
    """Every route as the table names it, such as `GET /rooms/{room}`."""
    for route in of:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from routes(router.routes)
        elif isinstance(route, WebSocketRoute | Mount):
            yield f"GET {route.path}"
        else:
            assert isinstance(route, APIRoute | Route), route
            yield from (f"{method} {route.path}" for method in sorted(_own_methods(route)))


def _own_methods(route: APIRoute | Route) -> set[str]:
    """Without HEAD, where it is what GET does without the body."""
    methods = set(route.methods or ())
    return methods if "/uploads" in route.path else methods - {"HEAD"}


@pytest.fixture
def all_routes(tmp_path: Path) -> set[str]:
    whole = create_all(settings_for(tmp_path))
    return {route for app in (*whole.services, whole.app) for route in routes(app.router.routes)}


def first_segment(route: str) -> str:
    return "/" + route.partition(" /")[2].partition("/")[0]


def test_every_route_has_a_row_or_a_reason_for_none(all_routes: set[str]) -> None:
    assert {"POST /rooms", "GET /ws", "POST /login", "POST /internal/join", "GET /docs"} <= all_routes
    counted = actions(OF_A_CLIENT)
    assert {route for route in all_routes if route not in counted and first_segment(route) not in UNCOUNTED} == set()


def test_every_route_in_the_table_exists(all_routes: set[str]) -> None:
    named = {action for row in RATE_LIMITS for action in row.actions if " /" in action and "every" not in action}
    assert named - all_routes == set()


def test_every_command_has_a_row_of_its_user_and_one_of_its_connection_unless_it_is_a_send() -> None:
    commands = {asyncapi.tag_of(command) for command in asyncapi.COMMANDS}
    assert commands - {"ping"} <= actions({Key.USER})
    assert commands - set(SENDS.actions) <= actions({Key.CONNECTION})


def test_every_row_is_in_the_table_once() -> None:
    assert sorted(ROWS.values()) == sorted(RATE_LIMITS)
    assert len(set(RATE_LIMITS)) == len(RATE_LIMITS)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_place_of_a_row_reads_it_there(name: str) -> None:
    """A row whose values come from `Limits`, or from auth's settings, is read where those have their defaults."""
    row = ROWS[name]
    place = (ROOT / row.place).read_text()
    settings = [
        ROOT / "chatterbox/wire/limits.py",
        *(ROOT / f"services/{name}/settings.py" for name in ("auth", "files")),
    ]
    assert name in place or any(f"rate_limits.{name}.bound" in path.read_text() for path in settings)


@pytest.mark.parametrize("row", [row for row in RATE_LIMITS if row.settings], ids=lambda row: row.name)
def test_the_settings_of_a_row_have_its_values_by_default(row: RateLimit[Bound]) -> None:
    fields = {**LimitSettings.model_fields, **AuthSettings.model_fields, **FilesSettings.model_fields}
    values = {fields[name].default for name in row.settings}
    assert values <= {value for value in row.bound if isinstance(value, int | float)}
