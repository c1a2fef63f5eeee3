"""Composes the encryption of a connection from the key store, the login session and the server's routes.

What needs vodozemac or cryptography is imported when a connection first encrypts or decrypts.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chatterbox.wire.frames.encryption import DeviceAddress
from client.context import ClientContext
from client.encryption.message_encryption import MessageEncryption
from client.net.encryption_shell import EncryptionSupport
from client.store.session_file import SavedSession
from client.text.sanitize import inert

if TYPE_CHECKING:
    from client.encryption.device.device_setup import DeviceSetupResult
    from client.encryption.device.own_keys import OwnKeys
    from client.encryption.store.key_store import KeyStore
    from client.net.keys_api import KeysApi


def encryption_support(
    context: ClientContext, session: SavedSession, *, is_eager: bool = True, is_typed: bool = False
) -> EncryptionSupport:
    """`is_eager`: the keys are made at the welcome, so that others can write to this user.

    `is_typed`: a person writes here, who is shown the recovery key before the first encrypted message, and may search.
    """
    return EncryptionSupport(
        context.encrypted_directs_file(session),
        _maker(context, session, is_typed=is_typed),
        is_eager=is_eager,
        fills_search=is_typed,
    )


def _maker(context: ClientContext, session: SavedSession, *, is_typed: bool) -> Callable[[], MessageEncryption]:
    def make() -> MessageEncryption:
        from client.encryption.client_encryption import Encryption
        from client.encryption.device.device_approval import USER_SECRETS, SecretsExchange
        from client.encryption.device.own_device_account import OwnDeviceAccount
        from client.encryption.device.own_keys import OwnKeys
        from client.encryption.device.trusted_users import TrustedUsers
        from client.encryption.exchange.key_rounds import KeyRounds
        from client.encryption.store.store_key import open_key_store
        from client.encryption.store_worker import StoreWorker
        from client.net.keys.key_news import key_news_lines, setup_lines
        from client.net.keys_api import KeysApi
        from client.store.key_store_files import key_store_path
        from client.text.encryption.keys_text import pending_device_lines
        from client.text.encryption.member_log_text import member_news_line
        from client.text.encryption.verification_text import news_lines

        home, server, username = context.home, context.server, session.username

        def open_api() -> "KeysApi":
            return KeysApi(server, context.tokens.token())

        def open_keys(api: "KeysApi", name: str, login_session: str) -> "OwnKeys":
            store = open_key_store(home, server, username)
            return OwnKeys(store, api, username=name, session=login_session, now_ms=_now_ms)

        def open_store() -> "KeyStore":
            return open_key_store(home, server, username)

        account = OwnDeviceAccount(open_api, open_keys, open_store, wants_recovery_key=is_typed)
        worker = StoreWorker(open_store)
        locks = key_store_path(home, server, username).with_suffix(".locks")
        encryption = Encryption(worker, account, TrustedUsers(_now_ms), locks=locks, now_ms=_now_ms)
        exchange = SecretsExchange(encryption.trusted)

        async def approve(device: str, ed25519: str) -> None:
            identity = await account.approve(device, ed25519)
            content = await worker.run(lambda transaction: exchange.secrets_for(transaction, identity))
            await encryption.send_to_device([DeviceAddress(identity.username, device)], USER_SECRETS, content)

        def encryption_failed(sentence: str) -> None:
            encryption.on_key_line(inert(sentence))

        told: list[str] = []

        def note_result(result: "DeviceSetupResult") -> None:
            if result.may_encrypt:
                encryption.on_readiness()
                encryption.tell_trust()
            if (lines := setup_lines(result)) != told:  # once, and not again after each reconnect
                told[:] = lines
                tell(lines)

        def tell(lines: Iterable[str]) -> None:
            for line in lines:
                encryption.on_key_line(line)
            encryption.tell_trust()

        account.on_result = note_result
        account.on_restored = encryption.keys_arrived
        account.on_full_round = KeyRounds(encryption, worker, exchange, account.renew_dehydrated).run
        encryption.before_close = account.finish
        encryption.handle(USER_SECRETS, exchange.take)
        encryption.verification.approve = approve
        encryption.verification.on_failure = encryption_failed
        encryption.verification.on_news = lambda news: tell(news_lines(news))
        encryption.on_key_news = lambda user: tell(key_news_lines(user))
        encryption.logs.on_news = lambda news: tell([member_news_line(news)])
        encryption.on_device_pending = lambda push: tell(pending_device_lines(push.device))
        return encryption

    return make


def _now_ms() -> int:
    return int(time.time() * 1000)
