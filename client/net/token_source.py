"""The access token: read from the session file, and renewed before it expires."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from client.failures import Failure, NotLoggedIn
from client.net.http_api import HttpApi
from client.store.session_file import SavedSession, SessionFile

RETRY_S = 60.0


class TokenSource:
    """The session's token. The file is read each time, as another client of this user may have renewed it."""

    def __init__(
        self, file: SessionFile, api: Callable[[str, str], HttpApi] = HttpApi, now_s: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._api = api
        self._now_s = now_s

    def session(self) -> SavedSession:
        """Return the session on disk; raises `NotLoggedIn`."""
        session = self._file.load()
        if session is None:
            raise NotLoggedIn(f"You are not logged in at {self._file.server}.")
        return session

    async def fresh(self, refused: str = "") -> str:
        """Return a token with at least half of its lifetime left, unless the server can't renew it now.

        `refused` is a token that the server called expired; it is renewed whatever the local clock says. That clock
        only decides when to renew. Whether a session is over is decided by the server: otherwise a local clock that is
        set forward would log the user out.
        """
        session = self.session()
        return await asyncio.to_thread(self.token, refused) if self._is_due(session, refused) else session.token

    def token(self, refused: str = "") -> str:
        """Do the same as `fresh`, but wait for the server."""
        session = self.session()
        if not self._is_due(session, refused):
            return session.token
        try:
            return self._renewed(session)
        except NotLoggedIn:
            raise
        except Failure:
            return session.token

    def _is_due(self, session: SavedSession, refused: str) -> bool:
        return session.token == refused or session.is_due(self._now_s())

    async def until_due(self) -> None:
        """Sleep until the token should be renewed, or for `RETRY_S` if that is overdue because a renewal failed."""
        wait_s = self.session().renew_at - self._now_s()
        await asyncio.sleep(wait_s if wait_s > 0 else RETRY_S)

    def _renewed(self, session: SavedSession) -> str:
        with self._api(session.server, session.token) as api:
            renewed = api.renew().as_session(session.server, self._now_s())
        if self._file.load() is not None:
            with suppress(Failure):  # a full disk must not log the user out
                self._file.save(renewed)
        return renewed.token
