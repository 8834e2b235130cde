"""From bytes to text: which encoding a file has, and how to go on when some of its bytes do not belong to it.

Bytes that cannot be decoded become ``MARK``, a code point that no text may contain, so that only the record which
holds them has to be refused.  Guessing at Latin-1 instead would let broken names into a catalog unnoticed.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from gateway.catalog.feeds.models import FeedUnreadable

# U+FDD0 is a noncharacter: never part of a text that is exchanged, yet legal in XML 1.0 (U+FFFE is not).
MARK = "\ufdd0"
HEAD_BYTES = 65_536

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # UTF-32 before UTF-16: its little-endian mark starts with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Text encodings only: Python also has codecs that unpack (zlib, bz2), and those are bombs in the wrong hands.
_KNOWN = re.compile(
    r"ascii|utf-8(-sig)?|utf-(16|32)(-[lb]e)?|iso8859-\d+|cp(125\d|437|85\d|932|949)|mac-roman|koi8-[ru]|gb(k|2312|18030)"
    r"|big5|shift_jis|euc_(jp|kr)"
)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK, error.end


codecs.register_error("feed-mark", _mark)


def known_encoding(name: str) -> str:
    """The codec behind an encoding's *name*.

    Raises:
        FeedUnreadable: there is none, or it is not an encoding of text.
    """
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if not _KNOWN.fullmatch(found):
        raise FeedUnreadable(
            f"the encoding {name[:40]!r} is not known", field=("encoding",), fix="Save the file as UTF-8."
        )
    return found


def encoding_of(head: bytes, named: str | None = None) -> str:
    """The encoding of a file that begins with *head*: its byte order mark, else *named*, else what XML declares."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if named is not None:
        return known_encoding(named)
    # UTF-16 without a mark: in a Latin-script header every second byte is zero.
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[start:400:2], head[1 - start : 400 : 2]
        if len(zeros) >= 4 and zeros.count(0) >= 0.9 * len(zeros) and others.count(0) <= 0.1 * len(others):
            return encoding
    if declared := _XML_ENCODING.match(head):
        name = declared[1].decode()
        # A file read as bytes of one width cannot be in UTF-16, whatever it declares.
        return "utf-8" if name.lower().startswith(("utf-16", "utf-32")) else known_encoding(name)
    return "utf-8"


def read_head(stream: BinaryIO) -> bytes:
    """The first ``HEAD_BYTES`` of *stream*, fewer only at its end (a socket may hand out less at a time)."""
    parts: list[bytes] = []
    missing = HEAD_BYTES
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class _Rejoined(io.RawIOBase):
    """*head*, then the rest of the stream it was read from.  Closing this leaves the caller's stream open."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = memoryview(head)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed says WriteableBuffer
        if self._head:
            part = self._head[: len(buffer)]
            self._head = self._head[len(part) :]
        else:
            part = memoryview(self._stream.read(len(buffer)) or b"")
        buffer[: len(part)] = part
        return len(part)


def open_text(head: bytes, stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The text of the file, line ends untouched, undecodable bytes as ``MARK``."""
    binary = io.BufferedReader(_Rejoined(head, stream), HEAD_BYTES)
    return io.TextIOWrapper(binary, encoding, errors="feed-mark", newline="")


def too_long(text: str, limit: int) -> bool:
    """Whether *text* takes more than *limit* bytes in UTF-8."""
    if len(text) > limit:
        return True
    return not text.isascii() and len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit


def lines(text: io.TextIOWrapper, limit: int) -> Iterator[tuple[int, str | None]]:
    """``(number, line with its end)``; ``None`` stands for a line of more than *limit* bytes, which is never held."""
    number = 0
    while line := text.readline(limit + 2):
        number += 1
        if number == 1:
            line = line.removeprefix("\ufeff")
        if too_long(line.rstrip("\r\n"), limit):
            while not line.endswith(("\n", "\r")) and (line := text.readline(HEAD_BYTES)):
                pass
            yield number, None
        else:
            yield number, line
