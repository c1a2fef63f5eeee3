"""Declares settings: the metadata beside each field, which the parser, `chatterbox config` and the docs use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from client.config.value_kinds import ValueKind

T = TypeVar("T")
INFO = "info"
"""The metadata key of a field's `FieldInfo`."""
PREFIX = "CHATTERBOX_CLIENT_"


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A setting's type and description.

    `in_profiles`: a profile can override it. `variable` replaces the default name of its environment variable.
    `entry_names`: the setting is a table, and the user chooses the names of its entries, each of this kind.
    """

    kind: ValueKind[Any]
    description: str
    in_profiles: bool = False
    variable: str = ""
    entry_names: ValueKind[str] | None = None

    @property
    def is_table(self) -> bool:
        return self.entry_names is not None


def key(default: T, kind: ValueKind[T], description: str, *, in_profiles: bool = False, variable: str = "") -> T:
    """Declare a field of a configuration dataclass."""
    info = FieldInfo(kind, description, in_profiles, variable)
    return field(default=default, metadata={INFO: info})


def table(entry_names: ValueKind[str], kind: ValueKind[T], description: str) -> Mapping[str, T]:
    """Declare a table whose entries the user names; all values are of one kind."""
    info = FieldInfo(kind, description, entry_names=entry_names)
    empty: Mapping[str, T] = MappingProxyType({})
    return field(default_factory=lambda: empty, metadata={INFO: info})


def variable_of(name: str, info: FieldInfo) -> str:
    """The environment variable of the setting `name`; empty for a table.

    >>> from client.config.value_kinds import TEXT
    >>> variable_of("notices.default", FieldInfo(TEXT, ""))
    'CHATTERBOX_CLIENT_NOTICES_DEFAULT'
    """
    if info.is_table:
        return ""
    return info.variable or PREFIX + name.replace(".", "_").upper()
