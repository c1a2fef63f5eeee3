"""`python -m services.auth`: run the auth service, or one of its operator commands."""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from chatterbox.chassis import serve
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import OperatorError, report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.database import DatabaseInUseError, lock, make_folder
from chatterbox.chassis.sqlite.reader_pool import open_readers
from chatterbox.chassis.sqlite.verification import verify
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.rate_limits import REQUESTS
from services.auth.app import create_app
from services.auth.auth_database import SCHEMA, database_path
from services.auth.restore import restore
from services.auth.rules import invitations, reset_codes
from services.auth.rules.reset_codes import ReplacedPassword
from services.auth.sessions.signing_keys import PUBLISHED_S, KeyRing
from services.auth.settings import AuthSettings
from services.auth.users.code_keys import invitation_key, reset_key
from services.auth.users.user_table import find_by_name


def main() -> None:
    options = _parser().parse_args()
    settings = AuthSettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        if options.command == "serve":
            _serve(settings)
        elif options.command == "rotate-keys":
            _rotate_keys(settings)
        elif options.command == "invite":
            _invite(settings)
        elif options.command == "reset":
            asyncio.run(_reset(settings, options.name))
        elif options.command == "backup":
            _backup(settings, options.file)
        elif options.command == "restore":
            _restore(settings, options.file)
        elif options.command == "verify":
            asyncio.run(verify(database_path(settings.data), SCHEMA))
            print(f"chatterbox: {database_path(settings.data)} has no detectable damage")
        else:
            asyncio.run(_call_for_user(settings, options.command, options.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.auth",
        description="Run auth as its own process; settings are environment variables.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service until SIGTERM or SIGINT")
    commands.add_parser("verify", help="check the whole database for damage; the service may be running")
    commands.add_parser("rotate-keys", help="create a new signing key; needs no restart, logs no one out")
    commands.add_parser(
        "invite", help=f"print a code with which one account can be registered within {invitations.DAYS} days"
    )
    hours = reset_codes.VALID_S // 3600
    reset = commands.add_parser("reset", help=f"print a code that replaces a forgotten password once, within {hours} h")
    reset.add_argument("name", help="the username")
    for name, help_text in (
        ("ban", "end a user's sessions and refuse further logins"),
        ("unban", "allow a banned user to log in again"),
    ):
        commands.add_parser(name, help=help_text).add_argument("name", help="the username")
    for name, help_text in (
        ("backup", "copy the database to FILE; the service may be running"),
        ("restore", "replace the database with FILE; the service must be stopped, and everyone must log in again"),
    ):
        commands.add_parser(name, help=help_text).add_argument("file", type=Path, metavar="FILE")
    return parser


def _serve(settings: AuthSettings) -> None:
    make_folder(settings.data)
    os.close(lock(settings.data / "auth.lock"))  # fail early, with a clear message, if another process has it
    broker = broker_for(settings)
    callers = settings.callers(ServiceName.AUTH)
    app = close_on_shutdown(create_app(settings, broker=broker, callers=callers), broker.close)
    listener = serve.bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    requests = LimitSettings.from_environment().limits().rate(REQUESTS)
    config = serve.config(app, requests=requests, trusted_proxies=settings.trusted_proxies)
    ready = f"auth listens on {host}:{port}, data in {settings.data}/"
    serve.run(config, listener, on_ready=lambda: print(ready, flush=True))


def _rotate_keys(settings: AuthSettings) -> None:
    key = KeyRing(settings.data).add()
    print(f"Created key {key.kid}; it signs from {PUBLISHED_S} s from now. Existing tokens stay valid.")


def _invite(settings: AuthSettings) -> None:
    """Print a code alone on standard output. Works whether the service runs or not."""
    nonce = secrets.token_bytes(invitations.NONCE_BYTES)
    print(invitations.create_code(invitation_key(settings.data), nonce, time.time()))
    if settings.registration != "invite":
        sys.stderr.write(
            f"chatterbox: registration is {settings.registration}; set CHATTERBOX_REGISTRATION=invite on the server\n"
        )


async def _reset(settings: AuthSettings, name: str) -> None:
    """Print a code alone on standard output. Works whether the service runs or not: it only reads the database."""
    database = database_path(settings.data)
    if not database.exists():
        raise OperatorError(f"{database} does not exist; set CHATTERBOX_DATA to the server's data folder")
    async with open_readers(database, 1) as readers:
        user = await find_by_name(readers, name)
    if user is None:
        raise OperatorError(MEANINGS[Code.USER_UNKNOWN].sentence)
    replaced = ReplacedPassword(user.user_id, user.password_number)
    print(reset_codes.create_code(reset_key(settings.data), replaced, time.time()))
    sys.stderr.write(
        f"chatterbox: for {user.username}, valid for {reset_codes.VALID_S // 60} minutes, once. "
        "To use it: chatterbox passwd --code\n"
    )


def _backup(settings: AuthSettings, copy: Path) -> None:
    backup(database_path(settings.data), copy)
    print(f"chatterbox: {database_path(settings.data)} copied to {copy}")


def _restore(settings: AuthSettings, copy: Path) -> None:
    make_folder(settings.data)
    kept = restore(database_path(settings.data), copy)
    print(f"chatterbox: {copy} restored to {database_path(settings.data)}; everyone must log in again")
    if kept is not None:
        print(f"chatterbox: the previous database is kept as {kept}")


async def _call_for_user(settings: AuthSettings, command: str, name: str) -> None:
    try:
        async with _auth_client(settings) as http:
            user = await internal_http.call(http, "POST", f"/internal/{command}", {"username": name}, UserInfo)
    except ChatError as problem:
        raise OperatorError(internal_http.why(problem)) from None
    except DatabaseInUseError:
        raise OperatorError(
            "auth is running; stop it, or set CHATTERBOX_SERVICE_KEY, CHATTERBOX_HOST and CHATTERBOX_PORT to call it"
        ) from None
    print(f"{command}: {user.username}")


@asynccontextmanager
async def _auth_client(settings: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running service if its key is configured, else of a service started for this call."""
    if settings.service_key is not None or settings.service_key_file is not None:
        async with internal_http.over_network(f"http://{settings.host}:{settings.port}", settings.own_key()) as http:
            yield http
        return
    key = secrets.token_urlsafe(32)
    app = create_app(settings, broker=MemoryBroker(), callers=CallerKeys.of({ServiceName.AUTH: key}))
    async with app.router.lifespan_context(app), internal_http.in_process(app, key) as http:
        yield http


if __name__ == "__main__":
    main()
