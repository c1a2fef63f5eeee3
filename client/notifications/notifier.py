"""The notifier of a face: takes every note, and sends notifications for those that deserve one."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeAlias, assert_never

from chatterbox.wire.frames import Message
from client.config.config_schema import NotificationSettings, NotifyLevel, NotifyMethod
from client.core.notes import InvitationReceived, MessageChanged, Note, ReadStateTold
from client.notifications.notification import Notification, invitation_notice
from client.notifications.notification_rate import NotificationRate
from client.notifications.notification_rules import NotificationRules, take
from client.notifications.notify_program import NotifyProgram
from client.notifications.terminal_escape import BELL, osc9, osc777, through_tmux

Sender: TypeAlias = Callable[[Notification], None]


class TimerHandle(Protocol):
    """What `asyncio.loop.call_later` returns."""

    def cancel(self) -> None: ...


def _later(wait_s: float, call: Callable[[], None]) -> TimerHandle:
    return asyncio.get_running_loop().call_later(wait_s, call)


class Notifier:
    """Applies the rules and the rate limit to notes, and calls the senders. For use within the event loop."""

    def __init__(
        self,
        settings: NotificationSettings,
        senders: Callable[[NotificationSettings], Sequence[Sender]],
        *,
        now_s: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], TimerHandle] = _later,
    ) -> None:
        self._senders_of = senders
        self._senders = senders(settings)
        self._rules = NotificationRules(settings)
        self._rate = NotificationRate(settings.quiet_s)
        self._now_s = now_s
        self._later = later
        self._timer: TimerHandle | None = None

    def on(self, note: Note, looking_at: str | None, *, focused: bool, related: Message | None = None) -> None:
        """Take every note, in order. `looking_at`: the room on the screen.

        `focused`: whether the terminal reports that it has the focus; False if it can't report it. `related`: a
        changed message as it was before, or the message that a new one answers, if the face has it.
        """
        if isinstance(note, MessageChanged):
            self._rate.change(note.message)
        if looking_at is not None and focused:
            self.seen(looking_at)
        if isinstance(note, ReadStateTold) and not note.state.unread:
            self.seen(note.room)
        self._rules, message = take(self._rules, note, self._now_s(), looking_at, focused=focused, related=related)
        if message is not None:
            self._send(self._rate.take(message, self._now_s()))
        elif isinstance(note, InvitationReceived) and not focused:
            self._notify_invitation(note)

    def _notify_invitation(self, invitation: InvitationReceived) -> None:
        if self._rules.settings.default is not NotifyLevel.NONE:
            notification = invitation_notice(invitation.room, invitation.by)
            self._send(self._rate.take_invitation(notification, self._now_s()))

    def seen(self, room: str) -> None:
        """Drop pending notifications of a room that the user looks at, or read on another device."""
        self._rate.forget(room)

    def configure(self, settings: NotificationSettings) -> None:
        """Apply new settings; the state of the rooms, and gathered messages, stay."""
        self._rules = replace(self._rules, settings=settings)
        self._rate.configure(settings.quiet_s)
        self._senders = self._senders_of(settings)

    def close(self) -> None:
        """Send no more notifications."""
        if self._timer is not None:
            self._timer.cancel()
        self._senders = ()

    def _send(self, notification: Notification | None) -> None:
        if notification is not None:
            for send in self._senders:
                send(notification)
        self._set_timer()

    def _set_timer(self) -> None:
        due_s = self._rate.due_s
        if due_s is not None and self._timer is None:
            self._timer = self._later(max(0.0, due_s - self._now_s()), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._send(self._rate.flush(self._now_s()))


def notifier(
    settings: NotificationSettings,
    report: Callable[[str], None],
    environ: Mapping[str, str],
    write: Callable[[str], None] | None = None,
) -> Notifier:
    """The notifier for a configuration.

    `write` writes to the terminal, unbuffered and unchanged; without it, no terminal notifications are sent. `report`
    is called with an inert sentence for each error, once per sentence.
    """
    report_once = _once(report)
    return Notifier(settings, lambda configured: tuple(_senders(configured, report_once, environ, write)))


def _senders(
    settings: NotificationSettings,
    report: Callable[[str], None],
    environ: Mapping[str, str],
    write: Callable[[str], None] | None,
) -> Iterator[Sender]:
    programs = NotifyProgram(report, settings.command_timeout_s)
    pass_through = through_tmux if environ.get("TMUX") else str
    for method in dict.fromkeys(settings.by):
        match method:
            case NotifyMethod.DESKTOP:
                yield programs.notify_send
            case NotifyMethod.COMMAND:
                yield partial(programs.command, settings.command)
            case NotifyMethod.BELL:
                yield from _to_terminal(write, lambda _: BELL)
            case NotifyMethod.OSC9:
                yield from _to_terminal(write, lambda notification: pass_through(osc9(notification)))
            case NotifyMethod.OSC777:
                yield from _to_terminal(write, lambda notification: pass_through(osc777(notification)))
            case _:
                assert_never(method)


def _to_terminal(write: Callable[[str], None] | None, sequence: Callable[[Notification], str]) -> Iterator[Sender]:
    """A sender that writes a sequence to the terminal; none without a terminal."""
    if write is not None:
        yield lambda notification: write(sequence(notification))


def _once(report: Callable[[str], None]) -> Callable[[str], None]:
    """Report each sentence a single time."""
    reported: set[str] = set()

    def report_once(sentence: str) -> None:
        if sentence not in reported:
            reported.add(sentence)
            report(sentence)

    return report_once
