"""Parsing typed lines into requests, local commands and usage mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.encryption.member_log import NewcomerHistory
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested
from client.faces.slash.slash_parser import (
    LocalCommand,
    LocalCommandName,
    UsageMistake,
    help_lines,
    parse,
    room_word,
    unknown,
)
from client.faces.slash.slash_table import ALIASES, KEYWORDS, LOSES, SLASHES, SlashSpec, WordKind


def _misspelt(name: str) -> st.SearchStrategy[str]:
    return st.integers(0, len(name) - 1).map(lambda at: name[:at] + name[at + 1 :])


def asked(command: frames.Command) -> CommandRequested:
    return CommandRequested(command)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", SendRequested("general", "hello")),
        ("  hello", SendRequested("general", "  hello")),
        ("//shrug", SendRequested("general", "/shrug")),
        ("/join #Ops", RoomRequested("ops")),
        ("/join @Bob", RoomRequested("@bob")),
        ("/msg @Bob", RoomRequested("@bob")),
        ("/dm bob", RoomRequested("@bob")),
        ("/msg bob  are you  there? ", SendRequested("@bob", "are you  there?")),
        ("/members @Bob", LocalCommand(LocalCommandName.MEMBERS, "@bob")),
        ("/writes", LocalCommand(LocalCommandName.WRITES)),
        ("/writes rooms", LocalCommand(LocalCommandName.WRITES, "rooms")),
        ("/writes friends", UsageMistake("Usage: /writes [WHO]")),
        ("/quit", QuitRequested()),
        ("/rooms", asked(frames.ListRooms(id=0))),
        ("/create #Ops private", asked(frames.CreateRoom(id=0, room="ops", private=True))),
        ("/create ops", asked(frames.CreateRoom(id=0, room="ops"))),
        ("/jion ops", UsageMistake("Unknown command /jion. Did you mean /join?")),
        ("/xyzzy", UsageMistake("Unknown command /xyzzy (see /help). To send it as text: //xyzzy")),
        ("/create ops privat", UsageMistake("Usage: /create ROOM [private | encrypted [--history all|joining]]")),
        ("/invite @bob", asked(frames.Invite(id=0, room="general", username="bob"))),
        ("/invite bob #ops", asked(frames.Invite(id=0, room="ops", username="bob"))),
        ("/leave", asked(frames.Leave(id=0, room="general"))),
        ("/leave #Ops", asked(frames.Leave(id=0, room="ops"))),
        ("/members", LocalCommand(LocalCommandName.MEMBERS, "general")),
        ("/members Ops", LocalCommand(LocalCommandName.MEMBERS, "ops")),
        ("/logout 5b1c", LocalCommand(LocalCommandName.LOGOUT, "5b1c")),
        ("/topic", LocalCommand(LocalCommandName.TOPIC, "general")),
        (
            "/topic   engines, and  steam ",
            asked(frames.SetTopic(id=0, room="general", topic="engines, and  steam")),
        ),
        ("/topic -", asked(frames.SetTopic(id=0, room="general", topic=""))),
        ("/help", LocalCommand(LocalCommandName.HELP)),
        ("/help join", LocalCommand(LocalCommandName.HELP, "join")),
        ("/join", UsageMistake("Usage: /join ROOM")),
        ("/quit now", UsageMistake("Usage: /quit")),
        ("", None),
        ("   ", None),
    ],
)
def test_typed_line_becomes_request_local_command_or_mistake(line: str, meaning: object) -> None:
    assert parse(line, "general") == meaning


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("hello", UsageMistake("No room open. /join ROOM, or /rooms to list them.", is_message=True)),
        ("/leave", UsageMistake("No room open. Usage: /leave ROOM [confirm]")),
        ("/invite bob", UsageMistake("No room open. Usage: /invite USERNAME ROOM")),
        ("/members", UsageMistake("No room open. Usage: /members ROOM")),
        ("/topic", UsageMistake("No room open. /join ROOM")),
        ("/topic x", UsageMistake("No room open. /join ROOM")),
    ],
)
def test_line_about_a_room_is_a_mistake_while_none_is_open(line: str, mistake: UsageMistake) -> None:
    assert parse(line, None) == mistake


@pytest.mark.parametrize("line", ["/invite bob ops", "/invite @bob #ops", "/invite #ops bob", "/invite ops @bob"])
def test_room_and_person_of_an_invitation_are_told_apart_by_their_marks(line: str) -> None:
    assert parse(line, "general") == asked(frames.Invite(id=0, room="ops", username="bob"))


@pytest.mark.parametrize(
    ("line", "room", "history"),
    [
        ("/create Plans encrypted", "plans~", None),
        ("/create plans --encrypted", "plans~", None),
        ("/create plans~", "plans~", None),
        ("/create plans~ private", "plans~", None),
        ("/create plans --encrypted --history all", "plans~", NewcomerHistory.ALL),
        ("/create plans encrypted --history joining", "plans~", NewcomerHistory.JOINING),
    ],
)
def test_encrypted_room_is_private_and_has_its_mark(line: str, room: str, history: NewcomerHistory | None) -> None:
    assert parse(line, None) == CommandRequested(frames.CreateRoom(id=0, room=room, private=True), history)


@pytest.mark.parametrize(
    "line", ["/create plans private --history all", "/create plans --history all", "/create plans encrypted --history"]
)
def test_what_newcomers_read_is_a_matter_of_encrypted_rooms(line: str) -> None:
    assert isinstance(parse(line, None), UsageMistake)


def test_commands_that_name_a_room_work_while_none_is_open() -> None:
    assert parse("/leave ops", None) == asked(frames.Leave(id=0, room="ops"))
    assert parse("/join ops", None) == RoomRequested("ops")


WORDS = KEYWORDS | {
    WordKind.WRITERS: "rooms",
    WordKind.LEVEL: "none",
    WordKind.DURATION: "2h",
    WordKind.ANSWER: "yes",
    WordKind.KEYS: "approve",
    WordKind.ROOM_KIND: "encrypted",
    WordKind.NEWCOMERS: "all",
}


@pytest.mark.parametrize(("name", "slash"), SLASHES.items())
def test_every_command_of_the_table_parses_with_fewest_and_most_words(name: str, slash: SlashSpec) -> None:
    fewest = slash.least if name != "delete-room" else 2  # without `confirm`, it says what it would do
    for count in (fewest, len(slash.takes)):
        words = [WORDS.get(kind, "x") for kind in slash.takes[:count]]
        assert not isinstance(parse(" ".join([f"/{name}", *words]), "general"), UsageMistake)


@pytest.mark.parametrize(
    "line", ["/notify some", "/notify none for", "/notify none 2h", "/notify none for 2", "/notify none for 0h"]
)
def test_level_of_notification_that_is_none_is_a_mistake(line: str) -> None:
    assert parse(line, "general") == UsageMistake("Usage: /notify [LEVEL] [for TIME]")


@pytest.mark.parametrize("line", ["/verify", "/verify bob perhaps", "/keys nonsense", "/number", "/unverify a b"])
def test_malformed_commands_about_keys_show_their_usage(line: str) -> None:
    mistake = parse(line, "general")
    assert isinstance(mistake, UsageMistake)
    assert mistake.sentence.startswith("Usage: /")


def test_commands_about_keys_take_names_with_and_without_at() -> None:
    assert parse("/verify @bob yes", None) == LocalCommand(LocalCommandName.VERIFY, "bob yes")
    assert parse("/number @bob", None) == LocalCommand(LocalCommandName.NUMBER, "bob")
    assert parse("/keys approve D4F7", None) == LocalCommand(LocalCommandName.KEYS, "approve D4F7")
    assert parse("/keys", None) == LocalCommand(LocalCommandName.KEYS)


def test_time_is_only_for_silence() -> None:
    mistake = UsageMistake("A time works with `none` only, for example /notify none for 2h.")
    assert parse("/notify all for 2h", "general") == mistake


def test_leaving_deletes_a_room_only_with_a_confirmation() -> None:
    assert parse("/leave ops", "general") == asked(frames.Leave(id=0, room="ops", delete=False))
    assert parse("/leave #Ops confirm", "general") == asked(frames.Leave(id=0, room="ops", delete=True))
    assert isinstance(parse("/leave ops delete", "general"), UsageMistake)


def test_deleting_a_room_says_what_it_does_until_it_is_confirmed() -> None:
    mistake = parse("/delete-room ops", "general")
    assert mistake == UsageMistake(
        "This deletes #ops and all of its messages, for all of its members. To confirm: /delete-room ops confirm"
    )
    assert parse("/delete-room ops confirm", "general") == asked(frames.DeleteRoom(id=0, room="ops"))
    assert parse("/delete-room", "general") == UsageMistake("Usage: /delete-room ROOM confirm")


@pytest.mark.parametrize("line", ["/remove @bob", "/kick bob", "/remove bob #Ops"])
def test_member_is_removed_from_the_open_or_the_named_room(line: str) -> None:
    assert parse(line, "ops") == asked(frames.Remove(id=0, room="ops", username="bob"))


def test_commands_for_invitations() -> None:
    assert parse("/accept #Ops", None) == RoomRequested("ops")
    assert parse("/decline #Ops", None) == LocalCommand(LocalCommandName.DECLINE, "ops")
    assert parse("/invitations", None) == LocalCommand(LocalCommandName.INVITATIONS)
    assert parse("/block @bob", None) == LocalCommand(LocalCommandName.BLOCK, "bob")
    assert parse("/block", None) == LocalCommand(LocalCommandName.BLOCK)
    assert parse("/unblock bob", None) == LocalCommand(LocalCommandName.UNBLOCK, "bob")


def test_upload_takes_the_rest_of_the_line_as_a_path() -> None:
    command = LocalCommand(LocalCommandName.UPLOAD, "~/my plan.pdf", "ops")
    assert parse("/upload  ~/my plan.pdf ", "ops") == command
    assert parse("/upload", "ops") == UsageMistake("Usage: /upload PATH")
    assert parse("/upload x", None) == UsageMistake("No room open. /join ROOM")


def test_save_takes_a_message_and_perhaps_a_path_with_spaces() -> None:
    assert parse("/save 41", "ops") == LocalCommand(LocalCommandName.SAVE, "41", "ops")
    assert parse("/save last my plan.pdf", "ops") == LocalCommand(LocalCommandName.SAVE, "last my plan.pdf", "ops")
    assert parse("/save", "ops") == UsageMistake("Usage: /save MESSAGE [PATH]")


def test_lone_slash_is_a_mistake() -> None:
    assert isinstance(parse("/", "general"), UsageMistake)


@pytest.mark.parametrize("name", sorted(set(SLASHES) - LOSES))
def test_misspelt_command_gets_a_suggestion(name: str) -> None:
    assert parse(f"/{name}x", "general") == UsageMistake(f"Unknown command /{name}x. Did you mean /{name}?")


@pytest.mark.parametrize(("typed", "meant"), [("#Ops", "ops"), ("ops", "ops"), ("##x", "#x")])
def test_room_may_be_typed_with_its_mark(typed: str, meant: str) -> None:
    assert room_word(typed) == meant


def test_no_command_takes_fewer_words_than_it_needs() -> None:
    assert all(slash.least <= len(slash.takes) for slash in SLASHES.values())


@pytest.mark.parametrize(
    ("name", "line"), [("join", "/join ROOM  open a room"), ("/join", "/join ROOM"), ("jion", "Did you mean /join?")]
)
def test_help_of_one_command_is_its_line(name: str, line: str) -> None:
    (shown,) = help_lines(name)
    assert line in shown


def test_help_names_every_command() -> None:
    text = "\n".join(help_lines())
    assert all(slash.usage in text for slash in SLASHES.values())


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("/part #ops", "/leave #ops"),
        ("/exit", "/quit"),
        ("/close", "/quit"),
        ("/names", "/members"),
        ("/j ops", "/join ops"),
    ],
)
def test_name_of_a_command_in_other_chats_works(line: str, same: str) -> None:
    assert parse(line, "general") == parse(same, "general")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("me", "//me"),
        ("clear", "Nothing was cleared"),
    ],
)
def test_command_of_other_chats_that_does_not_exist_is_explained(name: str, part: str) -> None:
    mistakes = [parse(line, "general") for line in (f"/{name}", f"/{name} bob hello")]
    sentences = [mistake.sentence for mistake in mistakes if isinstance(mistake, UsageMistake)]
    assert len(sentences) == len(mistakes)
    assert all(part in sentence and "Did you mean" not in sentence for sentence in sentences)
    assert help_lines(name) == sentences[-1:]


@given(st.one_of(st.text(max_size=8), st.sampled_from(sorted(LOSES)).flatmap(_misspelt)))
def test_suggestion_is_never_a_command_that_loses_something(name: str) -> None:
    sentence = unknown(name)
    assert not any(sentence.endswith(f"Did you mean /{losing}?") for losing in LOSES)


def test_aliases_name_commands_and_are_none() -> None:
    assert set(ALIASES.values()) <= set(SLASHES)
    assert not set(ALIASES) & set(SLASHES)
    assert set(LOSES) <= set(SLASHES)


@pytest.mark.parametrize("name", ["clear", "leav", "quiet", "quits", "logouts"])
def test_misspelt_command_that_loses_something_gets_no_suggestion(name: str) -> None:
    mistake = parse(f"/{name}", "general")
    assert isinstance(mistake, UsageMistake)
    assert not any(f"/{losing}" in mistake.sentence.split() for losing in LOSES)
    assert "Did you mean" not in mistake.sentence
