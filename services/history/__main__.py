"""`python -m services.history`: run history, back up, restore, scrub or verify its database, list or delete rooms."""

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import over_network
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.database import lock, make_folder
from chatterbox.chassis.sqlite.verification import verify
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from chatterbox.wire.rate_limits import REQUESTS
from services.history import operator_commands
from services.history.app import HistoryApp, create_app
from services.history.messages import append_server
from services.history.restore import ledger_summary, restore, scrub_copies
from services.history.schema import SCHEMA
from services.history.settings import HistorySettings


def main(create: Callable[..., HistoryApp] = create_app) -> None:
    """Run the command line; `create` composes the app that is served."""
    options = _parser().parse_args()
    settings = HistorySettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        if options.command == "backup":
            _backup(settings, options.file)
        elif options.command == "restore":
            _restore(settings, options.file)
        elif options.command == "scrub":
            _scrub(settings)
        elif options.command == "verify":
            asyncio.run(verify(settings.database, SCHEMA))
            print(f"chatterbox: {settings.database} has no detectable damage")
        elif options.command == "rooms":
            print(*operator_commands.room_table(settings), sep="\n")
        elif options.command == "delete-room":
            _delete_room(settings, options.room)
        else:
            _serve(settings, create)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service")
    commands.add_parser("verify", help="check the whole database for damage, even while the service runs")
    for name, purpose in (
        ("backup", "copy the database to FILE, even while the service runs"),
        ("restore", "replace the database with FILE while the service is stopped"),
    ):
        commands.add_parser(name, help=purpose).add_argument("file", type=Path, metavar="FILE")
    commands.add_parser("scrub", help="remove deleted messages from the copies that a migration or a restore has kept")
    commands.add_parser("rooms", help="list every room with its creator, members, messages and last message (UTC)")
    delete = commands.add_parser("delete-room", help="delete a room and its messages, even while the service runs")
    delete.add_argument("room", metavar="NAME")
    return parser


def _backup(settings: HistorySettings, copy: Path) -> None:
    backup(settings.database, copy)
    print(f"chatterbox: {settings.database} copied to {copy}")


def _restore(settings: HistorySettings, copy: Path) -> None:
    make_folder(settings.data)
    kept = restore(settings.database, copy)
    print(f"chatterbox: {copy} restored to {settings.database}; every room starts a new epoch")
    if kept is not None:
        print(f"chatterbox: the previous database is kept as {kept}")
    print(f"chatterbox: {ledger_summary(settings.database)}")


def _scrub(settings: HistorySettings) -> None:
    for line in (*scrub_copies(settings.database), ledger_summary(settings.database)):
        print(f"chatterbox: {line}")


def _delete_room(settings: HistorySettings, room: str) -> None:
    limits = LimitSettings.from_environment().limits()
    info = asyncio.run(operator_commands.delete_room(settings, room, limits, lambda: time.time_ns() // 1_000_000))
    print(f"chatterbox: deleted #{info.room}, which had {info.head} message{'' if info.head == 1 else 's'}")


def _serve(settings: HistorySettings, create: Callable[..., HistoryApp]) -> None:
    key, callers = settings.own_key(), settings.callers(ServiceName.HISTORY)
    make_folder(settings.data)
    os.close(lock(settings.database.with_suffix(".lock")))  # fails early if another process has it
    listener = serve.bind(settings.host, settings.port)
    broker = broker_for(settings)
    auth = over_network(settings.auth_url, key)
    limits = LimitSettings.from_environment().limits()
    app = create(settings, broker=broker, auth=auth, callers=callers, limits=limits)
    host, port = listener.getsockname()[:2]
    ready = f"chatterbox: history listens on {host}:{port}, data in {settings.data}/"
    protocol = append_server.append_protocol(app, callers)
    config = serve.config(
        close_on_shutdown(app, broker.close, auth.aclose),
        http_class=protocol,
        requests=limits.rate(REQUESTS),
        trusted_proxies=settings.trusted_proxies,
    )
    serve.run(config, listener, on_ready=lambda: print(ready, flush=True))


if __name__ == "__main__":
    main()
