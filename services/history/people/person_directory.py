"""Who users are, as each viewer may see them; and what users set for themselves."""

from collections.abc import Callable, Mapping, Sequence, Sized

import msgspec

from chatterbox.chassis.token_verifier import AuthClient
from chatterbox.wire import history_api, text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Audience, Person
from chatterbox.wire.rate_limits import CHANGES, READS
from services.history.core import person_record
from services.history.core.person_record import PersonChange, PersonRecord
from services.history.history_store import PersonStore
from services.history.user_rates import UserRates

MAX_PEOPLE = 200
"""Maximum number of names, ids or viewers in one request."""
MAX_ASKED = 20
"""Names in one request for which auth is asked; further ones count as unknown."""
MAX_SEEN = 10_000
"""Maximum number of users in one report of who is connected."""
SEEN_AT_ONCE = 1000
"""Users in one transaction of such a report: a few milliseconds, since messages wait for it."""


class PersonDirectory:
    """Every refusal is a `ChatError`; requests of a user beyond a rate are `rate_limited`."""

    def __init__(
        self, store: PersonStore, auth: AuthClient, limits: Limits, rates: UserRates, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._auth = auth
        self._limits = limits
        self._rates = rates
        self._now_ms = now_ms

    async def settings(self, user: UserInfo) -> PersonRecord:
        """What `user` set for themselves; a status that is over is gone."""
        self._rates.spend(READS, user.user_id)
        record = (await self._store.people([user.user_id]))[user.user_id]
        return person_record.current(record, self._now_ms())

    async def change(self, user: UserInfo, wanted: PersonChange) -> None:
        """Change what a user set; texts are as they were typed.

        Raises `display_name_invalid` or `profile_invalid`; auth is asked whether a display name imitates a username.
        """
        self._rates.spend(CHANGES, user.user_id)
        if wanted.status_until_ms and wanted.status_until_ms <= self._now_ms():
            raise ChatError(Code.PROFILE_INVALID, "The end of the status, status_until, must be in the future.")
        stored = self._as_stored(wanted)
        if stored.display_name:
            await self._auth.check_display_name(user.user_id, stored.display_name)
        await self._store.change_person(user, stored)

    def _as_stored(self, wanted: PersonChange) -> PersonChange:
        rules = {"display_name": text_rules.display_name, "bio": text_rules.bio, "status": text_rules.status}
        typed = {name: getattr(wanted, name) for name in rules}
        texts = {name: rules[name](text, self._limits) for name, text in typed.items() if text is not None}
        return msgspec.structs.replace(wanted, **texts)

    async def set_avatar(self, changed: history_api.AvatarChanged) -> history_api.AvatarReplaced:
        """Set a user's picture for the files service, or remove it; returns the one before."""
        user = UserInfo(changed.user_id, changed.username)
        result = await self._store.change_person(user, PersonChange(avatar=changed.avatar))
        return history_api.AvatarReplaced(result.before.avatar if result.before.avatar != changed.avatar else "")

    async def person(self, viewer: UserInfo, username: str) -> Person:
        """A user as `viewer` may see them; raises `user_unknown`."""
        self._rates.spend(READS, viewer.user_id)
        found = await self._named([text_rules.username(username)])
        if not found:
            raise ChatError(Code.USER_UNKNOWN)
        [person] = await self._seen_by(viewer, found, await self._store.people([user.user_id for user in found]))
        return person

    async def newer(self, viewer: UserInfo, known: Mapping[str, int]) -> list[Person]:
        """Those of these users (versions by name) who have another version; names that no user has are left out."""
        self._rates.spend(READS, viewer.user_id)
        _require_at_most(MAX_PEOPLE, "users", known)
        found = await self._named(list(known))
        records = await self._store.people([user.user_id for user in found])
        versions = {text_rules.folded(name): version for name, version in known.items() if _may_be_typed(name)}
        differing = [
            user for user in found if versions.get(text_rules.folded(user.username)) != records[user.user_id].version
        ]
        return await self._seen_by(viewer, differing, records)

    async def query(self, query: history_api.PeopleQuery) -> history_api.People:
        """Users by name or id, and what several viewers may see, for a gateway."""
        for each in (query.usernames, query.user_ids, query.viewers):
            _require_at_most(MAX_PEOPLE, "users and viewers", each)
        if query.reader is not None:
            self._rates.spend(READS, query.reader)
        found = {user.user_id: user for user in await self._store.users_by_id(query.user_ids)} if query.user_ids else {}
        found |= {user.user_id: user for user in await self._named(query.usernames)}
        records = await self._store.people(list(found))
        pairs = await self._sharing(records, query.viewers)
        now_ms = self._now_ms()
        people = [
            person_record.stored_person(
                user, records[user_id], [viewer for viewer in query.viewers if (user_id, viewer) in pairs], now_ms
            )
            for user_id, user in found.items()
        ]
        return history_api.People(people)

    async def mark_seen(self, user_ids: Sequence[int]) -> None:
        """Store that users are connected now."""
        _require_at_most(MAX_SEEN, "users", user_ids)
        for first in range(0, len(user_ids), SEEN_AT_ONCE):
            await self._store.mark_seen(user_ids[first : first + SEEN_AT_ONCE])

    async def _named(self, usernames: Sequence[str]) -> list[UserInfo]:
        """The users with these names in any spelling. Auth is asked for those that are not found here.

        That is, for users who never connected, and for names in another case of letters that are not ASCII.
        """
        names = [name for name in dict.fromkeys(usernames) if _may_be_typed(name)]
        if not names:
            return []
        known = await self._store.users_by_name(names)
        found = {text_rules.folded(user.username) for user in known}
        asked = [name for name in names if text_rules.folded(name) not in found][:MAX_ASKED]
        users = known + (await self._auth.users(asked) if asked else [])
        return list({user.user_id: user for user in users}.values())

    async def _seen_by(
        self, viewer: UserInfo, users: Sequence[UserInfo], records: Mapping[int, PersonRecord]
    ) -> list[Person]:
        pairs = await self._sharing({user.user_id: records[user.user_id] for user in users}, [viewer.user_id])

        def audiences(user: UserInfo) -> frozenset[Audience]:
            if user.user_id == viewer.user_id:
                return person_record.ONESELF
            is_sharing = (user.user_id, viewer.user_id) in pairs
            return person_record.IN_A_COMMON_ROOM if is_sharing else person_record.EVERYONE

        now_ms = self._now_ms()
        return [person_record.person(user, records[user.user_id], audiences(user), now_ms) for user in users]

    async def _sharing(self, records: Mapping[int, PersonRecord], viewers: Sequence[int]) -> set[tuple[int, int]]:
        """The pairs of a user and a viewer in a common room, as far as it matters."""
        concerned = [user_id for user_id, record in records.items() if person_record.depends_on_rooms(record)]
        return await self._store.sharing(concerned, viewers) if concerned and viewers else set()


def _may_be_typed(name: str) -> bool:
    """Whether a name is short enough to be compared: normalizing thousands of combining marks takes seconds."""
    return len(name) <= text_rules.USERNAME_MAX_TYPED


def _require_at_most(most: int, what: str, given: Sized) -> None:
    if len(given) > most:
        raise ChatError(Code.BAD_REQUEST, f"One request has at most {most} {what}.")
