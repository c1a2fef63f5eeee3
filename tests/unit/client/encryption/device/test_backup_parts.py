"""A session that a device lacks the beginning of does not take the place of the whole one in the key backup."""

import pytest
import vodozemac

from chatterbox.wire.encryption.device_keys import matrix_room
from client.encryption.core.backup_items import BackupSession
from client.encryption.device import backup_queue, key_backup
from client.encryption.device.backup_queue import BackupKind
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction
from tests.support.encryption_model import ModelServer


@pytest.mark.parametrize(("index", "part"), [(0, ""), (1, "/1")])
async def test_item_is_named_by_the_first_message_that_it_opens(server: ModelServer, index: int, part: str) -> None:
    ada = await server.log_in("ada")
    outbound = vodozemac.GroupSession()
    inbound = vodozemac.InboundGroupSession(outbound.session_key)
    exported = inbound.export_at(index)
    assert exported is not None
    session = BackupSession(
        room_id=matrix_room("U" * 22), session_id=outbound.session_id, session_key=exported.to_base64(),
        sender_key="", sender_claimed_keys={}, user_id=1, username="ada", device=ada.id, master="",
    )  # fmt: skip

    def named(transaction: StoreTransaction) -> tuple[str, str]:
        room_sessions.import_session(transaction, session, backed_up=False)
        [queued] = [each for each in backup_queue.first(transaction, 10) if each.kind is BackupKind.ROOM_SESSION]
        content = key_backup._content(transaction, queued.kind, queued.name)
        assert content is not None
        return queued.name, content.name

    name, item = await ada.store.run(named)
    assert item == name + part
