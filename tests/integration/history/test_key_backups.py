"""Key backups over HTTP: a header by version, items in pages, of their owner only."""

from chatterbox.wire.encryption.key_api import MAX_BACKUP_ITEMS, BackupItem, BackupItemsPage, BackupItemsUpload
from chatterbox.wire.encryption.key_api import KeyBackupHeader as Header
from chatterbox.wire.errors import Code
from tests.support.history import Service, code
from tests.support.key_client import ask, read

ITEMS = "/keys/backup/items"


def items(first: int, last: int) -> list[BackupItem]:
    return [BackupItem(item=f"i{number}", body=f"body {number}") for number in range(first, last + 1)]


async def test_a_backup_is_stored_and_read_back_page_by_page(history: Service) -> None:
    (await ask(history, "PUT", "/keys/backup", body=Header(version=1, header="sealed"))).raise_for_status()
    for first in (1, 201):
        answer = await ask(history, "POST", ITEMS, body=BackupItemsUpload(items(first, first + 199), 1))
        assert read(answer, BackupItemsPage) == BackupItemsPage([], first + 199)
    found: list[BackupItem] = []
    while True:
        after = found[-1].seq if found else 0
        page = read(await ask(history, "GET", f"{ITEMS}?after={after}"), BackupItemsPage)
        if not page.items:
            break
        assert len(page.items) <= MAX_BACKUP_ITEMS
        found += page.items
    assert [(item.item, item.body) for item in found] == [(each.item, each.body) for each in items(1, 400)]
    header = read(await ask(history, "GET", "/keys/backup"), Header)
    assert header == Header(version=1, header="sealed", items=400)


async def test_a_backup_is_its_owners_alone(history: Service) -> None:
    (await ask(history, "PUT", "/keys/backup", body=Header(version=1, header="sealed"))).raise_for_status()
    (await ask(history, "POST", ITEMS, body=BackupItemsUpload(items(1, 3), 1))).raise_for_status()
    assert read(await ask(history, "GET", "/keys/backup", "bob"), Header) == Header(version=0, header="")
    assert read(await ask(history, "GET", ITEMS, "bob"), BackupItemsPage) == BackupItemsPage([], 0)
    answer = await ask(history, "POST", ITEMS, "bob", BackupItemsUpload(items(1, 1), 1))
    assert code(answer) == (409, Code.BACKUP_STALE)


async def test_two_devices_do_not_replace_each_others_header(history: Service) -> None:
    (await ask(history, "PUT", "/keys/backup", body=Header(version=1, header="first"))).raise_for_status()
    (await ask(history, "PUT", "/keys/backup", body=Header(version=2, header="of one"))).raise_for_status()
    late = await ask(history, "PUT", "/keys/backup", body=Header(version=2, header="of another"))
    assert code(late) == (409, Code.BACKUP_STALE)
    assert "Version 2" in late.json()["detail"]
    assert read(await ask(history, "GET", "/keys/backup"), Header).header == "of one"


async def test_more_items_than_a_request_takes_are_refused(history: Service) -> None:
    (await ask(history, "PUT", "/keys/backup", body=Header(version=1, header="h"))).raise_for_status()
    for upload in (
        BackupItemsUpload(items(1, MAX_BACKUP_ITEMS + 1), 1),
        BackupItemsUpload([BackupItem(item="i" * 65, body="")], 1),
        BackupItemsUpload([BackupItem(item="", body="")], 1),
        BackupItemsUpload([BackupItem(item="i", body="b" * 4097)], 1),
    ):
        assert code(await ask(history, "POST", ITEMS, body=upload)) == (422, Code.BAD_REQUEST)
    for query in (f"limit={MAX_BACKUP_ITEMS + 1}", "limit=0", "after=-1"):
        assert code(await ask(history, "GET", f"{ITEMS}?{query}")) == (422, Code.BAD_REQUEST)
