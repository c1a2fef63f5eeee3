"""Lays out messages and notices as lines of text: time, name, content. The first columns belong to the client."""

from collections.abc import Callable
from datetime import date, tzinfo

from chatterbox.wire.frames import AttachedFile, Message
from client.encryption.core.trust import DecryptedMessage
from client.text.change_text import answers, marks_of
from client.text.encryption.encrypted_message_text import notices_of
from client.text.file_text import file_lines, save_command
from client.text.line_wrap import NOTICE, hang
from client.text.local_time import time_of
from client.text.room_text import shown_room
from client.text.sanitize import inert_lines, inert_name

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class LineTimeline:
    """Lays out messages one after the other, with a notice where a new day begins.

    `columns` returns the terminal's width, or None to leave lines unbroken. With `rooms`, each message names its room.
    """

    def __init__(
        self,
        *,
        columns: Callable[[], int | None] = lambda: None,
        colour: bool = False,
        rooms: bool = False,
        zone: tzinfo | None = None,
        how_to_save: Callable[[Message], Callable[[AttachedFile], str]] = save_command,
    ) -> None:
        """`how_to_save`: what saves a file of a message, for the line that tells of it."""
        self._how_to_save = how_to_save
        self._columns = columns
        self._colour = colour
        self._rooms = rooms
        self._zone = zone
        self._day: date | None = None

    def message(self, message: Message, original: Message | None = None) -> list[str]:
        """The lines of one message, after a line for its day if the day changed. `original`: what it answers.

        What an encrypted room has that can't be read, or is not by the user whose name it bears, is a notice.
        """
        if isinstance(message, DecryptedMessage) and (before := notices_of(message)):
            lines = [line for text in before for line in self.notice(text)]
            return lines if message.unreadable is not None else lines + self._message(message, original)
        return self._message(message, original)

    def _message(self, message: Message, original: Message | None) -> list[str]:
        at = time_of(message.timestamp, self._zone)
        time, name = f"{at:%H:%M}" if at else "--:--", inert_name(message.username)
        time += f" {shown_room(message.room)}" if self._rooms else ""
        marks = f"{answers(message, original)}{marks_of(message)}{'' if message.deleted else ': '}"
        prefix = f"{time} {name}{marks}"
        files = file_lines(message.files, self._how_to_save(message))
        text = inert_lines(message.content) if message.content or not files else []
        first, *others = hang(prefix, [*text, *files], self._columns())
        start = f"{_DIM}{time}{_PLAIN} {_BOLD}{name}{_PLAIN}{marks}" if self._colour else prefix
        return [*self._new_day(at.date() if at else None), start + first, *others]

    def notice(self, text: str) -> list[str]:
        """The lines of a notice of the client; `text` is inert."""
        first, *others = hang(NOTICE, [text], self._columns())
        lines = [NOTICE + first, *others]
        return [f"{_DIM}{line}{_PLAIN}" for line in lines] if self._colour else lines

    def _new_day(self, day: date | None) -> list[str]:
        if day is None or day == self._day:
            return []
        self._day = day
        return self.notice(f"{day:%A %d %B %Y}")
