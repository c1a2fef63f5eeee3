"""`python -m services.processes --gateways N`: run Chatterbox as local processes, laid out like the containers."""

import argparse
import asyncio
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from chatterbox.chassis import serve
from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.observability import logs
from chatterbox.chassis.operator_errors import report_operator_errors
from chatterbox.chassis.settings import Settings
from chatterbox.chassis.sqlite.database import lock, make_folder
from services.processes.process_plan import ROOT, DeploymentPlan, ProcessPorts, plan
from services.processes.program_paths import caddy_program, redis_program
from services.processes.supervisor import run

MAX_GATEWAYS = 64


def main() -> None:
    gateways = _gateways()
    settings = Settings.from_environment()
    logs.configure(settings.log_level, as_json=settings.log_json)
    with report_operator_errors(), tempfile.TemporaryDirectory(prefix="chatterbox-") as scratch:
        make_folder(settings.data)
        lock(settings.data / "chatterbox.lock")
        serve.bind(settings.host, settings.port).close()  # fails early if the edge could not bind it
        _write_reference(Path(scratch))
        site = _site(settings, Path(scratch))
        asyncio.run(run(plan(site, _ports(gateways)), _announcement(settings, gateways)))
        print("chatterbox: stopped; everything acknowledged is stored.")


def _write_reference(folder: Path) -> None:
    """Write the API reference that the edge serves, in a process of its own: services must not import each other."""
    process = subprocess.run([sys.executable, "-m", "docs.reference", folder], cwd=ROOT, check=False)  # noqa: S603 - our own
    if process.returncode:
        raise SystemExit(process.returncode)  # it is the first to read all settings, and has printed why


def _gateways() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.processes", description=__doc__)
    parser.add_argument("--gateways", type=int, default=2, metavar="N", help=f"1 to {MAX_GATEWAYS} (default: 2)")
    number: int = parser.parse_args().gateways
    if not 1 <= number <= MAX_GATEWAYS:
        parser.error(f"--gateways must be 1 to {MAX_GATEWAYS}")
    return number


def _site(settings: Settings, reference: Path) -> DeploymentPlan:
    return DeploymentPlan(
        host=settings.host,
        port=settings.port,
        data=settings.data.resolve(),
        reference=reference,
        service_keys={service: secrets.token_urlsafe(32) for service in ServiceName},
        redis_password=secrets.token_urlsafe(32),
        redis_program=redis_program(),
        caddy_program=caddy_program(),
    )


def _ports(gateways: int) -> ProcessPorts:
    """Free ports, held open at the same time so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4 + gateways)]
    redis, auth, history, files, *rest = [int(listener.getsockname()[1]) for listener in held]
    for listener in held:
        listener.close()
    return ProcessPorts(redis, auth, history, tuple(rest), files)


def _announcement(settings: Settings, gateways: int) -> str:
    url = f"http://{settings.host}:{settings.port}"
    return (
        f"Chatterbox listens on {url}   ({gateways} gateways, data in {settings.data}/, API reference at {url}/docs)\n"
        "Ctrl-C stops it."
    )


if __name__ == "__main__":
    main()
