"""The public routes: parse, call one rule, answer."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import Code
from chatterbox.wire.text_rules import timestamp
from services.auth.http.login_form import DOCUMENTED, LoginBody
from services.auth.http.request_dependencies import Address, Caller, TheAuth
from services.auth.http.schemas import DoneOut, LoginOut, PasswordChange, Registration, SessionOut
from services.auth.sessions.login_sessions import IssuedToken

router = APIRouter(tags=["auth"])

UserAgent = Annotated[str, Header(include_in_schema=False)]

_NAME_AND_PASSWORD = (Code.USERNAME_INVALID, Code.PASSWORD_INVALID)
_TRIED = (Code.CREDENTIALS_INVALID, Code.LOGIN_THROTTLED)
_TOKEN = (Code.TOKEN_MISSING, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.SESSION_ENDED)
_SESSION_TERMINATED = DoneOut(message="Session terminated")


@router.post(
    "/register",
    status_code=201,
    summary="Make an account",
    responses=refusals(Code.BAD_REQUEST, *_NAME_AND_PASSWORD, Code.USERNAME_TAKEN, Code.RATE_LIMITED, Code.UNAVAILABLE),
)
async def register(body: Registration, auth: TheAuth, address: Address) -> DoneOut:
    await auth.accounts.register(body.username, body.password, address)
    return DoneOut(message="User created successfully")


@router.post(
    "/login",
    summary="Begin a session and get its token",
    responses=refusals(Code.BAD_REQUEST, *_TRIED, Code.UNAVAILABLE),
    openapi_extra=DOCUMENTED,
)
async def login(
    body: LoginBody, auth: TheAuth, address: Address, response: Response, user_agent: UserAgent = ""
) -> LoginOut:
    user = await auth.accounts.authenticate(body.username, body.password, address)
    return _logged_in(await auth.logins.begin(user, user_agent), response)


@router.post("/logout", summary="End this session", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def logout(caller: Caller, auth: TheAuth) -> DoneOut:
    await auth.logins.end(caller.user_id, caller.sid)
    return _SESSION_TERMINATED


@router.post("/renew", summary="Get a later token of this session", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def renew(caller: Caller, auth: TheAuth, response: Response) -> LoginOut:
    return _logged_in(await auth.logins.renew(caller), response)


@router.get("/sessions", summary="List one's sessions, newest first", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def list_sessions(caller: Caller, auth: TheAuth) -> list[SessionOut]:
    return [
        SessionOut(
            id=session.sid,
            created=timestamp(session.created * 1000),
            expires=timestamp(session.expires * 1000),
            user_agent=session.user_agent,
            current=session.sid == caller.sid,
        )
        for session in await auth.logins.of_user(caller.user_id)
    ]


@router.delete(
    "/sessions/{session}",
    summary="End one of one's sessions",
    responses=refusals(*_TOKEN, Code.SESSION_UNKNOWN, Code.UNAVAILABLE),
)
async def end_session(session: str, caller: Caller, auth: TheAuth) -> DoneOut:
    await auth.logins.end(caller.user_id, session)
    return _SESSION_TERMINATED


@router.delete("/sessions", summary="Log out everywhere, here too", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def end_all_sessions(caller: Caller, auth: TheAuth) -> DoneOut:
    await auth.logins.end_all(caller.user_id)
    return DoneOut(message="All sessions terminated")


@router.post(
    "/password",
    summary="Change one's password and end one's other sessions",
    responses=refusals(*_TOKEN, *_TRIED, Code.BAD_REQUEST, Code.PASSWORD_INVALID, Code.UNAVAILABLE),
)
async def change_password(body: PasswordChange, caller: Caller, auth: TheAuth, address: Address) -> DoneOut:
    ended = await auth.accounts.change_password(caller.user_id, caller.sid, body.old, body.new, address)
    await auth.logins.announce(ended)
    return DoneOut(message="Password changed")


def _logged_in(issued: IssuedToken, response: Response) -> LoginOut:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 section 5.1
    return LoginOut(
        token=issued.token,
        access_token=issued.token,
        token_type="bearer",  # noqa: S106 - a kind of token
        expires_in=issued.expires_in,
        session=issued.claims.sid,
        username=issued.claims.name,
    )
