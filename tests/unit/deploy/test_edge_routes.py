"""Public paths of the edge and of other proxies equal the paths that the services document."""

import re
from pathlib import Path

from services.allinone.app import create_all
from tests.support.server import settings_for

DEPLOY = Path(__file__).parents[3] / "deploy"
LISTS = re.findall(r"@(auth|files|history|gateway|reference) path (.*)", (DEPLOY / "Caddyfile").read_text())
PUBLIC = {pattern: service for service, patterns in LISTS for pattern in patterns.split()}
WHOLE = {"/keys/*"}
"""Patterns of a service that has all paths below it, though none of them has a parameter."""
SERVED = {(pattern, service) for pattern, service in PUBLIC.items() if service != "reference"}


def documented(data: Path) -> dict[str, str]:
    """Each path of the public HTTP API as a pattern of the edge, with its service."""
    paths = create_all(settings_for(data)).app.openapi()["paths"]
    of_path = {path: next(iter(methods.values()))["tags"][0] for path, methods in paths.items()}
    below = {_below(path): service for path, service in of_path.items() if "{" in path or _below(path) in WHOLE}
    exact = {path: service for path, service in of_path.items() if path.count("/") == 1 or _below(path) not in below}
    return {**below, **exact}


def _below(path: str) -> str:
    return f"/{path.split('/')[1]}/*"


def test_the_edge_routes_each_documented_path_and_no_other_to_its_service(tmp_path: Path) -> None:
    of_services = {pattern: service for pattern, service in PUBLIC.items() if service in {"auth", "files", "history"}}
    assert of_services == documented(tmp_path)


def test_the_edge_also_routes_the_websocket_and_the_api_reference() -> None:
    others = {pattern for pattern, service in PUBLIC.items() if service in {"gateway", "reference"}}
    assert others == {"/ws", "/docs", "/openapi.json", "/asyncapi.json", "/docs-assets/*"}


def test_haproxy_routes_the_same_paths_as_the_edge() -> None:
    listed: set[tuple[str, str]] = set()
    for service, rule in re.findall(r"use_backend (\w+) if (.*)", (DEPLOY / "haproxy.cfg").read_text()):
        exact = " ".join(re.findall(r"{ path (/.*?) }", rule)).split()
        below = [f"{path}*" for path in re.findall(r"{ path_beg (\S+) }", rule)]
        listed |= {(path, service) for path in (*exact, *below)}
    assert listed == SERVED


def test_nginx_routes_the_same_paths_as_the_edge() -> None:
    listed: set[tuple[str, str]] = set()
    place = r"location (?:~ \^/\((.*?)\)\$|= /(\S+)) {\s*proxy_pass http://(\w+);"
    for many, one, service in re.findall(place, (DEPLOY / "nginx.conf").read_text()):
        listed |= {(f"/{path}".replace(".*", "*"), service) for path in (many or one).split("|")}
    assert listed == SERVED
