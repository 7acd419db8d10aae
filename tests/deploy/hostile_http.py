"""Hostile HTTP as data: a stranger's requests, and the answers to them, directly and through the proxies.

A case is the bytes of one connection. {client}, {hidden} and {behind} are new clients: the
request's own; that of HIDDEN, a request that only a misreading finds; and that of BEHIND, a good request that the test
puts behind each case. BEHIND asks for the connection's end.

Answers are written as they come: a status; "stored" for a version that was added; "close" behind the last one when it
says so; "+" for the good answer to BEHIND; in brackets those that a proxy gave itself; "bare" for one without a head,
of HTTP/0.9. So "404 +" is a refusal behind which the connection stayed open, "400 close" one behind which nothing was
read, and "" an end without an answer. Through a proxy a case has the direct answers unless others are given. The
proxies are those of Debian 12, and others may answer differently; test_hostile_http.py has the rules that hold for all.

An `unfinished` case lacks its end, so that nothing can be behind it: its sender ends its side. A proxy then gives up in
one of several ways.
"""

import gzip
import zlib
from dataclasses import dataclass

from wire import NIL_VERSION, SEGMENT_TYPE

SEGMENT = "segment"
BEHIND_SEGMENT = "behind"
BODY_BYTES_MAX = 1 << 16  # of the server that the answers are pinned for
HEAD_BYTES_MAX = 8192

PLACEHOLDERS = ("{client}", "{hidden}", "{behind}")

HOST = "Host: 127.0.0.1"
CLIENT = "X-Client-Id: {client}"
TYPE = f"Content-Type: {SEGMENT_TYPE}"
ADD_PATH = f"/v1/client/add-version/{NIL_VERSION}"
ADD_OF_1_0 = f"POST {ADD_PATH} HTTP/1.0"
CHILD_PATH = f"/v1/client/get-child-version/{NIL_VERSION}"


# No version is added, and none is acknowledged. (To a client that is gone, Caddy says 200 of its own.)
GIVEN_UP = ("", "413", "413 close", "(200)", "(200) close", "(400) close", "(413) close", "(502)", "(502) close")


@dataclass(frozen=True)
class Case:
    name: str
    text: str  # of characters up to 255, one for each byte
    direct: str | tuple[str, ...]
    nginx: str | tuple[str, ...] | None = None
    caddy: str | tuple[str, ...] | None = None
    unfinished: bool = False
    segment: str = SEGMENT  # of {client}, once it is stored

    def expected(self, way):
        """The answers that are right through "direct", "nginx" or "caddy"."""
        pinned = getattr(self, way)
        return alternatives(self.direct if pinned is None else pinned)


def alternatives(pinned):
    return (pinned,) if isinstance(pinned, str) else pinned


def size(text):
    """In bytes, once the placeholders are replaced."""
    return len(named(text, dict.fromkeys(PLACEHOLDERS, NIL_VERSION)))


def named(text, clients):
    """The text with the clients' IDs, by their placeholders."""
    for placeholder, client_id in clients.items():
        text = text.replace(placeholder, client_id)
    return text


def lines(*all_lines):
    return "\r\n".join([*all_lines, "", ""])


def add(*fields, body=SEGMENT, line=f"POST {ADD_PATH} HTTP/1.1"):
    """An add-version of {client}; `fields` frame the body."""
    return lines(line, HOST, CLIENT, TYPE, *fields) + body


def sized(*fields, body=SEGMENT, **options):
    return add(*fields, f"Content-Length: {size(body)}", body=body, **options)


def chunked(body, *fields, coding="Transfer-Encoding: chunked"):
    return add(coding, *fields, body=body)


def to(target):
    return sized(line=f"POST {target} HTTP/1.1")


def get(*fields, line="GET / HTTP/1.1", host=HOST):
    return lines(line, *filter(None, [host]), *fields)


def encoded(coding, body):
    return sized(f"Content-Encoding: {coding}", body=body.decode("latin-1"))


CHUNKS = "7\r\nsegment\r\n0\r\n\r\n"
NO_CHUNKS = "0\r\n\r\n"
HIDDEN = sized().replace("{client}", "{hidden}")
BEHIND = sized("Connection: close", body=BEHIND_SEGMENT).replace("{client}", "{behind}")
HIDDEN_CHUNK = f"{size(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"
ZIPPED = gzip.compress(SEGMENT.encode(), mtime=0)
BOMB = gzip.compress(bytes(8 * BODY_BYTES_MAX), mtime=0)
# fmt: off
CASES = (
    # Good ones, so that the rest means something.
    Case("good add", sized(), "stored +"),
    Case("good chunks", chunked(CHUNKS), "stored +"),
    Case("good get", get(CLIENT, line=f"GET {CHILD_PATH} HTTP/1.1"), "404 +"),

    # Two framings in one request.
    Case("CL.TE, hidden behind the chunks",
         add(f"Content-Length: {5 + size(HIDDEN)}", "Transfer-Encoding: chunked", body=NO_CHUNKS + HIDDEN),
         "400 close", "(400) close", "400 stored +"),
    Case("TE.CL, hidden in a chunk", add("Transfer-Encoding: chunked", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(400) close", "stored +", segment=HIDDEN),
    Case("CL.TE, lengths agree", add(f"Content-Length: {size(CHUNKS)}", "Transfer-Encoding: chunked", body=CHUNKS),
         "400 close", "(400) close", "stored +"),
    Case("CL 0 and TE", add("Content-Length: 0", "Transfer-Encoding: chunked", body=CHUNKS),
         "400 close", "(400) close", "stored +"),
    Case("TE in HTTP/1.0", add("Transfer-Encoding: chunked", body=CHUNKS, line=ADD_OF_1_0),
         "400 close", "(400) close", "400"),
    Case("TE and CL in HTTP/1.0",
         add("Content-Length: 5", "Transfer-Encoding: chunked", "Connection: keep-alive",
             body=NO_CHUNKS + HIDDEN, line=ADD_OF_1_0),
         "400 close", "(400) close", "stored stored +", segment=NO_CHUNKS),

    # Transfer-Encoding that one reader takes for chunked and another does not; each with a length that hides a request.
    Case("TE xchunked", add("Transfer-Encoding: xchunked", f"Content-Length: {size(HIDDEN)}", body=HIDDEN),
         "501 close", "(501) close", "(501) close"),
    Case("TE space before the colon", add("Transfer-Encoding : chunked", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(400) close", "(400) close"),
    Case("TE behind a tab", add("Transfer-Encoding:\tchunked", body=CHUNKS), "stored +", "(501) close", "stored +"),
    Case("TE vertical tab", add("Transfer-Encoding: \x0bchunked", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(501) close", "(501) close"),
    Case("TE form feed", add("Transfer-Encoding: chunked\x0c", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(501) close", "(501) close"),
    Case("TE quoted", chunked(CHUNKS, coding='Transfer-Encoding: "chunked"'),
         "501 close", "(501) close", "(501) close"),
    Case("TE in capitals", chunked(CHUNKS, coding="TRANSFER-ENCODING: CHUNKED"), "stored +"),
    Case("TE twice", add("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKS),
         "400 close", "(400) close", "(501) close"),
    Case("TE chunked, then identity", add("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKS),
         "400 close", "(400) close", "(501) close"),
    Case("TE identity, then chunked", add("Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=CHUNKS),
         "501 close", "(400) close", "(501) close"),
    Case("TE chunked, chunked", chunked(CHUNKS, coding="Transfer-Encoding: chunked, chunked"),
         "501 close", "(501) close", "(501) close"),
    Case("TE gzip, chunked", chunked(CHUNKS, coding="Transfer-Encoding: gzip, chunked"),
         "501 close", "(501) close", "(501) close"),
    Case("TE chunked, gzip", chunked(CHUNKS, coding="Transfer-Encoding: chunked, gzip"),
         "501 close", "(501) close", "(501) close"),
    Case("TE identity", add("Transfer-Encoding: identity", "Content-Length: 7"),
         "501 close", "(501) close", "(501) close"),
    Case("TE empty", add("Transfer-Encoding:", "Content-Length: 7"), "501 close", "(501) close", "(501) close"),
    Case("TE with a parameter", chunked(CHUNKS, coding="Transfer-Encoding: chunked;q=1"),
         "501 close", "(501) close", "(501) close"),
    Case("TE with a comma behind", chunked(CHUNKS, coding="Transfer-Encoding: chunked,"),
         "501 close", "(501) close", "(501) close"),
    Case("TE in a folded line", chunked(CHUNKS, coding="Transfer-Encoding:\r\n chunked"),
         "400 close", "(400) close", "stored +"),
    Case("TE behind a bare LF", add("X-Other: x\nTransfer-Encoding: chunked", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(400) close", "stored +", segment=HIDDEN),
    Case("TE behind a bare CR", add("X-Other: x\rTransfer-Encoding: chunked", "Content-Length: 7"),
         "400 close", "(400) close", "(400) close"),
    Case("TE with an underscore", add("Transfer_Encoding: chunked", "Content-Length: 7"), "stored +"),
    Case("TE with a NUL", add("Transfer-Encoding: chunked\0", "Content-Length: 5", body=HIDDEN_CHUNK),
         "400 close", "(400) close", "(501) close"),
    Case("TE with a high byte", add("Transfer-Encoding: \xffchunked", "Content-Length: 5", body=HIDDEN_CHUNK),
         "501 close", "(501) close", "(501) close"),
    Case("TE on a GET with a length", get("Transfer-Encoding: chunked", "Content-Length: 6") + "0\r\n\r\nX",
         "400 close", "(400) close", "200 405 close"),

    # Content-Length.
    Case("CL twice, unequal", add("Content-Length: 7", f"Content-Length: {7 + size(HIDDEN)}", body=SEGMENT + HIDDEN),
         "400 close", "(400) close", "(400) close"),
    Case("CL twice, unequal, the larger first",
         add(f"Content-Length: {7 + size(HIDDEN)}", "Content-Length: 7", body=SEGMENT + HIDDEN),
         "400 close", "(400) close", "(400) close"),
    Case("CL twice, equal", add("Content-Length: 7", "Content-Length: 7"), "stored +", "(400) close", "stored +"),
    Case("CL list, equal", add("Content-Length: 7, 7"), "stored +", "(400) close", "(400) close"),
    Case("CL list, unequal", add(f"Content-Length: 7, {7 + size(HIDDEN)}", body=SEGMENT + HIDDEN),
         "400 close", "(400) close", "(400) close"),
    Case("CL plus", add("Content-Length: +7"), "400 close", "(400) close", "(400) close"),
    Case("CL minus", add("Content-Length: -7"), "400 close", "(400) close", "(400) close"),
    Case("CL minus zero", add("Content-Length: -0", body=""), "400 close", "(400) close", "(400) close"),
    Case("CL hexadecimal", add("Content-Length: 0x7"), "400 close", "(400) close", "(400) close"),
    Case("CL with spaces around", add("Content-Length:   7 \t"), "stored +", "(400) close", "stored +"),
    Case("CL with a space within", add("Content-Length: 7 0"), "400 close", "(400) close", "(400) close"),
    Case("CL with leading zeros", add("Content-Length: 0000000000000000000007"), "stored +"),
    Case("CL fraction", add("Content-Length: 7.0"), "400 close", "(400) close", "(400) close"),
    Case("CL exponent", add("Content-Length: 7e0"), "400 close", "(400) close", "(400) close"),
    Case("CL quoted", add('Content-Length: "7"'), "400 close", "(400) close", "(400) close"),
    Case("CL empty", add("Content-Length:"), "400 close", "(400) close", "400 400 close"),
    Case("CL a comma behind", add("Content-Length: 7,"), "400 close", "(400) close", "(400) close"),
    Case("CL over 64 bits", add("Content-Length: 18446744073709551623"), "400 close", "(400) close", "(400) close"),
    Case("CL of 64 bits", add("Content-Length: 18446744073709551615"), "413 close", "(400) close", "(400) close"),
    Case("CL of 63 bits", add("Content-Length: 9223372036854775807"), "413 close", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("CL huge", add("Content-Length: " + "9" * 60), "400 close", "(400) close", "(400) close"),
    Case("CL over the limit", add(f"Content-Length: {BODY_BYTES_MAX + 1}"),
         "413 close", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("CL space before the colon",
         add(f"Content-Length : {7 + size(HIDDEN)}", "Content-Length: 7", body=SEGMENT + HIDDEN),
         "400 close", "(400) close", "(400) close"),
    Case("CL with an underscore", add(f"Content_Length: {7 + size(HIDDEN)}", "Content-Length: 7"), "stored +"),
    Case("CL with a NUL", add("Content-Length: 7\0"), "400 close", "(400) close", "(400) close"),
    Case("CL in other digits", add("Content-Length: \xd9\xa7"), "400 close", "(400) close", "(400) close"),
    Case("CL in a folded line", add("Content-Length:\r\n 7"), "400 close", "(400) close", "stored +"),
    Case("CL missing", add(body=""), "400 +"),
    Case("CL missing, with a body", add(), "400 400 close", "400 (400) close", "400 400 close"),

    # Chunks.
    Case("chunk size over 64 bits", chunked("10000000000000007\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "(400) close", "(502) close"),
    # No announced size of a chunk is too large by itself: the bytes that arrive are counted.
    Case("chunk size of 64 bits", chunked("fffffffffffffffe\r\nsegment\r\n0\r\n\r\n"),
         "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("chunk size negative", chunked("-7\r\nsegment\r\n0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk size plus", chunked("+7\r\nsegment\r\n0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk size 0x", chunked("0x7\r\nsegment\r\n0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk size with a space before", chunked(" 7\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "(400) close", "(502) close"),
    Case("chunk size with a space behind", chunked("7 \r\nsegment\r\n0\r\n\r\n"), "400 close", "stored +", "stored +"),
    Case("chunk size with leading zeros", chunked("0000000000000007\r\nsegment\r\n0\r\n\r\n"), "stored +"),
    Case("chunk size with many leading zeros", chunked("0" * 40 + "7\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "stored +", "(502) close"),
    Case("last chunk of two zeros", chunked("7\r\nsegment\r\n00\r\n\r\n"), "stored +"),
    Case("chunk size empty", chunked("\r\nsegment\r\n0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk size no hexadecimal number", chunked("7g\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "(400) close", "(502) close"),
    Case("chunk size with an underscore", chunked("0_7\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "(400) close", "(502) close"),
    Case("chunk extension", chunked("7;name=value\r\nsegment\r\n0;last\r\n\r\n"), "stored +"),
    Case("chunk extension quoted", chunked('7;name="a;b"\r\nsegment\r\n0\r\n\r\n'), "stored +"),
    Case("chunk extension behind a space", chunked("7 ;name\r\nsegment\r\n0\r\n\r\n"),
         "stored +", "stored +", "(502) close"),
    Case("chunk extension with a bare LF", chunked("7;\nsegment\r\n0\r\n\r\n"), "400 close", "stored +", "stored +"),
    Case("chunk extension with a bare LF and a request",
         chunked(f"7;x\nsegment\r\n{size(HIDDEN):x}\r\n0\r\n\r\n" + HIDDEN),
         "400 close", "(400) close", "(502) close"),
    Case("chunk extension with a bare CR", chunked("7;a\rb\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "(400) close", "stored +"),
    Case("chunk extension with a NUL", chunked("7;a\0\r\nsegment\r\n0\r\n\r\n"), "400 close", "stored +", "stored +"),
    Case("chunk extension too long", chunked("7;" + "x" * 5000 + "\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "stored +", "(502) close"),
    Case("chunk size behind a bare LF", chunked("7\nsegment\r\n0\r\n\r\n"), "400 close", "stored +", "stored +"),
    Case("chunk data with a bare LF behind", chunked("7\r\nsegment\n0\r\n\r\n"),
         "400 close", "stored +", "(502) close"),
    Case("chunk data shorter", chunked("8\r\nsegment\r\n0\r\n\r\n"),
         "400 close", "stored +", "(502) close", segment=SEGMENT + "\r"),
    Case("chunk data longer", chunked("6\r\nsegment\r\n0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk data without its CRLF", chunked("7\r\nsegment0\r\n\r\n"), "400 close", "(400) close", "(502) close"),
    Case("chunk data with two bytes for its CRLF", chunked("7\r\nsegmentXX0\r\n\r\n"),
         "400 close", "(400) close", "(502) close"),
    Case("last chunk with bare LFs", chunked("7\r\nsegment\r\n0\n\n"), "400 close", "stored +", "stored +"),
    Case("last chunk, CRLF missing", chunked("7\r\nsegment\r\n0\r\n"), "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("last chunk missing", chunked("7\r\nsegment\r\n"), "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("trailers", chunked("7\r\nsegment\r\n0\r\nX-Trailer: x\r\n\r\n"), "stored +"),
    Case("trailer X-Client-Id", chunked("7\r\nsegment\r\n0\r\nX-Client-Id: {hidden}\r\n\r\n"), "stored +"),
    Case("trailers that frame",
         chunked(f"7\r\nsegment\r\n0\r\nContent-Length: {size(HIDDEN)}\r\nTransfer-Encoding: chunked\r\n\r\n"),
         "stored +"),
    Case("trailer Content-Encoding", chunked("7\r\nsegment\r\n0\r\nContent-Encoding: br\r\n\r\n"), "stored +"),
    Case("trailer Connection close", chunked("7\r\nsegment\r\n0\r\nConnection: close\r\n\r\n"), "stored +"),
    Case("trailer without a colon", chunked("7\r\nsegment\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
         "400 close", "stored +", "(502) close"),
    Case("trailer without a name", chunked("7\r\nsegment\r\n0\r\n: x\r\n\r\n"), "400 close", "stored +", "stored +"),
    Case("trailer in a folded line", chunked("7\r\nsegment\r\n0\r\nX-Trailer: x\r\n y\r\n\r\n"),
         "400 close", "stored +", "stored +"),
    Case("trailer with a bare LF", chunked("7\r\nsegment\r\n0\r\nX-Trailer: x\nX-Other: y\r\n\r\n"),
         "400 close", "stored +", "stored +"),
    Case("trailer with a NUL", chunked("7\r\nsegment\r\n0\r\nX-Trailer: \0\r\n\r\n"),
         "400 close", "stored +", "stored +"),
    Case("trailers too long", chunked("7\r\nsegment\r\n0\r\nX-Trailer: " + "x" * 5000 + "\r\n\r\n"),
         "400 close", "stored +", "(502) close"),

    # The request line.
    Case("target absolute", to(f"http://127.0.0.1{ADD_PATH}"), "stored +"),
    Case("target absolute, of another host", to(f"http://elsewhere.example{ADD_PATH}"),
         "stored +", "stored +", "(200) +"),
    Case("target absolute, of another scheme", to(f"ftp://127.0.0.1{ADD_PATH}"), "stored +"),
    Case("target absolute, with user-info", to(f"http://ada@127.0.0.1{ADD_PATH}"),
         "stored +", "(400) close", "stored +"),
    Case("target authority", get(line="GET 127.0.0.1:80 HTTP/1.1"), "404 +", "(400) close", "(400) close"),
    Case("CONNECT", get(line="CONNECT 127.0.0.1:80 HTTP/1.1", host="Host: 127.0.0.1:80"),
         "404 +", "(400) close", "404 +"),
    Case("target * of OPTIONS", get(line="OPTIONS * HTTP/1.1"), "404 +", "(400) close", "(200) +"),
    Case("target * of GET", get(line="GET * HTTP/1.1"), "404 +", "(400) close", "404 +"),
    Case("target empty", get(line="GET  HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target without a slash", get(line="GET index HTTP/1.1"), "404 +", "(400) close", "(400) close"),
    Case("target with two spaces before", get(line="GET  / HTTP/1.1"), "400 close", "200 +", "(400) close"),
    Case("target with two spaces behind", get(line="GET /  HTTP/1.1"), "505 close", "200 +", "(400) close"),
    Case("target with a space", get(line="GET /a b HTTP/1.1"), "505 close", "(400) close", "(400) close"),
    Case("target behind a tab", get(line="GET\t/ HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with a tab", get(line="GET /\t HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with a NUL", get(line="GET /\0 HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with a control byte", get(line="GET /\x01 HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with DEL", get(line="GET /\x7f HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with a high byte", get(line="GET /\xff HTTP/1.1"), "404 +"),
    Case("target with a bare CR", get(line="GET /\rX HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("target with a bare LF", get(line="GET /\nX HTTP/1.1"), "400 close", "bare", "(400) close"),
    Case("target with an encoded slash", to(ADD_PATH.replace("/client/", "%2Fclient/")), "404 +"),
    Case("target with encoded letters", to(ADD_PATH.replace("add", "%61dd")), "404 +"),
    Case("target with an encoded NUL", to(ADD_PATH + "%00"), "404 +", "(400) close", "404 +"),
    Case("target with an encoded CRLF", get(line="GET /%0d%0aX:%20y HTTP/1.1"), "404 +"),
    Case("target with a broken encoding", get(line="GET /%zz HTTP/1.1"), "404 +", "(400) close", "(400) close"),
    Case("target with dot segments", to(ADD_PATH.replace("/client/", "/admin/../client/")), "404 +"),
    Case("target with dot segments above the root", to("/../.." + ADD_PATH), "404 +", "(400) close", "404 +"),
    Case("target with encoded dot segments", to(ADD_PATH.replace("/client/", "/admin/%2e%2e/client/")), "404 +"),
    Case("target //", to("/" + ADD_PATH), "404 +"),
    Case("target with // within", to(ADD_PATH.replace("/client/", "//client/")), "404 +"),
    Case("target with a backslash", to(ADD_PATH.replace("/client/", "\\client/")), "404 +"),
    Case("target with a query", to(ADD_PATH + "?/v1/client/snapshot"), "stored +"),
    Case("target with a fragment", to(ADD_PATH + "#fragment"), "404 +"),
    Case("target with a semicolon", to(ADD_PATH + ";x"), "404 +"),
    Case("target very long", get(line="GET /" + "x" * 7000 + " HTTP/1.1"), "404 +"),
    Case("target longer than a head may be", get(line="GET /" + "x" * 20_000 + " HTTP/1.1"),
         "431 close", "(414) close", "431 +"),
    Case("target with a request in it", get(line="GET /?\r\n\r\n" + HIDDEN + " HTTP/1.1"),
         "400 close", "bare", "(400) close"),
    Case("method in small letters", get(line="get / HTTP/1.1"), "400 close", "(400) close", "400 +"),
    Case("method invented", get(line="BREW / HTTP/1.1"), "405 +"),
    Case("method in mixed letters", get(line="Get / HTTP/1.1"), "405 +", "(400) close", "405 +"),
    Case("method HEAD", get(line="HEAD / HTTP/1.1"), "200 +"),
    Case("method TRACE", get(line="TRACE / HTTP/1.1"), "405 +", "(405) close", "405 +"),
    Case("method with a control byte", get(line="GE\x01T / HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("method with a bracket", get(line="G[T / HTTP/1.1"), "400 close", "(400) close", "(400) close"),
    Case("method very long", get(line="G" * 5000 + " / HTTP/1.1"), "405 +", "405 +", "(405) +"),
    Case("method PUT of a version", sized(line=f"PUT {ADD_PATH} HTTP/1.1"), "405 +"),
    Case("method overridden", get("X-HTTP-Method-Override: POST", CLIENT, line=f"GET {ADD_PATH} HTTP/1.1"), "405 +"),
    Case("version missing", get(line="GET /"), "400 close", "bare", "(400) close"),
    Case("version 0.9", get(line="GET / HTTP/0.9"), "505 close", "(400) close", "(505) close"),
    Case("version 1.0", get(line="GET / HTTP/1.0"), "200 close", "200 close", "200"),
    Case("version 1.0, kept", get("Connection: keep-alive", line="GET / HTTP/1.0"), "200 +"),
    Case("version 1.0, without Host", get(line="GET / HTTP/1.0", host=None), "200 close", "200 close", "(200)"),
    # RFC 9110, section 2.5, would have this one served, as 1.1. No real client sends it.
    Case("version 1.2", get(line="GET / HTTP/1.2"), "505 close", "200 +", "200 +"),
    Case("version 2.0", get(line="GET / HTTP/2.0"), "505 close", "(505) close", "(505) close"),
    Case("version 9.9", get(line="GET / HTTP/9.9"), "505 close", "(505) close", "(505) close"),
    Case("version 11", get(line="GET / HTTP/11"), "505 close", "(505) close", "(400) close"),
    Case("version 1.10", get(line="GET / HTTP/1.10"), "505 close", "200 +", "(400) close"),
    Case("version of small letters", get(line="GET / http/1.1"), "505 close", "(400) close", "(400) close"),
    Case("version with a space behind", get(line="GET / HTTP/1.1 "), "505 close", "200 +", "(400) close"),
    Case("version of another protocol", get(line="GET / ICY/1.1"), "505 close", "(400) close", "(400) close"),
    # Directly, the head ends only with BEHIND's.
    Case("line ends of LF alone", get(CLIENT, line=f"GET {CHILD_PATH} HTTP/1.1").replace("\r\n", "\n"),
         "505 close", "404 +", "404 +"),
    Case("line with a CR too many", get(line="GET / HTTP/1.1\r"), "505 close", "(400) close", "(400) close"),
    Case("empty lines before", "\r\n\r\n" + get(), "200 +", "200 +", "(400) close"),
    Case("space before the method", " " + get(), "400 close", "(400) close", "(400) close"),
    Case("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
         "505 close", "(400) close", "(200) close"),
    Case("beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0" * 40,
         "400 close", "(400) close", "(400) close"),
    Case("NULs", "\0" * 16, "400 close", "(400) close", "(400) close"),
    Case("a response", lines("HTTP/1.1 200 OK", "Content-Length: 0"), "400 close", "(400) close", "(400) close"),

    # Host.
    Case("Host missing", get(host=None), "400 close", "(400) close", "(400) close"),
    Case("Host twice, equal", get(HOST), "400 close", "(400) close", "(400) close"),
    Case("Host twice, unequal", get("Host: elsewhere.example"), "400 close", "(400) close", "(400) close"),
    Case("Host empty", get(host="Host:"), "400 close", "(400) close", "(200) +"),
    Case("Host with user-info", get(host="Host: ada@127.0.0.1"), "400 close", "400 +", "(400) close"),
    Case("Host with a path", get(host="Host: 127.0.0.1/path"), "400 close", "(400) close", "(400) close"),
    Case("Host with a space", get(host="Host: 127.0.0.1 elsewhere.example"), "400 close", "(400) close", "(400) close"),
    Case("Host list", get(host="Host: 127.0.0.1, elsewhere.example"), "400 close", "(400) close", "(400) close"),
    Case("Host with a port that is none", get(host="Host: 127.0.0.1:http"), "400 close", "200 +", "400 +"),
    Case("Host with a port too large", get(host="Host: 127.0.0.1:99999"), "200 +"),
    Case("Host with a high byte", get(host="Host: 127.0.0.1\xff"), "400 close", "400 +", "(400) close"),
    Case("Host space before the colon", get(host="Host : 127.0.0.1"), "400 close", "(400) close", "(400) close"),
    Case("Host in a folded line", get(host="Host:\r\n 127.0.0.1"), "400 close", "(400) close", "200 +"),
    Case("Host of an unclosed bracket", get(host="Host: [::1"), "400 close", "400 +", "(200) +"),

    # Fields.
    Case("field with a NUL", get("X-Field: a\0b"), "400 close", "(400) close", "(400) close"),
    Case("field with a control byte", get("X-Field: a\x01b"), "400 close", "400 +", "(400) close"),
    Case("field with a bare CR", get("X-Field: a\rX-Injected: b"), "400 close", "(400) close", "(400) close"),
    Case("field with a bare LF", get("X-Field: a\nX-Injected: b"), "400 close", "200 +", "200 +"),
    Case("field with a high byte", get("X-Field: \xff\xfe"), "200 +"),
    Case("field without a colon", get("X-Field"), "400 close", "200 +", "(400) close"),
    Case("field without a name", get(": value"), "400 close", "(400) close", "200 +"),
    Case("field name with a space", get("X Field: value"), "400 close", "(400) close", "(400) close"),
    Case("field name with a bracket", get("X[Field]: value"), "400 close", "200 +", "(400) close"),
    Case("field name with a high byte", get("X-F\xefeld: value"), "400 close", "200 +", "(400) close"),
    Case("field name with a NUL", get("X-\0Field: value"), "400 close", "(400) close", "(400) close"),
    Case("field space before the colon", get("X-Field : value"), "400 close", "(400) close", "(400) close"),
    Case("field folded", get("X-Field: a\r\n b"), "400 close", "(400) close", "200 +"),
    Case("field folded by a tab", get("X-Field: a\r\n\tb"), "400 close", "(400) close", "200 +"),
    Case("field folded, the first", get(host=" X-Field: a\r\nHost: 127.0.0.1"),
         "400 close", "(400) close", "(400) close"),
    Case("fields too many", get(*(f"X-{number}: value" for number in range(2000))),
         "431 close", "(400) close", "431 +"),
    Case("fields many but small", get(*(f"X-{number}: v" for number in range(300))), "200 +"),
    Case("field too long", get("X-Field: " + "x" * 20_000), "431 close", "(400) close", "431 +"),
    Case("field name too long", get("X" * 20_000 + ": value"), "431 close", "(400) close", "431 +"),
    Case("field longer than any buffer", get("X-Field: " + "x" * 100_000), "431 close", "(400) close", "431 +"),
    Case("line end in the last field missing", get()[:-2] + "X-Field: a\n\r\n", "400 close", "200 +", "200 +"),
    Case("X-Client-Id twice, unequal", sized("X-Client-Id: {hidden}"), "400 +"),
    Case("X-Client-Id twice, equal", sized(CLIENT), "400 +"),
    Case("X-Client-Id a list", sized().replace(CLIENT, "X-Client-Id: {client}, {hidden}"), "400 +"),
    Case("X-Client-Id with bytes behind", sized().replace(CLIENT, CLIENT + "0"), "400 +"),
    Case("X-Client-Id with a NUL behind", sized().replace(CLIENT, CLIENT + "\0"),
         "400 close", "(400) close", "(400) close"),
    Case("X-Client-Id with a vertical tab behind", sized().replace(CLIENT, CLIENT + "\x0b"),
         "400 close", "400 +", "(400) close"),
    Case("X-Client-Id in a folded line", sized().replace(CLIENT, "X-Client-Id:\r\n {client}"),
         "400 close", "(400) close", "stored +"),
    Case("X-Client-Id in capitals", sized().replace(CLIENT, "X-CLIENT-ID: {client}"), "stored +"),
    Case("X-Client-Id with an underscore beside it", sized("X_Client_Id: {hidden}"), "stored +"),
    Case("X-Client-Id with a space beside it", sized("X-Client-Id : {hidden}"),
         "400 close", "(400) close", "(400) close"),
    Case("X-Client-Id missing", sized().replace(CLIENT, "X-Other: x"), "400 +"),
    Case("X-Client-Id empty", sized().replace(CLIENT, "X-Client-Id:"), "400 +"),
    Case("X-Client-Id in braces", sized().replace(CLIENT, "X-Client-Id: {" + "{client}" + "}"), "400 +"),
    Case("X-Client-Id hop by hop", sized("Connection: X-Client-Id"), "stored +", "stored +", "400 +"),
    Case("X-Client-Id hop by hop, and close", sized("Connection: close, X-Client-Id"),
         "stored close", "stored close", "400 close"),
    # The first one counts.
    Case("Content-Type twice, unequal", sized("Content-Type: text/plain"), "stored +"),
    Case("Content-Type twice, equal", sized(TYPE), "stored +"),
    Case("Content-Type another, then the right one", sized(TYPE).replace(TYPE, "Content-Type: text/plain", 1), "400 +"),
    Case("Content-Type with a parameter", sized().replace(TYPE, TYPE + "; charset=utf-8"), "stored +"),
    Case("Connection close", sized("Connection: close"), "stored close"),
    Case("Connection with a NUL", sized("Connection: \x00"), "400 close", "(400) close", "(400) close"),
    Case("Connection Content-Length", sized("Connection: Content-Length, Host"), "stored +"),
    Case("Expect 100-continue", sized("Expect: 100-continue"), "stored +", "stored +", "stored +"),
    Case("Expect 100-continue of a refusal", sized("Expect: 100-continue").replace(TYPE, "Content-Type: text/plain"),
         "400 close", "400 +", ("400 +", "400 close")),
    Case("Expect another", sized("Expect: the-spanish-inquisition"), "stored +", "stored +", "(417) close"),
    Case("Expect twice", sized("Expect: 100-continue", "Expect: 100-continue"),
         "stored +", "(400) close", "stored +"),
    Case("Expect of HTTP/1.0", sized("Expect: 100-continue", line=ADD_OF_1_0),
         "stored close", "stored close", "stored"),
    Case("Upgrade h2c",
         get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
         "200 +"),
    Case("Upgrade h2c with a body",
         sized("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
         "stored +"),
    Case("Upgrade websocket",
         get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
         "200 +"),
    Case("Max-Forwards", get("Max-Forwards: 0"), "200 +"),
    Case("Range of a version", get(CLIENT, "Range: bytes=0-1", line=f"GET {CHILD_PATH} HTTP/1.1"), "404 +"),

    # Bodies.
    Case("gzip", encoded("gzip", ZIPPED), "stored +"),
    Case("gzip in chunks",
         chunked(f"{len(ZIPPED):x}\r\n{ZIPPED.decode('latin-1')}\r\n0\r\n\r\n", "Content-Encoding: gzip"),
         "stored +"),
    # A fault that is found before the end of the body ends the connection, unless the end is there already.
    Case("gzip bomb", encoded("gzip", BOMB), ("413 +", "413 close")),
    Case("gzip cut short", encoded("gzip", ZIPPED[:-1]), "400 +"),
    Case("gzip with bytes behind", encoded("gzip", ZIPPED + b"x"), "400 +"),
    Case("gzip of nothing", encoded("gzip", gzip.compress(b"", mtime=0)), "400 +"),
    Case("gzip that is none", encoded("gzip", SEGMENT.encode()), ("400 +", "400 close")),
    Case("gzip bomb in a GET", get("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB.decode("latin-1"),
         "200 +"),
    Case("deflate", encoded("deflate", zlib.compress(SEGMENT.encode())), "stored +"),
    Case("coding unknown", encoded("br", ZIPPED), "415 +"),
    Case("codings, a list", encoded("gzip, gzip", gzip.compress(ZIPPED, mtime=0)), "415 +"),
    Case("codings, two fields", sized("Content-Encoding: identity", "Content-Encoding: gzip"), "415 +"),
    Case("coding empty", sized("Content-Encoding:"), "stored +"),
    Case("GET with a body", get(f"Content-Length: {size(HIDDEN)}") + HIDDEN, "200 +"),
    Case("GET with a chunked body", get("Transfer-Encoding: chunked") + HIDDEN_CHUNK, "200 +"),
    Case("GET of a child with a body",
         get(CLIENT, f"Content-Length: {size(HIDDEN)}", line=f"GET {CHILD_PATH} HTTP/1.1") + HIDDEN,
         "404 +"),
    Case("HEAD with a body", get(f"Content-Length: {size(HIDDEN)}", line="HEAD / HTTP/1.1") + HIDDEN, "200 +"),
    Case("OPTIONS with a body", get(f"Content-Length: {size(HIDDEN)}", line="OPTIONS / HTTP/1.1") + HIDDEN, "405 +"),
    Case("404 with a body", get(f"Content-Length: {size(HIDDEN)}", line="POST /nowhere HTTP/1.1") + HIDDEN, "404 +"),
    Case("404 with a chunked body", get("Transfer-Encoding: chunked", line="POST /nowhere HTTP/1.1") + HIDDEN_CHUNK,
         "404 close", "404 +", "404 +"),
    Case("400 with a body", sized(body=HIDDEN).replace(CLIENT, "X-Client-Id: x"), "400 +"),
    Case("405 with a body", sized(body=HIDDEN, line=f"POST {CHILD_PATH} HTTP/1.1"), "405 +"),
    Case("415 with a body", sized("Content-Encoding: br", body=HIDDEN), "415 +"),
    Case("413 with a body", add(f"Content-Length: {BODY_BYTES_MAX + 1}", body=HIDDEN),
         "413 close", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("empty body", add("Content-Length: 0", body=""), "400 +"),
    Case("empty chunked body", chunked("0\r\n\r\n"), "400 +"),
    # The method is then GARBAGEPOST.
    Case("body longer than announced", add("Content-Length: 7", body=SEGMENT + "GARBAGE"), "stored 405 close"),
    Case("body longer than announced, by a request", add("Content-Length: 7", body=SEGMENT + HIDDEN),
         "stored stored +"),
    Case("body shorter than announced", add("Content-Length: 8"), "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("body missing", add("Content-Length: 7", body=""), "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("head cut short", add("Content-Length: 7", body="")[:-2], "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("head cut short in a line", "GET / HT", "", GIVEN_UP, GIVEN_UP, unfinished=True),
    Case("gzip, shorter than announced",
         add("Content-Encoding: gzip", f"Content-Length: {len(ZIPPED) + 1}", body=ZIPPED.decode("latin-1")),
         "", GIVEN_UP, GIVEN_UP, unfinished=True),
)
# fmt: on

# Fields by which a client claims another address, {other}.
FORGED = (
    ("X-Forwarded-For: {other}",),
    ("X-Forwarded-For: {other}, {other}",),
    ("X-Forwarded-For: {other}", "X-Forwarded-For: {other}"),
    ("x-forwarded-for: {other}",),
    ("X_Forwarded_For: {other}",),
    ("X-Forwarded-For: {other},",),
    ("X-Forwarded-For: \t{other} ",),
    ('X-Forwarded-For: "{other}"',),
    ("X-Forwarded-For: {other}:80",),
    ("X-Forwarded-For: ::ffff:{other}",),
    ("X-Forwarded-For: 127.0.0.1",),  # the proxy's own, which is trusted
    ("X-Forwarded-For: nonsense",),
    ("X-Forwarded-For:",),
    ("X-Forwarded-For: {other}", "Connection: X-Forwarded-For"),
    ("Connection: X-Forwarded-For",),
    ("Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host",),
    ("Forwarded: for={other}",),
    ("X-Real-IP: {other}",),
    ("Fly-Client-IP: {other}",),
    ("True-Client-IP: {other}",),
    ("CF-Connecting-IP: {other}",),
    ("Via: 1.1 {other}", "X-Forwarded-Host: {other}"),
)


@dataclass(frozen=True)
class Stream:
    """A request by HTTP/2, which a proxy translates. The server's part is pinned as the status of its answer, and as
    "" when nothing reaches it."""

    name: str
    fields: tuple
    body: str
    nginx: str | tuple[str, ...]
    caddy: str | tuple[str, ...]
    trailers: tuple = ()

    def expected(self, way):
        return alternatives(getattr(self, way))


def streamed(*more, method="POST", path=ADD_PATH, scheme="https", authority="127.0.0.1", client="{client}"):
    pseudo = ((":method", method), (":scheme", scheme), (":authority", authority), (":path", path))
    return (*pseudo, ("x-client-id", client), ("content-type", SEGMENT_TYPE), *more)


CHUNKED = ("transfer-encoding", "chunked")
FAKE_END = " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LATE = ("", "400")  # found out when the data come, and the head may be on its way

# fmt: off
STREAMS = (
    Stream("good", streamed(), SEGMENT, "200", "200"),
    Stream("good, with a length", streamed(("content-length", "7")), SEGMENT, "200", "200"),
    Stream("length shorter than the data", streamed(("content-length", "7")), SEGMENT + HIDDEN, "", ""),
    Stream("length 0, and data", streamed(("content-length", "0")), HIDDEN, LATE, LATE),
    Stream("length longer than the data", streamed(("content-length", "500")), SEGMENT, "", ""),
    Stream("length twice", streamed(("content-length", "7"), ("content-length", "300")), SEGMENT, "", "200"),
    Stream("length that is none", streamed(("content-length", "+7")), SEGMENT, "", LATE),
    Stream("chunked", streamed(CHUNKED), NO_CHUNKS + HIDDEN, "200", ""),
    Stream("chunked, with a length", streamed(CHUNKED, ("content-length", "7")), SEGMENT, "", ""),
    Stream("Connection", streamed(("connection", "x-client-id")), SEGMENT, "200", ""),
    Stream("Upgrade", streamed(("upgrade", "h2c")), SEGMENT, "200", ""),
    Stream("Expect", streamed(("expect", "100-continue")), SEGMENT, "200", "200"),
    Stream("line end in a value", streamed(("x-field", "a\r\nTransfer-Encoding: chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("bare LF in a value", streamed(("x-field", "a\nTransfer-Encoding: chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("bare CR in a value", streamed(("x-field", "a\rTransfer-Encoding: chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("NUL in a value", streamed(("x-field", "a\0b")), SEGMENT, "", ""),
    Stream("request in a value", streamed(("x-field", "a\r\n\r\n" + HIDDEN)), SEGMENT, "", ""),
    Stream("line end in a name", streamed(("x-field: a\r\ntransfer-encoding", "chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("colon in a name", streamed(("transfer-encoding: chunked\r\nx", "a")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("space behind a name", streamed(("transfer-encoding ", "chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("capitals in a name", streamed(("Transfer-Encoding", "chunked")), NO_CHUNKS + HIDDEN, "", ""),
    Stream("name empty", streamed(("", "a")), SEGMENT, "", ""),
    Stream("request in the path", streamed(path="/" + FAKE_END + HIDDEN), SEGMENT, "", ""),
    Stream("space in the path", streamed(path="/ HTTP/1.1"), SEGMENT, "", "404"),
    Stream("bare LF in the path", streamed(path="/\nX-Field: a"), SEGMENT, "", ""),
    Stream("path absolute", streamed(path=f"http://127.0.0.1{ADD_PATH}"), SEGMENT, "", "200"),
    Stream("path *", streamed(path="*"), SEGMENT, "", "404"),
    Stream("path empty", streamed(path=""), SEGMENT, "", ""),
    Stream("path twice", ((":path", "/"), *streamed()), SEGMENT, "", ""),
    Stream("path behind the fields", (*streamed()[:3], *streamed()[4:], streamed()[3]), SEGMENT, "200", ""),
    Stream("pseudo field unknown", ((":hidden", "a"), *streamed()), SEGMENT, "", ""),
    Stream("request in the method", streamed(method="GET /" + FAKE_END + "POST"), SEGMENT, "", ""),
    Stream("method with a space", streamed(method="GET / HTTP/1.1\r\nX-Field: a\r\n"), SEGMENT, "", ""),
    Stream("request in the scheme", streamed(scheme="https://127.0.0.1/" + FAKE_END), SEGMENT, "", ""),
    Stream("request in the authority", streamed(authority="127.0.0.1\r\n\r\n" + HIDDEN), SEGMENT, "", ""),
    Stream("authority with user-info", streamed(authority="ada@127.0.0.1"), SEGMENT, "", ""),
    Stream("authority and another Host", streamed(("host", "elsewhere.example")), SEGMENT, "", "200"),
    Stream("authority empty", streamed(authority=""), SEGMENT, "", ""),
    Stream("X-Client-Id twice", streamed(("x-client-id", "{hidden}")), SEGMENT, "400", "400"),
    Stream("X-Client-Id with a request", streamed(client="{client}\r\n\r\n" + HIDDEN), SEGMENT, "", ""),
    Stream("trailer X-Client-Id", streamed(), SEGMENT, "", "200", trailers=(("x-client-id", "{hidden}"),)),
    Stream("trailer Transfer-Encoding", streamed(), SEGMENT, "", "200", trailers=(CHUNKED,)),
    Stream("trailer :path", streamed(), SEGMENT, "", "", trailers=((":path", ADD_PATH),)),
    Stream("CONNECT", streamed(method="CONNECT"), SEGMENT, "", ""),
)
# fmt: on
