"""A copy of the credentials in the operating system's keyring, for people who want one. Needs the extra `keyring`.

tcsync reads only the taskrc; the copy is for the day when that is lost. An entry is a pairing code under the client ID,
so that it can be pasted as it is.
"""

from __future__ import annotations

from types import ModuleType
from uuid import UUID

from tcsync import Credentials, encode_pairing_code

SERVICE = "tcsync"


class KeyringError(Exception):
    """The operating system's keyring cannot be used: there is none, it is locked, or it refused."""


def store(credentials: Credentials) -> None:
    """Stores a copy, which replaces an earlier one of the same client ID. KeyringError if that fails."""
    keyring = _keyring()
    try:
        keyring.set_password(SERVICE, str(credentials.client_id), encode_pairing_code(credentials).reveal())
    except Exception as reason:  # Backends raise their systems' own exceptions.
        raise _refused(reason) from None


def exists(client_id: UUID) -> bool:
    """Whether the keyring has a copy of that client's credentials. A system without a keyring has none. KeyringError if
    there is a keyring that cannot be used."""
    try:
        import keyring
        from keyring.errors import NoKeyringError
    except ImportError:
        return False
    try:
        return keyring.get_password(SERVICE, str(client_id)) is not None
    except NoKeyringError:
        return False
    except Exception as reason:
        raise _refused(reason) from None


def remove(client_id: UUID) -> None:
    """Removes the copy. KeyringError if that fails."""
    keyring = _keyring()
    try:
        keyring.delete_password(SERVICE, str(client_id))
    except Exception as reason:
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
