"""The notifier: senders, timers, programs, and errors that are reported once."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from chatterbox.wire.read_state import ReadState
from client.config.config_schema import NotificationSettings, NotifyLevel, NotifyMethod
from client.core import notes
from client.core.read_state.room_read_state import RoomReadState
from client.notifications.notification import invitation_notice
from client.notifications.notifier import Notifier, Sender, notifier
from client.notifications.notify_program import MAX_PROGRAMS, NotifyProgram
from tests.support.waiting import until
from tests.unit.client.notifications.test_notification import notice
from tests.unit.client.notifications.test_notification_rules import connected, said

ALL = NotificationSettings(default=NotifyLevel.ALL, quiet_s=5)


@dataclass
class Timers:
    """A clock that moves when it is told to."""

    now_s: float = 100.0
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def later(self, wait_s: float, call: Callable[[], None]) -> "Timers":
        self.waiting.append((self.now_s + wait_s, call))
        return self

    def cancel(self) -> None:
        self.waiting.clear()

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        due = [timer for timer in self.waiting if timer[0] <= self.now_s]
        self.waiting = [timer for timer in self.waiting if timer not in due]
        for _, call in due:
            call()


class Told:
    def __init__(self, settings: NotificationSettings = ALL) -> None:
        self.timers = Timers()
        self.titles: list[str] = []
        self.notices = Notifier(settings, self._senders, now_s=lambda: self.timers.now_s, later=self.timers.later)
        self.hear(connected())

    def _senders(self, settings: NotificationSettings) -> list[Sender]:
        mark = "*" if NotifyMethod.DESKTOP in settings.by else ""
        return [lambda notice: self.titles.append(f"{mark}{notice.title}")]

    def hear(self, *heard: notes.Note, looking_at: str | None = None, focused: bool = False) -> list[str]:
        for note in heard:
            self.notices.on(note, looking_at, focused=focused)
        return self.titles


class TestNotifier:
    def test_notifier_sends_the_first_at_once_and_gathers_the_next(self) -> None:
        told = Told()
        assert told.hear(*(said(offset=offset) for offset in range(11, 15))) == ["bob in #ops"]
        told.timers.pass_by(4.9)
        assert len(told.titles) == 1
        told.timers.pass_by(0.1)
        assert told.titles == ["bob in #ops", "3 new in #ops"]
        assert told.timers.waiting == []

    def test_notifier_drops_messages_that_were_read_on_another_device(self) -> None:
        told = Told()
        told.hear(*(said(offset=offset) for offset in range(11, 15)))
        told.hear(notes.ReadStateTold("ops", RoomReadState(ReadState(14, counted=14))))
        told.timers.pass_by(5)
        assert told.titles == ["bob in #ops"]

    def test_notifier_drops_messages_of_a_room_that_was_looked_at(self) -> None:
        told = Told()
        told.hear(said(), said(offset=12), said(room="dev"))
        told.hear(notes.ServerError("x"), looking_at="ops", focused=True)
        told.timers.pass_by(5)
        assert told.titles == ["bob in #ops", "bob in #dev"]

    def test_new_settings_apply_and_gathered_messages_stay(self) -> None:
        told = Told()
        told.hear(said(), said(offset=12))
        told.notices.configure(NotificationSettings(default=NotifyLevel.NONE, by=(NotifyMethod.DESKTOP,), quiet_s=1))
        told.hear(said(offset=13))
        told.timers.pass_by(5)
        assert told.titles == ["bob in #ops", "*bob in #ops"]
        told.notices.configure(ALL)
        told.timers.pass_by(1)
        assert told.hear(said(offset=9), said(offset=14))[2:] == ["bob in #ops"]

    def test_closed_notifier_sends_nothing(self) -> None:
        told = Told()
        told.hear(said(), said(offset=12))
        told.notices.close()
        told.timers.pass_by(5)
        assert told.hear(said(offset=13)) == ["bob in #ops"]


class TestSenders:
    def given(self, *by: NotifyMethod, tmux: bool = False, on_terminal: bool = True) -> str:
        written: list[str] = []
        settings = NotificationSettings(default=NotifyLevel.ALL, by=by)
        environ = {"TMUX": "/tmp/tmux"} if tmux else {}
        face = notifier(settings, written.append, environ, written.append if on_terminal else None)
        face._senders[0](notice()) if face._senders else None
        return "".join(written)

    def test_senders_are_the_configured_ones(self) -> None:
        assert self.given(NotifyMethod.BELL) == "\a"
        assert self.given(NotifyMethod.OSC9) == "\x1b]9;bob in #ops: hello\x1b\\"
        assert self.given(NotifyMethod.OSC777, tmux=True).startswith("\x1bPtmux;\x1b\x1b]777;notify;")
        assert self.given() == ""

    def test_no_bell_without_a_terminal(self) -> None:
        assert self.given(NotifyMethod.BELL, NotifyMethod.OSC9, NotifyMethod.OSC777, on_terminal=False) == ""


@dataclass
class Runs:
    """Programs, and what was told of them."""

    timeout_s: float = 10.0
    told: list[str] = field(default_factory=list)

    async def command(self, *command: str, times: int = 1) -> list[str]:
        programs = NotifyProgram(self.told.append, self.timeout_s)
        for _ in range(times):
            programs.command(command, notice("$(rm -rf ~); `x`"))
        await programs.until_done()
        return self.told


class TestNotificationCommand:
    async def test_notification_command_reads_one_json_object(self, tmp_path: Path) -> None:
        path = tmp_path / "notice"
        assert await Runs().command("sh", "-c", 'cat > "$1"', "sh", str(path)) == []
        read = json.loads(path.read_text())
        assert (read["title"], read["messages"][0]["content"]) == ("bob in #ops", "$(rm -rf ~); `x`")

    async def test_notification_command_that_does_not_read_is_no_error(self) -> None:
        assert await Runs().command("true") == []

    async def test_failing_notification_command_is_reported(self) -> None:
        assert await Runs().command("sh", "-c", "exit 3") == ["The notification program sh failed: exit code 3."]

    async def test_missing_notification_command_is_reported(self) -> None:
        assert await Runs().command("/nowhere/x\x1b") == [
            "Can't run the notification program /nowhere/x␛: No such file or directory."
        ]

    async def test_hanging_notification_command_is_killed_with_its_children(self, tmp_path: Path) -> None:
        path = tmp_path / "pid"
        told = await Runs(timeout_s=0.5).command("sh", "-c", f"sleep 60 & echo $! > {path}; wait")
        assert told == ["The notification program sh timed out after 0.5 s."]
        await until(partial(_is_gone, int(path.read_text())), 10)

    async def test_notifications_beyond_the_program_limit_are_dropped(self) -> None:
        told = await Runs(timeout_s=0.5).command("sleep", "60", times=MAX_PROGRAMS + 1)
        assert told[0] == "Notifications dropped: 4 notification programs are still running."
        assert len(told) == MAX_PROGRAMS + 1

    async def test_notification_command_ends_with_the_event_loop(self, tmp_path: Path) -> None:
        path = tmp_path / "pid"
        programs = NotifyProgram(lambda _: None, 60)
        programs.command(("sh", "-c", f"echo $$ > {path}.new; mv {path}.new {path}; sleep 60"), notice())
        (task,) = programs._running
        await until(path.exists, 10)
        task.cancel()
        await asyncio.wait({task})
        await until(partial(_is_gone, int(path.read_text())), 10)


class TestDesktopNotification:
    async def test_desktop_notification_contains_no_markup(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "notify-send"
        program.write_text(
            f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open('{tmp_path}/x', 'w'))\n"
        )
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        told: list[str] = []
        programs = NotifyProgram(told.append, 10)
        programs.notify_send(notice("<b>--help</b> &", username="--help"))
        await programs.until_done()
        assert told == []
        shown = json.loads((tmp_path / "x").read_text())
        assert shown == ["--app-name=chatterbox", "--", "--help in #ops", "&lt;b&gt;--help&lt;/b&gt; &amp;"]


async def test_notification_error_is_reported_once() -> None:
    told: list[str] = []
    settings = NotificationSettings(
        default=NotifyLevel.ALL, by=(NotifyMethod.COMMAND,), command=("/nowhere/x",), quiet_s=0
    )
    face = notifier(settings, told.append, {})
    face.on(connected(), None, focused=False)
    for offset in (11, 12, 13):
        others = asyncio.all_tasks()
        face.on(said(offset=offset), None, focused=False)
        await asyncio.wait(asyncio.all_tasks() - others)
    assert told == ["Can't run the notification program /nowhere/x: No such file or directory."]


def _is_gone(pid: int) -> bool:
    """Whether a process has ended, with or without somebody having looked after it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class TestInvitations:
    INVITED = notes.InvitationReceived("den", "bob")

    def test_invitation_is_reported_unless_the_terminal_has_the_focus(self) -> None:
        assert Told().hear(self.INVITED) == ["Invitation to #den"]
        assert Told().hear(self.INVITED, focused=True) == []

    def test_invitations_are_not_reported_without_notifications(self) -> None:
        assert Told(NotificationSettings(default=NotifyLevel.NONE)).hear(self.INVITED) == []

    def test_invitations_are_reported_once_in_a_quiet_period(self) -> None:
        told = Told()
        assert told.hear(self.INVITED, notes.InvitationReceived("attic", "bob")) == ["Invitation to #den"]
        told.timers.pass_by(5)
        assert told.hear(notes.InvitationReceived("cellar", "bob"))[-1] == "Invitation to #cellar"

    def test_program_gets_the_reason_invitation(self) -> None:
        fields = json.loads(invitation_notice("den\x1b", "bob").as_json())
        assert fields == {
            "title": "Invitation to #den␛", "body": "bob invited you.", "why": "invitation", "count": 0, "messages": [],
        }  # fmt: skip
