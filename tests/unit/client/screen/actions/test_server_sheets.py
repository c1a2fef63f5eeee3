"""The sheets that ask the server: members and sessions, as somebody at the keyboard uses them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.client.screen.harness import Harness, running_screen
from tests.unit.client.screen.server import Server, answered, log_in, served


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return served(monkeypatch)


@pytest.fixture
async def ui(server: Server) -> AsyncIterator[Harness]:
    async with running_screen() as opened:
        log_in(opened)
        yield opened


async def ended(ui: Harness) -> str:
    """What was said of a session that was ended."""
    async with asyncio.timeout(5):
        while " ended" not in (said := " ".join(ui.timeline())):
            await ui.settle()
    return said


class TestMembers:
    async def test_are_listed_and_one_that_is_chosen_is_written_to(self, ui: Harness) -> None:
        await ui.type("hello ")
        await ui.press("f5")
        lines = await answered(ui)
        assert [line.split()[-1] for line in lines] == ["alice", "here", "mal␛[2J"]
        await ui.press("down", "enter")
        assert ui.text == "hello @bob "

    async def test_of_another_room_are_listed_by_the_command(self, ui: Harness, server: Server) -> None:
        await ui.type("/members #Ops")
        await ui.press("enter")
        await answered(ui)
        assert server.asked == ["GET /rooms/ops/members"]
        await ui.press("escape")
        assert ui.requested == []

    async def test_of_a_server_that_is_away_are_answered_with_a_sentence(self, ui: Harness, server: Server) -> None:
        server.is_down = True
        await ui.press("f5")
        assert "connection refused" in " ".join(await answered(ui))
        await ui.press("enter")
        assert ui.text == ""


class TestSessions:
    async def test_are_listed_and_one_is_logged_out_after_a_question(self, ui: Harness, server: Server) -> None:
        await ui.press("f6")
        lines = await answered(ui)
        assert [" ".join(line.split()) for line in lines] == [
            "▸ 2026-11-23 10:00, browser\u241b[2J 5b1c0aaa",
            "2026-11-23 10:00, browser\u241b[2J this session",
            "log out everywhere else",
        ]
        await ui.press("enter", "enter")
        assert "Session ended: 5b1c0aaa" in await ended(ui)
        assert server.ids == ["77aa0000"]

    async def test_of_this_one_the_program_ends_first_and_logs_out_then(self, ui: Harness, server: Server) -> None:
        done = asyncio.Event()
        ui.runtime.on_quit(done.set)
        await ui.press("f6")
        await answered(ui)
        await ui.press("down", "enter", "enter")
        async with asyncio.timeout(5):
            await done.wait()
        assert ui.runtime.logs_out
        assert server.ids == ["5b1c0aaa", "77aa0000"]

    async def test_are_kept_where_the_question_is_answered_with_no(self, ui: Harness, server: Server) -> None:
        await ui.press("f6")
        await answered(ui)
        await ui.press("enter", "escape")
        assert server.asked == ["GET /sessions"]

    async def test_everywhere_else_end_at_once(self, ui: Harness, server: Server) -> None:
        server.ids.insert(0, "0000ffff")
        await ui.type("/sessions")
        await ui.press("enter")
        await answered(ui)
        await ui.type("everywhere")
        await ui.press("enter", "enter")
        assert "2 other sessions ended." in await ended(ui)
        assert server.ids == ["77aa0000"]
