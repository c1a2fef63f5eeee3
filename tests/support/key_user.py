"""Users with real keys of devices, as a client makes them: device keys, one-time keys, signed device lists."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import vodozemac

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceKeys, DeviceList, SignedKey, matrix_user
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceUpload
from chatterbox.wire.encryption.signatures import binding_proof, device_hash
from client.encryption.core.cross_signatures import cross_signing_key, public_key, signed_by
from client.encryption.device.device_identity import account_keys, account_signed, new_device_id


@dataclass
class KeyDevice:
    """A device with an Olm account; `generation` counts its uploads."""

    user: UserInfo
    is_dehydrated: bool = False
    id: str = field(default_factory=new_device_id)
    account: vodozemac.Account = field(default_factory=vodozemac.Account)
    generation: int = 0

    @property
    def keys(self) -> DeviceKeys:
        return account_keys(self.user.user_id, self.id, self.account)

    def one_time(self, count: int) -> dict[str, SignedKey]:
        """New one-time keys, signed."""
        self.account.generate_one_time_keys(count)
        keys = {f"signed_curve25519:{name}": key.to_base64() for name, key in self.account.one_time_keys.items()}
        self.account.mark_keys_as_published()
        return {name: self._signed(SignedKey(key=key, signatures={})) for name, key in keys.items()}

    def fallback(self) -> dict[str, SignedKey]:
        """A new fallback key, signed."""
        self.account.generate_fallback_key()  # type: ignore[attr-defined]
        fallback: dict[str, vodozemac.Curve25519PublicKey] = self.account.fallback_key  # type: ignore[attr-defined]
        keys = {f"signed_curve25519:{name}": key.to_base64() for name, key in fallback.items()}
        self.account.mark_keys_as_published()
        return {name: self._signed(SignedKey(key=key, signatures={}, fallback=True)) for name, key in keys.items()}

    def _signed(self, key: SignedKey) -> SignedKey:
        return account_signed(key, self.user.user_id, self.id, self.account)

    def upload(
        self,
        sid: str = "",
        one_time: Mapping[str, SignedKey] | None = None,
        fallback: Mapping[str, SignedKey] | None = None,
    ) -> DeviceUpload:
        """The next upload; with `sid`, it proves that the device is used in that session."""
        self.generation += 1
        return DeviceUpload(
            device=self.id,
            keys=self.keys,
            generation=self.generation,
            one_time=dict(one_time or {}),
            fallback=dict(fallback or {}),
            proof=self.account.sign(binding_proof(self.id, sid)).to_base64() if sid else "",
            dehydrated=self.is_dehydrated,
        )


@dataclass
class KeyUser:
    """A user with a master key and a self-signing key."""

    user: UserInfo
    master_seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    self_signing_seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def device(self, *, is_dehydrated: bool = False) -> KeyDevice:
        return KeyDevice(self.user, is_dehydrated)

    @property
    def master(self) -> CrossSigningKey:
        return cross_signing_key(self.user.user_id, "master", self.master_seed)

    @property
    def self_signing(self) -> CrossSigningKey:
        key = cross_signing_key(self.user.user_id, "self_signing", self.self_signing_seed)
        return signed_by(key, matrix_user(self.user.user_id), self.master_seed)

    def list(
        self,
        devices: Sequence[KeyDevice],
        version: int = 1,
        *,
        generation: int = 1,
        removed: Sequence[str] = (),
        reset: bool = False,
    ) -> DeviceListUpload:
        """A signed list of these devices."""
        name = matrix_user(self.user.user_id)
        keys = {device.id: signed_by(device.keys, name, self.self_signing_seed) for device in devices}
        unsigned = DeviceList(
            user_id=name,
            username=self.user.username,
            generation=generation,
            version=version,
            devices={device_id: device_hash(each) for device_id, each in keys.items()},
            removed=tuple(removed),
            dehydrated=next((device.id for device in devices if device.is_dehydrated), ""),
            signatures={},
        )
        return DeviceListUpload(
            master=self.master,
            self_signing=self.self_signing,
            list=signed_by(unsigned, name, self.self_signing_seed),
            device_keys=keys,
            reset=reset,
        )

    @property
    def self_signing_key(self) -> str:
        return public_key(self.self_signing_seed)
