"""What auth's public routes take and answer, as the API reference shows it."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from chatterbox.wire.text_rules import USERNAME_MAX_TYPED, USERNAME_MIN
from services.auth.rules import password_policy


class Body(BaseModel):
    """Attribute docstrings are the reference's descriptions."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("surrogate", "Half of a surrogate pair is no character") from None
    return text


Text = Annotated[str, AfterValidator(_whole)]
"""JSON can escape half of a surrogate pair; nothing that is stored or hashed can hold one."""


_SECRET: JsonDict = {"format": "password"}
# The reference states lengths; the rules themselves check them, and refuse with a code of their own.
_NAME_LENGTHS: JsonDict = {"minLength": USERNAME_MIN, "maxLength": USERNAME_MAX_TYPED}
_NEW_SECRET: JsonDict = {**_SECRET, "minLength": password_policy.SHORTEST, "maxLength": password_policy.LONGEST}


class Credentials(Body):
    """A username and its password."""

    username: Text = Field(examples=["alice"])
    password: Text = Field(examples=["correct horse battery"], json_schema_extra=_SECRET)


class Registration(Body):
    """The username and the password to have from now on."""

    username: Text = Field(examples=["alice"], json_schema_extra=_NAME_LENGTHS)
    """3-32 letters, digits or `_.-`, beginning with a letter or digit; upper and lower case are the same name."""
    password: Text = Field(examples=["correct horse battery"], json_schema_extra=_NEW_SECRET)
    """8-128 characters of any kind, but not one of those that are guessed first."""


class PasswordChange(Body):
    """One's password, and the one to have instead."""

    old: Text = Field(json_schema_extra=_SECRET)
    new: Text = Field(json_schema_extra=_NEW_SECRET)
    """8-128 characters of any kind, but not one of those that are guessed first."""


class DoneOut(Body):
    """It is done."""

    message: str = Field(examples=["User created successfully"])


class LoginOut(Body):
    """A session token, under both names that programs look for."""

    token: str
    """Send it as `Authorization: Bearer`, or to the WebSocket as `/ws?token=`."""
    access_token: str
    """The same token, under its OAuth2 name."""
    token_type: str = Field("bearer", examples=["bearer"])
    expires_in: int = Field(examples=[43200])
    """Seconds until the token expires; renew it before."""
    session: str
    """The login session, as `/sessions` lists it."""
    username: str
    """The username as its owner wrote it at registration."""


class SessionOut(Body):
    """One login session."""

    id: str
    created: str = Field(json_schema_extra={"format": "date-time"})
    expires: str = Field(json_schema_extra={"format": "date-time"})
    """When its last token expires; renewing one moves it."""
    user_agent: str
    """What the program that logged in called itself."""
    current: bool
    """Whether this request's token is of this session."""
