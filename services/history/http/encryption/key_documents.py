"""Documents bodies that msgspec decodes for the API reference: requests, responses and their schemas."""

from typing import Any

import msgspec

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.encryption import key_api
from chatterbox.wire.errors import Code

_BODIES: tuple[type[msgspec.Struct], ...] = (
    key_api.DeviceUpload,
    key_api.OwnDevice,
    key_api.OwnDevices,
    key_api.OneTimeKeysUpload,
    key_api.OneTimeKeysStored,
    key_api.UsersKeys,
    key_api.WithheldKeys,
    key_api.DeviceListUpload,
    key_api.DeviceListStored,
    key_api.KeyBackupHeader,
    key_api.BackupItemsUpload,
    key_api.BackupItemsPage,
    key_api.MemberLogPage,
    key_api.MemberEntriesUpload,
    key_api.MemberLogStored,
)


def schemas() -> dict[str, Any]:
    """The schemas of the bodies, and of what they contain, by name."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    return components


def takes(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The `openapi_extra=` of a route whose body is a `kind`."""
    return {"requestBody": {"required": True, "content": _content(kind)}}


def returns(kind: type[msgspec.Struct], *codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that returns a `kind`, or refuses with these codes."""
    success = {"description": "Successful Response", "content": _content(kind)}
    return {200: success, **refusals(Code.ENCRYPTION_OFF, *codes)}


def _content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
