"""`python -m services.auth serve | rotate-keys | ban NAME | unban NAME`: auth alone, and its operator's commands."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import httpx
from fastapi import FastAPI

from chatterbox.chassis import calls, logs, serve
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.sqlite import DatabaseDamagedError, DatabaseInUseError, lock, make_folder
from chatterbox.wire.errors import ChatError
from chatterbox.wire.tokens import User
from services.auth.app import create_app
from services.auth.keys import PUBLISHED_S, KeyRing
from services.auth.settings import AuthSettings


def main() -> None:
    given = _parser().parse_args()
    settings = AuthSettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    if given.command == "serve":
        _serve(settings)
    elif given.command == "rotate-keys":
        _rotate(settings)
    else:
        asyncio.run(_ban(settings, given.command, given.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.auth", description="Auth alone; settings by environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until a signal comes")
    commands.add_parser("rotate-keys", help="make a new signing key; logs nobody out, needs no restart")
    for name, does in (("ban", "end a user's sessions and refuse further logins"), ("unban", "allow logins again")):
        commands.add_parser(name, help=does).add_argument("name", help="the username")
    return parser


def _serve(settings: AuthSettings) -> None:
    if settings.service_key is None:
        _exit("set CHATTERBOX_SERVICE_KEY to the key that all services share, at least 32 characters")
    _require_free(settings)
    app = create_app(settings, broker=MemoryBroker(), service_key=settings.service_key.get_secret_value())
    listener = serve.bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    config = serve.config(app, trusted_proxies=settings.trusted_proxies)
    where = f"auth listens on {host}:{port}, data in {settings.data}/"
    serve.run(config, listener, drain=_nothing_to_drain, on_ready=lambda: print(where, flush=True))


def _require_free(settings: AuthSettings) -> None:
    """Say what keeps the data folder from being used, before the server starts and says it with a trace."""
    try:
        make_folder(settings.data)
        os.close(lock(settings.data / "auth.lock"))
    except DatabaseInUseError as problem:
        _exit(str(problem))
    except OSError as problem:
        _exit(f"can't use {settings.data} for data ({problem.strerror}); set CHATTERBOX_DATA to another folder")


async def _nothing_to_drain() -> None:
    """Requests in flight are waited for by the server itself."""


def _rotate(settings: AuthSettings) -> None:
    key = KeyRing(settings.data).add()
    print(f"Key {key.kid} is made; it signs {PUBLISHED_S} s from now. Tokens signed before stay valid.")


async def _ban(settings: AuthSettings, command: str, name: str) -> None:
    try:
        async with _reach(settings) as http:
            user = await calls.call(http, "POST", f"/internal/{command}", {"username": name}, User)
    except (ChatError, DatabaseDamagedError) as problem:
        _exit(str(problem))
    except DatabaseInUseError:
        _exit(
            "auth is running; set CHATTERBOX_SERVICE_KEY, CHATTERBOX_HOST and CHATTERBOX_PORT to reach it, or stop it"
        )
    print(f"{command}: {user.username}")


@asynccontextmanager
async def _reach(settings: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A way to call auth: the running one if its key is known, otherwise one that is started for this call."""
    if settings.service_key is not None:
        key = settings.service_key.get_secret_value()
        async with calls.over_network(f"http://{settings.host}:{settings.port}", key) as http:
            yield http
        return
    key = secrets.token_urlsafe(32)
    app: FastAPI = create_app(settings, broker=MemoryBroker(), service_key=key)
    async with app.router.lifespan_context(app), calls.in_process(app, key) as http:
        yield http


def _exit(why: str) -> NoReturn:
    sys.stderr.write(f"chatterbox: {why}\n")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
