"""History and auth as services: what they do when they are asked, and what history publishes of it."""

from collections.abc import Callable, Sequence
from random import Random

import httpx

from chatterbox.wire import store, tokens
from chatterbox.wire.reading import read
from services.history.announcer import News, payloads
from services.history.plan import Plan
from services.history.sabotage import Sabotage
from tests.simulation.conditions import Conditions
from tests.simulation.history import Items, StoredHistory

NO_SABOTAGE = Sabotage()
FAILED = httpx.ReadError("the connection ended before anything was done")


class Service:
    """Something that gateways call. `is_away` and `is_calm` are for whoever plays fate."""

    def __init__(self, conditions: Conditions, chance: Random) -> None:
        self.conditions = conditions
        self.chance = chance
        self.is_away = False
        self.is_calm = False
        self.lives = 0
        """How often it was started again: what an earlier life had not answered is never answered."""

    def restart(self) -> None:
        """Begin a new life."""
        self.lives += 1
        self.is_away = False

    def carry_out(self, path: str, content: bytes) -> object:
        """Do what is asked, at once and wholly; raises `ChatError`."""
        raise NotImplementedError

    def failed(self, path: str, content: bytes) -> object:
        raise NotImplementedError


class HistoryService(Service):
    """History: every call is one transaction, and what it changed is published after it."""

    def __init__(
        self,
        conditions: Conditions,
        chance: Random,
        stored: StoredHistory,
        publish: Callable[[Items], None],
        now_ms: Callable[[], int],
        sabotage: Sabotage = NO_SABOTAGE,
    ) -> None:
        super().__init__(conditions, chance)
        self.stored = stored
        self._publish = publish
        self._now_ms = now_ms
        self._sabotage = sabotage

    def carry_out(self, path: str, content: bytes) -> object:
        match path.removeprefix("/internal/"):
            case "append":
                return self._append(read(content, store.AppendBatch).messages)
            case "memberships":
                return self.stored.memberships(read(content, store.UserIds))
            case "heads":
                return self.stored.heads(read(content, store.RoomIds))
            case "page":
                return self.stored.page(read(content, store.PageQuery))
            case "join":
                return self._told(self.stored.join(read(content, store.JoinRoom)))
            case "leave":
                return self._told(self.stored.leave(read(content, store.LeaveRoom)))
            case "rooms":
                return self.stored.listing(read(content, store.ListRooms))
            case _:
                raise AssertionError(f"the simulated history does not know {path}")

    def _append(self, messages: Sequence[store.Append]) -> store.AppendOutcomes:
        planned = self._planned(messages)
        self.stored.commit(planned)
        self._announce(planned)
        return store.AppendOutcomes(planned.outcomes)

    def _planned(self, messages: Sequence[store.Append]) -> Plan:
        return self.stored.planned(self._sabotage.keyed(messages), self._now_ms())

    def _announce(self, planned: Plan) -> None:
        if planned.inserts:
            self._publish(payloads(News([], planned)))

    def _told(self, done: tuple[store.RoomInfo, Items]) -> store.RoomInfo:
        info, items = done
        self._publish(items)
        return info

    def failed(self, path: str, content: bytes) -> object:
        """The transaction came to nothing. All that is promised of an ack is that this is not one."""
        if path == "/internal/append":
            planned = self._planned(read(content, store.AppendBatch).messages)
            if self._sabotage.publish_before_commit:
                self._announce(planned)
            if self._sabotage.ack_before_commit:
                return store.AppendOutcomes(planned.outcomes)
        return FAILED

    def restore(self, backup: StoredHistory) -> None:
        """Put a backup in the place of what is stored."""
        self.stored = self.stored.restored(backup)


class AuthService(Service):
    """Auth: its keys, and the sessions that have ended."""

    def __init__(self, conditions: Conditions, chance: Random, jwks: tokens.Jwks) -> None:
        super().__init__(conditions, chance)
        self._jwks = jwks
        self.revocations: list[tokens.Revocation] = []

    def carry_out(self, path: str, content: bytes) -> object:
        match path:
            case "/internal/jwks":
                return self._jwks
            case "/internal/revocations":
                return tokens.Revocations(self.revocations)
            case _:
                raise AssertionError(f"the simulated auth does not know {path}")

    def failed(self, path: str, content: bytes) -> object:
        return FAILED
