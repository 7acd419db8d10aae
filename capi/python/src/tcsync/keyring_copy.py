"""A copy of the credentials in the operating system's keyring, for people who want one. Needs the extra `keyring`.

The taskrc stays the only place that anything reads; the copy is for the day when it is lost. An entry is a pairing code
under the client ID, so that it can be pasted as it is.
"""

from __future__ import annotations

from types import ModuleType
from uuid import UUID

from .credentials import Credentials
from .errors import KeyringError, PairingCodeError
from .pairing import decode_pairing_code, encode_pairing_code

SERVICE = "tcsync"


def store(credentials: Credentials) -> None:
    """Keeps a copy, in the place of an earlier one of the same client ID. KeyringError when that cannot be done."""
    keyring = _keyring()
    try:
        keyring.set_password(SERVICE, str(credentials.client_id), encode_pairing_code(credentials).reveal())
    except Exception as reason:  # Backends raise whatever their systems raise.
        raise _refused(reason) from None


def load(client_id: UUID) -> Credentials | None:
    """The copy of that client's credentials; None when there is none. KeyringError also for a changed entry."""
    keyring = _keyring()
    try:
        code = keyring.get_password(SERVICE, str(client_id))
    except Exception as reason:  # Backends raise whatever their systems raise.
        raise _refused(reason) from None
    if code is None:
        return None
    try:
        return decode_pairing_code(code)
    except PairingCodeError as reason:
        raise KeyringError(f"the entry for {client_id} in the keyring cannot be used: {reason.message}") from None


def remove(client_id: UUID) -> None:
    """Removes the copy, if there is one."""
    if load(client_id) is None:
        return
    keyring = _keyring()
    try:
        keyring.delete_password(SERVICE, str(client_id))
    except Exception as reason:  # Backends raise whatever their systems raise.
        raise _refused(reason) from None


def _keyring() -> ModuleType:
    try:
        import keyring
    except ImportError:
        raise KeyringError(
            "the Python package keyring is not installed; install it with `pip install 'tcsync[keyring]'`"
        ) from None
    return keyring


def _refused(reason: Exception) -> KeyringError:
    return KeyringError(f"the system's keyring cannot be used ({type(reason).__name__}); is it there and unlocked?")
