"""Which action a key performs, by what the screen shows. Pure."""

from collections.abc import Mapping

from client.screen.actions.action_table import (
    OWN_KEYS,
    Action,
    ActionScope,
    found_hints,
    key_labels,
    keymap,
    selection_hints,
)
from client.screen.actions.history_search import HistorySearch
from client.screen.model.chat_model import ChatModel


class ScreenKeys:
    """The keys of a table of actions."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        usual = set(ActionScope) - OWN_KEYS
        self._actions = actions
        self._in_room = keymap(actions, usual)
        self._in_thread = keymap(actions, usual, {ActionScope.THREAD})
        self._composing = keymap(actions, usual, {ActionScope.COMPOSING})
        self._selecting = keymap(
            actions, {ActionScope.ROOMS, ActionScope.READING, ActionScope.PROGRAM}, {ActionScope.SELECTING}
        )
        self.editing = keymap(actions, {ActionScope.EDITING})
        """The actions that edit a line of text, by key."""

    def label(self, action: str) -> str:
        """The first key of an action as written on keyboards; empty if it has none."""
        return key_labels(self._actions[action].keys[:1])

    def usual_action(self, key: str) -> str | None:
        """The action of a key while no message is selected and no thread is open."""
        return self._in_room.get(key)

    def action(self, key: str, model: ChatModel) -> str | None:
        """The action of a key now."""
        if model.selected is not None:
            return self._selecting.get(key)
        if model.room.input.mode is not None:
            return self._composing.get(key)
        return (self._in_room if model.thread is None else self._in_thread).get(key)

    def hints(self, model: ChatModel, search: HistorySearch) -> list[str]:
        """The keys for the selected message, or for the one that was found."""
        if (message := model.selected_message()) is not None:
            return selection_hints(self._actions, message, model.status.username, in_thread=model.thread is not None)
        return found_hints(self._actions, searched=bool(search.text)) if search.found is not None else []
