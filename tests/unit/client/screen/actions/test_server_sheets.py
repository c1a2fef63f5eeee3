"""The sheets that ask the server: members and sessions, as somebody at the keyboard uses them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.client.screen.server import Server, answered, log_in, served
from tests.unit.client.screen.stage import Stage, stage


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return served(monkeypatch)


@pytest.fixture
async def there(server: Server) -> AsyncIterator[Stage]:
    async with stage() as opened:
        log_in(opened)
        yield opened


async def ended(there: Stage) -> str:
    """What was said of a session that was ended."""
    async with asyncio.timeout(5):
        while " ended" not in (said := " ".join(there.timeline())):
            await there.settle()
    return said


class TestMembers:
    async def test_are_listed_and_one_that_is_chosen_is_written_to(self, there: Stage) -> None:
        await there.type("hello ")
        await there.press("f5")
        lines = await answered(there)
        assert [line.split()[-1] for line in lines] == ["alice", "here", "mal␛[2J"]
        await there.press("down", "enter")
        assert there.text == "hello @bob "

    async def test_of_another_room_are_listed_by_the_command(self, there: Stage, server: Server) -> None:
        await there.type("/members #Ops")
        await there.press("enter")
        await answered(there)
        assert server.asked == ["GET /rooms/ops/members"]
        await there.press("escape")
        assert there.told == []

    async def test_of_a_server_that_is_away_are_answered_with_a_sentence(self, there: Stage, server: Server) -> None:
        server.is_down = True
        await there.press("f5")
        assert "connection refused" in " ".join(await answered(there))
        await there.press("enter")
        assert there.text == ""


class TestSessions:
    async def test_are_listed_and_one_is_logged_out_after_a_question(self, there: Stage, server: Server) -> None:
        await there.press("f6")
        lines = await answered(there)
        assert [" ".join(line.split()) for line in lines] == [
            "▸ 2026-11-23 10:00, browser\u241b[2J 5b1c0aaa",
            "2026-11-23 10:00, browser\u241b[2J this one",
            "log out everywhere else",
        ]
        await there.press("enter", "enter")
        assert "Session ended: 5b1c0aaa" in await ended(there)
        assert server.ids == ["77aa0000"]

    async def test_of_this_one_the_program_ends_first_and_logs_out_then(self, there: Stage, server: Server) -> None:
        done = asyncio.Event()
        there.shell.quit = done.set
        await there.press("f6")
        await answered(there)
        await there.press("down", "enter", "enter")
        async with asyncio.timeout(5):
            await done.wait()
        assert there.shell.logs_out
        assert server.ids == ["5b1c0aaa", "77aa0000"]

    async def test_are_kept_where_the_question_is_answered_with_no(self, there: Stage, server: Server) -> None:
        await there.press("f6")
        await answered(there)
        await there.press("enter", "escape")
        assert server.asked == ["GET /sessions"]

    async def test_everywhere_else_end_at_once(self, there: Stage, server: Server) -> None:
        server.ids.insert(0, "0000ffff")
        await there.type("/sessions")
        await there.press("enter")
        await answered(there)
        await there.type("everywhere")
        await there.press("enter", "enter")
        assert "2 other sessions ended." in await ended(there)
        assert server.ids == ["77aa0000"]
