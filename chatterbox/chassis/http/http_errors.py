"""HTTP error responses: maps refusals, invalid requests and bugs to `{code, detail}` for every service."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from chatterbox.wire.errors import MEANINGS, ChatError, Code

log = logging.getLogger("chatterbox.http")

BODY_BYTES = 65_536
"""The largest request body of the public API."""
CLIENT_DISCONNECTED = 499
"""In metrics, the status of requests that the client broke off, as in nginx's logs."""
_NOT_JSON = "The body is not UTF-8 or not JSON."
_TOO_LARGE = f"The body is larger than {BODY_BYTES} bytes."


token_scheme = OAuth2PasswordBearer("login", scheme_name="session", auto_error=False)
"""The security scheme of routes that need a token, so that one Authorize button in the API reference covers all
services. It only documents: `token_verifier.bearer` reads the header."""


def token_router(tag: str) -> APIRouter:
    """A router of routes that need a token: the API reference names it, and the refusals that every route may give.

    It only documents; a dependency of each route checks the token.
    """
    refused = refusals(
        Code.TOKEN_MISSING,
        Code.TOKEN_INVALID,
        Code.TOKEN_EXPIRED,
        Code.SESSION_ENDED,
        Code.RATE_LIMITED,
        Code.UNAVAILABLE,
    )
    return APIRouter(tags=[tag], dependencies=[Depends(token_scheme)], responses=refused)


class ErrorBody(BaseModel):
    """The body of every refusal over HTTP."""

    code: str
    detail: str
    retry_after_s: float | None = None


def answer(problem: ChatError) -> JSONResponse:
    """A refusal as an HTTP response; `Retry-After` (RFC 9110) in whole seconds, rounded up."""
    body: dict[str, Any] = {"code": problem.code, "detail": problem.detail}
    headers: dict[str, str] = {}
    if problem.retry_after_s is not None:
        body["retry_after_s"] = problem.retry_after_s
        headers["Retry-After"] = str(int(-(-problem.retry_after_s // 1)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, problem.status, headers)


def _documented(description: str) -> dict[str, Any]:
    """A refusal for the API reference, by reference to `ErrorBody`, whose schema `HttpApp.openapi` adds.

    Given as `model`, FastAPI would build a validator of it for each status of each route, twice per app.
    """
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def refusals(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may refuse with these codes, for the API reference."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        entry = by_status.setdefault(MEANINGS[code].status, _documented(""))
        entry["description"] += f"{' · ' if entry['description'] else ''}`{code}`: {MEANINGS[code].sentence}"
    return by_status


COMMON_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _documented(_NOT_JSON),
    413: _documented(_TOO_LARGE),
    **refusals(Code.BAD_REQUEST, Code.INTERNAL),
}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of `app` as `{code, detail}`."""
    app.add_exception_handler(ChatError, _on_chat_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_bug)


def bad_request(detail: str) -> JSONResponse:
    """The response to a request that is no valid HTTP: 400, as RFC 9112 demands; `bad_request` is 422 otherwise."""
    return JSONResponse({"code": Code.BAD_REQUEST, "detail": detail}, 400)


def body_too_large() -> JSONResponse:
    """The response to a request body of more than `BODY_BYTES`."""
    return JSONResponse({"code": Code.BAD_REQUEST, "detail": _TOO_LARGE}, 413)


async def _on_chat_error(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, ChatError)  # noqa: S101 - registered for it
    return answer(problem)


async def _on_invalid_request(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)  # noqa: S101
    first: Mapping[str, Any] = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return bad_request("The body is not JSON.")
    if where == "body":
        return answer(ChatError(Code.BAD_REQUEST, "The body must be a JSON object with Content-Type application/json."))
    return answer(ChatError(Code.BAD_REQUEST, f"{where}: {first['msg']}."))


_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}
_DETAILS = {400: _NOT_JSON, 413: _TOO_LARGE}


async def _on_http_exception(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101
    code = _BY_STATUS.get(problem.status_code, Code.BAD_REQUEST)
    detail = _DETAILS.get(problem.status_code, MEANINGS[code].sentence)
    headers = problem.headers
    if code is Code.METHOD_NOT_ALLOWED and (methods := _allowed_methods(request)):
        headers = {"Allow": methods}
    return JSONResponse({"code": code, "detail": detail}, problem.status_code, headers)


def _allowed_methods(request: Request) -> str:
    """Every method of the path (RFC 9110 section 15.5.6); Starlette lists those of the first matching route only.

    Of several documented paths that match, it is the one with the fewest parameters.
    """
    paths: dict[str, dict[str, Any]] = request.app.openapi().get("paths", {})
    matching = [path for path in paths if compile_path(path)[0].match(request.url.path)]
    closest = min(matching, key=lambda path: path.count("{"), default=None)
    return ", ".join(sorted(method.upper() for method in paths[closest])) if closest else ""


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """The client disconnected before its request was complete; this response only counts it in the metrics."""
    return Response(status_code=CLIENT_DISCONNECTED)


async def _on_bug(request: Request, problem: Exception) -> Response:
    log.error("request.failed", extra={"path": request.url.path}, exc_info=problem)
    return answer(ChatError(Code.INTERNAL))
