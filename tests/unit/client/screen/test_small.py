"""The small rules of the screen, each by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.keys import _character_to_key

from chatterbox.wire.frames import Message
from client.config.builtin_themes import BUILT_IN
from client.config.key_bindings import bind, canonical
from client.config.theme_colors import contrast
from client.config.themes import LEAST_OF_TEXT, Theme
from client.screen.actions.action_table import ACTIONS, ActionScope, keymap, sections, spoken, usual, with_keys
from client.screen.actions.handlers import ActionHandlers
from client.screen.input.emoji_names import EMOJI
from client.screen.input.fuzzy_match import best, score
from client.screen.input.input_field import InputField
from client.screen.input.tab_completion import CompletionSources, complete
from client.screen.layout.links import links, mentions
from client.screen.layout.name_colors import person_colour
from client.screen.model.chat_model import ChatModel
from client.screen.model.input_history import InputHistory
from client.screen.model.message_log import LIMIT, SLACK, MessageLog
from client.screen.model.saved_state import recall, remember
from client.screen.widgets.composer import EDITS, clean
from client.screen.widgets.key_names import name_of
from tests.unit.client.world import message

NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20)
WRITTEN_KEYS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "ctrl+", "alt+", "shift+", "ctrl+alt+"]),
    st.sampled_from([*"azK?/,+-_1", "enter", "pageup", "escape", "f12", "up", "space"]),
).map(canonical)


class TestActions:
    def test_each_can_be_done(self) -> None:
        here = {"kill-", "yank", "swap"}
        for name in ACTIONS:
            word = "room" if name.startswith("room-") else name.replace("-", "_")
            assert name in EDITS or name.startswith(tuple(here)) or hasattr(ActionHandlers, word), name

    @pytest.mark.parametrize("parts", [set(ActionScope) - {ActionScope.SELECTING}, {ActionScope.SELECTING}])
    def test_no_key_does_two_things(self, parts: set[ActionScope]) -> None:
        keys = [key for action in ACTIONS.values() if action.where in parts for key in action.keys]
        assert len(keys) == len(set(keys))

    def test_every_one_is_in_the_help(self) -> None:
        listed = [name for _, rows in sections() for name, _, _ in rows]
        assert [name for name in ACTIONS if name not in listed and not name.startswith("room-")] == []

    def test_keys_can_be_others(self) -> None:
        keys = keymap(with_keys({"switch-room": ("ctrl+g",), "quit": ()}), set(ActionScope))
        assert keys["ctrl+g"] == "switch-room"
        assert "ctrl+q" not in keys

    def test_are_told_to_the_configuration_with_what_may_share_a_key(self) -> None:
        own = {"unselect": ("escape",), "older-text": ("up", "?")}
        bound, wrong = bind(own, usual())
        assert wrong == []
        assert (bound["to-newest"], bound["select-older"]) == (("ctrl+end", "escape"), ("up", "k"))

    def test_keys_are_written_as_on_a_keyboard(self) -> None:
        assert spoken(("ctrl+k", "alt+enter", "escape", "?", "ctrl++")) == "Ctrl+K, Alt+Enter, Esc, ?, Ctrl++"

    @given(WRITTEN_KEYS.filter(bool))
    def test_what_the_help_says_can_be_written_into_the_configuration(self, key: str) -> None:
        assert canonical(spoken((key,))) == key

    @pytest.mark.parametrize("keys", [action.keys for action in ACTIONS.values()], ids=list(ACTIONS))
    def test_the_usual_ones_are_written_as_they_are_compared(self, keys: tuple[str, ...]) -> None:
        assert tuple(map(canonical, keys)) == keys


class TestAKeyPressed:
    @given(st.characters(categories=["L", "N", "P", "S"]))
    def test_a_sign_is_called_what_it_is(self, sign: str) -> None:
        assert name_of(events.Key(_character_to_key(sign), sign).key, sign) == sign

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("ctrl+underscore", "ctrl+_"),
            ("ctrl+right_square_bracket", "ctrl+]"),
            ("alt+ctrl+up", "ctrl+alt+up"),
            ("shift+tab", "shift+tab"),
            ("ctrl+at", "ctrl+space"),
            ("f1", "f1"),
        ],
    )
    def test_another_is_called_as_the_configuration_has_it(self, key: str, name: str) -> None:
        assert name_of(key) == name


class TestAField:
    @given(st.text("ab ", max_size=6), st.lists(st.sampled_from(["left", "right", "line-start", "line-end"])))
    def test_what_is_typed_stands_where_the_cursor_is(self, text: str, moves: list[str]) -> None:
        field = InputField(text, len(text))
        for move in moves:
            field.act(move)
        at = field.at
        field.type("x")
        assert (field.text, field.at) == (text[:at] + "x" + text[at:], at + 1)

    @pytest.mark.parametrize(
        ("actions", "left"),
        [
            (["delete-left"], "one tw"),
            (["kill-word-left"], "one "),
            (["kill-to-start"], ""),
            (["line-start", "delete-right"], "ne two"),
            (["line-start", "delete-left"], "one two"),
            (["delete-right"], "one two"),
        ],
    )
    def test_is_edited_as_what_one_writes(self, actions: list[str], left: str) -> None:
        field = InputField("one two", 7)
        assert all(field.act(action) for action in actions)
        assert field.text == left

    def test_does_nothing_else(self) -> None:
        assert not InputField("x", 1).act("send")


class TestColours:
    @given(NAMES, st.sampled_from([theme for theme in BUILT_IN.values() if theme.background.startswith("#")]))
    def test_every_name_can_be_read_on_all_that_it_stands_on(self, name: str, theme: Theme) -> None:
        least = 7 if theme.name == "high-contrast" else LEAST_OF_TEXT
        for ground in (theme.background, theme.panel):
            assert (contrast(person_colour(name, theme), ground) or 0) >= least

    @given(st.lists(NAMES, min_size=60, max_size=60, unique_by=str.casefold))
    def test_names_share_all_the_colours(self, names: list[str]) -> None:
        assert len({person_colour(name, BUILT_IN["dark"]) for name in names}) > 4

    def test_a_name_keeps_its_colour_whatever_its_case(self) -> None:
        dark = BUILT_IN["dark"]
        assert person_colour("Ada", dark) == person_colour("ada", dark)


class TestCompleting:
    KNOWN = CompletionSources(["join", "leave"], ["bob", "barbara"], ["general", "ops"])

    @pytest.mark.parametrize(
        ("before", "choices"),
        [
            ("/j", ("/join ",)),
            ("/join o", ("ops",)),
            ("b", ("bob: ", "barbara: ")),
            ("hi b", ("bob ", "barbara ")),
            ("hi @ba", ("@barbara ",)),
            ("see #g", ("#general ",)),
            ("yes :tad", (EMOJI["tada"],)),
            ("line\nbo", ("bob ",)),
        ],
    )
    def test_the_last_word_is_completed(self, before: str, choices: tuple[str, ...]) -> None:
        found = complete(before, self.KNOWN)
        assert found is not None
        assert found.choices == choices

    @pytest.mark.parametrize("before", ["", "hi ", "zzz", ":", "http://b"])
    def test_else_nothing_happens(self, before: str) -> None:
        assert complete(before, self.KNOWN) is None


class TestFinding:
    @given(NAMES, st.lists(NAMES, max_size=8))
    def test_what_is_typed_in_full_comes_first(self, name: str, others: list[str]) -> None:
        names = [other for other in others if score(name, other) != 0]
        assert best(name, [(each, each) for each in [*names, name]])[0] == name

    @given(st.text(max_size=5), NAMES)
    def test_letters_in_order_fit(self, typed: str, name: str) -> None:
        fits = score(typed, name) is not None
        rest = iter(name.casefold())
        assert fits == all(letter in rest for letter in typed.casefold())


class TestLinks:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("see http://a.example.", ["http://a.example"]),
            ("(https://a.example/(b))", ["https://a.example/(b)"]),
            ("<http://a.example> and HTTPS://B", ["http://a.example", "HTTPS://B"]),
            ("javascript:alert(1) file:///etc ftp://x", []),
            ("http://", []),
        ],
    )
    def test_are_found_without_what_ends_the_sentence(self, text: str, found: list[str]) -> None:
        assert [link.address for link in links(text)] == found

    @given(st.text(max_size=100))
    def test_stand_where_they_say(self, text: str) -> None:
        assert all(text[link.start : link.end] == link.address for link in links(text))

    def test_a_mention_is_a_whole_word(self) -> None:
        assert mentions("hey @Al!", "al")
        assert not mentions("also", "al")
        assert not mentions("al-x", "al")


class TestTheLog:
    @given(st.lists(st.integers(1, 60), max_size=80))
    def test_has_each_message_once_and_in_order(self, offsets: list[int]) -> None:
        log = MessageLog()
        for offset in offsets:
            log.add([message(offset)])
        assert log.offsets == sorted(set(offsets))
        assert all(log[offset].at.offset == offset for offset in log.offsets)
        holes = sum(log.hole_before(index) for index in range(len(log)))
        assert not log or holes == log.last - (log.first or 0) + 1 - len(log)

    def test_is_bounded(self) -> None:
        log = MessageLog()
        log.add(message(offset) for offset in range(1, LIMIT + 2))
        assert len(log) == LIMIT - SLACK
        assert log.last == LIMIT + 1
        assert not log.complete

    def test_another_epoch_begins_it_anew(self) -> None:
        log = MessageLog()
        log.add([message(1), message(2), message(1, epoch="e2")])
        assert (log.offsets, log.epoch) == ([1], "e2")


class TestRecall:
    def test_walks_back_and_forth_and_ends_where_it_began(self) -> None:
        recall = InputHistory()
        recall.add("one")
        recall.add("two")
        assert [recall.previous("half"), recall.previous("two"), recall.previous("one")] == ["two", "one", None]
        assert [recall.next(), recall.next(), recall.next()] == ["two", "half", None]

    @given(st.lists(st.sampled_from(["up", "down"])), st.text("abc", max_size=3))
    def test_what_was_half_written_is_never_lost(self, steps: list[str], half: str) -> None:
        recall = InputHistory(["one", "two"])
        shown = half
        for step in steps:
            shown = (recall.previous(shown) if step == "up" else recall.next()) or shown
        assert recall.unfinished == half or shown == half or not half


class TestMemory:
    def test_a_run_takes_up_where_the_last_one_ended(self) -> None:
        before = ChatModel("http://x", "general")
        before.status.username = "alice"
        before.room.page([message(1), message(2)])
        before.room.marker.read, before.room.draft = 2, "half"
        before.room.recall.add("said")
        after = ChatModel("http://x", "general")
        assert recall(after, remember(before, "light")) == "light"
        assert (after.room.marker.read, after.room.draft, after.room.recall.written) == (2, "half", ["said"])
        assert after.room.log.offsets == [1, 2]

    def test_what_was_not_read_is_unread_before_there_is_a_connection(self) -> None:
        before = ChatModel("http://x", "general")
        before.place("ops").page([message(offset, room="ops") for offset in (1, 2, 3)])
        before.place("ops").marker.read = 1
        after = ChatModel("http://x", "general")
        recall(after, remember(before))
        assert (after.rooms["ops"].unread, after.rooms["ops"].line) == (2, 1)

    def test_a_walk_through_what_was_written_does_not_cost_the_draft(self) -> None:
        before = ChatModel("http://x", "general")
        before.room.recall.add("said")
        before.room.draft = before.room.recall.previous("half") or ""
        after = ChatModel("http://x", "general")
        recall(after, remember(before))
        assert after.room.draft == "half"

    @given(st.binary(max_size=60))
    def test_a_damaged_file_costs_the_memory_and_nothing_else(self, data: bytes) -> None:
        assert recall(ChatModel("http://x", "general"), data) == ""


@given(st.text())
def test_pasted_text_has_nothing_that_a_terminal_obeys(text: str) -> None:
    from client.text.sanitize import is_dangerous

    assert not any(is_dangerous(character) for character in clean(text) if character != "\n")


def test_a_message_of_the_wire_is_what_is_kept() -> None:
    assert isinstance(message(1), Message)
