"""Any JSON at the routes below `/keys` gets a refusal, and no request makes a route fail."""

import json
import random
from typing import Any, TypeAlias

import msgspec
import pytest

from chatterbox.wire.encryption.key_api import BackupItem, BackupItemsUpload, KeyBackupHeader, OneTimeKeysUpload
from services.history.user_rates import UserRates
from tests.support.history import Service
from tests.support.key_client import ask, key_user

Json: TypeAlias = Any
ROUTES = ("PUT /keys/device", "POST /keys/one-time", "PUT /keys/list", "PUT /keys/backup", "POST /keys/backup/items")
LEAVES: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 2**53, 2**63, 2**70, -(2**70), 0.5, 1e308, float("nan"), float("inf"), "", "\x00", "é",
    "\ud800", "A" * 43, "A" * 44, "A" * 9000, "=", "ed25519:", "@1:chatterbox", "D4F7K2M9QX", [], {}, [[[]]], {"": {}},
)  # fmt: skip
TRIES = 150


@pytest.fixture(autouse=True)
def _without_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserRates, "spend", lambda *_: None)


def valid_bodies(history: Service) -> dict[str, Json]:
    """A right body for each route."""
    alice = key_user(history, "alice")
    device = alice.device()
    bodies: dict[str, object] = {
        "PUT /keys/device": device.upload("s-1", device.one_time(2), device.fallback()),
        "POST /keys/one-time": OneTimeKeysUpload(device=device.id, one_time=device.one_time(2)),
        "PUT /keys/list": alice.list([device]),
        "PUT /keys/backup": KeyBackupHeader(version=1, header="h"),
        "POST /keys/backup/items": BackupItemsUpload([BackupItem(item="1", body="b")], 1),
    }
    return {route: msgspec.to_builtins(body) for route, body in bodies.items()}


def any_json(chance: random.Random, depth: int = 3) -> Json:
    kind = chance.randrange(4) if depth else 0
    if kind == 1:
        return [any_json(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 2:
        names = chance.sample(["device", "keys", "signatures", "list", "items", "version", "header", "\x00"], 3)
        return {name: any_json(chance, depth - 1) for name in names}
    return chance.choice(LEAVES)


def mutated(chance: random.Random, value: Json) -> Json:
    """The value with one part of it replaced, removed, renamed or doubled."""
    if isinstance(value, dict) and value and chance.randrange(8):
        name = chance.choice(sorted(value))
        rest = {key: item for key, item in value.items() if key != name}
        step = chance.randrange(8)
        if step == 0:
            return rest
        if step == 1:
            return {**rest, chance.choice(["", "other", "ed25519:AAAAAAAAAA", "curve25519:"]): value[name]}
        return {**rest, name: mutated(chance, value[name])}
    if isinstance(value, list) and value and chance.randrange(3):
        return [mutated(chance, value[0]), *value] if chance.randrange(2) else value[1:]
    return any_json(chance)


def encoded(value: Json) -> bytes:
    """Also what no strict encoder writes: lone surrogates, NaN."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("route", ROUTES)
async def test_any_json_is_refused_by(history: Service, route: str) -> None:
    chance = random.Random(route)
    method, path = route.split(" ")
    for _ in range(TRIES):
        value = any_json(chance)
        answer = await ask(history, method, path, body=encoded(value))
        assert 400 <= answer.status_code < 500, value
        assert answer.json()["code"], value


@pytest.mark.parametrize("route", ROUTES)
async def test_a_mutated_body_is_refused_or_taken_by(history: Service, route: str) -> None:
    chance = random.Random(route)
    method, path = route.split(" ")
    body = valid_bodies(history)[route]
    for _ in range(TRIES):
        value = mutated(chance, body)
        answer = await ask(history, method, path, body=encoded(value))
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, value


async def test_any_query_and_device_id_is_answered(history: Service) -> None:
    token = {"Authorization": f"Bearer {history.auth.token('alice')}"}
    for text in ("", "\x00", "é", "A" * 5000, "-1", "1e3", "9" * 30, "1.5", "💥", "ada", "%", "' OR 1"):
        answer = await history.public.get("/keys/users", params={"name": [text, "bob"]}, headers=token)
        assert answer.status_code in {200, 422}, text
        query = {"after": text, "limit": text}
        assert (await history.public.get("/keys/backup/items", params=query, headers=token)).status_code == 422, text
        answer = await history.public.post("/keys/devices/end", json={"device": f"x{text}"}, headers=token)
        assert answer.status_code in {404, 422}, text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 60_000, b'"' + b"a" * 70_000 + b'"', b"NaN"])
async def test_a_body_that_is_no_json_is_refused(history: Service, content: bytes) -> None:
    for route in ROUTES:
        method, path = route.split(" ")
        answer = await ask(history, method, path, body=content)
        assert 400 <= answer.status_code < 500
