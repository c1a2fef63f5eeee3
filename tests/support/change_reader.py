"""What a client of messages and changes must hold after each frame: the rules of the protocol, as plain as can be."""

from typing import Any

from tests.support.talker import Talker


class ChangeReader:
    """The messages of one room, as a client holds them; a broken promise raises `AssertionError`."""

    def __init__(self, room: str = "general") -> None:
        self.room = room
        self.held: dict[int, dict[str, Any]] = {}
        self.epoch = ""
        self.offset = 0
        self.rev = 0

    @property
    def resume(self) -> dict[str, dict[str, Any]]:
        """What it says when it comes back."""
        if not self.held:
            return {}
        held = {"epoch": self.epoch, "offset": self.offset, "rev": self.rev, "first": min(self.held)}
        return {self.room: held}

    def take(self, frame: dict[str, Any]) -> None:
        """Apply a frame."""
        match frame["type"]:
            case "message":
                self._message(frame)
            case "change":
                self._change(frame)
            case "page" | "changes" as kind:
                for each in frame["messages" if kind == "page" else "changes"]:
                    self._replace(each if kind == "page" else each["message"])
            case _:
                pass

    def welcome(self, frame: dict[str, Any]) -> None:
        [state] = [each for each in frame["rooms"] if each["room"] == self.room]
        if not self.held:
            self.epoch, self.offset, self.rev = state["at"]["epoch"], state["at"]["offset"], state.get("rev", 0)

    def _message(self, frame: dict[str, Any]) -> None:
        offset = frame["at"]["offset"]
        assert offset == self.offset + 1, f"message {offset} after {self.offset}"
        self.offset = offset
        self.held[offset] = frame

    def _change(self, frame: dict[str, Any]) -> None:
        assert frame["after"] <= self.rev, f"a gap of changes: {frame['after']} > {self.rev}"
        if message := frame.get("message"):
            assert message["rev"] == frame["rev"] or message["rev"] > self.rev
            assert message["at"]["offset"] <= self.offset, "a change came before its message"
            self._replace(message)
        self.rev = max(self.rev, frame["rev"])

    def _replace(self, message: dict[str, Any]) -> None:
        held = self.held.get(message["at"]["offset"])
        if held is not None and held.get("rev", 0) < message.get("rev", 0):
            self.held[message["at"]["offset"]] = message

    async def read(self, talker: Talker, *, offset: int, rev: int) -> None:
        """Read pushes until it is at `offset` and `rev`."""
        while self.offset < offset or self.rev < rev:
            self.take(await talker.next())


async def stored(talker: Talker, room: str = "general") -> dict[int, dict[str, Any]]:
    """Every message of a room as history has it, and as its pages say."""
    found: dict[int, dict[str, Any]] = {}
    before = None
    while True:
        where: dict[str, int] = {} if before is None else {"before": before}
        page = await talker.ask("history", room=room, limit=200, **where)
        found |= {message["at"]["offset"]: message for message in page["messages"]}
        if not page["more"]:
            return found
        before = min(found)
