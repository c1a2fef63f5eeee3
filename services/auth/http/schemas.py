"""Request and response bodies of auth's public routes, as the API reference shows them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from chatterbox.wire.text_rules import USERNAME_MAX_TYPED, USERNAME_MIN
from services.auth.rules import password_policy


class Body(BaseModel):
    """Attribute docstrings become the descriptions in the API reference."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("surrogate", "A lone surrogate is not a character") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
"""Text without lone surrogates: JSON can escape them, but they can't be stored or hashed."""


_SECRET: JsonDict = {"format": "password"}
# Lengths are documentation only: the policies check them and refuse with a code of their own.
_NAME_LENGTHS: JsonDict = {"minLength": USERNAME_MIN, "maxLength": USERNAME_MAX_TYPED}
_NEW_SECRET: JsonDict = {**_SECRET, "minLength": password_policy.MIN_CHARS, "maxLength": password_policy.MAX_CHARS}


class Credentials(Body):
    """A username and its password."""

    username: Text = Field(examples=["alice"])
    password: Text = Field(examples=["correct horse battery"], json_schema_extra=_SECRET)


class Registration(Body):
    """The username and password of a new account."""

    username: Text = Field(examples=["alice"], json_schema_extra=_NAME_LENGTHS)
    """3-32 letters, digits or `_.-`, starting with a letter or digit; case is ignored when names are compared."""
    password: Text = Field(examples=["correct horse battery"], json_schema_extra=_NEW_SECRET)
    """8-128 characters of any kind; common passwords are refused."""
    code: Text = ""
    """An invitation code, if the server registers by invitation only."""


class PasswordChange(Body):
    """The current password and the new one."""

    old: Text = Field(json_schema_extra=_SECRET)
    new: Text = Field(json_schema_extra=_NEW_SECRET)
    """8-128 characters of any kind; common passwords are refused."""


class PasswordReset(Body):
    """A username, the reset code that the operator created, and the new password."""

    username: Text = Field(examples=["alice"])
    code: Text = Field(examples=["aabb-ccdd-eeff-gghh-iijj-kkll"], json_schema_extra=_SECRET)
    """The output of `python -m services.auth reset USERNAME`: valid for an hour, once."""
    new: Text = Field(json_schema_extra=_NEW_SECRET)
    """8-128 characters of any kind; common passwords are refused."""


class DoneOut(Body):
    """Confirmation that the request succeeded."""

    message: str = Field(examples=["User created successfully"])


class LoginOut(Body):
    """A session token, under the two field names that clients commonly use."""

    token: str
    """Send it as `Authorization: Bearer`, or to the WebSocket as `/ws?token=`."""
    access_token: str
    """The same token under its OAuth2 name."""
    token_type: str = Field("bearer", examples=["bearer"])
    expires_in: int = Field(examples=[43200])
    """Seconds until the token expires; renew it earlier."""
    session: str
    """The login session, as listed by `/sessions`."""
    username: str
    """The username as typed at registration."""


class SessionOut(Body):
    """One login session."""

    id: str
    created: str = Field(json_schema_extra={"format": "date-time"})
    last_used: str = Field(json_schema_extra={"format": "date-time"})
    """Its last login or token renewal."""
    expires: str = Field(json_schema_extra={"format": "date-time"})
    """When its last token expires; renewing a token postpones it."""
    ends: str = Field(json_schema_extra={"format": "date-time"})
    """When the session ends, however often its token is renewed."""
    user_agent: str
    """The `User-Agent` of the login request."""
    address: str
    """The client's address at its last login or token renewal; empty if it is not known."""
    current: bool
    """Whether the request's own token belongs to this session."""
