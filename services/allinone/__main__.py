"""`python -m services.allinone`: run Chatterbox in one process, copy its data, or put a copy back."""

import argparse
import os
import socket
import sys
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite.database import lock, make_folder
from services.allinone.app import AllSettings, create_all
from services.allinone.full_backup import back_up, put_back
from services.auth.settings import AuthSettings
from services.gateway.settings import GatewaySettings
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from services.history.settings import HistorySettings

DEFAULT_PORT = 8000
"""Where the client looks by itself."""


def main() -> None:
    given = _parser().parse_args()
    settings = AllSettings(
        AuthSettings.from_environment(),
        HistorySettings.from_environment(),
        GatewaySettings.from_environment(),
        LimitSettings.from_environment(),
    )
    logs.configure(settings.gateway.log_level, as_json=settings.gateway.log_json)
    with report_operator_errors():
        if given.command == "backup":
            _back_up(settings, given.folder)
        elif given.command == "restore":
            _put_back(settings, given.folder)
        else:
            _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.allinone", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run everything until a signal comes (what happens without a command)")
    for name, purpose in (
        ("backup", "copy the databases into FOLDER, also while everything runs"),
        ("restore", "replace the databases by those in FOLDER, while nothing runs; everybody must log in again"),
    ):
        commands.add_parser(name, help=purpose).add_argument("folder", type=Path, metavar="FOLDER")
    return parser


def _back_up(settings: AllSettings, folder: Path) -> None:
    back_up(settings.auth.data, settings.history.database, folder)
    print(f"chatterbox: {settings.auth.data} copied to {folder}")


def _put_back(settings: AllSettings, folder: Path) -> None:
    os.close(_claim(settings))
    kept = put_back(settings.auth.data, settings.history.database, folder)
    print(f"chatterbox: {folder} restored; every room begins a new epoch, and everybody must log in again")
    for path in kept:
        print(f"chatterbox: what was there before is kept as {path}")


def _serve(settings: AllSettings) -> None:
    _claim(settings)
    listener = serve.bind(settings.gateway.host, settings.gateway.port)
    whole = create_all(settings)
    config = serve.config(
        whole.app,
        http_class=upgrade_protocol(),
        frame_bytes=settings.limits.limits().frame_bytes,
        trusted_proxies=settings.gateway.trusted_proxies,
    )
    serve.run(config, listener, drain=whole.gateway.drain, on_ready=lambda: _announce(listener, settings))
    print("chatterbox: stopped; everything acknowledged is stored.")


def _claim(settings: AllSettings) -> int:
    """Make the data folder and take it for this process; returns the descriptor that holds it."""
    make_folder(settings.gateway.data)
    return lock(settings.gateway.data / "chatterbox.lock")


def _announce(listener: socket.socket, settings: AllSettings) -> None:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    client = _client_command() + ("" if port == DEFAULT_PORT else f" --server {url}")
    print(
        f"Chatterbox listens on {url}   (data in {settings.gateway.data}/, API reference at {url}/docs)\n"
        f"Open a client in another terminal:  {client} register  ·  {client} chat\n"
        "Ctrl-C stops it.",
        flush=True,
    )


def _client_command() -> str:
    """How the client of this installation is typed in the folder where the server was started."""
    beside = Path(sys.executable).with_name("chatterbox")
    if not beside.exists():
        return f"{Path(sys.executable).name} -m client"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


if __name__ == "__main__":
    main()
