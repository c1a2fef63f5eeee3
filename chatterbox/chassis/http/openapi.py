"""Merges the OpenAPI documents of several services into one API reference."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

DESCRIPTION = """\
Accounts, sessions, rooms, messages and files. Log in with **Authorize** to try the calls here. Messages are sent and
received over the WebSocket `/ws`, described in [/asyncapi.json](asyncapi.json). Every error is `{code, detail}`.
"""


def merged_openapi(apps: Sequence[FastAPI], version: str) -> dict[str, Any]:
    """The OpenAPI documents of `apps` as one; raises `ValueError` if two define a path or schema differently."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Chatterbox", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "."}],  # relative to this document, whatever path a proxy puts before it
        "paths": {},
        "components": {},
    }
    for app in apps:
        document = app.openapi()
        _add(merged["paths"], document.get("paths", {}))
        for kind, entries in document.get("components", {}).items():
            _add(merged["components"].setdefault(kind, {}), entries)
    return merged


def _add(into: dict[str, Any], entries: dict[str, Any]) -> None:
    for name, entry in entries.items():
        if into.setdefault(name, entry) != entry:
            raise ValueError(f"two services define {name} differently")


def public_paths(router: APIRouter) -> list[str]:
    """The paths of a router, such as `/rooms/{room}`."""
    return [route.path for route in router.routes if isinstance(route, APIRoute)]
