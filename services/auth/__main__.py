"""`python -m services.auth`: run auth as a process of its own, and its operator's commands."""

import argparse
import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI

from chatterbox.chassis import serve
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import OperatorError, told_plainly
from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.database import DatabaseInUseError, lock, make_folder
from chatterbox.chassis.standalone import broker_for, closing
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError
from services.auth.app import create_app
from services.auth.auth_database import database_of
from services.auth.restore import restore
from services.auth.sessions.signing_keys import PUBLISHED_S, KeyRing
from services.auth.settings import AuthSettings


def main() -> None:
    given = _parser().parse_args()
    settings = AuthSettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with told_plainly():
        if given.command == "serve":
            _serve(settings)
        elif given.command == "rotate-keys":
            _rotate(settings)
        elif given.command == "backup":
            _backup(settings, given.file)
        elif given.command == "restore":
            _restore(settings, given.file)
        else:
            asyncio.run(_ban(settings, given.command, given.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.auth", description="Auth alone; settings by environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until a signal comes")
    commands.add_parser("rotate-keys", help="make a new signing key; logs nobody out, needs no restart")
    for name, does in (("ban", "end a user's sessions and refuse further logins"), ("unban", "allow logins again")):
        commands.add_parser(name, help=does).add_argument("name", help="the username")
    for name, does in (
        ("backup", "copy the database to FILE, also while the service runs"),
        ("restore", "replace the database by FILE, while the service is stopped; everybody must log in again"),
    ):
        commands.add_parser(name, help=does).add_argument("file", type=Path, metavar="FILE")
    return parser


def _serve(settings: AuthSettings) -> None:
    make_folder(settings.data)
    os.close(lock(settings.data / "auth.lock"))  # says at once, and plainly, that another process has it
    broker = broker_for(settings)
    app = closing(create_app(settings, broker=broker, service_key=settings.shared_key()), broker.close)
    listener = serve.bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    config = serve.config(app, trusted_proxies=settings.trusted_proxies)
    where = f"auth listens on {host}:{port}, data in {settings.data}/"
    serve.run(config, listener, on_ready=lambda: print(where, flush=True))


def _rotate(settings: AuthSettings) -> None:
    key = KeyRing(settings.data).add()
    print(f"Key {key.kid} is made; it signs {PUBLISHED_S} s from now. Tokens signed before stay valid.")


def _backup(settings: AuthSettings, copy: Path) -> None:
    backup(database_of(settings.data), copy)
    print(f"chatterbox: {database_of(settings.data)} copied to {copy}")


def _restore(settings: AuthSettings, copy: Path) -> None:
    make_folder(settings.data)
    kept = restore(database_of(settings.data), copy)
    print(f"chatterbox: {copy} restored to {database_of(settings.data)}; everybody must log in again")
    if kept is not None:
        print(f"chatterbox: the database before it is kept as {kept}")


async def _ban(settings: AuthSettings, command: str, name: str) -> None:
    try:
        async with _reach(settings) as http:
            user = await internal_http.call(http, "POST", f"/internal/{command}", {"username": name}, UserInfo)
    except ChatError as problem:
        raise OperatorError(internal_http.why(problem)) from None
    except DatabaseInUseError:
        raise OperatorError(
            "auth is running; set CHATTERBOX_SERVICE_KEY, CHATTERBOX_HOST and CHATTERBOX_PORT to reach it, or stop it"
        ) from None
    print(f"{command}: {user.username}")


@asynccontextmanager
async def _reach(settings: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A way to call auth: the running one if its key is known, otherwise one that is started for this call."""
    if settings.service_key is not None or settings.service_key_file is not None:
        async with internal_http.over_network(f"http://{settings.host}:{settings.port}", settings.shared_key()) as http:
            yield http
        return
    key = secrets.token_urlsafe(32)
    app: FastAPI = create_app(settings, broker=MemoryBroker(), service_key=key)
    async with app.router.lifespan_context(app), internal_http.in_process(app, key) as http:
        yield http


if __name__ == "__main__":
    main()
