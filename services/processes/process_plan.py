"""The processes of a local deployment: command lines, environments and readiness checks. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chatterbox.chassis.core.caller_keys import CALLERS, ServiceName, caller_keys_text

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process. It is ready when `ready_url` answers 200, or without one when the port is open."""

    name: str
    command: tuple[str, ...]
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    ready_url: str | None = None
    stdin: str = ""
    """What it reads from standard input; empty: no standard input."""


@dataclass(frozen=True, slots=True)
class ProcessPorts:
    """The loopback ports of the processes. The edge listens on the public port instead."""

    redis: int
    auth: int
    history: int
    gateways: tuple[int, ...]
    files: int = 0


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What is common to all processes."""

    host: str
    port: int
    data: Path
    reference: Path
    service_keys: Mapping[ServiceName, str]
    redis_password: str
    redis_program: Path
    caddy_program: Path


def plan(site: DeploymentPlan, ports: ProcessPorts) -> list[ProcessSpec]:
    """The processes in start order; they stop in reverse order."""
    shared = {
        "CHATTERBOX_HOST": "127.0.0.1",
        "CHATTERBOX_DATA": str(site.data),
        "CHATTERBOX_REDIS_URL": f"redis://:{site.redis_password}@127.0.0.1:{ports.redis}",
        "CHATTERBOX_AUTH_URL": _local(ports.auth),
        "CHATTERBOX_HISTORY_URL": _local(ports.history),
        "CHATTERBOX_TRUSTED_PROXIES": "127.0.0.1",
    }
    services = {service: {**shared, **_keys(site, service)} for service in ServiceName}
    gateways = [
        _service(f"gateway-{number}", port, services[ServiceName.GATEWAY])
        for number, port in enumerate(ports.gateways, 1)
    ]
    return [
        _redis(site, ports.redis),
        _service("auth", ports.auth, services[ServiceName.AUTH]),
        _service("history", ports.history, services[ServiceName.HISTORY]),
        _service("files", ports.files, services[ServiceName.FILES]),
        *gateways,
        edge(site.caddy_program, site.host, site.port, ports, data=site.data, reference=site.reference),
    ]


def _keys(site: DeploymentPlan, service: ServiceName) -> dict[str, str]:
    """The key of a service, and the digests of those of its callers."""
    callers = {caller: site.service_keys[caller] for caller in CALLERS[service]}
    own = {"CHATTERBOX_SERVICE_KEY": site.service_keys[service]}
    return {**own, "CHATTERBOX_CALLER_KEYS": caller_keys_text(callers)} if callers else own


def _service(name: str, port: int, environment: dict[str, str]) -> ProcessSpec:
    command = (sys.executable, "-m", f"services.{name.partition('-')[0]}", "serve")
    return ProcessSpec(
        name, command, port, {**environment, "CHATTERBOX_PORT": str(port)}, f"{_local(port)}/health/ready"
    )


def _redis(site: DeploymentPlan, port: int) -> ProcessSpec:
    """Redis without persistence. The password is passed on standard input: every user can read command lines."""
    options = (
        f"port {port}\nbind 127.0.0.1\nrequirepass {site.redis_password}\nsave ''\nappendonly no\ndir \"{site.data}\"\n"
    )
    return ProcessSpec("redis", (str(site.redis_program), "-"), port, stdin=options)


def edge(program: Path, host: str, port: int, ports: ProcessPorts, *, data: Path, reference: Path) -> ProcessSpec:
    """Caddy with the same configuration as in containers; `reference` is the folder of the API reference."""
    environment = {
        "CHATTERBOX_EDGE_ADDRESS": f"http://:{port}",
        "CHATTERBOX_EDGE_BIND": host,
        "CHATTERBOX_EDGE_NAME": host,
        "CHATTERBOX_EDGE_AUTH": f"127.0.0.1:{ports.auth}",
        "CHATTERBOX_EDGE_HISTORY": f"127.0.0.1:{ports.history}",
        "CHATTERBOX_EDGE_FILES": f"127.0.0.1:{ports.files}",
        "CHATTERBOX_EDGE_FIND": "gateways_listed",
        "CHATTERBOX_EDGE_GATEWAYS": " ".join(f"127.0.0.1:{port}" for port in ports.gateways),
        "CHATTERBOX_EDGE_REFERENCE": str(reference),
        "CHATTERBOX_EDGE_LOG_LEVEL": "WARN",
        "XDG_DATA_HOME": str(data),
        "XDG_CONFIG_HOME": str(data),
    }
    caddyfile = str(ROOT / "deploy" / "Caddyfile")
    command = (str(program), "run", "--config", caddyfile, "--adapter", "caddyfile")
    return ProcessSpec("edge", command, port, environment)


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"
