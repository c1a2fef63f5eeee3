"""History and auth as services: what they do when they are asked, and what history publishes of it."""

from collections.abc import Callable, Sequence
from random import Random

import httpx

from chatterbox.wire import auth_api, history_api
from chatterbox.wire.untrusted_json import decode_json
from services.history.core.append_plan import AppendPlan
from services.history.messages.commit_publisher import CommittedChanges, payloads
from tests.simulation.conditions import Conditions
from tests.simulation.history import Items, StoredHistory
from tests.support.sabotage.history import with_new_keys

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
    ) -> None:
        super().__init__(conditions, chance)
        self.stored = stored
        self._publish = publish
        self._now_ms = now_ms

    def carry_out(self, path: str, content: bytes) -> object:
        match path.removeprefix("/internal/"):
            case "append":
                return self._append(decode_json(content, history_api.AppendBatch).messages)
            case "memberships":
                return self.stored.memberships(decode_json(content, history_api.UserIds))
            case "heads":
                return self.stored.heads(decode_json(content, history_api.RoomIds))
            case "page":
                return self.stored.page(decode_json(content, history_api.PageQuery))
            case "join":
                return self._told(self.stored.join(decode_json(content, history_api.JoinRoomCall)))
            case "leave":
                return self._told(self.stored.leave(decode_json(content, history_api.LeaveRoomCall)))
            case "rooms":
                return self.stored.listing(decode_json(content, history_api.ListRoomsCall))
            case _:
                raise AssertionError(f"the simulated history does not know {path}")

    def _append(self, messages: Sequence[history_api.Append]) -> history_api.AppendAnswer:
        planned = self._planned(messages)
        self.stored.commit(planned)
        self._announce(planned)
        return history_api.AppendAnswer(outcomes=planned.outcomes)

    def _planned(self, messages: Sequence[history_api.Append]) -> AppendPlan:
        return self.stored.planned(messages, self._now_ms())

    def _announce(self, planned: AppendPlan) -> None:
        if planned.inserts:
            self._publish(payloads(CommittedChanges([], planned)))

    def _told(self, done: tuple[history_api.RoomInfo, Items]) -> history_api.RoomInfo:
        info, items = done
        self._publish(items)
        return info

    def failed(self, path: str, content: bytes) -> object:
        """The transaction is rolled back. All that is promised is that the answer is not an ack."""
        if path == "/internal/append":
            return self._append_failed(self._planned(decode_json(content, history_api.AppendBatch).messages))
        return FAILED

    def _append_failed(self, planned: AppendPlan) -> object:
        return FAILED

    def restore(self, backup: StoredHistory) -> None:
        """Put a backup in the place of what is stored."""
        self.stored = self.stored.restored(backup)


class AcksBeforeCommit(HistoryService):
    """Acknowledges messages although their commit fails."""

    def _append_failed(self, planned: AppendPlan) -> object:
        return history_api.AppendAnswer(outcomes=planned.outcomes)


class PublishesBeforeCommit(HistoryService):
    """Publishes messages although their commit fails."""

    def _append_failed(self, planned: AppendPlan) -> object:
        self._announce(planned)
        return FAILED


class ForgetsKeys(HistoryService):
    """Stores a message again each time it is sent."""

    def _planned(self, messages: Sequence[history_api.Append]) -> AppendPlan:
        return super()._planned(with_new_keys(messages))


class AuthService(Service):
    """Auth: its keys, and the sessions that have ended."""

    def __init__(self, conditions: Conditions, chance: Random, jwks: auth_api.Jwks) -> None:
        super().__init__(conditions, chance)
        self._jwks = jwks
        self.revocations: list[auth_api.Revocation] = []

    def carry_out(self, path: str, content: bytes) -> object:
        match path:
            case "/internal/jwks":
                return self._jwks
            case "/internal/revocations":
                return auth_api.Revocations(self.revocations)
            case _:
                raise AssertionError(f"the simulated auth does not know {path}")

    def failed(self, path: str, content: bytes) -> object:
        return FAILED
