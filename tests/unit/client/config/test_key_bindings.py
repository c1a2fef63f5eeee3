"""Notation of keys, and merging a user's keys with the defaults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.config.key_bindings import DefaultKeys, bind, canonical

ACTIONS = {
    "quit": DefaultKeys(("ctrl+q",)),
    "switch-room": DefaultKeys(("ctrl+k", "f3")),
    "help": DefaultKeys(("f1",)),
    "unselect": DefaultKeys(("f1", "q"), "selecting"),
}


class TestCanonicalKeys:
    @pytest.mark.parametrize(
        ("written", "key"),
        [
            ("ctrl+k", "ctrl+k"),
            ("Ctrl-K", "ctrl+k"),
            ("C-k", "ctrl+k"),
            ("M-1", "alt+1"),
            ("shift+alt+PageUp", "alt+shift+pageup"),
            ("PgUp", "pageup"),
            ("esc", "escape"),
            ("F12", "f12"),
            ("?", "?"),
            ("K", "K"),
            ("+", "+"),
            ("ctrl++", "ctrl++"),
            ("ctrl+-", "ctrl+-"),
            ("ctrl--", "ctrl+-"),
            ("alt+é", "alt+é"),
            ("ctrl+_", "ctrl+_"),
            ("/", "/"),
            ("shift+k", "K"),
            ("ctrl+i", "tab"),
            ("ctrl+m", "enter"),
            ("ctrl+@", "ctrl+space"),
        ],
    )
    def test_a_key_has_one_canonical_notation(self, written: str, key: str) -> None:
        assert canonical(written) == key

    @pytest.mark.parametrize(
        "written", ["", " ", "\x1b", "hyper+x", "ctrl+", "ctrl+ctrl+x", "f25", "xy", "x+y", "+-", "ctrl+\n", "a+"]
    )
    def test_an_invalid_key_is_none(self, written: str) -> None:
        assert canonical(written) is None

    @given(st.text(alphabet="ctrlaltshiftf1+- kK\x1b", max_size=12) | st.text(max_size=8))
    def test_canonical_is_idempotent(self, written: str) -> None:
        key = canonical(written)
        assert key is None or canonical(key) == key


class TestBinding:
    def test_without_own_keys_the_defaults_stay(self) -> None:
        assert bind({}, ACTIONS) == ({name: usual.keys for name, usual in ACTIONS.items()}, [])

    def test_own_keys_replace_the_defaults_of_the_action(self) -> None:
        bound, problems = bind({"help": ("f2", "?")}, ACTIONS)
        assert (bound["help"], problems) == (("f2", "?"), [])

    def test_an_own_key_is_removed_from_its_default_action(self) -> None:
        bound, problems = bind({"help": ("Ctrl-K",)}, ACTIONS)
        assert (bound["help"], bound["switch-room"], problems) == (("ctrl+k",), ("f3",), [])

    def test_an_empty_list_removes_the_keys_of_an_action(self) -> None:
        assert bind({"quit": ()}, ACTIONS)[0]["quit"] == ()

    def test_one_key_for_two_actions_is_reported(self) -> None:
        assert bind({"quit": ("f5",), "help": ("F5",)}, ACTIONS)[1] == [("help", "f5 is already bound to quit")]

    def test_an_unknown_action_gets_a_suggestion(self) -> None:
        assert bind({"swich-room": ("f5",)}, ACTIONS)[1] == [
            ("swich-room", "unknown action. Did you mean switch-room?")
        ]

    def test_without_known_actions_every_name_is_accepted(self) -> None:
        own = {"anything": ("f5",), "else": ("f5",)}
        assert bind(own, None) == (own, [])

    @given(
        st.dictionaries(
            st.sampled_from(list(ACTIONS)), st.lists(st.sampled_from(["f1", "f3", "ctrl+k", "x"])).map(tuple)
        )
    )
    def test_no_key_has_two_actions_in_one_mode(self, own: dict[str, tuple[str, ...]]) -> None:
        bound = bind(own, ACTIONS)[0]
        keys = [(ACTIONS[name].mode, key) for name in bound for key in bound[name]]
        assert len(keys) == len(set(keys))

    def test_a_key_can_have_another_action_in_another_mode(self) -> None:
        bound, problems = bind({"help": ("q",), "unselect": ("ctrl+k",)}, ACTIONS)
        assert (bound["help"], bound["unselect"], bound["switch-room"]) == (("q",), ("ctrl+k",), ("ctrl+k", "f3"))
        assert problems == []
