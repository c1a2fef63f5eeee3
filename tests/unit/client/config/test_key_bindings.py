"""Keys: how they are written, and what they do once a person's own are laid over the usual ones."""

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


class TestAKey:
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
    def test_is_compared_by_what_it_means(self, written: str, key: str) -> None:
        assert canonical(written) == key

    @pytest.mark.parametrize(
        "written", ["", " ", "\x1b", "hyper+x", "ctrl+", "ctrl+ctrl+x", "f25", "xy", "x+y", "+-", "ctrl+\n", "a+"]
    )
    def test_or_is_none(self, written: str) -> None:
        assert canonical(written) is None

    @given(st.text(alphabet="ctrlaltshiftf1+- kK\x1b", max_size=12) | st.text(max_size=8))
    def test_whatever_is_written_is_stable(self, written: str) -> None:
        key = canonical(written)
        assert key is None or canonical(key) == key


class TestBinding:
    def test_nothing_of_ones_own_leaves_the_usual(self) -> None:
        assert bind({}, ACTIONS) == ({name: usual.keys for name, usual in ACTIONS.items()}, [])

    def test_ones_own_replace_those_of_the_action(self) -> None:
        bound, wrong = bind({"help": ("f2", "?")}, ACTIONS)
        assert (bound["help"], wrong) == (("f2", "?"), [])

    def test_a_key_is_taken_from_what_usually_has_it(self) -> None:
        bound, wrong = bind({"help": ("Ctrl-K",)}, ACTIONS)
        assert (bound["help"], bound["switch-room"], wrong) == (("ctrl+k",), ("f3",), [])

    def test_an_empty_list_takes_them_away(self) -> None:
        assert bind({"quit": ()}, ACTIONS)[0]["quit"] == ()

    def test_one_key_for_two_of_ones_own_is_a_mistake(self) -> None:
        assert bind({"quit": ("f5",), "help": ("F5",)}, ACTIONS)[1] == [("help", "f5 is already bound to quit")]

    def test_an_action_that_there_is_not_is_guessed(self) -> None:
        assert bind({"swich-room": ("f5",)}, ACTIONS)[1] == [
            ("swich-room", "unknown action. Did you mean switch-room?")
        ]

    def test_without_a_table_of_actions_every_name_is_taken(self) -> None:
        own = {"anything": ("f5",), "else": ("f5",)}
        assert bind(own, None) == (own, [])

    @given(
        st.dictionaries(
            st.sampled_from(list(ACTIONS)), st.lists(st.sampled_from(["f1", "f3", "ctrl+k", "x"])).map(tuple)
        )
    )
    def test_no_key_ever_does_two_things_in_one_mode(self, own: dict[str, tuple[str, ...]]) -> None:
        bound = bind(own, ACTIONS)[0]
        keys = [(ACTIONS[name].mode, key) for name in bound for key in bound[name]]
        assert len(keys) == len(set(keys))

    def test_in_another_mode_it_does_something_else(self) -> None:
        bound, wrong = bind({"help": ("q",), "unselect": ("ctrl+k",)}, ACTIONS)
        assert (bound["help"], bound["unselect"], bound["switch-room"]) == (("q",), ("ctrl+k",), ("ctrl+k", "f3"))
        assert wrong == []
