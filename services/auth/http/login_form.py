"""The body of `POST /login`: JSON, or the form of OAuth2's password grant (RFC 6749 section 4.3.2)."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from chatterbox.wire.errors import ChatError, Code
from services.auth.http.schemas import Credentials

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 20

_FORM_SCHEMA = {
    "type": "object",
    "required": ["username", "password"],
    "properties": {
        "grant_type": {"type": "string", "description": "Optional; any value is treated as `password`."},
        "username": {"type": "string"},
        "password": {"type": "string", "format": "password"},
    },
}
OPENAPI_EXTRA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Credentials.model_json_schema()}, _FORM: {"schema": _FORM_SCHEMA}},
    }
}
"""`openapi_extra` of the route: FastAPI can't describe a body with two content types."""


async def _login_body(request: Request) -> Credentials:
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        return _validated(lambda: Credentials.model_validate(_form_fields(body)))
    return _validated(lambda: Credentials.model_validate_json(body))


LoginBody = Annotated[Credentials, Depends(_login_body)]


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ChatError(Code.BAD_REQUEST, "The body is not a form in UTF-8.") from None
    return dict(fields)


def _validated(parse: Callable[[], Credentials]) -> Credentials:
    """What `parse` returns; its validation errors are answered like those of every other route."""
    try:
        return parse()
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in errors]) from None
