"""FastAPI dependencies: the context of the app, and the user who calls a route."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chatterbox.chassis.http import http_app
from chatterbox.chassis.http.http_errors import token_router
from chatterbox.chassis.token_verifier import bearer
from chatterbox.wire.auth_api import UserInfo
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
    """A router of public routes; `Uploader` checks the token."""
    return token_router("files")
