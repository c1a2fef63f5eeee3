"""Notices for a face: it hands on every note, and says which room is on the screen."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeAlias

from client.config.config_schema import NotificationSettings, NotifyMethod
from client.core.notes import Note
from client.notifications.notification import Notification
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
    """Decides about each note, and has the senders tell what is worth it. To be used from within the event loop."""

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
        self._rule = NotificationRules(settings)
        self._burst = NotificationRate(settings.quiet_s)
        self._now_s = now_s
        self._later = later
        self._timer: TimerHandle | None = None

    def on(self, note: Note, looking_at: str | None, *, focused: bool) -> None:
        """Take a note; every one of them, in order. `looking_at`: the room on the screen.

        `focused`: whether the terminal says that it has the focus; where it can't say, it has not.
        """
        if looking_at is not None and focused:
            self.seen(looking_at)
        self._rule, heard = take(self._rule, note, self._now_s(), looking_at, focused=focused)
        if heard is not None:
            self._give(self._burst.take(heard, self._now_s()))

    def seen(self, room: str) -> None:
        """Somebody looks at a room now, so nothing that waits of it needs to be told any more."""
        self._burst.seen(room)

    def configure(self, settings: NotificationSettings) -> None:
        """Go on with other settings; what is known of rooms, and what is gathered, stays."""
        self._rule = replace(self._rule, settings=settings)
        self._burst.quiet_s = settings.quiet_s
        self._senders = self._senders_of(settings)

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._senders = ()

    def _give(self, notice: Notification | None) -> None:
        if notice is not None:
            for send in self._senders:
                send(notice)
        self._set_timer()

    def _set_timer(self) -> None:
        due_s = self._burst.due_s
        if due_s is not None and self._timer is None:
            self._timer = self._later(max(0.0, due_s - self._now_s()), self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._give(self._burst.flush(self._now_s()))


def notifier(
    settings: NotificationSettings,
    tell: Callable[[str], None],
    environ: Mapping[str, str],
    write: Callable[[str], None] | None = None,
) -> Notifier:
    """The notices that a configuration asks for.

    `write` writes to the terminal at once and unchanged; without it, there are none that the terminal gives. `tell` is
    called with an inert sentence for what goes wrong, once for each.
    """
    tell_once = _once(tell)
    return Notifier(settings, lambda configured: tuple(_senders(configured, tell_once, environ, write)))


def _senders(
    settings: NotificationSettings,
    tell: Callable[[str], None],
    environ: Mapping[str, str],
    write: Callable[[str], None] | None,
) -> Iterator[Sender]:
    programs = NotifyProgram(tell, settings.command_timeout_s)
    hand_on = through_tmux if environ.get("TMUX") else str
    for by in dict.fromkeys(settings.by):
        match by:
            case NotifyMethod.DESKTOP:
                yield programs.notify_send
            case NotifyMethod.COMMAND:
                yield partial(programs.command, settings.command)
            case NotifyMethod.BELL if write is not None:
                yield partial(_write, write, lambda _: BELL)
            case NotifyMethod.OSC9 if write is not None:
                yield partial(_write, write, lambda notice: hand_on(osc9(notice)))
            case NotifyMethod.OSC777 if write is not None:
                yield partial(_write, write, lambda notice: hand_on(osc777(notice)))


def _write(write: Callable[[str], None], sequence: Callable[[Notification], str], notice: Notification) -> None:
    write(sequence(notice))


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tell each sentence a single time."""
    told: set[str] = set()

    def tell_once(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            tell(sentence)

    return tell_once
