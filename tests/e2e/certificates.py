"""A private certificate authority and certificates by it, made with the openssl command."""

from pathlib import Path

from support import run_bounded

TIMEOUT_S = 60
_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*arguments):
    done = run_bounded(["openssl", *map(str, arguments)], timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr


class Authority:
    """Its own certificate is in `file`."""

    def __init__(self, directory):
        self._directory = Path(directory)
        self.file = self._directory / "authority.pem"
        self._key = self._directory / "authority-key.pem"
        _openssl(
            "req", "-x509", *_EC_KEY, "-keyout", self._key, "-out", self.file, "-days", "30",
            "-subj", "/CN=tcsync test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(self, certificate, key):
        """Writes a new certificate for this machine, and its key, to these files."""
        request = self._directory / "request.pem"
        extensions = self._directory / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="utf-8")
        _openssl("req", "-new", *_EC_KEY, "-keyout", key, "-out", request, "-subj", "/CN=tcsync test server")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial",
            "-out", certificate, "-days", "30", "-extfile", extensions,
        )  # fmt: skip
