"""The processes of a local deployment: command lines, environments and readiness checks. Pure."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What is common to all processes."""

    host: str
    port: int
    data: Path
    reference: Path
    service_key: str
    redis_password: str
    redis_program: Path
    caddy_program: Path


def plan(site: DeploymentPlan, ports: ProcessPorts) -> list[ProcessSpec]:
    """The processes in start order; they stop in reverse order."""
    shared = {
        "CHATTERBOX_HOST": "127.0.0.1",
        "CHATTERBOX_DATA": str(site.data),
        "CHATTERBOX_SERVICE_KEY": site.service_key,
        "CHATTERBOX_REDIS_URL": f"redis://:{site.redis_password}@127.0.0.1:{ports.redis}",
        "CHATTERBOX_AUTH_URL": _local(ports.auth),
        "CHATTERBOX_HISTORY_URL": _local(ports.history),
        "CHATTERBOX_TRUSTED_PROXIES": "127.0.0.1",
    }
    gateways = [_service(f"gateway-{number}", "gateway", port, shared) for number, port in enumerate(ports.gateways, 1)]
    return [
        _redis(site, ports.redis),
        _service("auth", "auth", ports.auth, shared),
        _service("history", "history", ports.history, shared),
        *gateways,
        edge(site.caddy_program, site.host, site.port, ports, data=site.data, reference=site.reference),
    ]


def _service(name: str, package: str, port: int, shared: dict[str, str]) -> ProcessSpec:
    command = (sys.executable, "-m", f"services.{package}", "serve")
    return ProcessSpec(name, command, port, {**shared, "CHATTERBOX_PORT": str(port)}, f"{_local(port)}/health/ready")


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
