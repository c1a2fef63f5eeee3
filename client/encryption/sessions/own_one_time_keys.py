"""One-time keys and the fallback key of this device: made, saved, uploaded, and made again when they were given out.

They are saved before the upload, and the same set is uploaded until the server has it: so no key is given out whose
private half is lost.
"""

from collections.abc import Collection, Mapping

import vodozemac

from chatterbox.wire.encryption.device_keys import SignedKey
from chatterbox.wire.encryption.key_api import MAX_ONE_TIME_KEYS, OneTimeKeysUpload
from client.encryption.device.device_identity import DeviceIdentity, account_signed
from client.encryption.store.key_store import StoreTransaction

HELD_KEYS = 50
"""One-time keys that the server is to hold."""
LEAST_KEYS = 25
"""With fewer, more are made."""
_PREFIX = "signed_curve25519:"


def prepare(
    transaction: StoreTransaction, identity: DeviceIdentity, held: Collection[str], *, fallback_used: bool
) -> OneTimeKeysUpload | None:
    """What has to be uploaded; None: nothing.

    `held`: the ids of the one-time keys that the server holds. `fallback_used`: it gave the fallback key out, or has
    none. Keys that were made before and not uploaded are uploaded first.
    """
    account = identity.account(transaction)
    fallback = _fallback(account)
    if not account.one_time_keys and not fallback:
        missing = HELD_KEYS - len(held)
        if len(held) < LEAST_KEYS and missing > 0:
            account.generate_one_time_keys(min(missing, MAX_ONE_TIME_KEYS))
        if fallback_used:
            account.generate_fallback_key()  # type: ignore[attr-defined]
            fallback = _fallback(account)
        identity.save_account(transaction, account)
    one_time = _signed(account.one_time_keys, identity, account, fallback=False)
    if not one_time and not fallback:
        return None
    return OneTimeKeysUpload(
        device=identity.device_id,
        one_time=one_time,
        fallback=_signed(fallback, identity, account, fallback=True),
    )


def uploaded(transaction: StoreTransaction, identity: DeviceIdentity, upload: OneTimeKeysUpload) -> None:
    """The server has these keys. Others, which another process made meanwhile, are still to be uploaded."""
    account = identity.account(transaction)
    present = {_PREFIX + key_id for key_id in (*account.one_time_keys, *_fallback(account))}
    if present <= {*upload.one_time, *upload.fallback}:
        account.mark_keys_as_published()
        identity.save_account(transaction, account)


def _fallback(account: vodozemac.Account) -> dict[str, vodozemac.Curve25519PublicKey]:
    """The fallback key, if it was not uploaded yet. The type stubs of vodozemac lack it."""
    found: dict[str, vodozemac.Curve25519PublicKey] = account.fallback_key  # type: ignore[attr-defined]
    return found


def _signed(
    keys: Mapping[str, vodozemac.Curve25519PublicKey],
    identity: DeviceIdentity,
    account: vodozemac.Account,
    *,
    fallback: bool,
) -> dict[str, SignedKey]:
    return {
        _PREFIX + key_id: account_signed(
            SignedKey(key=key.to_base64(), signatures={}, fallback=fallback),
            identity.user_id,
            identity.device_id,
            account,
        )
        for key_id, key in keys.items()
    }
