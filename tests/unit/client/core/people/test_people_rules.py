"""What the server tells of other users: presence, profiles, typing, receipts."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import codec, frames
from chatterbox.wire.people import Presence, PresenceState, Profile
from client.core import events, frame_decoder, notes
from client.core.people.people_rules import MOST_READERS
from client.core.people.people_state import KnownPerson, TypingUsers
from tests.unit.client.core.people.told_screen import answered, confirmed, looking, run_down, timers
from tests.unit.client.world import ME, ROOM, Core, message, room_state, shown, transmitted


def presence(name: str, state: PresenceState, seen: str = "") -> Presence:
    return Presence(username=name, state=state, seen=seen)


def typing(*who: str, room: str = ROOM, more: int = 0) -> frames.TypingUpdate:
    return frames.TypingUpdate(room=room, who=who, more=more)


def seen(*readers: tuple[str, int], room: str = ROOM) -> frames.Seen:
    return frames.Seen(room=room, readers=[frames.Receipt(name, offset) for name, offset in readers])


def state_of(core: Core, name: str) -> PresenceState:
    return core.state.people.person(name).presence


class TestPresence:
    def test_users_on_the_screen_have_the_presence_of_the_reply(self) -> None:
        core = looking("bob", "eve")
        assert (state_of(core, "bob"), state_of(core, "eve")) == (PresenceState.ONLINE, PresenceState.ONLINE)
        told = [note for note in shown(core.effects) if isinstance(note, notes.PresenceTold)]
        assert [one.username for one in told[0].people] == ["bob", "eve"]

    def test_user_whose_name_has_capitals_is_known_by_the_name_of_their_conversation(self) -> None:
        core = looking("bob")
        core.came(frames.PresenceUpdate(people=[presence("Bob", PresenceState.AWAY)]))
        assert (state_of(core, "bob"), state_of(core, "Bob")) == (PresenceState.AWAY, PresenceState.AWAY)
        core.came(frames.ProfileUpdate(username="Bob", profile=Profile(bio="engines"), version=2))
        assert core.state.people.person("Bob").profile.bio == "engines"

    def test_change_is_told_once(self) -> None:
        core = looking("bob")
        away = frames.PresenceUpdate(people=[presence("bob", PresenceState.AWAY)])
        assert shown(core.came(away)) == [notes.PresenceTold((presence("bob", PresenceState.AWAY),))]
        assert shown(core.came(away)) == []

    def test_last_seen_of_an_offline_user_is_kept_with_the_state(self) -> None:
        core = looking("bob")
        gone = presence("bob", PresenceState.OFFLINE, "2026-11-30T17:00:00Z")
        core.came(frames.PresenceUpdate(people=[gone]))
        assert core.state.people.person("bob").seen == "2026-11-30T17:00:00Z"

    def test_user_who_is_not_on_the_screen_is_unknown(self) -> None:
        core = looking("bob")
        assert shown(core.came(frames.PresenceUpdate(people=[presence("zoe", PresenceState.ONLINE)]))) == []
        assert state_of(core, "zoe") is PresenceState.UNKNOWN

    def test_user_who_left_the_screen_is_forgotten(self) -> None:
        core = looking("bob", "eve")
        core.feed(events.PeopleShown(("eve",)))
        assert (state_of(core, "bob"), state_of(core, "eve")) == (PresenceState.UNKNOWN, PresenceState.ONLINE)

    def test_presence_is_unknown_after_a_disconnect(self) -> None:
        core = looking("bob")
        effects = core.feed(events.ConnectionLost("cut", 0.5))
        assert notes.PresenceTold((presence("bob", PresenceState.UNKNOWN),)) in shown(effects)
        assert state_of(core, "bob") is PresenceState.UNKNOWN

    def test_presence_is_told_again_after_the_reconnect(self) -> None:
        core = looking("bob")
        effects = core.again(room_state(0))
        answered(core, *(events.FrameReceived(confirmed(one)) for one in transmitted(effects)))
        assert state_of(core, "bob") is PresenceState.ONLINE

    def test_presence_that_this_client_does_not_know_is_unknown(self) -> None:
        frame = frame_decoder.decode(b'{"type":"presence","people":[{"username":"bob","state":"asleep"},{"n":1}]}')
        assert frame == frames.PresenceUpdate(people=[presence("bob", PresenceState.UNKNOWN)])


class TestSpelling:
    """The client names direct conversations by folded names; the server spells users as they registered."""

    def watching(self) -> Core:
        """Bob, whom the screen calls `bob`, is online."""
        core = Core()
        core.live(room_state(0))
        (watch,) = transmitted(core.feed(events.PeopleShown(("bob",))))
        assert watch.id is not None
        online = frames.WatchedPerson(username="Bob", state=PresenceState.ONLINE)
        core.came(frames.Watched(id=watch.id, people=[online]))
        return core

    def test_user_is_known_in_any_spelling(self) -> None:
        core = self.watching()
        assert (state_of(core, "bob"), state_of(core, "Bob")) == (PresenceState.ONLINE, PresenceState.ONLINE)

    def test_pushes_in_the_spelling_of_the_server_are_taken(self) -> None:
        core = self.watching()
        core.came(
            frames.PresenceUpdate(people=[presence("Bob", PresenceState.AWAY)]),
            frames.ProfileUpdate(username="Bob", profile=Profile(status="lunch"), version=1),
        )
        assert core.state.people.person("BOB") == KnownPerson(PresenceState.AWAY, "", Profile(status="lunch"), 1)

    def test_another_spelling_of_the_same_names_is_not_sent_again(self) -> None:
        core = looking("bob", "eve")
        assert answered(core, events.PeopleShown(("Bob", "bob", "EVE"))) == []


class TestProfiles:
    def test_profile_of_the_reply_is_kept_and_told(self) -> None:
        core = Core()
        core.live(room_state(0))
        (watch,) = transmitted(core.feed(events.PeopleShown(("bob",))))
        assert watch.id is not None
        profile = Profile(display_name="Bob B.", status="back at three")
        bob = frames.WatchedPerson(username="bob", state=PresenceState.ONLINE, profile=profile, version=3)
        told = shown(core.came(frames.Watched(id=watch.id, people=[bob])))
        assert notes.ProfileTold("bob", profile) in told
        assert core.state.people.person("bob") == KnownPerson(PresenceState.ONLINE, "", profile, 3)

    def test_pushed_profile_replaces_all_of_the_one_before(self) -> None:
        core = looking("bob")
        core.came(frames.ProfileUpdate(username="bob", profile=Profile(display_name="Bob", bio="x"), version=1))
        (note,) = shown(core.came(frames.ProfileUpdate(username="bob", profile=Profile(bio="y"), version=2)))
        assert note == notes.ProfileTold("bob", Profile(bio="y"))
        assert state_of(core, "bob") is PresenceState.ONLINE

    def test_own_profile_that_another_device_changed_is_kept(self) -> None:
        core = looking("bob")
        core.came(frames.ProfileUpdate(username=ME, profile=Profile(status="lunch"), version=1))
        core.feed(events.PeopleShown(()))
        assert core.state.people.person(ME).profile.status == "lunch"

    def test_profile_of_a_user_who_is_not_on_the_screen_is_passed_over(self) -> None:
        core = looking("bob")
        assert shown(core.came(frames.ProfileUpdate(username="zoe", profile=Profile(bio="y"), version=2))) == []


class TestTyping:
    def test_who_types_in_the_room_on_the_screen_is_told(self) -> None:
        core = looking()
        assert shown(core.came(typing("bob", more=2))) == [notes.TypingTold(ROOM, ("bob",), 2)]
        assert core.state.people.typing == TypingUsers(("bob",), 2)

    def test_at_most_five_are_named_whatever_the_server_sends(self) -> None:
        core = looking()
        core.came(typing(*"abcdefg", more=1))
        assert core.state.people.typing == TypingUsers(("a", "b", "c", "d", "e"), 3)

    def test_direct_room_has_the_name_that_the_client_uses(self) -> None:
        core = looking()
        answered(core, events.RoomLooked("@bob"))
        assert shown(core.came(typing("bob", room="@alice+bob"))) == [notes.TypingTold("@bob", ("bob",))]

    def test_typing_in_a_room_that_is_no_longer_on_the_screen_is_passed_over(self) -> None:
        assert shown(looking().came(typing("bob", room="ops"))) == []

    def test_typing_ends_by_itself_if_it_is_not_told_again(self) -> None:
        core = looking()
        first = core.came(typing("bob"))
        second = core.came(typing("bob"))
        assert [one.after_s for one in timers(second, events.TypingOver)] == [core.state.limits.typing_for_s]
        assert shown(run_down(core, first, events.TypingOver)) == []
        assert shown(run_down(core, second, events.TypingOver)) == [notes.TypingTold(ROOM)]

    def test_message_of_a_typing_user_ends_their_typing(self) -> None:
        core = looking()
        core.came(typing("bob", "eve"))
        assert notes.TypingTold(ROOM, ("eve",)) in shown(core.came(message(1)))

    def test_message_in_another_room_ends_no_typing(self) -> None:
        core = looking()
        core.came(typing("bob"))
        core.came(message(1, room="ops"))
        assert core.state.people.typing.who == ("bob",)

    def test_typing_ends_with_the_connection(self) -> None:
        core = looking()
        core.came(typing("bob"))
        assert notes.TypingTold(ROOM) in shown(core.feed(events.ConnectionLost("cut", 0.5)))

    def test_typing_and_receipts_are_of_the_room_on_the_screen_only(self) -> None:
        core = looking()
        core.came(typing("bob"), seen(("bob", 4)))
        assert notes.TypingTold(ROOM) in shown(core.feed(events.RoomLooked("ops")))
        assert (core.state.people.typing, core.state.people.read_by) == (TypingUsers(), {})


class TestReceipts:
    def test_who_has_read_a_message_is_known_by_its_offset(self) -> None:
        core = looking()
        assert shown(core.came(seen(("bob", 4), ("ada", 7)))) == [notes.ReceiptsTold(ROOM, {"bob": 4, "ada": 7})]
        people = core.state.people
        assert (people.readers_of(4), people.readers_of(5), people.readers_of(8)) == (("ada", "bob"), ("ada",), ())

    def test_what_a_user_has_read_stays_read(self) -> None:
        core = looking()
        core.came(seen(("bob", 4)))
        assert shown(core.came(seen(("bob", 2)))) == []
        assert core.state.people.read_by == {"bob": 4}

    def test_receipts_have_a_bound_whatever_the_server_sends(self) -> None:
        core = looking()
        core.came(seen(*((f"u{number}", 1) for number in range(MOST_READERS + 10))), seen(("u1", 5)))
        assert len(core.state.people.read_by) == MOST_READERS
        assert core.state.people.read_by["u1"] == 5

    def test_receipts_end_with_a_history_that_was_replaced(self) -> None:
        core = looking()
        core.came(seen(("bob", 4)), message(1, epoch="e2"))
        assert core.state.people.read_by == {}

    def test_unreadable_receipt_is_left_out(self) -> None:
        frame = frame_decoder.decode(
            b'{"type":"seen","room":"general","readers":[{"username":"bob","offset":1},{"username":7}]}'
        )
        assert frame == seen(("bob", 1))

    @given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=3), max_size=8))
    def test_receipts_are_the_same_in_any_order_and_repetition(self, told: list[list[tuple[str, int]]]) -> None:
        once, again = looking(), looking()
        once.came(*(seen(*readers) for readers in told))
        again.came(*(seen(*readers) for readers in [*reversed(told), *told]))
        assert once.state.people.read_by == again.state.people.read_by


NAMES = st.sampled_from(["ada", "bob", "eve", ME])
PUSHES = st.one_of(
    st.lists(st.builds(presence, NAMES, st.sampled_from(PresenceState)), max_size=3).map(
        lambda people: frames.PresenceUpdate(people=people)
    ),
    st.builds(frames.ProfileUpdate, username=NAMES, profile=st.builds(Profile, status=st.sampled_from(["", "x"]))),
    st.builds(typing, NAMES, room=st.sampled_from([ROOM, "ops"]), more=st.integers(0, 2)),
    st.builds(seen, st.tuples(NAMES, st.integers(0, 5)), room=st.sampled_from([ROOM, "ops"])),
)
STEPS = st.lists(
    st.one_of(
        PUSHES.map(events.FrameReceived),
        st.sampled_from([ROOM, "ops", ""]).map(events.RoomLooked),
        st.lists(NAMES, max_size=3).map(lambda names: events.PeopleShown(tuple(names))),
        st.just(events.ConnectionLost("cut", 0.5)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_notes_alone_tell_what_the_state_has(steps: list[events.Event]) -> None:
    """A face that only takes notes, and forgets what leaves the screen, knows what the core knows."""
    core = looking("ada", "bob")
    states = dict.fromkeys(("ada", "bob"), PresenceState.ONLINE)
    profiles: dict[str, Profile] = {}
    typing_now, read_by = TypingUsers(), dict[str, int]()
    for step in steps:
        match step:
            case events.RoomLooked(room) if room != core.state.people.room:
                typing_now, read_by = TypingUsers(), {}
            case _:
                pass
        for note in shown(core.feed(step)):
            match note:
                case notes.PresenceTold(told):
                    states |= {one.username: one.state for one in told}
                case notes.ProfileTold(name, profile):
                    profiles[name] = profile
                case notes.TypingTold(_, who, more):
                    typing_now = TypingUsers(who, more)
                case notes.ReceiptsTold(_, now_read):
                    read_by = dict(now_read)
                case _:
                    pass
        if isinstance(step, events.PeopleShown):
            kept = {*step.usernames, ME}
            states = {name: state for name, state in states.items() if name in kept}
            profiles = {name: profile for name, profile in profiles.items() if name in kept}
    people = core.state.people
    known = {name: person.presence for name, person in people.people.items()}
    assert {name: state for name, state in known.items() if state is not PresenceState.UNKNOWN} == {
        name: state for name, state in states.items() if state is not PresenceState.UNKNOWN
    }
    assert all(people.person(name).profile == profile for name, profile in profiles.items())
    assert (people.typing, people.read_by) == (typing_now, read_by)


def test_every_push_survives_the_way_over_the_wire() -> None:
    for push in (
        frames.PresenceUpdate(people=[presence("bob", PresenceState.AWAY)]),
        frames.ProfileUpdate(username="bob", profile=Profile(display_name="B")),
        typing("bob", more=1),
        seen(("bob", 3)),
    ):
        assert frame_decoder.decode(codec.encode(push)) == push
        assert msgspec.json.decode(codec.encode(push))["type"] in {"presence", "profile", "typing", "seen"}
