"""Verifications that are under way: who is compared with whom, stored between messages, and what comes of it.

The rules of each step are in `sas_verification`. Every method needs a transaction of the key store; what is told to
the user is collected in `news` and is to be shown after the commit.
"""

import secrets
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from chatterbox.wire.encryption.device_keys import matrix_user
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.core.verification import sas_crypto, sas_verification
from client.encryption.core.verification.sas_verification import DEVICE, MASTER, PREFIX, VerificationStep
from client.encryption.core.verification.verification_state import (
    Party,
    VerificationEnd,
    VerificationNews,
    VerificationPhase,
    VerificationState,
)
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUser, TrustedUsers
from client.encryption.ports import ToDeviceHandler
from client.encryption.store.key_store import StoreTransaction, Table
from client.failures import Failure

MAX_OPEN = 20
"""Verifications that are kept at once: the server can invent requests, and the oldest end first."""

SendInClear: TypeAlias = Callable[[StoreTransaction, DeviceAddress, str, dict[str, Any]], None]
"""Queues a to-device message in clear, by type and content."""


class Verifications:
    """All verifications of this device; rows of `Table.VERIFICATIONS`."""

    def __init__(self, users: TrustedUsers, send: SendInClear, now_ms: Callable[[], int]) -> None:
        self._users = users
        self._send = send
        self._now_ms = now_ms
        self.news: list[VerificationNews] = []

    def request(self, transaction: StoreTransaction, username: str) -> bool:
        """Compare keys with a user: answer their request if there is one, else ask their devices.

        Returns whether the user has been asked by this call, and has to answer. Raises `Failure`.
        """
        user = self._users.by_name(transaction, username)
        if user is None:
            raise Failure(f"No keys of {username} are known. {username} must have used encryption once.")
        me = self._me(transaction)
        if user.user_id == me.user_id:
            raise Failure("To compare keys with another device of yours: /keys approve ID")
        if (going := self._going(transaction, user.username)) is not None:
            return self._continue(transaction, going)
        asked = {each.device_id: each.ed25519 for each in user.devices.values() if not each.dehydrated}
        if not asked:
            raise Failure(f"No device of {user.username} can answer. Compare by phone: /number USERNAME")
        self._ask(transaction, user.username, Party(user=matrix_user(user.user_id), master_key=user.master), asked)
        return True

    def request_own(self, transaction: StoreTransaction, device: str = "", device_key: str = "") -> bool:
        """Compare keys with a device of one's own: one to be approved, or one that can approve this one.

        `device_key` is the Ed25519 key that the server shows for it. Returns as `request`. Raises `Failure`.
        """
        me, own = self._me(transaction), self._own(transaction)
        going = self._going(transaction, me.username, device)
        if going is not None:
            if device_key and not going.theirs.device_key:
                theirs = msgspec.structs.replace(going.theirs, device_key=device_key)
                going = msgspec.structs.replace(going, theirs=theirs)
            return self._continue(transaction, going)
        is_listed = not device or device in own.devices
        user = Party(user=me.matrix_user, master_key=own.master if is_listed else "")
        others = (each for each in own.devices.values() if not each.dehydrated and each.device_id != me.device_id)
        asked = {each.device_id: each.ed25519 for each in others if device in {"", each.device_id}}
        if not is_listed:
            asked = {device: device_key}
        if not asked:
            raise Failure("You have no other device that could approve this one. Use the recovery key: /keys recover")
        self._ask(transaction, me.username, user, asked, required=MASTER if is_listed else DEVICE)
        return True

    def compared(self, transaction: StoreTransaction, username: str, *, same: bool) -> None:
        """The user compared what both screens show. Raises `Failure` if there is nothing to compare."""
        going = self._going(transaction, username)
        if going is None or going.phase is not VerificationPhase.COMPARING:
            raise Failure(f"There is nothing to compare with {username} at the moment.")
        if self._have_keys_changed(transaction, going):
            self._after(transaction, going, sas_verification.ended(going, VerificationEnd.KEYS_CHANGED))
            return
        self._after(transaction, going, sas_verification.confirmed(going, self._now_ms(), same=same))

    def cancel(self, transaction: StoreTransaction, username: str) -> None:
        """End all verifications with a user, if there are any."""
        for each in self._all(transaction):
            if each.username.casefold() == username.casefold():
                self._after(transaction, each, sas_verification.ended(each, VerificationEnd.CANCELLED_HERE))

    def expire(self, transaction: StoreTransaction) -> None:
        """End what has waited too long."""
        for each in self._all(transaction):
            if each.until_ms <= self._now_ms():
                self._after(transaction, each, sas_verification.ended(each, VerificationEnd.TIMED_OUT))

    def open(self, transaction: StoreTransaction) -> list[VerificationNews]:
        """What waits for the user: requests to answer and numbers to compare, as after a restart."""
        waiting = {VerificationPhase.ASKED, VerificationPhase.COMPARING}
        return [_news(each) for each in self._all(transaction) if each.phase in waiting]

    def handlers(self) -> dict[str, ToDeviceHandler]:
        """For the inbox: what takes messages of each type."""
        return {f"{PREFIX}{kind}": self.take for kind in sas_verification.KINDS}

    def take(self, transaction: StoreTransaction, message: ReceivedToDevice) -> None:
        """Take a to-device message of type `m.key.verification.*`. Any content is an input; it never raises."""
        kind = message.type.removeprefix(PREFIX)
        if kind == "request":
            self._requested(transaction, message)
            return
        flow = message.content.get("transaction_id")
        state = self._load(transaction, message.username, flow) if isinstance(flow, str) else None
        if state is None:
            return
        if kind != "cancel" and self._have_keys_changed(transaction, state):
            self._after(transaction, state, sas_verification.ended(state, VerificationEnd.KEYS_CHANGED))
            return
        step = sas_verification.taken(state, kind, message.content, message.device, self._now_ms())
        self._after(transaction, state, step)

    def _requested(self, transaction: StoreTransaction, message: ReceivedToDevice) -> None:
        content, me = message.content, DeviceIdentity.load(transaction)
        user = self._users.by_name(transaction, message.username)
        if me is None or user is None or not sas_verification.is_valid_request(content, self._now_ms()):
            return
        is_own, device = user.user_id == me.user_id, user.devices.get(message.device)
        if (
            (device is None and not is_own)
            or content["from_device"] != message.device
            or message.device == me.device_id
        ):
            return
        if self._load(transaction, user.username, content["transaction_id"]) is not None:
            return
        theirs = Party(
            user=matrix_user(user.user_id),
            device=message.device,
            device_key=device.ed25519 if device else "",
            master_key=user.master if device else "",
        )
        state = self._new(transaction, content["transaction_id"], user.username, theirs, VerificationPhase.ASKED)
        if device is None:
            state = msgspec.structs.replace(state, required=DEVICE)
        mine = self._going(transaction, user.username, message.device if is_own else "")
        if mine is not None and mine.phase is not VerificationPhase.ASKED:
            if mine.phase is VerificationPhase.REQUESTED and sas_verification.yields_to(
                mine, theirs.user, theirs.device
            ):
                self._yield(transaction, mine)
                self._after(transaction, state, sas_verification.answered(state, self._now_ms()))
            return
        if mine is not None:
            self._delete(transaction, mine)
        self._make_room(transaction)
        self._store(transaction, state)
        self.news.append(_news(state))

    def _yield(self, transaction: StoreTransaction, mine: VerificationState) -> None:
        """The other asked at the same time, and their request counts: forget one's own."""
        self._delete(transaction, mine)
        step = sas_verification.ended(mine, VerificationEnd.ELSEWHERE)
        self._transmit(transaction, mine, step)

    def _continue(self, transaction: StoreTransaction, state: VerificationState) -> bool:
        if state.phase is VerificationPhase.ASKED:
            self._after(transaction, state, sas_verification.answered(state, self._now_ms()))
        elif state.phase is VerificationPhase.COMPARING:
            self.news.append(_news(state))
        return state.phase is VerificationPhase.REQUESTED

    def _ask(
        self,
        transaction: StoreTransaction,
        username: str,
        user: Party,
        asked: dict[str, str],
        required: str = MASTER,
    ) -> None:
        state = self._new(transaction, secrets.token_urlsafe(16), username, user, VerificationPhase.REQUESTED)
        state = msgspec.structs.replace(state, asked=asked, required=required)
        self._make_room(transaction)
        self._after(transaction, state, sas_verification.requested(state, self._now_ms()))

    def _new(
        self, transaction: StoreTransaction, flow: str, username: str, theirs: Party, phase: VerificationPhase
    ) -> VerificationState:
        me, own = self._me(transaction), self._own(transaction)
        is_listed = me.device_id in own.devices
        mine = Party(
            user=me.matrix_user,
            device=me.device_id,
            device_key=me.ed25519,
            master_key=own.master if is_listed else "",
        )
        return VerificationState(
            transaction=flow,
            username=username,
            mine=mine,
            theirs=theirs,
            asked={},
            required=MASTER,
            phase=phase,
            private_key=secrets.token_bytes(sas_crypto.PRIVATE_KEY_BYTES),
            until_ms=self._now_ms() + sas_verification.LIFETIME_MS,
        )

    def _after(self, transaction: StoreTransaction, before: VerificationState, step: VerificationStep) -> None:
        """Store, send and tell what a step leads to."""
        self._transmit(transaction, before, step)
        state = step.state
        if step.end is None:
            self._store(transaction, state)
            if state.phase is VerificationPhase.COMPARING and before.phase is not VerificationPhase.COMPARING:
                self.news.append(_news(state))
            return
        self._delete(transaction, state)
        if step.end is VerificationEnd.VERIFIED and (user := self._users.by_name(transaction, state.username)):
            self._users.mark_verified(transaction, user.user_id, state.theirs.master_key)
        if step.end is not VerificationEnd.ELSEWHERE or before.phase is VerificationPhase.ASKED:
            theirs = state.theirs
            news = VerificationNews(state.username, theirs.device, state.is_own, theirs.device_key, end=step.end)
            self.news.append(news)

    def _transmit(self, transaction: StoreTransaction, state: VerificationState, step: VerificationStep) -> None:
        for outgoing in step.outgoing:
            for device in outgoing.devices:
                address = DeviceAddress(state.username, device)
                self._send(transaction, address, f"{PREFIX}{outgoing.kind}", outgoing.content)

    def _have_keys_changed(self, transaction: StoreTransaction, state: VerificationState) -> bool:
        """Whether a master key is another one than when the verification began."""
        user, own = (
            self._users.by_name(transaction, state.username),
            self._users.user(transaction, self._me(transaction).user_id),
        )
        theirs, mine = state.theirs.master_key, state.mine.master_key
        return bool(
            (theirs and (user is None or user.master != theirs)) or (mine and (own is None or own.master != mine))
        )

    def _me(self, transaction: StoreTransaction) -> DeviceIdentity:
        if (me := DeviceIdentity.load(transaction)) is None:
            raise Failure("This device has no keys yet. Make them: /keys init")
        return me

    def _own(self, transaction: StoreTransaction) -> TrustedUser:
        if (own := self._users.user(transaction, self._me(transaction).user_id)) is None:
            raise Failure("Your own keys are not known here yet. Connect once.")
        return own

    def _going(self, transaction: StoreTransaction, username: str, device: str = "") -> VerificationState | None:
        """The verification with a user, or with a device of one's own, that is furthest."""
        order = list(VerificationPhase)
        found = (
            each
            for each in self._all(transaction)
            if each.username.casefold() == username.casefold()
            and (not device or device == each.theirs.device or device in each.asked)
        )
        return max(found, key=lambda each: order.index(each.phase), default=None)

    def _all(self, transaction: StoreTransaction) -> list[VerificationState]:
        rows = transaction.rows(Table.VERIFICATIONS)
        return [msgspec.msgpack.decode(row, type=VerificationState) for _, row in rows]

    def _load(self, transaction: StoreTransaction, username: str, flow: str) -> VerificationState | None:
        row = transaction.get(Table.VERIFICATIONS, _name(username, flow))
        return None if row is None else msgspec.msgpack.decode(row, type=VerificationState)

    def _store(self, transaction: StoreTransaction, state: VerificationState) -> None:
        row = msgspec.msgpack.encode(state)
        transaction.put(Table.VERIFICATIONS, _name(state.username, state.transaction), row)

    def _delete(self, transaction: StoreTransaction, state: VerificationState) -> None:
        transaction.delete(Table.VERIFICATIONS, _name(state.username, state.transaction))

    def _make_room(self, transaction: StoreTransaction) -> None:
        """Forget the oldest ones beyond the limit."""
        surplus = sorted(self._all(transaction), key=lambda each: each.until_ms)[: -(MAX_OPEN - 1)]
        for each in surplus:
            self._delete(transaction, each)


def _name(username: str, flow: str) -> str:
    return f"{username.casefold()}/{flow}"


def _news(state: VerificationState) -> VerificationNews:
    if state.phase is VerificationPhase.ASKED:
        return VerificationNews(state.username, state.theirs.device, state.is_own, is_requested=True)
    shown = sas_verification.comparison(state)
    return VerificationNews(state.username, state.theirs.device, state.is_own, comparison=shown)
