"""Simulated history and auth services: they handle calls, and history publishes its changes."""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from urllib.parse import parse_qsl

import httpx
import msgspec

from chatterbox.wire import auth_api, history_api
from chatterbox.wire.untrusted_json import decode_json
from tests.simulation.conditions import Conditions
from tests.simulation.history import Items, StoredHistory
from tests.support.revocation_list import RevocationList
from tests.support.sabotage.history import with_new_keys

FAILED = httpx.ReadError("the connection was lost before the call was handled")


class Service:
    """A service that gateways call. Faults set `is_down`; `is_calm` ends random failures."""

    def __init__(self, conditions: Conditions, rng: Random) -> None:
        self.conditions = conditions
        self.rng = rng
        self.is_down = False
        self.is_calm = False
        self.restarts = 0
        """Calls from before a restart are never answered."""

    def restart(self) -> None:
        self.restarts += 1
        self.is_down = False

    def handle(self, path: str, content: bytes) -> object:
        """Handle a call atomically; raises `ChatError`."""
        raise NotImplementedError

    def failed(self, path: str, content: bytes) -> object:
        """Fail a call before it takes effect; returns what the caller gets."""
        raise NotImplementedError


class HistoryService(Service):
    """Every call is one transaction, and its changes are published after it."""

    def __init__(
        self,
        conditions: Conditions,
        rng: Random,
        stored: StoredHistory,
        publish: Callable[[Items], None],
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(conditions, rng)
        self.stored = stored
        self._publish = publish
        self._now_ms = now_ms

    def restart(self) -> None:
        """What it had in memory is lost."""
        super().restart()
        self.stored.forget_memory()

    def handle(self, path: str, content: bytes) -> object:
        match path.removeprefix("/internal/"):
            case "append":
                return self._append(decode_json(content, history_api.AppendBatch))
            case "memberships":
                return self.stored.memberships(decode_json(content, history_api.UserIds))
            case "read-states":
                return self.stored.read_states(decode_json(content, history_api.UserIds))
            case "reads":
                return self._store_reads(decode_json(content, history_api.ReadPositions))
            case "heads":
                return self.stored.heads(decode_json(content, history_api.HeadsQuery))
            case "page":
                return self.stored.page(decode_json(content, history_api.PageQuery))
            case "changes":
                return self.stored.changes(decode_json(content, history_api.ChangesQuery))
            case "find":
                return self.stored.find(decode_json(content, history_api.FindRoomCall))
            case "join":
                return self._published(self.stored.join(decode_json(content, history_api.JoinRoomCall)))
            case "leave":
                return self._published(self.stored.leave(decode_json(content, history_api.LeaveRoomCall)))
            case "rooms":
                return self.stored.listing(decode_json(content, history_api.ListRoomsCall))
            case _:
                raise AssertionError(f"the simulated history does not know {path}")

    def _append(self, batch: history_api.AppendBatch) -> history_api.AppendAnswer:
        if not (batch.messages or batch.changes):
            return history_api.AppendAnswer(revision=self.stored.revision)
        answer, items = self.stored.append(batch, self._now_ms())
        self._publish(items)
        return answer

    def _store_reads(self, positions: history_api.ReadPositions) -> history_api.ReadOutcomes:
        outcomes, items = self.stored.store_reads(positions)
        self._publish(items)
        return outcomes

    def _published(self, result: tuple[history_api.RoomInfo, Items]) -> history_api.RoomInfo:
        info, items = result
        self._publish(items)
        return info

    def failed(self, path: str, content: bytes) -> object:
        """Roll back; the only promise is that the caller gets no ack."""
        if path == "/internal/append":
            return self._append_failed(decode_json(content, history_api.AppendBatch))
        return FAILED

    def _append_failed(self, batch: history_api.AppendBatch) -> object:
        return FAILED

    def _as_if_committed(self, batch: history_api.AppendBatch) -> tuple[history_api.AppendAnswer, Items]:
        return deepcopy(self.stored).append(batch, self._now_ms())

    def restore(self, backup: StoredHistory) -> None:
        """Replace the stored data by a backup."""
        self.stored = self.stored.restored(backup)


class AcksBeforeCommit(HistoryService):
    """Acknowledges messages and changes although their commit fails."""

    def _append_failed(self, batch: history_api.AppendBatch) -> object:
        return self._as_if_committed(batch)[0]


class PublishesBeforeCommit(HistoryService):
    """Publishes messages and changes although their commit fails."""

    def _append_failed(self, batch: history_api.AppendBatch) -> object:
        self._publish(self._as_if_committed(batch)[1])
        return FAILED


class ForgetsKeys(HistoryService):
    """Stores a message again each time it is sent."""

    def _append(self, batch: history_api.AppendBatch) -> history_api.AppendAnswer:
        return super()._append(msgspec.structs.replace(batch, messages=with_new_keys(batch.messages)))


class AuthService(Service):
    """Serves signing keys and ended sessions."""

    def __init__(self, conditions: Conditions, rng: Random, jwks: auth_api.Jwks) -> None:
        super().__init__(conditions, rng)
        self._jwks = jwks
        self.revocations = RevocationList()

    def handle(self, path: str, content: bytes) -> object:
        route, _, query = path.partition("?")
        match route:
            case "/internal/jwks":
                return self._jwks
            case "/internal/revocations":
                asked = dict(parse_qsl(query))
                return self.revocations.page(asked.get("epoch", ""), int(asked["since"]))
            case _:
                raise AssertionError(f"the simulated auth does not know {path}")

    def failed(self, path: str, content: bytes) -> object:
        return FAILED
