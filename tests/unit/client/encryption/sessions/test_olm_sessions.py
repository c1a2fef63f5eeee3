"""Olm sessions: what is encrypted with a claimed key can be decrypted by the device whose key it is."""

from functools import partial

from chatterbox.wire.encryption.device_keys import SignedKey
from chatterbox.wire.frames import OutgoingToDevice
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.store.key_store import StoreTransaction
from tests.support.encryption_model import ModelDevice, ModelServer


def trusted(device: ModelDevice, other: ModelDevice, transaction: StoreTransaction) -> TrustedDevice:
    """`other`, as `device` knows it."""
    shown = other.user.shown
    assert shown is not None
    user = device.encryption.trusted.accept(transaction, shown)
    assert user is not None
    return user.devices[other.id]


def sessions(transaction: StoreTransaction) -> OlmSessions:
    identity = DeviceIdentity.load(transaction)
    assert identity is not None
    return OlmSessions(transaction, identity)


async def test_one_time_key_that_is_given_twice_opens_one_session_for_all_messages(server: ModelServer) -> None:
    ada, bob = await server.log_in("ada"), await server.log_in("bob")
    key = next(iter(server.one_time[bob.address].values()))

    def write(transaction: StoreTransaction, claimed: SignedKey, type_: str) -> OutgoingToDevice | None:
        device, olm = trusted(ada, bob, transaction), sessions(transaction)
        assert olm.begin(device, claimed)
        return olm.encrypt(device, type_, {})

    def read(transaction: StoreTransaction, message: OutgoingToDevice) -> str:
        olm = sessions(transaction)
        payload = olm.decrypt(trusted(bob, ada, transaction), message.kind, message.body)
        olm.save()
        return payload.type

    for type_ in ("m.dummy", "cb.again"):
        message = await ada.store.run(partial(write, claimed=key, type_=type_))
        assert message is not None
        assert await bob.store.run(partial(read, message=message)) == type_
