"""Pages of messages for users: encoded once, then from memory until a commit changes them."""

from chatterbox.wire.auth_api import UserInfo
from services.history.core.page_cache import EncodedPage, PageCache
from services.history.core.page_json import RequestedPage, encoded_page
from services.history.history import HistoryService


class PublicPages:
    """Reads pages of `history`. `cache` follows the writer."""

    def __init__(self, history: HistoryService, cache: PageCache) -> None:
        self._history = history
        self._cache = cache

    async def page(self, room: str, user: UserInfo, requested: RequestedPage) -> EncodedPage:
        """A page for a user, which counts as a read; raises `rate_limited`, `room_unknown` or `not_a_member`."""
        self._history.count_read(user)
        cache = self._cache
        cached = cache.room_of(room, user.user_id)
        if cached is None:
            endings = cache.endings
            info = (await self._history.changed_room(room, user)).require_member()
            cached = cache.add_member(room, info.room_id, user.user_id, endings=endings)
        page = cached.pages.get(requested)
        if page is None:
            ticket = cache.ticket(cached)
            page = encoded_page(await self._history.page(cached.room_id, requested.span), requested)
            cache.put(ticket, requested, page)
        return page
