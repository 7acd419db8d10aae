"""Pairing codes, which carry everything to the other computer, and the messages about a mistake in one."""

import zlib
from uuid import UUID

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tcsync import Credentials, PairingCodeError, PairingCodeFault, Secret, UrlError, pairing
from tcsync.credentials import SECRET_BYTES_MAX
from tcsync.pairing import (
    decode_pairing_code,
    encode_pairing_code,
    looks_like_pairing_code,
    pairing_code_progress,
    pairing_code_qr,
)

USUAL = Credentials(
    "https://sync.brainplorp.com",
    UUID("615cbc21-49ee-4d30-a5ed-6e24bd602be5"),
    Secret("0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2),
)
CODE = encode_pairing_code(USUAL).reveal()
CHARACTERS = CODE.replace("-", "")
OTHER_CODE = encode_pairing_code(Credentials(USUAL.url, UUID(int=1), USUAL.secret)).reveal()

one_line = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=SECRET_BYTES_MAX // 4
)
hexadecimal = st.binary(min_size=32, max_size=32).map(bytes.hex)
urls = st.builds(
    "{}://{}.example{}{}".format,
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True),
    st.sampled_from(["", ":8443", ":1"]),
    st.sampled_from(["", "/base", "/~a/B%20c"]),
)


def fault_of(text):
    with pytest.raises(PairingCodeError) as raised:
        decode_pairing_code(text)
    assert "0f1e2d3c" not in str(raised.value)
    return raised.value.fault


@given(urls, st.uuids().filter(lambda value: value.int != 0), one_line | hexadecimal | hexadecimal.map(str.upper))
def test_a_code_gives_the_same_credentials(url, client_id, secret):
    """If this fails, the other computer gets other credentials than the first one has."""
    credentials = Credentials(url, client_id, Secret(secret))
    assert decode_pairing_code(encode_pairing_code(credentials).reveal()) == credentials


def test_the_longest_secret_and_url_fit_into_a_code():
    """If this fails, credentials that are accepted elsewhere cannot be carried to another computer."""
    long = Credentials(f"https://example.com/{'p' * 490}", USUAL.client_id, Secret("ß" * (SECRET_BYTES_MAX // 2)))
    assert decode_pairing_code(encode_pairing_code(long).reveal()) == long
    with pytest.raises(UrlError):
        Credentials(f"https://example.com/{'p' * 500}", USUAL.client_id, Secret("x"))


@pytest.mark.parametrize(
    "text",
    [CODE.lower(), f"  {CODE}\n", CODE.replace("-", " "), CODE.replace("-", "\n  "), CHARACTERS,
     CODE.replace("-", "\N{EN DASH}"), CODE.replace("0", "O").replace("1", "l")],
)  # fmt: skip
def test_spaces_case_and_line_breaks_are_ignored(text):
    """If this fails, a code that was copied by hand or from a wrapped line does not work."""
    assert decode_pairing_code(text) == USUAL
    assert looks_like_pairing_code(text)


GROUPS = CODE.split("-")
PASTED = {
    **{f"in {pair}": f"{pair[0]}{CODE}{pair[1]}" for pair in ('""', "''", "“”", "„“", "«»", "``", "()", "<>", "**")},
    "with its label": f"Pairing code: {CODE}",
    "with its label above it": f"Pairing code:\n    {CODE}\n",
    "in a sentence": f"Here it is: {CODE}. Keep it safe!",
    "in a letter": f"Hi Ada,\nI ran tcsync pair, which said\n\n{CODE}\n\nYours\nGrace\n-- \nsent from my telephone",
    "with blank lines first": f"\n\n\r\n  \n{CODE}\n",
    "with the command": f"$ tcsync pair\n{CODE}\n$ ",
    "twice": f"{CODE}\n{CODE}\n",
    "in lines of a mail": "\n".join(CODE[i : i + 40] for i in range(0, len(CODE), 40)),
    "in lines of a quoted mail": "".join(f"> > {CODE[i : i + 40]}\r\n" for i in range(0, len(CODE), 40)),
    "in quoted-printable lines": "=\n".join(CODE[i : i + 50] for i in range(0, len(CODE), 50)),
    "in shell lines": "\\\n".join(CODE[i : i + 50] for i in range(0, len(CODE), 50)),
    "in indented lines": "\n      ".join("-".join(GROUPS[i : i + 4]) for i in range(0, len(GROUPS), 4)),
    "with a broken first group": f"{CODE[:9]}\n{CODE[9:]}",
    "with zero-width characters": "\u200b".join(GROUPS[0:1]) + "\u200b-\u2060" + "-\u200b".join(GROUPS[1:]) + "\ufeff",
    "with a byte order mark": f"\ufeff{CODE}",
    "with no-break spaces": CODE.replace("-", "\u00a0"),
    "as a terminal brackets it": f"\x1b[200~{CODE}\x1b[201~",
    "as a terminal brackets its lines": f"\x1b[200~Pairing code:\r\n{CODE[:70]}\r\n{CODE[70:]}\r\n\x1b[201~",
    "in colours": f"\x1b[1;32m{CODE}\x1b[0m",
}


@pytest.mark.parametrize("how", PASTED)
def test_a_code_is_found_in_pasted_text(how):
    """If this fails, a code that a mail program or a terminal has dressed up does not work."""
    assert decode_pairing_code(PASTED[how]) == USUAL
    assert looks_like_pairing_code(PASTED[how])
    assert pairing_code_progress(PASTED[how]) is None


def test_the_progress_of_a_code_is_known():
    """If this fails, a code of several lines is taken for a whole one after its first line."""
    for length in range(len("TCSYNC") + 8, len(CHARACTERS)):
        assert pairing_code_progress(f"Pairing code: '{CHARACTERS[:length]}") == (length, len(CHARACTERS))
    for text in (CODE, "", "hello", "TCSYNC", CODE[:12], CODE.replace("0404", "0405")):
        assert pairing_code_progress(text) is None


def test_a_recorded_code_can_be_read():
    """If this fails, codes that were written down before a release do not work after it."""
    assert CODE == (
        "TCSYNC-0404V3G8-05GNSF11-97Q4TC55-XNQ29FB0-5FJGY7HD-7H5NMTBR-GYBABD63-TBGZ03RY-5MY4PPK9-F23SD9DM-RF9E3W3K-"
        "F5Q66BK2-E9GPJVKG-DHQQ4W1E-CDQPTCKR-781G"
    )


def test_a_truncated_code_is_distinguished_from_a_mistyped_one():
    """If this fails, a person looks for a typo in a line whose end was not copied."""
    for length in range(2, len(CHARACTERS)):
        assert fault_of(CHARACTERS[:length]) is PairingCodeFault.TRUNCATED, length


def test_every_single_mistake_is_found():
    """If this fails, a typo gives wrong credentials, and with them a history that nobody can find or read."""
    for position in range(len("TCSYNC"), len(CHARACTERS)):
        for wrong in "07KZ":
            if wrong != CHARACTERS[position]:
                mistyped = CHARACTERS[:position] + wrong + CHARACTERS[position + 1 :]
                assert fault_of(mistyped) is PairingCodeFault.MISTYPED, (position, wrong)
        doubled = CHARACTERS[:position] + CHARACTERS[position] + CHARACTERS[position:]
        assert fault_of(doubled) is PairingCodeFault.MISTYPED, position
        a, b = CHARACTERS[position : position + 1], CHARACTERS[position + 1 : position + 2]
        if b and a != b:
            swapped = CHARACTERS[:position] + b + a + CHARACTERS[position + 2 :]
            assert fault_of(swapped) is PairingCodeFault.MISTYPED, position


@settings(max_examples=300)
@given(st.data())
def test_several_mistakes_are_found(data):
    """If this fails, a badly copied code gives wrong credentials."""
    characters = list(CHARACTERS)
    for position in data.draw(st.lists(st.integers(6, len(characters) - 1), min_size=1, max_size=8)):
        characters[position] = data.draw(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
    text = "".join(characters)
    if text != CHARACTERS:
        fault_of(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", PairingCodeFault.NOT_A_CODE),
        ("hello", PairingCodeFault.NOT_A_CODE),
        (str(USUAL.client_id), PairingCodeFault.NOT_A_CODE),
        ("0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2, PairingCodeFault.NOT_A_CODE),
        ("https://sync.example.com", PairingCodeFault.NOT_A_CODE),
        ("x" * 1_000_000, PairingCodeFault.NOT_A_CODE),
        ("TCS", PairingCodeFault.TRUNCATED),
        ("TCSYNC", PairingCodeFault.TRUNCATED),
        (CODE.replace("TCSYNC", "TCSXNC"), PairingCodeFault.MISTYPED),
        (CODE.replace("TCSYNC", "TCSYN"), PairingCodeFault.MISTYPED),
        (CODE.replace("TCSYNC", "TCSSYNC"), PairingCodeFault.MISTYPED),
        (CODE + "U", PairingCodeFault.MISTYPED),
        (CODE[:40] + "!" + CODE[41:], PairingCodeFault.MISTYPED),
        (f"{CODE}-{CODE}", PairingCodeFault.MISTYPED),
        (f"{CODE}\n{OTHER_CODE}\n", PairingCodeFault.MISTYPED),
        ("TCSYNC " * 2_000, PairingCodeFault.MISTYPED),
        ("I ran tcsync pair, and there was nothing.", PairingCodeFault.NOT_A_CODE),
    ],
)
def test_each_kind_of_mistake_has_its_own_fault(text, fault):
    """If this fails, a person gets a wrong reason why a pasted code is refused."""
    assert fault_of(text) is fault


def framed(version, body):
    """A code with right checks around any body, as another release could make it."""
    head = bytes([version]) + (5 + len(body) + 4).to_bytes(2, "big")
    data = head + zlib.crc32(head).to_bytes(4, "big")[2:] + body
    return "TCSYNC" + pairing._to_base32(data + zlib.crc32(data).to_bytes(4, "big"))


def test_newer_formats_are_named():
    """If this fails, the code of a newer release is taken for a typo."""
    newer = framed(2, b"whatever a newer release puts here")
    assert fault_of(newer) is PairingCodeFault.NEWER
    assert fault_of(newer[:-3]) is PairingCodeFault.TRUNCATED
    assert fault_of(newer[:-1] + ("0" if newer[-1] != "0" else "G")) is PairingCodeFault.MISTYPED


@pytest.mark.parametrize("body", [b"", b"\0", b"\xff" + bytes(60), b"\1" + bytes(16) + bytes(32) + b"example.com",
                                  b"\0" + bytes(range(16)) + b"\xff\xffabc"])  # fmt: skip
def test_invalid_contents_with_valid_checksums_are_refused(body):
    """If this fails, a code that no release makes ends in a traceback."""
    assert fault_of(framed(1, body)) is PairingCodeFault.MISTYPED


def drawn(text):
    """The picture of a QR code that was drawn with half blocks, light on dark, as a terminal shows it."""
    lines = text.splitlines()
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    image = Image.new("L", (len(lines[0]), 2 * len(lines)), 0)
    for y, line in enumerate(lines):
        for x, character in enumerate(line):
            for half in (0, 1):
                image.putpixel((x, 2 * y + half), 255 * halves[character][half])
    return image.resize((image.width * 6, image.height * 6), Image.Resampling.NEAREST)


@pytest.mark.parametrize(
    "credentials", [USUAL, Credentials("http://127.0.0.1:8080/base", USUAL.client_id, Secret("correct horse battery"))]
)
def test_the_qr_code_can_be_read(credentials):
    """If this fails, a phone cannot read the code on the terminal, or the code is larger than the terminal."""
    text = pairing_code_qr(encode_pairing_code(credentials))
    assert len(text.splitlines()) <= 40 and max(map(len, text.splitlines())) <= 80
    (found,) = zxingcpp.read_barcodes(drawn(text))
    assert decode_pairing_code(found.text) == credentials
