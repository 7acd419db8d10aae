"""Keys and sealing by the C library: replicas seal history segments and snapshots, and servers cannot."""

from __future__ import annotations

from uuid import UUID

from . import _library
from .secret import Secret


class SealingKey(_library.Closing):
    """The key of one client's data, in the C library's memory, which wipes it when it is closed.

    Its derivation takes a good part of a second of processor time, on purpose: derive once, and keep the key. A context
    manager. Any number of threads may seal and unseal with one key; close it after their last call.
    """

    def __init__(self, handle: _library.KeyHandle) -> None:
        """Use `derive`."""
        #: For the modules of this package.
        self.handle = handle

    @classmethod
    def derive(cls, client_id: UUID, secret: Secret) -> SealingKey:
        return cls(_library.derive_key(client_id, secret))

    def seal(self, version_id: UUID, plaintext: bytes) -> bytes:
        """Seals a history segment, with its PARENT's version ID, or a snapshot, with its own."""
        return _library.seal(self.handle, version_id, plaintext)

    def unseal(self, version_id: UUID, sealed: bytes) -> bytes:
        """Opens bytes that `seal`, or any replica, has sealed; UnsealError has the reason of a failure."""
        return _library.unseal(self.handle, version_id, sealed)

    def close(self) -> None:
        """Wipes the key. A closed key is left as it is."""
        self.handle.close()
