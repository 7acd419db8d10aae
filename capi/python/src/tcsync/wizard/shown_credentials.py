"""Credentials as a person sees them."""

from __future__ import annotations

from tcsync import Credentials, encode_pairing_code
from tcsync.pairing import pairing_code_compact

from .console import Console
from .setup import texts


def describe_credentials(credentials: Credentials, *, reveal: bool) -> dict[str, str]:
    """The display of credentials, with the secret masked unless it is requested."""
    secret = credentials.secret.reveal() if reveal else str(credentials.secret)
    return {"Server URL": credentials.taskrc_url, "Client ID": str(credentials.client_id), "Secret": secret}


def show_for_phone(console: Console, credentials: Credentials) -> None:
    """The three values that an app's settings ask for, each as a QR code as well: a phone's camera copies one at a
    time."""
    for name, value in describe_credentials(credentials, reveal=True).items():
        console.field(name, value)
        console.qr(value)


def show_credentials(
    console: Console, credentials: Credentials, *, reveal: bool, qr: bool, others: str = texts.ON_THE_OTHER
) -> None:
    """The data that the other computers need, and the steps there. Output to a file or a log contains the secret only
    on request."""
    reveal = console.is_terminal or reveal
    console.line()
    console.line(texts.CREDENTIALS_HEADING)
    for name, value in describe_credentials(credentials, reveal=reveal).items():
        console.field(name, value, indent="  ")
    console.line()
    if reveal:
        code = encode_pairing_code(credentials)
        console.line(texts.PAIRING_CODE)
        console.exact(f"  {code.reveal()}")
        if qr:
            console.line(texts.QR_HEADING)
            console.qr(pairing_code_compact(code))
    else:
        console.line(texts.NOT_SHOWN)
    console.line()
    console.line(others)
    console.line(texts.KEEP_SAFE)
