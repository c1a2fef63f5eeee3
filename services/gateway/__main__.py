"""`python -m services.gateway`: run a gateway as its own process; several can run side by side."""

import argparse
from collections.abc import Callable

from chatterbox.chassis import serve
from chatterbox.chassis.http.clock_skew import ClockSkew
from chatterbox.chassis.http.internal_http import over_network
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import LimitSettings
from chatterbox.chassis.standalone import broker_for, close_on_shutdown
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import REQUESTS
from services.gateway.app import GatewayApp, create_app
from services.gateway.settings import GatewaySettings
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from services.gateway.upstream.append_client import AppendClient


def main(create: Callable[..., GatewayApp] = create_app, handshake_class: type[Handshake] = Handshake) -> None:
    """Run the command line; `create` composes the app, and `handshake_class` answers its upgrade requests."""
    _parser().parse_args()
    settings = GatewaySettings.from_environment()
    limits = LimitSettings.from_environment().limits()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors():
        _serve(settings, limits, create, handshake_class)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until a signal arrives (default)")
    return parser


def _serve(
    settings: GatewaySettings, limits: Limits, create: Callable[..., GatewayApp], handshake_class: type[Handshake]
) -> None:
    asgi, gateway = _compose(settings, limits, create)
    listener = serve.bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    config = serve.config(
        asgi,
        http_class=upgrade_protocol(handshake_class),
        frame_bytes=limits.frame_bytes,
        connections=settings.connections + serve.HTTP_CONNECTIONS,
        connections_per_address=limits.connections_per_address,
        requests=limits.rate(REQUESTS),
        trusted_proxies=settings.trusted_proxies,
    )
    ready = f"chatterbox: gateway listens on {host}:{port}"
    serve.run(config, listener, drain=gateway.drain, stop_listening=True, on_ready=lambda: print(ready, flush=True))


def _compose(settings: GatewaySettings, limits: Limits, create: Callable[..., GatewayApp]) -> GatewayApp:
    key = settings.own_key()
    broker = broker_for(settings)
    clocks = ClockSkew()
    auth, history = [over_network(url, key, clocks) for url in (settings.auth_url, settings.history_url)]
    appends = AppendClient(settings.history_url, key)
    asgi, gateway = create(
        settings, limits=limits, broker=broker, auth=auth, history=history, append=appends.append, clocks=clocks
    )
    return GatewayApp(close_on_shutdown(asgi, broker.close, auth.aclose, history.aclose, appends.close), gateway)


if __name__ == "__main__":
    main()
