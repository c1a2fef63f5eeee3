"""What the client tells the server of its screen: the room, the names, typing, away."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from client.core import events, notes
from client.core.client_state import ConnectionPhase
from client.core.people.device_rules import IDLE_MINUTES
from client.core.people.people_state import ScreenFacts
from client.core.people.screen_rules import EVERY_S
from tests.unit.client.core.people.told_screen import answered, confirmed, looking, refused, run_down, timers
from tests.unit.client.world import ME, ROOM, Core, room_state, shown, transmitted, welcome


def watched(effects: list[events.Effect]) -> list[tuple[str, ...]]:
    """The names of each `watch` that is sent."""
    return [one.usernames for one in transmitted(effects) if isinstance(one, frames.Watch)]


class TestRoomAndNames:
    def test_room_on_the_screen_is_told_at_once(self) -> None:
        core = Core()
        core.live(room_state(0))
        (look,) = transmitted(core.feed(events.RoomLooked(ROOM)))
        assert look == frames.Look(id=look.id, room=ROOM)

    def test_direct_room_is_told_by_its_name_on_the_wire(self) -> None:
        core = Core()
        core.live(room_state(0))
        (look,) = transmitted(core.feed(events.RoomLooked("@bob")))
        assert look == frames.Look(id=look.id, room="@alice+bob")

    def test_nothing_is_sent_for_a_face_that_shows_no_one(self) -> None:
        core = Core()
        assert transmitted(core.live(room_state(0))) == []

    def test_one_command_waits_for_the_reply_to_the_one_before(self) -> None:
        core = Core()
        core.live(room_state(0))
        (look,) = transmitted(core.feed(events.RoomLooked(ROOM), events.PeopleShown(("bob",))))
        assert watched(core.came(confirmed(look))) == [("bob",)]

    def test_names_are_sent_once_a_second_and_then_the_last_ones(self) -> None:
        core = looking()
        effects = core.feed(events.PeopleShown(("bob",)))
        core.came(*map(confirmed, transmitted(effects)))
        more = core.feed(events.PeopleShown(("bob", "eve")), events.PeopleShown(("eve", "zoe")))
        assert transmitted(more) == []
        (pause,) = timers(effects, events.TellDue)
        assert pause.after_s == 1.0
        assert watched(core.feed(pause.timer)) == [("eve", "zoe")]

    def test_same_names_in_another_order_are_not_sent_again(self) -> None:
        core = looking("bob", "eve")
        assert answered(core, events.PeopleShown(("eve", "bob"))) == []

    def test_names_beyond_the_limit_of_the_server_are_left_out(self) -> None:
        core = Core()
        core.live(room_state(0), limits=Limits(watch_people=2))
        assert watched(core.feed(events.PeopleShown(("zoe", "bob", "eve")))) == [("bob", "zoe")]

    def test_everything_is_told_again_after_a_reconnect(self) -> None:
        core = looking("bob")
        core.feed(events.AwaySet(True))
        effects = core.again(room_state(0))
        sent = answered(core, *(events.FrameReceived(confirmed(one)) for one in transmitted(effects)))
        told = [msgspec.structs.replace(one, id=0) for one in [*transmitted(effects), *sent]]
        assert told == [
            frames.Look(id=0, room=ROOM),
            frames.Watch(id=0, usernames=("bob",)),
            frames.SetStatus(id=0, away=True),
        ]

    def test_pause_of_an_earlier_connection_changes_nothing(self) -> None:
        core = looking()
        old = core.feed(events.PeopleShown(("bob",)))
        new = core.again(room_state(0))
        core.came(*map(confirmed, transmitted(new)))
        core.feed(events.PeopleShown(("eve",)))
        assert transmitted(run_down(core, old, events.TellDue)) == []

    def test_names_that_a_person_asks_for_are_replaced_by_those_on_the_screen(self) -> None:
        core = looking("bob")
        (asked,) = transmitted(core.feed(events.CommandRequested(frames.Watch(id=0, usernames=("zoe",)))))
        effects = core.came(confirmed(asked))
        (answer,) = [note for note in shown(effects) if isinstance(note, notes.CommandAnswered)]
        assert answer.command == asked
        assert [one.usernames for one in transmitted(effects) if isinstance(one, frames.Watch)] == [("bob",)]

    def test_core_sends_no_more_than_its_share_of_the_commands_allowed(self) -> None:
        core = Core()
        core.live(room_state(0), limits=Limits(commands_burst=40))
        left = core.state.pace.left
        answered(core, events.RoomLooked(ROOM))
        assert core.state.pace.left == left - 1


class TestRefusals:
    def test_older_server_is_asked_once_and_nothing_is_shown(self) -> None:
        core = Core()
        core.live(room_state(0))
        effects = core.feed(events.RoomLooked(ROOM), events.PeopleShown(("bob",)))
        (look,) = transmitted(effects)
        effects = core.came(refused(look, Code.BAD_FRAME)) + run_down(core, effects, events.TellDue)
        effects += core.feed(events.RoomLooked("ops"), events.AwaySet(True), events.UserTyped(ROOM))
        assert transmitted(effects) == []
        assert [type(note) for note in shown(effects)] == [notes.AwayChanged]

    def test_next_connection_asks_again_as_its_server_may_be_newer(self) -> None:
        core = Core()
        core.live(room_state(0))
        (look,) = transmitted(core.feed(events.RoomLooked(ROOM)))
        core.came(refused(look, Code.BAD_FRAME))
        assert [type(one) for one in transmitted(core.again(room_state(0)))] == [frames.Look]

    def test_refusal_for_the_rate_is_followed_by_a_pause_and_another_try(self) -> None:
        core = Core()
        core.live(room_state(0))
        (look,) = transmitted(core.feed(events.RoomLooked(ROOM)))
        effects = core.came(refused(look, Code.RATE_LIMITED, retry_after_s=7))
        assert transmitted(effects) == []
        assert [one.after_s for one in timers(effects, events.TellDue)] == [7]
        effects = run_down(core, effects, events.PaceDue) + run_down(core, effects, events.TellDue)
        assert [type(one) for one in transmitted(effects)] == [frames.Look]

    def test_room_that_the_user_may_not_look_at_is_not_asked_for_again(self) -> None:
        core = Core()
        core.live(room_state(0))
        effects = core.feed(events.RoomLooked("board"), events.PeopleShown(("bob",)))
        (look,) = transmitted(effects)
        sent = transmitted(core.came(refused(look, Code.NOT_A_MEMBER)) + run_down(core, effects, events.TellDue))
        assert [type(one) for one in sent] == [frames.Watch]

    def test_refusal_of_what_a_person_asked_for_is_shown(self) -> None:
        core = Core()
        core.live(room_state(0))
        (asked,) = transmitted(core.feed(events.CommandRequested(frames.Watch(id=0, usernames=("zoe",)))))
        (note,) = shown(core.came(refused(asked, Code.BAD_FRAME)))
        assert isinstance(note, notes.CommandRefused)


class TestTyping:
    def test_first_key_is_told_and_further_ones_only_after_the_interval(self) -> None:
        core = looking()
        effects = core.feed(events.UserTyped(ROOM), events.UserTyped(ROOM))
        assert transmitted(effects) == [frames.TypingNow(room=ROOM)]
        (pause,) = timers(effects, events.TypingDue)
        assert pause.after_s == Limits().typing_every_s
        core.feed(pause.timer)
        assert transmitted(core.feed(events.UserTyped(ROOM))) == [frames.TypingNow(room=ROOM)]

    def test_typing_needs_no_reply_so_the_connection_stays_without_one(self) -> None:
        core = looking()
        assert timers(core.feed(events.UserTyped(ROOM)), events.ReplyOverdue) == []
        assert core.state.pending == {}

    def test_typing_in_another_room_is_told_at_once(self) -> None:
        core = looking()
        core.feed(events.UserTyped(ROOM))
        assert transmitted(core.feed(events.UserTyped("@bob"))) == [frames.TypingNow(room="@alice+bob")]

    def test_typing_in_ones_own_notes_is_not_told(self) -> None:
        assert transmitted(looking().feed(events.UserTyped(f"@{ME}"))) == []

    def test_typing_is_not_told_while_the_user_does_not_share_it(self) -> None:
        core = looking()
        assert transmitted(core.feed(events.TypingShared(False), events.UserTyped(ROOM))) == []
        assert transmitted(core.feed(events.TypingShared(True), events.UserTyped(ROOM))) != []

    def test_typing_is_not_told_before_the_server_is_known_to_take_it(self) -> None:
        core = Core()
        core.live(room_state(0))
        assert transmitted(core.feed(events.UserTyped(ROOM))) == []

    def test_typing_while_offline_is_not_told_later(self) -> None:
        core = looking()
        core.feed(events.ConnectionLost("cut", 0.5), events.UserTyped(ROOM), events.HandshakeDone())
        sent = transmitted(core.came(welcome(room_state(0))))
        assert [type(one) for one in sent] == [frames.Look]


class TestAway:
    def minutes(self, core: Core, count: int) -> list[events.Effect]:
        effects: list[events.Effect] = []
        for _ in range(count):
            effects += core.feed(events.MinuteOver())
        return effects

    def test_device_that_is_not_used_for_five_minutes_is_away(self) -> None:
        core = looking()
        core.feed(events.DeviceUsed())
        assert shown(self.minutes(core, IDLE_MINUTES)) == []
        effects = self.minutes(core, 1)
        assert shown(effects) == [notes.AwayChanged(True)]
        (status,) = transmitted(effects)
        assert status == frames.SetStatus(id=status.id, away=True)

    def test_key_within_five_minutes_begins_the_count_again(self) -> None:
        core = looking()
        core.feed(events.DeviceUsed())
        self.minutes(core, IDLE_MINUTES)
        core.feed(events.DeviceUsed())
        assert shown(self.minutes(core, IDLE_MINUTES)) == []

    def test_next_key_ends_being_away(self) -> None:
        core = looking()
        core.feed(events.DeviceUsed())
        effects = self.minutes(core, IDLE_MINUTES + 1)
        core.came(*map(confirmed, transmitted(effects)))
        run_down(core, effects, events.TellDue)
        effects = core.feed(events.DeviceUsed())
        assert shown(effects) == [notes.AwayChanged(False)]
        assert [one.away for one in transmitted(effects) if isinstance(one, frames.SetStatus)] == [False]

    def test_only_one_timer_runs_and_none_while_the_device_is_idle(self) -> None:
        core = looking()
        effects = core.feed(*[events.DeviceUsed()] * 10)
        assert len(timers(effects, events.MinuteOver)) == 1
        assert [len(timers(self.minutes(core, 1), events.MinuteOver)) for _ in range(IDLE_MINUTES + 1)] == [
            *[1] * IDLE_MINUTES,
            0,
        ]

    def test_user_who_says_away_stays_away_while_using_the_device(self) -> None:
        core = looking()
        answered(core, events.AwaySet(True), events.DeviceUsed())
        assert core.state.people.queue.told.is_away
        answered(core, events.AwaySet(False))
        assert not core.state.people.queue.told.is_away

    def test_face_that_reports_no_use_is_never_away(self) -> None:
        core = looking()
        assert timers(core.effects, events.MinuteOver) == []


REQUESTS = st.one_of(
    st.sampled_from(["", ROOM, "ops"]).map(events.RoomLooked),
    st.lists(st.sampled_from(["ada", "bob", "eve"]), max_size=3).map(lambda names: events.PeopleShown(tuple(names))),
    st.sampled_from([ROOM, "ops"]).map(events.UserTyped),
    st.booleans().map(events.AwaySet),
    st.just(events.DeviceUsed()),
)
STEPS = st.lists(st.one_of(REQUESTS, st.sampled_from(["answer", "refuse", "timers", "cut"])), max_size=60)


@given(steps=STEPS)
def test_server_knows_the_screen_at_rest_whatever_happened_before(steps: list[events.Event | str]) -> None:
    """Requests, replies, refusals for the rate, timers and disconnects in any order."""
    core = Core()
    effects = core.live(room_state(0))
    server, waiting, due = ScreenFacts(), list[frames.Command](), list[events.Timer]()

    def take(effects: list[events.Effect]) -> None:
        waiting.extend(one for one in transmitted(effects) if one.id is not None)
        due.extend(one.timer for one in effects if isinstance(one, events.StartTimer))
        assert len(waiting) <= 1, "one command at a time"

    def answer() -> None:
        nonlocal server
        if waiting:
            command = waiting.pop()
            match command:
                case frames.Look(room=room):
                    server = ScreenFacts(room=room, names=server.names, is_away=server.is_away)
                case frames.Watch(usernames=names):
                    server = ScreenFacts(room=server.room, names=frozenset(names), is_away=server.is_away)
                case frames.SetStatus(away=away):
                    server = ScreenFacts(room=server.room, names=server.names, is_away=away)
            take(core.came(confirmed(command)))

    def run_timers() -> None:
        timers = [timer for timer in due if not isinstance(timer, events.ReplyOverdue | events.MinuteOver)]
        due.clear()
        for timer in timers:
            take(core.feed(timer))

    take(effects)
    for step in steps:
        match step:
            case "answer":
                answer()
            case "refuse":
                if waiting:
                    take(core.came(refused(waiting.pop(), Code.RATE_LIMITED, retry_after_s=1)))
            case "timers":
                run_timers()
            case "cut":
                server = ScreenFacts()
                waiting.clear()
                take(core.again(room_state(0)))
            case _:
                assert not isinstance(step, str)
                take(core.feed(step))
    for _ in range(20):
        answer()
        run_timers()
    people = core.state.people
    assert server == ScreenFacts(room=people.room, names=frozenset(people.names), is_away=people.device.is_away)
    assert core.state.phase is ConnectionPhase.LIVE


@given(
    names=st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=30),
    rests=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_no_kind_is_sent_twice_without_the_pause_between(names: list[list[str]], rests: list[bool]) -> None:
    core = looking()
    sent = Counter[type]()
    for shown_now, rests_now in zip(names, rests, strict=False):
        effects = core.feed(events.PeopleShown(tuple(shown_now)))
        sent.update(type(one) for one in transmitted(effects))
        assert sent[frames.Watch] <= 1
        effects += core.came(*(confirmed(one) for one in transmitted(effects)))
        if rests_now and (pauses := timers(core.effects, events.TellDue)):
            sent.clear()
            more = core.feed(pauses[-1].timer)
            sent.update(type(one) for one in transmitted(more))
            core.came(*(confirmed(one) for one in transmitted(more)))


@pytest.mark.parametrize("seconds", EVERY_S.values())
def test_every_kind_waits_a_second_at_most(seconds: float) -> None:
    assert 0 < seconds <= 1
