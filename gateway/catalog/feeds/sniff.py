"""What a file is, by its first bytes and its first line: names of files lie more often than their contents do."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from enum import Enum

from gateway.catalog.feeds.columns import slot_of
from gateway.catalog.feeds.models import FeedFormat, FeedUnreadable
from gateway.catalog.feeds.shopify_columns import is_shopify, shopify_columns
from gateway.catalog.feeds.text import HEAD_BYTES


class Family(Enum):
    TABLE = "a table (CSV or TSV)"
    XML = "XML"
    JSON = "JSON lines"


_FAMILIES = {
    FeedFormat.SHOPIFY_CSV: Family.TABLE,
    FeedFormat.META_CSV: Family.TABLE,
    FeedFormat.META_TSV: Family.TABLE,
    FeedFormat.META_XML: Family.XML,
    FeedFormat.JSONL: Family.JSON,
}
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "Save the sheet as CSV (UTF-8), or unpack the archive."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV (UTF-8)."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (b"BZh", "a bzip2 archive", "Unpack it first."),
    (b"%PDF", "a PDF document", "Export the products as CSV."),
    (b"\x89PNG", "a picture", "Export the products as CSV."),
    (b"\xff\xd8\xff", "a picture", "Export the products as CSV."),
)
_KINDS = "Give a Shopify product CSV, a Meta or Google feed (CSV, TSV, RSS, Atom), or JSON lines."
_SEPARATORS = ",\t;|"


def family_of(head: bytes, encoding: str, named: FeedFormat | None) -> Family:
    """The family of the file that begins with *head*.

    Raises:
        FeedUnreadable: it is empty, of no kind we read, or of another than the *named* one.
    """
    for magic, what, fix in _FOREIGN:
        if head.startswith(magic):
            raise FeedUnreadable(f"the file is {what}, not text", fix=fix)
    start = head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    if not start:
        raise FeedUnreadable("the file is empty", fix=_KINDS)
    if re.match(r"<(!doctype\s+html|html)\b", start, re.IGNORECASE):
        raise FeedUnreadable(
            "the file is a web page", fix="The address may have answered with a page to log in; give the file itself."
        )
    if re.match(r"\[\s*[\[{\]]", start):
        raise FeedUnreadable("the file is one JSON array", fix="Write one object a line, without brackets around them.")
    family = Family.XML if start[0] == "<" else Family.JSON if start[0] == "{" else Family.TABLE
    if named is not None and _FAMILIES[named] is not family:
        raise FeedUnreadable(
            f"the file is said to be {named.value}, but looks like {family.value}",
            field=("format",),
            fix="Leave the format out, or name the right one.",
        )
    return family


def find_header(lines: Iterator[tuple[int, str | None]]) -> tuple[list[str], str]:
    """``(names of the columns, separator)``, taken off the front of *lines*.

    Meta's own template has lines of comments before it, Excel a line that tells the separator.

    Raises:
        FeedUnreadable: the first line is no header.
    """
    for _, line in lines:
        if line is None or len(line) > HEAD_BYTES:
            raise FeedUnreadable("the first line is too long to name columns", fix=_KINDS)
        text = line.strip("\r\n")
        if not text.strip() or text.lstrip('"').startswith("#") or re.fullmatch(r'"?sep=.?"?', text, re.IGNORECASE):
            continue
        _, cells, separator = max((_split(text, separator) for separator in _SEPARATORS), key=lambda found: found[0])
        return cells, separator
    raise FeedUnreadable("the file has no line that names the columns", fix=_KINDS)


def _split(text: str, separator: str) -> tuple[int, list[str], str]:
    """How many columns are known to us when *text* is split at *separator*, and what the split gives."""
    try:
        cells = next(csv.reader([text], delimiter=separator))
    except csv.Error:
        return -1, [text], separator
    return sum(slot_of(cell) is not None for cell in cells) + len(shopify_columns(cells, [])), cells, separator


def table_format(header: list[str], separator: str, named: FeedFormat | None) -> FeedFormat:
    """Whose table it is: Shopify's by its columns, else Meta's.

    Raises:
        FeedUnreadable: Shopify's columns in a file that is said to be Meta's.
    """
    shopify = is_shopify(header)
    if named is FeedFormat.SHOPIFY_CSV or (named is None and shopify):
        return FeedFormat.SHOPIFY_CSV
    if shopify:
        raise FeedUnreadable(
            f"the file is said to be {named}, but has the columns of a Shopify product file",
            field=("format",),
            fix="Leave the format out, or name shopify_csv.",
        )
    return FeedFormat.META_TSV if separator == "\t" else FeedFormat.META_CSV
