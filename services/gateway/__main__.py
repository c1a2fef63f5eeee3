"""`python -m services.gateway`: run a gateway as a process of its own; any number of them may run side by side."""

import argparse

from fastapi import FastAPI

from chatterbox.chassis import serve
from chatterbox.chassis.http.clock_skew import ClockSkew
from chatterbox.chassis.http.internal_http import over_network
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from chatterbox.wire.limits import Limits
from services.gateway.app import create_app
from services.gateway.gateway import Gateway
from services.gateway.sabotage import Forgetful, LossyHandshake
from services.gateway.settings import GatewaySettings
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from services.gateway.upstream.append_client import AppendClient


def main() -> None:
    _parser().parse_args()
    settings = GatewaySettings.from_environment()
    limits = LimitSettings.from_environment().limits()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        _serve(settings, limits)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until a signal comes (what happens without a command)")
    return parser


def _serve(settings: GatewaySettings, limits: Limits) -> None:
    app = _compose(settings, limits)
    gateway: Gateway = app.state.gateway
    listener = serve.bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    config = serve.config(
        app,
        http_class=upgrade_protocol(LossyHandshake if settings.sabotage_drop_frames else Handshake),
        frame_bytes=limits.frame_bytes,
        trusted_proxies=settings.trusted_proxies,
    )
    ready = f"chatterbox: gateway listens on {host}:{port}"
    serve.run(config, listener, drain=gateway.drain, stop_listening=True, on_ready=lambda: print(ready, flush=True))


def _compose(settings: GatewaySettings, limits: Limits) -> FastAPI:
    key = settings.shared_key()
    broker = broker_for(settings)
    if settings.sabotage_resubscribe_off:
        broker = Forgetful(broker)
    clocks = ClockSkew()
    auth, history = [over_network(url, key, clocks) for url in (settings.auth_url, settings.history_url)]
    line = AppendClient(settings.history_url, key)
    app = create_app(
        settings, limits=limits, broker=broker, auth=auth, history=history, appending=line.append, clocks=clocks
    )
    return close_on_shutdown(app, broker.close, auth.aclose, history.aclose, line.close)


if __name__ == "__main__":
    main()
