"""What the commands about keys work with: the key store of this user, the server's routes, and whom the user trusts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from client.context import ClientContext
from client.encryption.core.verification.safety_number import safety_number
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.own_keys import OwnKeys
from client.encryption.device.trusted_users import TrustedUser
from client.encryption.store.key_store import KeyStore
from client.encryption.store.store_key import open_key_store
from client.failures import Failure, ServerRefused
from client.net.keys_api import KeysApi
from client.store.key_store_files import key_store_path
from client.store.session_file import SavedSession
from client.text.sanitize import inert_name

NO_KEYS_HERE = "This computer has no keys of {name} yet. Make them: chatterbox keys init"


def now_ms() -> int:
    return int(time.time() * 1000)


class KeyWorkspace:
    """Everything about the keys of the user who is logged in. Every method raises `Failure`."""

    def __init__(self, context: ClientContext, session: SavedSession, store: KeyStore, api: KeysApi) -> None:
        self.context = context
        self.session = session
        self.store = store
        self.api = api
        self.own = OwnKeys(store, api, username=session.username, session=session.session, now_ms=now_ms)
        self.users = self.own.users

    @property
    def identity(self) -> DeviceIdentity:
        """Who this device is."""
        with self.store.transaction() as transaction:
            identity = DeviceIdentity.load(transaction)
        if identity is None:
            raise Failure(NO_KEYS_HERE.format(name=inert_name(self.session.username)))
        return identity

    @property
    def secrets(self) -> UserSecrets:
        """The user's private keys that this device holds."""
        identity = self.identity
        with self.store.transaction() as transaction:
            return identity.secrets(transaction)

    def user(self, username: str) -> TrustedUser:
        """Another user, with the keys that the server shows now, if they are right."""
        identity = self.identity
        shown = self.api.users([identity.username, username])
        with self.store.transaction() as transaction:
            for each in shown:
                self.users.accept(transaction, each)
            user = self.users.by_name(transaction, username)
        if user is None:
            raise ServerRefused(f"{inert_name(username)} has no keys: no such user, or one who never used encryption.")
        if user.user_id == identity.user_id:
            raise ServerRefused("That is you. This is about keys of other users.")
        return user

    def number(self, user: TrustedUser) -> str:
        """The safety number that this user and another one have in common."""
        identity = self.identity
        with self.store.transaction() as transaction:
            own = self.users.user(transaction, identity.user_id)
        if own is None:
            raise Failure(NO_KEYS_HERE.format(name=inert_name(self.session.username)))
        return safety_number((own.user_id, own.master), (user.user_id, user.master))


@contextmanager
def key_workspace(
    context: ClientContext, *, creates: bool = False, ask_passphrase: Callable[[], str] | None = None
) -> Iterator[KeyWorkspace]:
    """Open the keys of the user who is logged in. `creates`: also if this computer has none yet."""
    session = context.tokens.session()
    if not creates and not key_store_path(context.home, context.server, session.username).exists():
        raise Failure(NO_KEYS_HERE.format(name=inert_name(session.username)))
    store = open_key_store(context.home, context.server, session.username, ask_passphrase)
    try:
        with KeysApi(context.server, session.token) as api:
            yield KeyWorkspace(context, session, store, api)
    finally:
        store.close()
