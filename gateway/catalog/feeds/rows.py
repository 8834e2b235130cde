"""Rows and refusals in the making: what every kind of file checks about a record before it leaves the reader."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from hashlib import blake2b

from gateway.catalog.cleaning import check_retailer_id
from gateway.catalog.feeds.columns import RETAILER_ID
from gateway.catalog.feeds.models import FeedRow, Outcome, RefusedRow
from gateway.catalog.models import RETAILER_ID_LIMIT, FieldProblem


def identify(value: object) -> tuple[str | None, FieldProblem | None]:
    """``(retailer id, None)``, or what is wrong with it; an id is trimmed, and never guessed."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        message = "the id is neither a text nor a whole number"
        return None, FieldProblem("INVALID_ID", RETAILER_ID, message, "Write the id as a text.")
    text = (value or "").strip()
    shown = text[:RETAILER_ID_LIMIT] or None
    # What a spreadsheet wrote as a formula, or with its sign for "this is a text", is not the id any more.
    if text.startswith(("=", "+", "-", "@", "'")):
        message = f"the id {text[:60]!r} begins like the formula of a spreadsheet"
        fix = "Write the id as plain text that begins with a letter or a digit."
        return shown, FieldProblem("INVALID_ID", RETAILER_ID, message, fix)
    problem = check_retailer_id(text)
    return shown, problem


def make_row(line: int, raw_id: object, values: Mapping[str, object], item: int | None = None) -> Outcome:
    """The row, or its refusal when its id is missing or bad."""
    retailer_id, problem = identify(raw_id)
    if problem is not None:
        return RefusedRow(line, retailer_id, problem.code, problem.field, problem.message, problem.fix, item)
    return FeedRow(line, retailer_id, values, item)


def refuse_bytes(line: int, field: str | None, encoding: str, item: int | None = None) -> RefusedRow:
    """The refusal of a record with bytes that are no text in the file's encoding."""
    name = encoding.removesuffix("-sig").upper()
    what = f"{field} has" if field else "the record has"
    return RefusedRow(
        line,
        None,
        "INVALID_ENCODING",
        field,
        f"{what} characters that are not valid {name}",
        "Save the file as UTF-8; programs that do not, often write Windows-1252 (Latin-1).",
        item,
    )


class SeenIds:
    """Which ids a file has had, and on which line first; 12 bytes a slot instead of a dictionary's hundred.

    Open addressing over 64-bit hashes: at five million ids the chance of any mistaken pair is one in a million.
    The hash is the same in every run, so that a file is judged alike each time.
    """

    def __init__(self) -> None:
        self._count = 0
        self._allot(1024)

    def _allot(self, size: int) -> None:
        self._mask = size - 1
        self._hashes = array("Q", bytes(8 * size))
        self._lines = array("I", bytes(4 * size))

    def _slot(self, key: int) -> int:
        slot = key & self._mask
        while self._hashes[slot] not in (0, key):
            slot = (slot + 1) & self._mask
        return slot

    def first_line(self, retailer_id: str, line: int) -> int | None:
        """The line that had *retailer_id* before; ``None``, and it is noted for *line*, when none had."""
        digest = blake2b(retailer_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        key = int.from_bytes(digest, "big") or 1  # 0 marks a free slot
        slot = self._slot(key)
        if self._hashes[slot]:
            return self._lines[slot]
        self._hashes[slot], self._lines[slot] = key, min(line, 0xFFFFFFFF)
        self._count += 1
        if self._count * 4 > len(self._hashes) * 3:
            self._grow()
        return None

    def _grow(self) -> None:
        hashes, lines = self._hashes, self._lines
        self._allot(2 * len(hashes))
        for key, line in zip(hashes, lines, strict=True):
            if key:
                slot = self._slot(key)
                self._hashes[slot], self._lines[slot] = key, line
