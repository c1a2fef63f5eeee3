"""Pickers filled over HTTP: members and sessions."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from client.screen.widgets.sheets import ProfileSheet
from tests.unit.client.screen.harness import Harness, running_screen
from tests.unit.client.screen.server import Server, answered, log_in, served


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return served(monkeypatch)


@pytest.fixture
async def ui(server: Server) -> AsyncIterator[Harness]:
    async with running_screen() as screen:
        log_in(screen)
        yield screen


async def ended(ui: Harness) -> str:
    """Return the notice about an ended session."""
    async with asyncio.timeout(5):
        while " ended" not in (notices := " ".join(ui.timeline())):
            await ui.settle()
    return notices


async def test_profile_of_the_chosen_member_leads_to_the_conversation_with_them(ui: Harness) -> None:
    await ui.type("hello ")
    await ui.press("f5")
    lines = await answered(ui)
    assert [line.split()[-1] for line in lines] == ["alice", "here", "mal␛[2J"]
    await ui.press("down", "enter")
    assert isinstance(ui.app.screen, ProfileSheet)
    await ui.press("enter")
    assert ui.requested == ["enter @bob"]
    assert ui.text == "hello "


async def test_profile_names_the_rooms_in_common_and_asks_while_it_is_open_only(ui: Harness, server: Server) -> None:
    await ui.type("/whois bob")
    await ui.press("enter")
    await ui.app.workers.wait_for_complete()
    await ui.settle()
    assert "Rooms       #general, #ops" in ui.pane_of(ui.app.screen)
    assert server.requests == ["GET /rooms/ops/members"]
    await ui.press("escape")
    await ui.type("/whois bob")
    await ui.burst("enter", "escape")
    await ui.app.workers.wait_for_complete()
    assert ui.model.people.shared_rooms == frozenset()


async def test_members_command_lists_the_members_of_another_room(ui: Harness, server: Server) -> None:
    await ui.type("/members #Ops")
    await ui.press("enter")
    await answered(ui)
    assert server.requests == ["GET /rooms/ops/members"]
    await ui.press("escape")
    assert ui.requested == []


async def test_unreachable_server_is_reported_in_the_picker(ui: Harness, server: Server) -> None:
    server.stop()
    await ui.press("f5")
    assert "connection refused" in " ".join(await answered(ui))
    await ui.press("enter")
    assert ui.text == ""


async def test_chosen_session_is_ended_after_a_question(ui: Harness, server: Server) -> None:
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


async def test_ending_this_session_quits_before_it_logs_out(ui: Harness, server: Server) -> None:
    quit_called = asyncio.Event()
    ui.runtime.on_quit(quit_called.set)
    await ui.press("f6")
    await answered(ui)
    await ui.press("down", "enter", "enter")
    async with asyncio.timeout(5):
        await quit_called.wait()
    assert ui.runtime.logs_out
    assert server.ids == ["5b1c0aaa", "77aa0000"]


async def test_session_is_kept_if_the_question_is_cancelled(ui: Harness, server: Server) -> None:
    await ui.press("f6")
    await answered(ui)
    await ui.press("enter", "escape")
    assert server.requests == ["GET /sessions"]


async def test_all_other_sessions_are_ended_at_once(ui: Harness, server: Server) -> None:
    server.ids.insert(0, "0000ffff")
    await ui.type("/sessions")
    await ui.press("enter")
    await answered(ui)
    await ui.type("everywhere")
    await ui.press("enter", "enter")
    assert "2 other sessions ended." in await ended(ui)
    assert server.ids == ["77aa0000"]
