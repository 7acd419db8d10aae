"""The optional copy of the credentials in the system's keyring."""

import sys

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from tcsync import Credentials, decode_pairing_code
from tcsync.wizard import keyring_copy
from tcsync.wizard.keyring_copy import KeyringError


class Memory(keyring.backend.KeyringBackend):
    """A keyring that forgets at the end; the real ones need a desktop session."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


class Locked(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        raise keyring.errors.KeyringLocked("locked")

    def set_password(self, service, username, password):
        raise OSError("the session bus is gone")


@pytest.fixture
def use(monkeypatch):
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_the_keyring_has_the_latest_copy(use):
    """If this fails, the copy is not there on the day when the taskrc is lost, or an older one is."""
    memory = Memory()
    use(memory)
    credentials = Credentials.generate("https://sync.example.com")
    keyring_copy.store(credentials)
    keyring_copy.store(credentials)
    assert list(memory.entries) == [("tcsync", str(credentials.client_id))]
    assert decode_pairing_code(memory.entries["tcsync", str(credentials.client_id)]) == credentials


def test_a_locked_keyring_is_reported(use):
    """If this fails, a locked keyring ends the setup with a traceback, which may have the secret in it."""
    use(Locked())
    with pytest.raises(KeyringError, match="there and unlocked") as raised:
        keyring_copy.store(Credentials.generate("https://sync.example.com"))
    assert raised.value.__cause__ is None


def test_works_without_the_keyring_package(monkeypatch):
    """If this fails, the extra is not optional."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeyringError, match=r"tcsync\[keyring\]"):
        keyring_copy.store(Credentials.generate("https://sync.example.com"))


@pytest.mark.parametrize("lacking", ["package", "keyring"])
def test_without_a_keyring_there_is_no_copy(use, monkeypatch, lacking):
    """If this fails, `tcsync off` reports a failure on every computer without a desktop."""
    if lacking == "package":
        monkeypatch.setitem(sys.modules, "keyring", None)
    use(keyring.backends.fail.Keyring())
    assert not keyring_copy.exists(Credentials.generate("https://sync.example.com").client_id)
