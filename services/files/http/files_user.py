"""FastAPI dependencies: the context of the app, and the user who calls a route."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chatterbox.chassis.http import http_app
from chatterbox.chassis.http.http_errors import refusals, token_scheme
from chatterbox.chassis.token_verifier import bearer
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import Code
from services.files.files_context import FilesContext

UNLIMITED_BODY = 2**40
"""For routes that count what they receive."""


async def _context(request: Request) -> FilesContext:
    """A coroutine because FastAPI would run a plain function in a thread."""
    return http_app.context_of(request, FilesContext)


Files = Annotated[FilesContext, Depends(_context)]


async def _user(request: Request, files: Files) -> UserInfo:
    claims = await files.verifier.verify(bearer(request.headers.get("authorization")))
    return UserInfo(claims.user_id, claims.name)


Uploader = Annotated[UserInfo, Depends(_user)]
"""The token's owner: signature verified, session not ended."""


def files_router() -> APIRouter:
    """A router of public routes: the API reference names the token and the refusals that every route may give."""
    refused = refusals(
        Code.TOKEN_MISSING,
        Code.TOKEN_INVALID,
        Code.TOKEN_EXPIRED,
        Code.SESSION_ENDED,
        Code.RATE_LIMITED,
        Code.UNAVAILABLE,
    )
    return APIRouter(tags=["files"], dependencies=[Depends(token_scheme)], responses=refused)
