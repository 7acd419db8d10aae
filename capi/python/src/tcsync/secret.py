"""Secret: a text that does not show itself.

It is masked in repr, str, f-strings and logs, compares in constant time, and cannot be pickled or put into JSON by
accident. It cannot wipe itself: Python's strings are immutable and may have been copied. So callers that reveal one
keep it as briefly as possible, and pass `.reveal()` on instead of storing it.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

from .errors import SecretError

_MASK = "********"


class Secret:
    """One secret text, not empty, in one line. Immutable; any thread may use it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise SecretError("the secret is empty; enter the secret of the first computer")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise SecretError("the secret is not valid UTF-8 text; enter it again") from None
        if any(character in text for character in "\0\r\n"):
            raise SecretError("the secret has a line break or a zero byte in it; enter it as one line")
        self._text = text

    def reveal(self) -> str:
        """The text itself. Pass it on at once; do not store, log or print it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode("utf-8"), other._text.encode("utf-8"))

    # Not hashable: a hash of a secret does not belong into any table.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, specification: str) -> str:
        return format(_MASK, specification)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; reveal() it where it is needed")
