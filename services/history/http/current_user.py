"""The user who calls a public route, and their login session: token checked, a member of the rooms for everybody."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chatterbox.chassis.http.http_errors import token_router
from chatterbox.chassis.token_verifier import bearer
from chatterbox.wire.auth_api import UserInfo
from services.history.encryption.device_store import LoginOfUser
from services.history.history_context import HistoryContext
from services.history.http.app_context import context_of


async def user_of(context: HistoryContext, authorization: str | None) -> UserInfo:
    """The token's owner; raises `token_...`, `session_ended`, or `unavailable` if the token can't be checked now.

    New users may call this before they connect to a gateway, so they are made members here as well.
    """
    return (await _login_of(context, authorization)).user


async def _login_of(context: HistoryContext, authorization: str | None) -> LoginOfUser:
    claims = await context.verifier.verify(bearer(authorization))
    await context.history.enroll({claims.user_id: claims.name})
    return LoginOfUser(UserInfo(claims.user_id, claims.name), claims.sid)


async def _current_user(request: Request) -> UserInfo:
    return await user_of(context_of(request), request.headers.get("authorization"))


async def _current_login(request: Request) -> LoginOfUser:
    return await _login_of(context_of(request), request.headers.get("authorization"))


CurrentUser = Annotated[UserInfo, Depends(_current_user)]
CurrentLogin = Annotated[LoginOfUser, Depends(_current_login)]
"""The user, and the login session that the token belongs to."""


def public_router() -> APIRouter:
    """A router of public routes; `CurrentUser` checks the token."""
    return token_router("history")
