"""The pairing code: one line of text that carries a server's URL, a client ID and a secret to another computer.

A person sees the word TCSYNC and groups of characters of Crockford's base 32 (digits and capital letters
without I, L, O and U), joined by dashes:

    TCSYNC-05XXXXXX-XXXXXXXX-...

Case, spaces, line breaks, quotation marks and dashes do not matter, O is read as 0, and I and L as 1. Text before and
after the code does not matter either. The characters after TCSYNC are the 5-bit groups, highest bit first, of these
bytes (the last group is filled up with zero bits):

    offset  bytes
    0       1      the format's version, now 1
    1       2      the number of all bytes, big-endian
    3       2      check of the head: CRC-32 of bytes 0 to 2, its low 16 bits, big-endian
    5       1      flags: 1 the secret is 64 lower-case hexadecimal digits, 2 the scheme is http (else https)
    6       16     the client ID
    22      32     the secret as the bytes that its digits mean, with flag 1; else 2 bytes with its length, big-endian,
                   and its UTF-8 bytes
    ...            the URL after "https://" or "http://", in ASCII
    end-4   4      check of all: CRC-32 of everything before it, big-endian

The head (the first 8 characters) and the last 4 bytes stay the same in every later version. So a code that was cut
off, mistyped or made by a newer release is recognised as such: the head's own check shows whether its length is right.
The checks are against mistakes, not against people: the code contains the secret.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from .credentials import SECRET_BYTES_MAX, Credentials
from .errors import PairingCodeError, PairingCodeFault, TcsyncError
from .qr_code import draw_qr, qr_modules
from .secret import Secret
from .server_url import URL_BYTES_MAX

_MARK = "TCSYNC"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")
_DASHES = "-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{SOFT HYPHEN}"
_INVISIBLE = "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{WORD JOINER}"
_IGNORED = dict.fromkeys(map(ord, _DASHES))
# Around a code, and at the line breaks within one, from a mail or a page.
_SURROUNDING = "\"'`\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u2039\u203a\u00ab\u00bb*_<>|=\\()[]{}"
_BLANKED = {**dict.fromkeys(map(ord, _INVISIBLE)), **dict.fromkeys(map(ord, _SURROUNDING), " ")}
# The control sequences of a terminal, such as those around a paste.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# So many places are looked at that may begin a code: more than people paste, and few enough for any text.
_PLACES_MAX = 20
_MARK_IN_TEXT = re.compile(rf"(?<![A-Z0-9]){_MARK}")
_GROUP = 8

_VERSION = 1
_HEAD_BYTES = 5
_HEAD_CHARACTERS = 8
_CHECK_BYTES = 4
_COMPACT_SECRET = 1
_HTTP = 2
_KNOWN_FLAGS = _COMPACT_SECRET | _HTTP
_COMPACT_BYTES = 32
_BYTES_MAX = _HEAD_BYTES + 1 + 16 + 2 + SECRET_BYTES_MAX + URL_BYTES_MAX + _CHECK_BYTES

#: The longest text that is looked at; far above the longest code, with dashes and spaces.
TEXT_CHARACTERS_MAX = 16_384


def encode_pairing_code(credentials: Credentials) -> Secret:
    """The code for other computers. It is a Secret, because it contains the secret."""
    return Secret(_grouped(_to_base32(_pack(credentials))))


def decode_pairing_code(text: str) -> Credentials:
    """The credentials in a code that a person typed or pasted, or PairingCodeError, whose `fault` names the fault. The
    message does not repeat any of the text.

    The text may have labels, quotation marks and sentences around the code, and the code may be broken into lines.
    """
    return _unpack(_checked_bytes(_find(text)))


def looks_like_pairing_code(text: str) -> bool:
    """Whether a text begins like a pairing code, even if it is cut off or mistyped further on, or has the beginning of
    one in it: to detect a code in the wrong field."""
    found = _find(text)
    return found.characters.startswith(_MARK) or found.wanted is not None


def pairing_code_progress(text: str) -> tuple[int, int] | None:
    """For a text that ends within a pairing code: the number of its characters that are there, and of all. None for any
    other text."""
    found = _find(text)
    if found.wanted is None or len(found.characters) >= found.wanted:
        return None
    return len(found.characters), found.wanted


def pairing_code_qr(code: Secret, *, border: int = 2) -> str:
    """A code as a QR code of half-block characters, light on dark, for a terminal: lines that end with a newline.

    `border` is the quiet zone in modules. For the usual code that gives 21 lines of 41 characters. Needs the package
    segno.
    """
    return draw_qr(qr_modules(pairing_code_compact(code), border=border))


def pairing_code_compact(code: Secret) -> str:
    """A code without its dashes, as QR codes have it: shorter, and all of its characters are those of their
    alphanumeric mode."""
    return "".join(code.reveal().split("-"))


def _pack(credentials: Credentials) -> bytes:
    scheme, _, rest = credentials.url.partition("://")
    encoded = credentials.secret.reveal().encode("utf-8")
    compact = len(encoded) == 2 * _COMPACT_BYTES and all(digit in b"0123456789abcdef" for digit in encoded)
    flags = (_COMPACT_SECRET if compact else 0) | (_HTTP if scheme == "http" else 0)
    secret = bytes.fromhex(encoded.decode("ascii")) if compact else len(encoded).to_bytes(2, "big") + encoded
    body = bytes([flags]) + credentials.client_id.bytes + secret + rest.encode("ascii")
    head = bytes([_VERSION]) + (_HEAD_BYTES + len(body) + _CHECK_BYTES).to_bytes(2, "big")
    before_check = head + _head_check(head) + body
    return before_check + _check(before_check)


def _unpack(data: bytes) -> Credentials:
    """The fields of bytes with correct checks. If they do not fit, encode_pairing_code did not make them."""
    if data[0] != _VERSION:
        raise PairingCodeError(
            "this pairing code was made by a newer release of tcsync; install that release on this computer, or enter "
            "the URL, the client ID and the secret one by one",
            PairingCodeFault.NEWER,
        )
    flags, client_id, rest = data[5], data[6:22], data[22:-_CHECK_BYTES]
    try:
        if flags & ~_KNOWN_FLAGS:
            raise ValueError
        if flags & _COMPACT_SECRET:
            secret, rest = rest[:_COMPACT_BYTES].hex(), rest[_COMPACT_BYTES:]
        else:
            size = int.from_bytes(rest[:2], "big")
            secret, rest = rest[2 : 2 + size].decode("utf-8"), rest[2 + size :]
        scheme = "http" if flags & _HTTP else "https"
        return Credentials(f"{scheme}://{rest.decode('ascii')}", UUID(bytes=client_id), Secret(secret))
    except (ValueError, TcsyncError):
        raise PairingCodeError(
            "this pairing code is complete, but its content is invalid; show it again on the first computer with "
            "`tcsync pair`",
            PairingCodeFault.MISTYPED,
        ) from None


@dataclass(frozen=True)
class _Found:
    """A code in a text, or the whole text when there is none in it."""

    #: The significant characters up to the end of the text, in upper case.
    characters: str
    #: For each of them, whether space comes before it.
    after_space: tuple[bool, ...]
    #: The number of characters of the code; None when the head is not there or does not fit.
    wanted: int | None

    @property
    def code(self) -> str:
        return self.characters[: self.wanted]


def _find(text: str) -> _Found:
    """The first code with a right head in a text; else the first place that begins like a code; else the whole."""
    text = _CONTROL_SEQUENCE.sub("", text[:TEXT_CHARACTERS_MAX]).translate(_BLANKED).upper()
    whole = _read(text)
    places = [whole] if whole.characters.startswith(_MARK) else []
    places += [_read(text[found.start() :]) for found in islice(_MARK_IN_TEXT.finditer(text), _PLACES_MAX)]
    right = [place for place in places if place.wanted is not None]
    if len({place.code for place in right if len(place.code) == place.wanted}) > 1:
        raise _mistyped("there are two different codes in the text")
    if right:
        return right[0]
    # A command such as `tcsync pair` begins no code.
    begun = [place for place in places if len(place.characters) > len(_MARK) and not place.after_space[len(_MARK)]]
    return begun[0] if begun and whole not in places else whole


def _read(text: str) -> _Found:
    characters, after_space, space = [], [], False
    for character in text.translate(_IGNORED):
        if character.isspace():
            space = True
        else:
            characters.append(character)
            after_space.append(space)
            space = False
    joined = "".join(characters)
    wanted = None
    head = joined[len(_MARK) : len(_MARK) + _HEAD_CHARACTERS].translate(_READ_AS)
    if joined.startswith(_MARK) and len(head) == _HEAD_CHARACTERS and all(one in _ALPHABET for one in head):
        decoded = _from_base32(head)
        if decoded[3:] == _head_check(decoded[:3]):
            wanted = len(_MARK) + math.ceil(int.from_bytes(decoded[1:3], "big") * 8 / 5)
    return _Found(joined, tuple(after_space), wanted)


def _checked_bytes(found: _Found) -> bytes:
    """The bytes of a whole code, confirmed by its head and its checks."""
    compact, wanted = found.characters, found.wanted
    if not compact.startswith(_MARK):
        if len(compact) >= 2 and _MARK.startswith(compact):
            raise _truncated("it ends within its first word")
        if _is_nearly_mark(compact):
            raise _mistyped(f"it should begin with {_MARK}")
        raise PairingCodeError(
            f"this is not a pairing code, which begins with {_MARK}; `tcsync pair` shows it on the first computer",
            PairingCodeFault.NOT_A_CODE,
        )
    characters = found.code[len(_MARK) :].translate(_READ_AS)
    for position, character in enumerate(characters):
        if character not in _ALPHABET:
            raise _mistyped(f"its character {len(_MARK) + position + 1}, without dashes, cannot be in a code")
    if len(characters) < _HEAD_CHARACTERS:
        raise _truncated("it ends within its first group")
    if wanted is None:
        raise _mistyped(f"there is a mistake in the first group after {_MARK}")
    if len(compact) < wanted:
        raise _truncated(f"{len(compact)} of {wanted} characters are present")
    if len(compact) > wanted and compact[wanted].isalnum() and not found.after_space[wanted]:
        raise _mistyped("it has characters too many at its end")
    data = _from_base32(characters)
    size = int.from_bytes(data[1:3], "big")
    if len(data) != size or size < _HEAD_BYTES + _CHECK_BYTES or data[-_CHECK_BYTES:] != _check(data[:-_CHECK_BYTES]):
        raise _mistyped("its checksum does not fit")
    return data


def _truncated(how: str) -> PairingCodeError:
    return PairingCodeError(
        f"the pairing code is cut off: {how}; copy it again, the whole line", PairingCodeFault.TRUNCATED
    )


def _mistyped(how: str) -> PairingCodeError:
    return PairingCodeError(
        f"the pairing code has a mistake in it: {how}; copy it again, or compare it character by character",
        PairingCodeFault.MISTYPED,
    )


def _is_nearly_mark(compact: str) -> bool:
    """Whether a long text begins with the mark, except for one wrong, missing or doubled character."""
    if len(compact) < len(_MARK) + _HEAD_CHARACTERS:
        return False
    wrong = sum(a != b for a, b in zip(compact, _MARK, strict=False))
    missing = any(compact.startswith(_MARK[:i] + _MARK[i + 1 :]) for i in range(len(_MARK)))
    doubled = any(compact[:i] + compact[i + 1 : len(_MARK) + 1] == _MARK for i in range(len(_MARK) + 1))
    return wrong == 1 or missing or doubled


def _grouped(characters: str) -> str:
    groups = (characters[i : i + _GROUP] for i in range(0, len(characters), _GROUP))
    return "-".join((_MARK, *groups))


def _check(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def _head_check(head: bytes) -> bytes:
    return _check(head)[2:]


def _to_base32(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(_ALPHABET[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5))


def _from_base32(characters: str) -> bytes:
    """The whole bytes. Left-over bits that are not zero make one byte more, so that no two texts have the same
    meaning."""
    bits = "".join(f"{_ALPHABET.index(character):05b}" for character in characters)
    whole = len(bits) // 8 * 8
    data = bytes(int(bits[i : i + 8], 2) for i in range(0, whole, 8))
    return data + b"\1" if "1" in bits[whole:] else data
