"""No log record, at any level and of any library, contains a password or a token."""

import logging

import pytest

from chatterbox.chassis.observability.logs import fields_of
from tests.support.auth_site import SERVICE_KEY, AuthSite, bearing

CANARY = "canary-password-8fk2"
NEXT = "canary-password-next"
MISTYPED = "canary-typed-as-name"
"""A password typed as the username: only the database driver's debug log contains it, which is never enabled."""


async def test_no_password_or_token_is_logged(site: AuthSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await site.try_login(MISTYPED, MISTYPED)
    await site.register("alice", CANARY)
    token = await site.login("alice", CANARY)
    await site.try_login("alice", CANARY + "wrong")
    await site.http.post("/login", data={"username": "alice", "password": CANARY})
    await site.http.post("/login", content=f'{{"password": "{CANARY}"')
    await site.sessions(token)
    renewed = (await site.http.post("/renew", headers=bearing(token))).json()["token"]
    await site.http.post("/password", json={"old": CANARY, "new": NEXT}, headers=bearing(token))
    await site.sessions(token[:-4])
    await site.http.post("/logout", headers=bearing(token))
    ours = [record for record in caplog.records if record.name.startswith("chatterbox")]
    assert "session.opened" in logged(ours)
    assert MISTYPED not in logged(ours)
    secrets = [CANARY, NEXT, token, renewed, token.split(".")[1], SERVICE_KEY]
    assert [secret for secret in secrets if secret in logged(caplog.records)] == []


def logged(records: list[logging.LogRecord]) -> str:
    return "\n".join(f"{record.getMessage()} {fields_of(record)} {record.exc_text}" for record in records)
