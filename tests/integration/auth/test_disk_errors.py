"""Auth while its disk refuses writes."""

import pytest

from tests.support.auth_site import PASSWORD, AuthSite, bearing, refusal


async def set_writable(site: AuthSite, *, writable: bool) -> None:
    """Let SQLite refuse writes with an `OperationalError`, as a failing disk does."""
    await site.auth.database._writes._connection.execute(f"PRAGMA query_only={'OFF' if writable else 'ON'}")


async def test_a_failing_disk_makes_writes_unavailable_until_it_recovers(
    site: AuthSite, caplog: pytest.LogCaptureFixture
) -> None:
    token = await site.registered()
    await set_writable(site, writable=False)
    caplog.clear()
    response = await site.try_login()
    assert refusal(response) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"
    assert "database.failed" in caplog.messages
    body = {"old": PASSWORD, "new": "violet-harbour"}
    assert refusal(await site.http.post("/password", json=body, headers=bearing(token))) == (503, "unavailable")
    assert (await site.sessions(token)).status_code == 200
    await set_writable(site, writable=True)
    assert (await site.try_login()).status_code == 200
