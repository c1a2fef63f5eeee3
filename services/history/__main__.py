"""`python -m services.history`: run history as a process of its own, copy its database, or put a copy back."""

import argparse
import os
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.http.internal_http import over_network
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.database import lock, make_folder
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from services.history.app import create_app
from services.history.messages import append_server
from services.history.restore import restore
from services.history.settings import HistorySettings


def main() -> None:
    options = _parser().parse_args()
    settings = HistorySettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        if options.command == "backup":
            _backup(settings, options.file)
        elif options.command == "restore":
            _restore(settings, options.file)
        else:
            _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service")
    for name, purpose in (
        ("backup", "copy the database to FILE, also while the service runs"),
        ("restore", "replace the database by FILE, while the service is stopped"),
    ):
        commands.add_parser(name, help=purpose).add_argument("file", type=Path, metavar="FILE")
    return parser


def _backup(settings: HistorySettings, copy: Path) -> None:
    backup(settings.database, copy)
    print(f"chatterbox: {settings.database} copied to {copy}")


def _restore(settings: HistorySettings, copy: Path) -> None:
    make_folder(settings.data)
    kept = restore(settings.database, copy)
    print(f"chatterbox: {copy} restored to {settings.database}; every room begins a new epoch")
    if kept is not None:
        print(f"chatterbox: the database before it is kept as {kept}")


def _serve(settings: HistorySettings) -> None:
    key = settings.shared_key()
    make_folder(settings.data)
    os.close(lock(settings.database.with_suffix(".lock")))  # says at once, and plainly, that another process has it
    listener = serve.bind(settings.host, settings.port)
    broker = broker_for(settings)
    auth = over_network(settings.auth_url, key)
    limits = LimitSettings.from_environment().limits()
    app = create_app(settings, broker=broker, auth=auth, service_key=key, limits=limits)
    host, port = listener.getsockname()[:2]
    ready = f"chatterbox: history listens on {host}:{port}, data in {settings.data}/"
    config = serve.config(close_on_shutdown(app, broker.close, auth.aclose), http_class=append_server.door(app))
    serve.run(config, listener, on_ready=lambda: print(ready, flush=True))


if __name__ == "__main__":
    main()
