"""`python -m services.allinone`: run Chatterbox in one process."""

import socket
import sys
from pathlib import Path
from typing import NoReturn

from chatterbox.chassis import logs, serve
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.sqlite import DatabaseInUseError, lock, make_folder
from services.allinone.app import AllSettings, create_all
from services.auth.settings import AuthSettings
from services.gateway.live_socket import LiveSocket
from services.gateway.settings import GatewaySettings
from services.history.settings import HistorySettings

DEFAULT_PORT = 8000
"""Where the client looks by itself."""


def main() -> None:
    settings = AllSettings(
        AuthSettings.from_environment(),
        HistorySettings.from_environment(),
        GatewaySettings.from_environment(),
        LimitSettings.from_environment(),
    )
    logs.configure(settings.gateway.log_level, as_json=settings.gateway.log_json)
    _claim_data(settings.gateway.data)
    listener = serve.bind(settings.gateway.host, settings.gateway.port)
    whole = create_all(settings)
    config = serve.config(
        whole.app,
        websocket_class=LiveSocket,
        frame_bytes=settings.limits.limits().frame_bytes,
        ping_s=settings.gateway.ping_s,
        trusted_proxies=settings.gateway.trusted_proxies,
    )
    serve.run(config, listener, drain=whole.gateway.drain, on_ready=lambda: _announce(listener, settings))
    print("chatterbox: stopped; everything acknowledged is stored.")


def _claim_data(folder: Path) -> None:
    """Make the data folder and take it for this process; says so and exits when another process has it."""
    try:
        make_folder(folder)
        lock(folder / "chatterbox.lock")
    except DatabaseInUseError:
        _exit(f"another Chatterbox runs on {folder.resolve()}; stop it, or set CHATTERBOX_DATA to another folder")
    except OSError as problem:
        _exit(f"can't use {folder.resolve()} for data ({problem.strerror}); set CHATTERBOX_DATA to another folder")


def _exit(why: str) -> NoReturn:
    sys.stderr.write(f"chatterbox: {why}\n")
    raise SystemExit(1)


def _client_command() -> str:
    """How the client of this installation is typed in the folder where the server was started."""
    beside = Path(sys.executable).with_name("chatterbox")
    if not beside.exists():
        return f"{Path(sys.executable).name} -m client"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


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


if __name__ == "__main__":
    main()
