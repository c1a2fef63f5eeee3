"""The table of actions: keys, help, and a handler for each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.config.key_bindings import bind, canonical
from client.screen.actions.action_table import (
    ACTIONS,
    OWN_KEYS,
    ActionScope,
    default_keys,
    key_labels,
    keymap,
    sections,
    with_keys,
)
from tests.unit.client.screen.harness import running_screen

CONFIGURED_KEYS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "ctrl+", "alt+", "shift+", "ctrl+alt+"]),
    st.sampled_from([*"azK?/,+-_1", "enter", "pageup", "escape", "f12", "up", "space"]),
).map(canonical)


async def test_every_action_has_exactly_one_handler_and_every_handler_an_action() -> None:
    async with running_screen() as ui:
        editing, others = set(ui.chat.composer.editing), set(ui.chat.handlers.table)
    assert not editing & others
    assert editing | others == set(ACTIONS)


async def test_groups_of_handlers_do_not_override_each_other() -> None:
    async with running_screen() as ui:
        handlers = ui.chat.handlers
    groups = [handlers.composer, handlers.messages, handlers.program, handlers.reading, handlers.rooms]
    tables = [group.table for group in groups]
    assert sum(map(len, tables)) == len(handlers.table)


@pytest.mark.parametrize("scopes", [set(ActionScope) - OWN_KEYS, *({scope} for scope in OWN_KEYS)])
def test_no_key_has_two_actions_in_the_same_scopes(scopes: set[ActionScope]) -> None:
    keys = [key for action in ACTIONS.values() if action.scope in scopes for key in action.keys]
    assert len(keys) == len(set(keys))


def test_every_action_is_in_the_help() -> None:
    listed = [name for _, rows in sections() for name, _, _ in rows]
    assert [name for name in ACTIONS if name not in listed and not name.startswith("room-")] == []


def test_configured_keys_replace_the_default_ones() -> None:
    keys = keymap(with_keys({"switch-room": ("ctrl+g",), "quit": ()}), set(ActionScope))
    assert keys["ctrl+g"] == "switch-room"
    assert "ctrl+q" not in keys


def test_configuration_allows_the_same_key_with_and_without_a_selected_message() -> None:
    own = {"unselect": ("escape",), "older-text": ("up", "?")}
    bound, problems = bind(own, default_keys())
    assert problems == []
    assert (bound["to-newest"], bound["select-older"]) == (("escape", "ctrl+end"), ("up", "k"))


def test_keys_are_labelled_as_on_a_keyboard() -> None:
    assert key_labels(("ctrl+k", "alt+enter", "escape", "?", "ctrl++")) == "Ctrl+K, Alt+Enter, Esc, ?, Ctrl++"


@given(CONFIGURED_KEYS.filter(bool))
def test_key_labels_of_the_help_are_valid_in_the_configuration(key: str) -> None:
    assert canonical(key_labels((key,))) == key


@pytest.mark.parametrize("keys", [action.keys for action in ACTIONS.values()], ids=list(ACTIONS))
def test_default_keys_are_in_canonical_notation(keys: tuple[str, ...]) -> None:
    assert tuple(map(canonical, keys)) == keys
