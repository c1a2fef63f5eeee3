"""The edge of every HTTP app: one place where refusals and bugs become answers."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatterbox.chassis.http.request_middleware import RequestCountMiddleware, RequestIdMiddleware
from chatterbox.chassis.observability.metrics import Metrics, scraped
from chatterbox.wire.errors import MEANINGS, ChatError, Code

log = logging.getLogger("chatterbox.http")

BODY_BYTES = 65_536
"""No request of the public API has a larger body."""


token_scheme = OAuth2PasswordBearer("/login", scheme_name="session", auto_error=False)
"""What a route with a token depends on for the reference: one Authorize button logs in for the routes of all services.
The header itself is read by `identity.bearer`."""


class ErrorBody(BaseModel):
    """Every refusal over HTTP looks like this."""

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


def refusals(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: what it may refuse, for the API reference."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        entry = by_status.setdefault(MEANINGS[code].status, {"model": ErrorBody, "description": ""})
        entry["description"] += f"{' · ' if entry['description'] else ''}`{code}`: {MEANINGS[code].sentence}"
    return by_status


COMMON_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The body is not UTF-8 or not JSON."},
    413: {"model": ErrorBody, "description": f"The body is larger than {BODY_BYTES} bytes."},
    **refusals(Code.BAD_REQUEST, Code.INTERNAL),
}


def new_app(title: str, metrics: Metrics | None = None, **options: Any) -> FastAPI:  # noqa: ANN401 - FastAPI's own
    """A FastAPI app whose every error is `{code, detail}`, without pages of its own (the reference is merged).

    With `metrics` its requests are counted there, and `/metrics` shows them all.
    """
    app = _App(
        metrics,
        title=title,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={**COMMON_REFUSALS},
        max_body_size=BODY_BYTES,
        redirect_slashes=False,
        **options,
    )
    app.add_exception_handler(ChatError, _on_chat_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    app.state.metrics = metrics
    if metrics is not None:
        app.add_api_route("/metrics", scraped(metrics), include_in_schema=False)
    return app


class _App(FastAPI):
    def __init__(self, metrics: Metrics | None, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(**options)
        self._metrics = metrics

    def build_middleware_stack(self) -> ASGIApp:
        http: ASGIApp = _TooLargeAsJson(super().build_middleware_stack())
        return RequestIdMiddleware(
            _ByType(http if self._metrics is None else RequestCountMiddleware(http, self._metrics), self.router)
        )


class _ByType:
    """What surrounds a route (limits of bodies, errors as pages, counts) is for HTTP: a WebSocket goes straight to its.

    In a crowd that connects, that is an eighth of the gateway's work.
    """

    def __init__(self, http: ASGIApp, websocket: ASGIApp) -> None:
        self._http = http
        self._websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._websocket if scope["type"] == "websocket" else self._http)(scope, receive, send)


class _TooLargeAsJson:
    """FastAPI's own answer to a body that says it is too large is plain text, and can't be set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def send_json(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_413(message):
                replaced = True
                await _too_large()(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, send_json)


def _is_plain_413(start: Message) -> bool:
    return start["status"] == 413 and Headers(raw=start["headers"]).get("content-type") != "application/json"


def _too_large() -> JSONResponse:
    return JSONResponse({"code": Code.BAD_REQUEST, "detail": _DETAILS[413]}, 413)


async def _on_chat_error(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, ChatError)  # noqa: S101 - registered for it
    return answer(problem)


async def _on_invalid(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)  # noqa: S101
    first: Mapping[str, Any] = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return JSONResponse({"code": Code.BAD_REQUEST, "detail": "The body is not JSON."}, 400)
    if where == "body":
        return answer(ChatError(Code.BAD_REQUEST, "The body must be a JSON object, and its Content-Type say so."))
    return answer(ChatError(Code.BAD_REQUEST, f"{where}: {first['msg']}."))


_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}
_DETAILS = {400: "The body is not UTF-8 or not JSON.", 413: f"The body is larger than {BODY_BYTES} bytes."}


async def _on_http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101
    code = _BY_STATUS.get(problem.status_code, Code.BAD_REQUEST)
    detail = _DETAILS.get(problem.status_code, MEANINGS[code].sentence)
    headers = {"Allow": _allowed(request)} if code is Code.METHOD_NOT_ALLOWED else problem.headers
    return JSONResponse({"code": code, "detail": detail}, problem.status_code, headers)


def _allowed(request: Request) -> str:
    """Every method that the address takes (RFC 9110 section 15.5.6); Starlette names those of its first route only."""
    paths: dict[str, dict[str, Any]] = request.app.openapi().get("paths", {})
    matching = [methods for path, methods in paths.items() if compile_path(path)[0].match(request.url.path)]
    return ", ".join(sorted(method.upper() for methods in matching for method in methods))


async def _on_bug(request: Request, problem: Exception) -> Response:
    log.error("request.failed", extra={"path": request.url.path}, exc_info=problem)
    return answer(ChatError(Code.INTERNAL))
