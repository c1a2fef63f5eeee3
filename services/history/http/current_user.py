"""Who is calling a public route: the owner of a valid token, greeted."""

from typing import Annotated

from fastapi import Depends, Request

from chatterbox.chassis.http.http_errors import token_scheme
from chatterbox.chassis.token_verifier import TokenVerifier, bearer
from chatterbox.wire.auth_api import UserInfo
from services.history.history import HistoryService
from services.history.revocation_sync import RevocationSync


async def history_of(request: Request) -> HistoryService:
    """The service behind this app. Not a plain function: FastAPI would run that in a thread."""
    history: HistoryService = request.app.state.history
    return history


async def caller(request: Request) -> UserInfo:
    """Whose token this is; raises `token_...`, `session_ended`, or `unavailable` where that can't be known.

    They need not have connected to a gateway before, so it is here that they may be greeted.
    """
    token = bearer(request.headers.get("authorization"))
    verifier: TokenVerifier = request.app.state.verifier
    ended_sessions: RevocationSync = request.app.state.ended_sessions
    ended_sessions.require_known()
    claims = await verifier.verify(token)
    await (await history_of(request)).greet({claims.user_id: claims.name})
    return UserInfo(claims.user_id, claims.name)


Caller = Annotated[UserInfo, Depends(caller)]
TheHistory = Annotated[HistoryService, Depends(history_of)]
documented = Depends(token_scheme)
"""Puts the token into the API reference; `caller` is what checks it."""
