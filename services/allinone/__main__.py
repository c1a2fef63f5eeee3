"""`python -m services.allinone`: run Chatterbox in one process, back up, restore or verify its data."""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.database import lock, make_folder
from chatterbox.wire.rate_limits import REQUESTS
from services.allinone.app import AllInOne, AllSettings, create_all
from services.allinone.full_backup import back_up, restore_all, verify_all
from services.auth.settings import AuthSettings
from services.files.app import STREAMED_PATHS
from services.files.settings import FilesSettings
from services.gateway.settings import GatewaySettings
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from services.history.restore import ledger_summary
from services.history.settings import HistorySettings

DEFAULT_PORT = 8000
"""The port that the client uses by default."""


def main(create: Callable[[AllSettings], AllInOne] = create_all) -> None:
    """Run the command line; `create` composes what is served."""
    options = _parser().parse_args()
    settings = AllSettings(
        AuthSettings.from_environment(),
        HistorySettings.from_environment(),
        GatewaySettings.from_environment(),
        LimitSettings.from_environment(),
        FilesSettings.from_environment(),
    )
    logs.configure(settings.gateway.log_level, as_json=settings.gateway.log_json)
    with report_operator_errors():
        if options.command == "backup":
            _back_up(settings, options.folder)
        elif options.command == "restore":
            _restore(settings, options.folder)
        elif options.command == "verify":
            names = asyncio.run(verify_all(settings.auth.data, settings.history.database, _files(settings)))
            print(f"chatterbox: {' and '.join(names)} have no detectable damage")
        else:
            _serve(settings, create)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.allinone", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run everything until a signal arrives (the default command)")
    commands.add_parser("verify", help="check the databases and files for damage, even while the server runs")
    for name, purpose in (
        ("backup", "copy the databases and files into FOLDER, even while the server runs"),
        (
            "restore",
            "replace the databases and files with those in FOLDER while the server is stopped; ends all login sessions",
        ),
    ):
        commands.add_parser(name, help=purpose).add_argument("folder", type=Path, metavar="FOLDER")
    return parser


def _files(settings: AllSettings) -> FilesSettings:
    return settings.files or FilesSettings.from_environment()


def _back_up(settings: AllSettings, folder: Path) -> None:
    back_up(settings.auth.data, settings.history.database, _files(settings), folder)
    print(f"chatterbox: {settings.auth.data} copied to {folder}")


def _restore(settings: AllSettings, folder: Path) -> None:
    os.close(_claim(settings))
    kept = restore_all(settings.auth.data, settings.history.database, _files(settings), folder)
    print(f"chatterbox: {folder} restored; every room starts a new epoch, and all users must log in again")
    for path in kept:
        print(f"chatterbox: what was there before is kept as {path}")
    print(f"chatterbox: {ledger_summary(settings.history.database)}")


def _serve(settings: AllSettings, create: Callable[[AllSettings], AllInOne]) -> None:
    _claim(settings)
    listener = serve.bind(settings.gateway.host, settings.gateway.port)
    allinone = create(settings)
    limits = settings.limits.limits()
    config = serve.config(
        allinone.app,
        http_class=upgrade_protocol(),
        frame_bytes=limits.frame_bytes,
        connections=settings.gateway.connections + serve.HTTP_CONNECTIONS,
        connections_per_address=limits.connections_per_address,
        requests=limits.rate(REQUESTS),
        trusted_proxies=settings.gateway.trusted_proxies,
        allowed_hosts=settings.gateway.allowed_hosts(),
        has_domain=bool(settings.gateway.domain),
        root_path=settings.gateway.root_path,
        streamed_paths=STREAMED_PATHS,
    )
    serve.run(config, listener, drain=allinone.gateway.drain, on_ready=lambda: _announce(listener, settings))
    print("chatterbox: stopped; everything acknowledged is stored.")


def _claim(settings: AllSettings) -> int:
    """Create the data folder and lock it for this process; returns the descriptor that holds the lock."""
    make_folder(settings.gateway.data)
    return lock(settings.gateway.data / "chatterbox.lock")


def _announce(listener: socket.socket, settings: AllSettings) -> None:
    host, port = listener.getsockname()[:2]
    public_host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    url = f"http://[{public_host}]:{port}" if ":" in public_host else f"http://{public_host}:{port}"
    client = _client_command() + ("" if port == DEFAULT_PORT else f" --server {url}")
    print(
        f"Chatterbox listens on {url}   (data in {settings.gateway.data}/, API reference at {url}/docs)\n"
        f"Open a client in another terminal:  {client} register  ·  {client} chat\n"
        "Ctrl-C stops it.",
        flush=True,
    )


def _client_command() -> str:
    """The command that starts this installation's client from the current folder."""
    script = Path(sys.executable).with_name("chatterbox")
    if not script.exists():
        return f"{Path(sys.executable).name} -m client"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


if __name__ == "__main__":
    main()
