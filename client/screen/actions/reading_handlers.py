"""Handlers for scrolling, opening links, and what is done with a selected message."""

from collections.abc import Callable, Mapping
from functools import partial

from client.screen.actions.history_search import HistorySearch
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.input.pasted_text import clean
from client.screen.layout import picker_items
from client.screen.layout.picker_items import PickerItem
from client.screen.model.messages.links import links
from client.screen.model.messages.message_selection import moved, position_of, quoted
from client.screen.model.scroll_position import TOP, BlockKey
from client.text.sanitize import inert


class ReadingHandlers:
    """`table` maps each action for reading or selecting to its handler."""

    def __init__(self, screen: ScreenInterface) -> None:
        self._screen, self._model, self._view = screen, screen.model, screen.timeline_view
        self.search = HistorySearch(screen)
        self.table: Mapping[str, Callable[[], None]] = {
            "page-up": partial(self._view.scroll_page, -1),
            "page-down": partial(self._view.scroll_page, 1),
            "line-up": partial(self._view.scroll, -1),
            "line-down": partial(self._view.scroll, 1),
            "first-unread": self.show_first_unread,
            "to-oldest": partial(self._view.show, TOP),
            "to-newest": self.show_newest,
            "mark-read": self._model.mark_all_read,
            "find": self.search.find,
            "find-again": self.search.find_next,
            "links": self.list_links,
            "select": self.select,
            "select-older": partial(self._move_selection, -1),
            "select-newer": partial(self._move_selection, 1),
            "copy": self.copy_text,
            "mark-unread": self.mark_unread,
            "quote": self.quote,
            "open-link": partial(self.open_link, 1),
            "copy-place": self.copy_position,
            "unselect": self.unselect,
        }

    def show_first_unread(self) -> None:
        if not self._view.show_first_unread():
            self._screen.show_status("No unread messages in this room.")

    def show_newest(self) -> None:
        self.search.clear()
        self._model.follow()

    def list_links(self) -> None:
        def matching(typed: str) -> list[PickerItem]:
            return picker_items.filtered(typed, picker_items.room_links(self._model), fuzzy=False)

        self._screen.pick("Open a link", matching, lambda address, _: self._open(address))

    # The selected message.

    def select(self) -> None:
        """Select the message that was found, or the newest one on the screen."""
        if (key := self.search.found or self._view.newest_message()) is not None:
            self._select(key)
        else:
            self._screen.show_status("No message to select.")

    def _select(self, key: BlockKey) -> None:
        self._view.show(key)
        self._model.select(key)

    def _move_selection(self, by: int) -> None:
        if (key := moved(self._model, by)) is None:
            self.unselect()
        else:
            self._select(key)

    def unselect(self) -> None:
        self._model.select(None)

    def mark_unread(self) -> None:
        message = self._model.selected_message()
        self.unselect()
        if message is not None:
            self._model.mark_unread(message.at.offset)
            self._screen.show_status("Unread from here; it stays so until you come back to this room.")

    def copy_text(self) -> None:
        self._copy(clean(self._model.selected_text()))

    def copy_position(self) -> None:
        self._copy(position_of(self._model))

    def _copy(self, text: str) -> None:
        if text:
            self._screen.show_status(self._screen.copy(text))
        self.unselect()

    def quote(self) -> None:
        quote = quoted(self._model)
        self.unselect()
        composer = self._screen.composer
        composer.show(f"{composer.text.rstrip()}\n{quote}".lstrip("\n"))

    def open_link(self, number: int) -> None:
        """Open a link of the selected message, by the number after it."""
        found = links(inert(self._model.selected_text()))
        if 0 < number <= len(found):
            self._open(found[number - 1].address)
        else:
            self._screen.show_status("No link with that number.")

    def _open(self, address: str) -> None:
        if address.startswith(("http://", "https://")):
            from client.screen.actions.link_opener import open_link  # imported on first use: the screen opens faster

            self._screen.copy(address)
            self._screen.run_in_background(open_link(self._screen, address))
