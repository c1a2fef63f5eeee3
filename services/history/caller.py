"""Who is calling a public route: the owner of a valid token, greeted."""

from typing import Annotated

from fastapi import Depends, Request

from chatterbox.chassis.edge import token_scheme
from chatterbox.chassis.identity import Verifier, bearer
from chatterbox.wire.tokens import User
from services.history.ended_sessions import EndedSessions
from services.history.history import History


async def history_of(request: Request) -> History:
    """The service behind this app. Not a plain function: FastAPI would run that in a thread."""
    history: History = request.app.state.history
    return history


async def caller(request: Request) -> User:
    """Whose token this is; raises `token_...`, `session_ended`, or `unavailable` where that can't be known.

    They need not have connected to a gateway before, so it is here that they may be greeted.
    """
    token = bearer(request.headers.get("authorization"))
    verifier: Verifier = request.app.state.verifier
    ended_sessions: EndedSessions = request.app.state.ended_sessions
    ended_sessions.require_known()
    claims = await verifier.verify(token)
    await (await history_of(request)).greet({claims.user_id: claims.name})
    return User(claims.user_id, claims.name)


Caller = Annotated[User, Depends(caller)]
TheHistory = Annotated[History, Depends(history_of)]
documented = Depends(token_scheme)
"""Puts the token into the API reference; `caller` is what checks it."""
