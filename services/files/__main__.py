"""`python -m services.files`: run the files service, back up, restore or verify its files."""

import argparse
import asyncio
import os
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.http.internal_http import over_network
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.database import lock, make_folder
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from chatterbox.wire.rate_limits import REQUESTS
from services.files.app import STREAMED_PATHS, create_app
from services.files.settings import FilesSettings
from services.files.storage.file_backup import back_up_files, restore_files, verify_files


def main() -> None:
    options = _parser().parse_args()
    settings = FilesSettings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        if options.command == "backup":
            back_up_files(settings.database, settings.folder, options.folder)
            print(f"chatterbox: {settings.database} and {settings.folder} copied to {options.folder}")
        elif options.command == "restore":
            _restore(settings, options.folder)
        elif options.command == "verify":
            count = asyncio.run(verify_files(settings.database, settings.folder))
            print(f"chatterbox: {settings.database} and {count} files have no detectable damage")
        else:
            _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.files", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service until SIGTERM or SIGINT")
    commands.add_parser("verify", help="check the database and each file for damage, even while the service runs")
    for name, purpose in (
        ("backup", "copy the database and all files into FOLDER, even while the service runs"),
        ("restore", "replace the database and all files with those in FOLDER while the service is stopped"),
    ):
        commands.add_parser(name, help=purpose).add_argument("folder", type=Path, metavar="FOLDER")
    return parser


def _restore(settings: FilesSettings, folder: Path) -> None:
    make_folder(settings.data)
    kept = restore_files(settings.database, settings.folder, folder)
    print(f"chatterbox: {folder} restored to {settings.database} and {settings.folder}")
    for path in kept:
        print(f"chatterbox: what was there is kept as {path}")


def _serve(settings: FilesSettings) -> None:
    key = settings.own_key()
    make_folder(settings.data)
    os.close(lock(settings.database.with_suffix(".lock")))  # fails early if another process has it
    listener = serve.bind(settings.host, settings.port)
    broker = broker_for(settings)
    auth, history = over_network(settings.auth_url, key), over_network(settings.history_url, key)
    limits = LimitSettings.from_environment().limits()
    app = create_app(settings, broker=broker, auth=auth, history=history, limits=limits)
    host, port = listener.getsockname()[:2]
    ready = f"chatterbox: files listens on {host}:{port}, data in {settings.data}/"
    config = serve.config(
        close_on_shutdown(app, broker.close, auth.aclose, history.aclose),
        requests=limits.rate(REQUESTS),
        trusted_proxies=settings.trusted_proxies,
        streamed_paths=STREAMED_PATHS,
    )
    serve.run(config, listener, on_ready=lambda: print(ready, flush=True))


if __name__ == "__main__":
    main()
