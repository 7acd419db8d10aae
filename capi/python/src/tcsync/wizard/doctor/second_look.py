"""A second look at a server, without trusting it and without sending anything: for causes that an error leaves open."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import urlsplit

from ..findings import Finding, Problem

_TIMEOUT_S = 5.0
_UNAUTHORIZED = re.compile(r"\bstatus 401\b")
# Failures that a server of TLS may answer a plain request with.
_PLAIN_REFUSED = (Problem.REMOTE_NETWORK_FAILED, Problem.REMOTE_BROKEN_ANSWER, Problem.REMOTE_REJECTED)
# The extension basicConstraints with CA:TRUE, in DER.
_IS_AUTHORITY = re.compile(rb"\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)


def refined(finding: Finding, url: str) -> Finding:
    """The same failure of tcsync's own requests, with a more exact cause where there is one."""
    if _UNAUTHORIZED.search(finding.text):
        return Problem.FRONT_UNAUTHORIZED.finding()
    if finding.problem in _PLAIN_REFUSED and urlsplit(url).scheme == "http" and _certificate(url) is not None:
        return Problem.REMOTE_SPEAKS_TLS.finding(url=url, tls_url=f"https{url.removeprefix('http')}")
    return finding


def shows_authority(url: str) -> bool:
    """Whether the server's own certificate is one of an authority, which Taskwarrior's TLS does not accept there."""
    certificate = _certificate(url)
    return certificate is not None and _IS_AUTHORITY.search(certificate) is not None


def _certificate(url: str) -> bytes | None:
    """The certificate of the server, unverified; None when no TLS is spoken there, or no direct way leads there."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with (
            socket.create_connection((parts.hostname, port), timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
        ):
            return connection.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
