"""Search in the open room: in the loaded messages, then in older pages of its history, a bounded number at a time.

Of an encrypted room, also in the index of all messages that this computer has read.
"""

import asyncio
from typing import TYPE_CHECKING

from client.failures import Failure
from client.screen.actions.screen_interface import PickerInterface, ScreenInterface
from client.screen.layout.picker_items import PickerItem, found_messages, next_found, search_extent, with_indexed
from client.screen.model.messages import message_actions
from client.screen.model.scroll_position import BlockKey, message_key
from client.text.sanitize import inert

if TYPE_CHECKING:
    from client.encryption.search.search_index import FoundMessage, Reach
    from client.net.search.search_jobs import RoomSearch

PAGES = 50
"""Pages that a search loads before it waits for the user to continue it."""
TURN_S = 0.2
"""Time between two requests: a search stays far below the server's limit of commands (seconds)."""
INDEX_TURNS = 10
"""Turns after which it is looked what else was read, by this program or another one."""
RETRY_TURNS, GIVE_UP_TURNS = 10, 50
"""After this many turns without a page, it is requested again; then the search stops."""


class HistorySearch:
    """The search of one screen. `text` was searched for last; it is highlighted."""

    def __init__(self, screen: ScreenInterface) -> None:
        self._screen, self._model = screen, screen.model
        self._index: RoomSearch | None = None
        """What this computer has read of encrypted rooms, once one was searched."""
        self._index_problem = ""
        self.text = ""
        self._found: tuple[str, BlockKey] | None = None
        """Room and key of the message that was found last."""
        self._pages_left = 0
        self._requested_at: int | None = -1
        """The oldest searched message when the last page was requested."""
        self._turns = 0
        """Turns since then."""

    @property
    def found(self) -> BlockKey | None:
        """The message that was found last, if its room is open."""
        return self._found[1] if self._found is not None and self._found[0] == self._model.room.name else None

    def clear(self) -> None:
        """Forget text and match; a search in the background ends."""
        self.text, self._found = "", None

    def go_to(self, offset: int) -> str:
        """Go to a message, and mark it as found; return a sentence if that is not possible."""
        if sentence := message_actions.go_to(self._model, offset):
            return sentence
        self._found = (self._model.room.name, message_key(offset))
        self._screen.changed()
        return ""

    def find(self, typed: str = "") -> None:
        """Open the picker, with `typed` or the text of the last search.

        It loads older messages as long as it is open and a text is typed.
        """
        self._continue()
        room, more_keys = self._model.room.name, self._screen.actions["find"].keys

        def choose(offset: str, typed: str) -> None:
            if offset:
                self.text = typed
                self._model.open_room(room)
                self._show(int(offset))

        picker = self._screen.pick(
            "Find in this room",
            self._matching,
            choose,
            typed=typed or self.text,
            empty=self._nothing,
            keys=dict.fromkeys(more_keys, self._continue),
        )
        self._screen.run_in_background(self._fill(picker))

    def find_next(self) -> None:
        """Go to the next older match; load older messages in the background if necessary."""
        if not self.text:
            self._screen.show_status(f"Search first: {self._screen.key_of('find')}.")
        elif not self._go_to_next():
            self._continue()
            self._screen.run_in_background(self._find_older())

    def _matching(self, typed: str) -> list[PickerItem]:
        if not typed.strip():
            return []
        return with_indexed(self._model, found_messages(self._model, typed), self._indexed(typed))

    def _nothing(self, typed: str) -> str:
        if not typed.strip():
            return "Type what to find."
        return "No match so far." if self._can_load() else "No match."

    async def _fill(self, picker: PickerInterface) -> None:
        shown: tuple[str, int, int, str, Reach | None] | None = None
        turns = 0
        while picker.is_open:
            if turns % INDEX_TURNS == 0:
                await self._read_index()
            turns += 1
            loads = bool(picker.typed.strip()) and self._load_page()
            progress = self._extent(loads=loads)
            log = self._model.room.log
            state = (picker.typed, len(log), log.replaced, progress, self._reach())
            if state != shown:
                picker.update(progress)
                shown = state
            await asyncio.sleep(TURN_S)

    async def _find_older(self) -> None:
        room, text = self._model.room, self.text
        await self._read_index()
        while self._model.room is room and self.text == text and not self._go_to_next():
            loads = self._load_page()
            extent = self._extent(loads=loads, key="find-again")
            if not loads:
                self._screen.show_status(f"No older match; {extent}.")
                return
            self._screen.show_status(f"{extent} {self._screen.key_of('to-newest')} stops")
            await asyncio.sleep(TURN_S)

    def _go_to_next(self) -> bool:
        """Go to the next older match, if it is loaded."""
        before = self._model.selected or self.found
        key = next_found(self._model, self.text, before)
        loaded = key.number if key is not None else 0
        for each in self._indexed(self.text):
            is_older = before is None or not before.is_message or each.offset < before.number
            if is_older and each.offset > loaded and each.offset not in self._model.room.log:
                return not self.go_to(each.offset)
        if key is not None:
            self._go_to(key)
        return key is not None

    def _show(self, offset: int) -> None:
        """Show a message that was chosen, which may not be loaded."""
        if offset in self._model.room.log:
            self._go_to(message_key(offset))
        elif sentence := self.go_to(offset):
            self._screen.show_status(sentence)

    def _go_to(self, key: BlockKey) -> None:
        """Show a match in the room. Letters still go to the input, unless a message was selected before."""
        self._model.close_thread()
        self._screen.timeline_view.show(key)
        self._found = (self._model.room.name, key)
        if self._model.selected is not None:
            self._model.select(key)
        self._screen.changed()

    # The index of an encrypted room.

    async def _read_index(self) -> None:
        """Read what is new in the index, if the open room is encrypted."""
        if not self._model.is_encrypted(self._model.room.name):
            return
        if self._index is None:
            from client.net.search.search_jobs import RoomSearch  # late: it needs the key store

            self._index = RoomSearch(self._screen.runtime.slash_commands.context)
        try:
            await asyncio.to_thread(self._index.refresh)
        except Failure as problem:
            if self._index_problem != str(problem):
                self._index_problem = str(problem)
                self._screen.show_status(inert(str(problem)))

    def _indexed(self, typed: str) -> "list[FoundMessage]":
        room = self._model.room.name
        return self._index.find(room, typed) if self._index is not None and self._model.is_encrypted(room) else []

    def _reach(self) -> "Reach | None":
        room = self._model.room.name
        return self._index.reach(room) if self._index is not None and self._model.is_encrypted(room) else None

    # Loading.

    def _continue(self) -> None:
        """Allow the search to load more pages."""
        self._pages_left, self._requested_at, self._turns = PAGES, -1, 0

    def _can_load(self) -> bool:
        reach = self._reach()
        is_whole = reach is not None and reach.is_whole
        return self._pages_left > 0 and self._model.can_load_older and not is_whole

    def _load_page(self) -> bool:
        """Request an older page, unless one is on its way; False if none can be loaded, or no more for now."""
        if not self._can_load():
            return False
        oldest = self._model.room.log.unbroken_from
        if oldest != self._requested_at:
            self._requested_at, self._turns = oldest, 0
            self._pages_left -= 1
            self._model.load_older()
        else:
            self._turns += 1
            if self._turns % RETRY_TURNS == 0:
                self._model.room.pages.retry_refused()
                self._model.load_older()
            if self._turns >= GIVE_UP_TURNS:
                self._pages_left = 0
        self._screen.runtime.settle()
        return True

    def _extent(self, *, loads: bool, key: str = "find") -> str:
        if (reach := self._reach()) is None:
            return search_extent(self._model, self._screen.key_of(key), loads=loads)
        from client.text.encryption.search_text import reach_words

        if loads:
            return f"{reach_words(reach)}; loading …"
        can_go_on = self._model.can_load_older and not reach.is_whole
        return reach_words(reach) + (f"; {self._screen.key_of(key)} searches on" if can_go_on else "")
