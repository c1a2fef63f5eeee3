"""The input of a room: draft, input history, and whether it is for an edit, a reply or a thread. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.frames import Message
from client.core.outbox_entry import OutboxEntry
from client.screen.input.pasted_text import clean
from client.screen.model.input_history import InputHistory
from client.screen.model.messages.compose_mode import ComposeMode, Editing, EditingUnsent, Replying
from client.screen.model.rooms.saved_room import SAVED_HISTORY


@dataclass
class RoomInput:
    """What is written in a room, and what it is for. No text that the user wrote is dropped."""

    draft: str = ""
    history: InputHistory = field(default_factory=InputHistory)
    mode: ComposeMode | None = None
    """What the input is for; None: a new message."""
    edits_sent: dict[int, str] = field(default_factory=dict)
    """Edits without a reply: offset, and the text that the user saw before."""
    thread_drafts: dict[int, str] = field(default_factory=dict)
    """Unfinished replies in threads that are not open, by the offset of the message that began the thread."""
    _thread: int = 0
    """The offset of the message that began the thread that the input is for; 0: none."""
    _room_draft: str = ""
    """The draft of the room while the input is for a thread."""
    _put_aside: str = ""
    """The draft while the input is for an edit."""

    def set_draft(self, text: str) -> None:
        self.draft = text

    # Edits and replies.

    def begin_edit(self, mode: Editing | EditingUnsent, text: str) -> None:
        """Put the text of a message into the input; what is in it comes back after the edit."""
        self.leave_mode()
        self._put_aside, self.mode, self.draft = self.draft, mode, text

    def begin_reply(self, mode: Replying) -> None:
        """Answer a message with what is in the input."""
        self.leave_mode()
        self.mode = mode

    def leave_mode(self) -> None:
        """Leave an edit or a reply. A reply keeps its text, as a message of its own."""
        if isinstance(self.mode, Editing | EditingUnsent):
            self.draft, self._put_aside = self._put_aside, ""
        self.mode = None

    def note_edit(self, mode: Editing) -> None:
        """An edit is on its way to the server."""
        self.edits_sent[mode.offset] = mode.content

    def finish_edit(self, offset: int) -> str | None:
        """The server answered an edit. Return the text that the user saw before it, None if no edit was sent."""
        return self.edits_sent.pop(offset, None)

    def return_unsent(self, content: str) -> None:
        """Put a text that was refused back into the input, above a newer draft."""
        self.leave_mode()
        self.draft = f"{content}\n{self.draft}" if self.draft else content

    def follow_ack(self, entry: OutboxEntry, offset: int) -> None:
        """An unsent message was stored at `offset`: an edit of it goes on as an edit of the stored one."""
        if self.mode == EditingUnsent(entry.key, entry.content):
            self.mode = Editing(offset, 0, entry.content)

    def follow_change(self, message: Message) -> None:
        """Bring an edit in the input up to date with a later state of its message.

        While only marks change, it goes on. The message's own text is no draft any more once that is erased.
        """
        if not isinstance(self.mode, Editing) or self.mode.offset != message.at.offset:
            return
        if message.deleted:
            kept = "" if self.draft == self.mode.content else self.draft
            self.leave_mode()
            if kept:
                self.return_unsent(kept)
        elif clean(message.content) == self.mode.content:
            self.mode = Editing(message.at.offset, message.rev, self.mode.content)

    def release(self) -> None:
        """The messages that the input is about are gone: keep its text, as that of a new message."""
        self.edits_sent = {}
        text = self.draft if isinstance(self.mode, Editing) else ""
        self.leave_mode()
        if text:
            self.return_unsent(text)

    # Threads.

    def enter_thread(self, root: int) -> None:
        """Write to the thread that the message at `root` began."""
        self.leave_mode()
        self.history.leave()
        self._thread, self._room_draft = root, self.draft
        self.draft = self.thread_drafts.pop(root, "")

    def leave_thread(self) -> None:
        """Write to the room again. An unfinished reply is kept for the next time."""
        if not self._thread:
            return
        self.leave_mode()
        self.history.leave()
        if self.draft:
            self.thread_drafts[self._thread] = self.draft
        self._thread, self.draft, self._room_draft = 0, self._room_draft, ""

    # Between runs.

    def unfinished(self) -> tuple[str, list[str], dict[int, str]]:
        """Return what the next run begins with: draft, newest texts of the input history, drafts in threads."""
        draft, written = self.history.unfinished, self.history.texts
        if isinstance(self.mode, Editing | EditingUnsent):
            draft, written = self._put_aside, [*written, self.draft]  # the next run finds the text with Up
        draft, thread_drafts = self.draft if draft is None else draft, dict(self.thread_drafts)
        if self._thread:
            thread_drafts[self._thread], draft = draft, self._room_draft
        return draft, written[-SAVED_HISTORY:], {root: text for root, text in thread_drafts.items() if text}

    def restore(self, draft: str, written: Sequence[str], thread_drafts: Mapping[int, str]) -> None:
        """Take over what was saved by an earlier run."""
        self.draft, self.history, self.thread_drafts = draft, InputHistory(list(written)), dict(thread_drafts)
