"""Public routes: registration, login, logout, sessions, password change."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import Code
from chatterbox.wire.text_rules import timestamp
from services.auth.http.login_form import OPENAPI_EXTRA, LoginBody
from services.auth.http.request_dependencies import Address, Auth, CurrentSession, Peer, RenewableSession
from services.auth.http.schemas import DoneOut, LoginOut, PasswordChange, PasswordReset, Registration, SessionOut
from services.auth.sessions.login_sessions import IssuedToken

router = APIRouter(tags=["auth"])

UserAgent = Annotated[str, Header(include_in_schema=False)]

_NAME_AND_PASSWORD = (Code.USERNAME_INVALID, Code.PASSWORD_INVALID)
_REGISTRATION = (Code.USERNAME_TAKEN, Code.RATE_LIMITED, Code.REGISTRATION_CLOSED, Code.INVITATION_INVALID)
_CREDENTIALS = (Code.CREDENTIALS_INVALID, Code.LOGIN_THROTTLED)
_TOKEN = (Code.TOKEN_MISSING, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.SESSION_ENDED, Code.RATE_LIMITED)
_SESSION_TERMINATED = DoneOut(message="Session terminated")


@router.post(
    "/register",
    status_code=201,
    summary="Create an account",
    responses=refusals(Code.BAD_REQUEST, *_NAME_AND_PASSWORD, *_REGISTRATION, Code.UNAVAILABLE),
)
async def register(body: Registration, auth: Auth, address: Address) -> DoneOut:
    await auth.accounts.register(body.username, body.password, address, body.code)
    return DoneOut(message="User created successfully")


@router.post(
    "/login",
    summary="Start a session and get its token",
    responses=refusals(Code.BAD_REQUEST, *_CREDENTIALS, Code.RATE_LIMITED, Code.UNAVAILABLE),
    openapi_extra=OPENAPI_EXTRA,
)
async def login(body: LoginBody, auth: Auth, peer: Peer, response: Response, user_agent: UserAgent = "") -> LoginOut:
    user = await auth.accounts.authenticate(body.username, body.password, network(peer))
    return _login_out(await auth.sessions.begin(user, user_agent, peer), response)


@router.post("/logout", summary="End this session", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def logout(current: RenewableSession, auth: Auth) -> DoneOut:
    await auth.sessions.end(current.user_id, current.sid)
    return _SESSION_TERMINATED


@router.post(
    "/renew",
    summary="Get a new token for this session",
    responses=refusals(*_TOKEN, Code.UNAVAILABLE),
)
async def renew(current: RenewableSession, auth: Auth, peer: Peer, response: Response) -> LoginOut:
    return _login_out(await auth.sessions.renew(current, peer), response)


@router.get("/sessions", summary="List your sessions, newest first", responses=refusals(*_TOKEN, Code.UNAVAILABLE))
async def list_sessions(current: CurrentSession, auth: Auth) -> list[SessionOut]:
    return [
        SessionOut(
            id=session.sid,
            created=timestamp(session.created_s * 1000),
            last_used=timestamp(session.used_s * 1000),
            expires=timestamp(session.expires_s * 1000),
            ends=timestamp(auth.sessions.ends_s(session) * 1000),
            user_agent=session.user_agent,
            address=session.address,
            current=session.sid == current.sid,
        )
        for session in await auth.sessions.of_user(current.user_id)
    ]


@router.delete(
    "/sessions/{session}",
    summary="End one of your sessions",
    responses=refusals(*_TOKEN, Code.SESSION_UNKNOWN, Code.UNAVAILABLE),
)
async def end_session(session: str, current: CurrentSession, auth: Auth) -> DoneOut:
    await auth.sessions.end(current.user_id, session)
    return _SESSION_TERMINATED


@router.delete(
    "/sessions", summary="End all your sessions, including this one", responses=refusals(*_TOKEN, Code.UNAVAILABLE)
)
async def end_all_sessions(current: CurrentSession, auth: Auth) -> DoneOut:
    await auth.sessions.end_all(current.user_id)
    return DoneOut(message="All sessions terminated")


@router.post(
    "/password",
    summary="Change your password and end your other sessions",
    responses=refusals(*_TOKEN, *_CREDENTIALS, Code.BAD_REQUEST, Code.PASSWORD_INVALID, Code.UNAVAILABLE),
)
async def change_password(body: PasswordChange, current: CurrentSession, auth: Auth, address: Address) -> DoneOut:
    ended = await auth.accounts.change_password(current.user_id, current.sid, body.old, body.new, address)
    await auth.sessions.publish_ended(ended)
    return DoneOut(message="Password changed")


@router.post(
    "/password/reset",
    summary="Set a new password with the operator's reset code, and end all sessions",
    responses=refusals(
        Code.BAD_REQUEST,
        Code.RESET_CODE_INVALID,
        Code.PASSWORD_INVALID,
        Code.LOGIN_THROTTLED,
        Code.RATE_LIMITED,
        Code.UNAVAILABLE,
    ),
)
async def reset_password(body: PasswordReset, auth: Auth, address: Address) -> DoneOut:
    ended = await auth.accounts.reset_password(body.username, body.code, body.new, address)
    await auth.sessions.publish_ended(ended)
    return DoneOut(message="Password changed, all sessions terminated")


def _login_out(issued: IssuedToken, response: Response) -> LoginOut:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 section 5.1
    return LoginOut(
        token=issued.token,
        access_token=issued.token,
        token_type="bearer",  # noqa: S106 - a kind of token
        expires_in=issued.expires_in_s,
        session=issued.claims.sid,
        username=issued.claims.name,
    )
