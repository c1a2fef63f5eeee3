"""What commands and replies have in common: the id."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

CommandId: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="Chosen by the client; echoed in the reply.")
]


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """A command, or the reply that echoes its id."""

    id: CommandId
