"""Secrets that do not show themselves, and credentials from text as people type it."""

import copy
import json
import pickle
import traceback
from uuid import UUID

import pytest

from tcsync import (
    ClientIdError,
    Credentials,
    Secret,
    SecretError,
    UrlError,
    normalise_url,
    parse_client_id,
    parse_secret,
)
from tcsync.credentials import SECRET_BYTES_MAX, looks_like_client_id

TEXT = "correct horse battery staple"
CLIENT_ID = UUID("615cbc21-49ee-4d30-a5ed-6e24bd602be5")


class TestSecret:
    def test_is_never_shown(self):
        """If this fails, a log line or a debugger's list of variables has the secret in it."""
        secret = Secret(TEXT)
        credentials = Credentials("https://example.com", CLIENT_ID, secret)
        shown = [
            repr(secret),
            str(secret),
            f"{secret}",
            f"{secret:>40}",
            f"{secret}",
            repr(credentials),
            str([secret]),
        ]
        assert not [text for text in shown if "horse" in text]

    def test_cannot_be_pickled_hashed_or_written_as_json(self):
        """If this fails, the secret gets into a cache, a queue or a report."""
        with pytest.raises(TypeError):
            pickle.dumps(Secret(TEXT))
        with pytest.raises(TypeError):
            json.dumps({"secret": Secret(TEXT)})
        with pytest.raises(TypeError):
            hash(Secret(TEXT))
        assert copy.deepcopy(Secret(TEXT)).reveal() == TEXT

    def test_compares_by_content(self):
        """If this fails, "the same values again" is not recognised."""
        assert Secret(TEXT) == Secret(TEXT)
        assert Secret(TEXT) != Secret(TEXT + "x")
        assert Secret(TEXT) != TEXT

    @pytest.mark.parametrize("text", ["", "two\nlines", "zero\0byte", "\udc80"])
    def test_invalid_secrets_are_refused(self, text):
        """If this fails, a secret is accepted that no taskrc can hold."""
        with pytest.raises(SecretError) as raised:
            Secret(text)
        assert not text or text not in str(raised.value)

    def test_errors_and_tracebacks_have_no_secret(self):
        """If this fails, a traceback with local variables, as some programs log it, shows the secret."""
        try:
            Credentials("https://exa mple.com/?", CLIENT_ID, Secret(TEXT))
        except UrlError as error:
            shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
            own = [line for line in shown.splitlines() if "TEXT" not in line]
            assert "horse" not in "\n".join(own)
        else:
            pytest.fail("not refused")

    def test_typed_secrets_lose_their_line_breaks(self):
        """If this fails, a pasted secret with the terminal's line breaks is another secret."""
        digits = "0f1e2d3c4b5a6978" * 4
        assert parse_secret(f" {digits[:40]}\n   {digits[40:]} ").reveal() == digits
        assert parse_secret(f"  {TEXT} ").reveal() == TEXT
        assert parse_secret(digits.upper()).reveal() == digits.upper()


class TestCredentials:
    def test_generated_credentials_are_unique(self):
        """If this fails, two users could share a history, or a secret could be guessed."""
        made = [Credentials.generate("sync.example.com") for _ in range(20)]
        assert len({credentials.client_id for credentials in made}) == 20
        assert len({credentials.secret.reveal() for credentials in made}) == 20
        assert all(len(credentials.secret.reveal()) == 64 for credentials in made)
        assert made[0].url == "https://sync.example.com"

    def test_lengths_are_limited(self):
        """If this fails, credentials are accepted that no pairing code can carry."""
        Credentials("https://example.com", CLIENT_ID, Secret("ß" * (SECRET_BYTES_MAX // 2)))
        with pytest.raises(SecretError, match="514 bytes"):
            Credentials("https://example.com", CLIENT_ID, Secret("ß" * (SECRET_BYTES_MAX // 2 + 1)))
        with pytest.raises(ClientIdError):
            Credentials("https://example.com", UUID(int=0), Secret(TEXT))

    @pytest.mark.parametrize(
        "text",
        [str(CLIENT_ID), str(CLIENT_ID).upper(), f"  {CLIENT_ID}\n", f"{{{CLIENT_ID}}}", CLIENT_ID.hex,
         str(CLIENT_ID).replace("-", " - "), str(CLIENT_ID).replace("-", "\N{EN DASH}")],
    )  # fmt: skip
    def test_client_ids_are_normalised(self, text):
        """If this fails, the wizard refuses a right client ID for its capitals, spaces or braces."""
        assert parse_client_id(text) == CLIENT_ID

    @pytest.mark.parametrize("text", ["", " ", TEXT, str(CLIENT_ID)[:-1], f"{CLIENT_ID}0", str(UUID(int=0))])
    def test_invalid_client_ids_are_refused_without_repeating_them(self, text):
        """If this fails, a secret typed into the wrong field is accepted, or repeated on the screen."""
        with pytest.raises(ClientIdError) as raised:
            parse_client_id(text)
        assert "horse" not in str(raised.value)

    def test_swapped_fields_are_recognised(self):
        """If this fails, a client ID that was pasted as the secret goes unnoticed, or a right secret is refused."""
        assert looks_like_client_id(f" {str(CLIENT_ID).upper()}")
        assert not looks_like_client_id("0f1e2d3c4b5a6978" * 4)


class TestUrl:
    @pytest.mark.parametrize(
        ("typed", "normal"),
        [
            ("https://sync.example.com", "https://sync.example.com"),
            ("sync.example.com", "https://sync.example.com"),
            ("  HTTPS://Sync.Example.COM/ ", "https://sync.example.com"),
            ("https://sync.exam\n  ple.com/Some/Path/", "https://sync.example.com/Some/Path"),
            ("sync.example.com:8443/base", "https://sync.example.com:8443/base"),
            ("https://sync.example.com:443", "https://sync.example.com"),
            ("http://sync.example.com:80", "http://sync.example.com"),
            ("//sync.example.com", "https://sync.example.com"),
            ("localhost:8080", "http://localhost:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("https://127.0.0.1:8080", "https://127.0.0.1:8080"),
            ("192.168.1.7:8080", "https://192.168.1.7:8080"),
            ("bücher.example", "https://xn--bcher-kva.example"),
        ],
    )
    def test_urls_are_normalised(self, typed, normal):
        """If this fails, a URL that a browser would take is refused, or two computers are set to different ones."""
        assert normalise_url(typed) == normal
        assert normalise_url(normal) == normal

    @pytest.mark.parametrize(
        "typed",
        ["", " ", "https://", "ftp://example.com", "https://exam_ple..com", "https://example.com:99999",
         "https://example.com:0", "https://example.com/?a=b", "https://example.com/#x", "1.2.3.400",
         "https://user:horse@example.com", "http://[::1", "https://example.com/ä", "x" * 600, "-example.com"],
    )  # fmt: skip
    def test_invalid_urls_are_refused_without_their_password(self, typed):
        """If this fails, the wizard sets up with a broken URL, or shows a password from it on the screen."""
        with pytest.raises(UrlError) as raised:
            normalise_url(typed)
        assert "horse" not in str(raised.value)
        assert len(str(raised.value)) < 300
