"""One request by HTTP/2 (RFC 9113) as it never comes from a library: fields and data are sent as they are given.

Of the answer only its end is of interest here: fields are not decoded.
"""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
FRAME_HEAD_BYTES = 9
STREAM = 1


def _frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _string(text):
    """A string literal of HPACK (RFC 7541, section 5.2), not compressed."""
    left = len(text)
    if left < 127:
        return bytes((left,)) + text
    size = b"\x7f"
    left -= 127
    while left >= 128:
        size += bytes((left % 128 + 128,))
        left //= 128
    return size + bytes((left,)) + text


def _headers(flags, fields):
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)
    return _frame(HEADERS, flags | END_HEADERS, STREAM, block)


def request(fields, body, trailers=()):
    """The bytes of a connection with one request; names and values are bytes."""
    data_flags = 0 if trailers else END_STREAM
    last = _headers(END_STREAM, trailers) if trailers else b""
    return PREFACE + _frame(SETTINGS, 0, 0) + _headers(0, fields) + _frame(DATA, data_flags, STREAM, body) + last


def read_end(connection):
    """Reads until the request has ended: "answered", "refused" (the stream or the connection), or "closed"."""
    stream = connection.makefile("rb")
    while len(head := stream.read(FRAME_HEAD_BYTES)) == FRAME_HEAD_BYTES:
        kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
        stream.read(int.from_bytes(head[:3], "big"))
        if kind in (DATA, HEADERS) and number == STREAM and flags & END_STREAM:
            return "answered"
        if kind == GOAWAY or (kind == RST_STREAM and number == STREAM):
            return "refused"
    return "closed"
