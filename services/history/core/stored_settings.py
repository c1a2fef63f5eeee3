"""What a user set for themselves."""

import msgspec

from chatterbox.wire.user_settings import Writers


class StoredSettings(msgspec.Struct, frozen=True):
    """The settings of a user."""

    writers: Writers = Writers.EVERYONE
