"""Property test of several screens of one user: in whatever order they act, they agree on what is read at rest."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.read_state import ReadState
from client.core import notes
from client.core.events import RoomRead
from client.core.read_state.room_read_state import ReadMark, RoomReadState
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.world import ME, ROOM, message, room_state

HEIGHT = 6
DEVICES = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("post"), st.booleans()),
    *[
        st.tuples(st.just(name), DEVICES)
        for name in ("tell", "push", "draw", "draw", "top", "newest", "all_read", "leave", "back", "restart")
    ],
    st.tuples(st.just("focus"), DEVICES),
    st.tuples(st.just("unread"), DEVICES, st.integers(1, 30)),
)


class Device:
    """One screen. The mark that its core knows stands for the core; `unsaid` is not at the server yet."""

    def __init__(self, saved: bytes = b"") -> None:
        self.model = ChatModel("http://x", ROOM)
        restore_state(self.model, saved)
        self.view = TimelineView(self.model)
        self.at = 0
        """Up to which message it has been pushed."""
        self.unsaid = ReadMark()
        self.highest = self.model.room.progress.read_mark

    def collect(self) -> None:
        """Take what the model tells its core. Its mark never falls."""
        for request in self.model.take_requests():
            if isinstance(request, RoomRead) and request.room == ROOM:
                self.unsaid = max(self.unsaid, ReadMark(request.turn or 0, request.offset))
        mark = self.model.rooms[ROOM].progress.read_mark
        assert mark >= self.highest
        self.highest = mark


class OneUser:
    """A server with one room of messages, and the devices of one user."""

    def __init__(self) -> None:
        self.log: list[frames.Message] = []
        self.mark = self.best = ReadMark()
        """What the server has, and the greatest mark that any device ever made."""
        self.devices: list[Device] = []
        for _ in range(3):
            self._post(mine=False)
        self.devices = [self._connected(Device()) for _ in range(3)]

    def _post(self, *, mine: bool) -> None:
        self.log.append(message(len(self.log) + 1, username=ME if mine else "bob"))

    def state(self) -> ReadState:
        unread = sum(each.username != ME for each in self.log[self.mark.offset :])
        return ReadState(self.mark.offset, self.mark.turn, unread, 0, len(self.log))

    def _connected(self, device: Device) -> Device:
        state, head = self.state(), len(self.log)
        room = room_state(head, room=ROOM)
        told = {"read": state.read, "turn": state.turn, "unread": state.unread, "counted": state.counted}
        rooms = (msgspec.structs.replace(room, **told), room_state(1, room="ops"))
        update.apply(device.model, notes.WelcomeReceived(ME, rooms, 0, again=False))
        device.at = head
        self._tell(device)
        page = frames.Page(id=1, room=ROOM, messages=list(self.log), more=False)
        update.apply(device.model, notes.CommandAnswered(frames.ReadHistory(id=1, room=ROOM, limit=200), page))
        device.collect()
        return device

    def _tell(self, device: Device) -> None:
        mark = device.unsaid if device.unsaid > self.mark else None
        update.apply(device.model, notes.ReadStateTold(ROOM, RoomReadState(self.state(), mark)))

    def step(self, name: str, which: int, offset: int = 0) -> None:
        device = self.devices[which]
        model = device.model
        match name:
            case "post":
                self._post(mine=bool(which))
            case "tell":
                self.exchange(device)
            case "push":
                self.push(device)
            case "draw":
                device.view.draw(RowStyle(60, ME), HEIGHT)
            case "top":
                device.view.scroll(-HEIGHT)
            case "newest":
                model.follow()
            case "all_read":
                model.mark_all_read()
            case "leave":
                model.open_room("ops")
            case "back":
                model.open_room(ROOM)
            case "focus":
                model.set_focus(focused=not model.focused)
            case "unread" if model.room.name == ROOM and offset in model.room.log:
                model.mark_unread(offset)
            case "restart":
                device.collect()
                self.devices[which] = device = self._connected(Device(encode_state(model)))
            case _:
                pass  # there is no such message on this device
        device.collect()
        self.best = max(self.best, device.unsaid)

    def push(self, device: Device) -> None:
        for each in self.log[device.at :]:
            update.apply(device.model, notes.MessageShown(each, each.username == ME))
        device.at = len(self.log)

    def exchange(self, device: Device) -> None:
        """The device tells its mark; the server tells what counts."""
        device.collect()
        self.best = max(self.best, device.unsaid)
        self.mark = max(self.mark, ReadMark(device.unsaid.turn, min(device.unsaid.offset, len(self.log))))
        self._tell(device)

    def settle(self) -> None:
        for _ in range(4):  # what one device read can join with what another read below an unread part
            for device in self.devices:
                self.push(device)
                self.exchange(device)
                device.collect()


@settings(max_examples=150)
@given(st.lists(STEPS, min_size=5, max_size=60))
def test_all_screens_of_a_user_agree_at_rest_and_count_what_is_unread(steps: list[tuple[str, int]]) -> None:
    world = OneUser()
    for step in steps:
        world.step(*step)
    world.settle()
    assert world.mark == world.best
    unread = world.state().unread
    for device in world.devices:
        room = device.model.rooms[ROOM]
        assert room.progress.read_mark == world.mark
        in_run = room.unread if room.progress.marker.run is None else unread
        assert in_run == unread
        assert device.model.directory.totals.unread == sum(each.unread for each in device.model.rooms.values())
