"""What users set for themselves: who may write to them."""

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.user_settings import Writers
from services.history.core.stored_settings import StoredSettings
from services.history.messages.write_transaction import WriteTransaction

_WRITERS = "SELECT writers FROM people WHERE user_id = ?"
_SET_WRITERS = """
    INSERT INTO people (user_id, writers) VALUES (?1, ?2) ON CONFLICT (user_id) DO UPDATE SET writers = ?2
"""


async def read(source: RowSource, user_id: int) -> StoredSettings:
    """The settings of a user; the defaults, if they never changed any."""
    rows = await source.rows(_WRITERS, (user_id,))
    return StoredSettings(Writers(rows[0][0])) if rows else StoredSettings()


async def set_writers(transaction: WriteTransaction, user_id: int, writers: Writers) -> None:
    """Set who may write to a user; it applies to each message from now on, in every conversation."""
    await transaction.rows(_SET_WRITERS, (user_id, writers))
