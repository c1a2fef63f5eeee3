"""How a key of the configuration is declared: beside the field that holds it, once, for parser, docs and `show`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from client.config.value_kinds import ValueKind

T = TypeVar("T")
ABOUT = "about"
PREFIX = "CHATTERBOX_CLIENT_"


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What is known of a key.

    `in_profiles`: a profile may have a value of its own. `variable` overrides the name of its variable. `names`: it is
    a table whose names are the person's own, each of this kind.
    """

    kind: ValueKind[Any]
    sentence: str
    in_profiles: bool = False
    variable: str = ""
    names: ValueKind[str] | None = None

    @property
    def is_table(self) -> bool:
        return self.names is not None


def key(default: T, kind: ValueKind[T], sentence: str, *, in_profiles: bool = False, variable: str = "") -> T:
    """Declare a field of a configuration dataclass."""
    about = FieldInfo(kind, sentence, in_profiles, variable)
    return field(default=default, metadata={ABOUT: about})


def table(names: ValueKind[str], kind: ValueKind[T], sentence: str) -> Mapping[str, T]:
    """Declare a table with names of one's own, and values of one kind."""
    about = FieldInfo(kind, sentence, names=names)
    empty: Mapping[str, T] = MappingProxyType({})
    return field(default_factory=lambda: empty, metadata={ABOUT: about})


def variable_of(name: str, about: FieldInfo) -> str:
    """The variable that sets the key `name`; empty for a table.

    >>> from client.config.value_kinds import TEXT
    >>> variable_of("notices.default", FieldInfo(TEXT, ""))
    'CHATTERBOX_CLIENT_NOTICES_DEFAULT'
    """
    if about.is_table:
        return ""
    return about.variable or PREFIX + name.replace(".", "_").upper()
