"""Feed files: from bytes to rows of item fields.

Source: catalog.md section 9.7.  CSV, TSV, RSS and Atom, plain or packed; nested values come as JSON or as flattened
columns (`image[0].url`).
"""

from __future__ import annotations

import bz2
import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from gateway.sandbox.item_fields import LISTS
from gateway.sandbox.params import read_json

STRUCTURED = (*LISTS, "shipping", "unit_price", "applink", "importer_address", "additional_variant_attribute")
LONGEST_RECORD = 5_242_880
LARGEST = 128 * 1024 * 1024
"""A packed file may not unfold to more than this."""
DELIMITERS = {"BAR": "|", "COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "TILDE": "~"}
ENCODINGS = {
    "LATIN1": "latin-1",
    "UTF8": "utf-8-sig",
    "UTF16LE": "utf-16-le",
    "UTF16BE": "utf-16-be",
    "UTF32LE": "utf-32-le",
    "UTF32BE": "utf-32-be",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_INDEXED = re.compile(r"([a-z0-9_]+)\[(\d{1,3})\](?:\.([a-z0-9_]+)(?:\[\d{1,3}\])?)?")
_DEEPEST = 5
_DECLARATION = re.compile(r"<\?xml[^>]*\?>")
_INNER = re.compile(r"([a-z0-9_]+)\.([a-z0-9_]+)")


class BadFile(ValueError):
    """Nothing can be read from the file."""


@dataclass
class FeedTable:
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Row number (the header is row 1) and the fields that have a column."""
    oversized: list[int] = field(default_factory=list)


def read(content: bytes, *, delimiter: str = "AUTODETECT", encoding: str = "AUTODETECT", quotes: str = "") -> FeedTable:
    """The rows of a feed file.

    Raises:
        BadFile: it is empty, packed too tightly, or has no form that a feed can have.
    """
    text = _decoded(_unpacked(content), encoding)
    if not text.strip():
        raise BadFile("The file is empty.")
    if text.lstrip().startswith("<"):
        return _xml(text)
    return _csv(text, delimiter, quotes.lower() != "off")


def _unpacked(content: bytes) -> bytes:
    try:
        if content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [info for info in archive.infolist() if not info.is_dir()]
                if len(names) != 1:
                    raise BadFile("An archive has to hold exactly one file.")
                with archive.open(names[0]) as inner:
                    return _bounded(inner.read(LARGEST + 1))
        if content.startswith(b"\x1f\x8b"):
            return _bounded(zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, LARGEST + 1))
        if content.startswith(b"BZh"):
            return _bounded(bz2.BZ2Decompressor().decompress(content, LARGEST + 1))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError) as exc:
        raise BadFile("The file cannot be unpacked.") from exc
    return content


def _bounded(content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise BadFile("The file is too large when unpacked.")
    return content


def _decoded(content: bytes, encoding: str) -> str:
    chosen = ENCODINGS.get(encoding)
    if chosen is None:
        chosen = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    try:
        return content.decode(chosen or "utf-8")
    except UnicodeDecodeError as exc:
        if chosen is not None:
            raise BadFile("The file is not written in the encoding of the feed.") from exc
        return content.decode("latin-1")


def _csv(text: str, delimiter: str, quoted: bool) -> FeedTable:
    first = text.lstrip("\r\n").partition("\n")[0]
    mark = DELIMITERS.get(delimiter) or max(DELIMITERS.values(), key=first.count)
    csv.field_size_limit(LARGEST)
    source = io.StringIO(text, newline="")
    if quoted:
        reader = csv.reader(source, delimiter=mark)
    else:
        reader = csv.reader(source, delimiter=mark, quoting=csv.QUOTE_NONE)
    table = FeedTable()
    try:
        for number, cells in enumerate((row for row in reader if any(cell.strip() for cell in row)), start=1):
            if not table.columns:
                table.columns = [_column(cell) for cell in cells]
            elif sum(map(len, cells)) > LONGEST_RECORD:
                table.oversized.append(number)
            else:
                table.rows.append((number, _record(zip(table.columns, cells, strict=False))))
    except csv.Error as exc:
        raise BadFile(f"The file cannot be read: {exc}.") from exc
    if "id" not in table.columns:
        raise BadFile("The header row has no column called id.")
    table.columns = _top(table.columns)
    return table


def _xml(text: str) -> FeedTable:
    # No feed needs a document type; one that has it may unfold without end.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadFile("The file must not declare a document type.")
    try:
        # The text is decoded already, whatever its declaration says.
        root = ElementTree.fromstring(_DECLARATION.sub("", text.lstrip()).encode())
    except ElementTree.ParseError as exc:
        raise BadFile(f"The file is not well-formed XML: {exc}.") from exc
    table = FeedTable()
    entries = (element for element in root.iter() if _local(element.tag) in ("item", "entry"))
    for number, entry in enumerate(entries, start=1):
        pairs = [(_column(_local(child.tag)), _text(child)) for child in entry]
        if sum(len(str(value)) for _, value in pairs) > LONGEST_RECORD:
            table.oversized.append(number)
            continue
        fields = _record(pairs)
        table.rows.append((number, fields))
        table.columns += [name for name in fields if name not in table.columns]
    if not table.rows and not table.oversized:
        raise BadFile("The file holds no item.")
    return table


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


def _text(element: ElementTree.Element, depth: int = 0) -> Any:
    if len(element) and depth < _DEEPEST:
        return {_column(_local(child.tag)): _text(child, depth + 1) for child in element}
    # Atom writes a link as an attribute.
    return (element.text or element.get("href") or "").strip()


def _column(name: str) -> str:
    return name.strip().lower().removeprefix("g:").replace(" ", "_")


def _top(columns: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(re.split(r"[\[.]", name, maxsplit=1)[0] for name in columns if name))


def _record(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Cells as fields: flattened columns folded, JSON read, lists split, repeated elements gathered."""
    record: dict[str, Any] = {}
    folded: dict[str, dict[int, Any]] = {}
    for name, value in pairs:
        indexed, inner = _INDEXED.fullmatch(name), _INNER.fullmatch(name)
        if indexed is not None:
            if value in ("", None):
                continue
            rows = folded.setdefault(indexed[1], {})
            if indexed[3] is None:
                rows[int(indexed[2])] = value
            elif isinstance(rows.setdefault(int(indexed[2]), {}), dict):
                rows[int(indexed[2])][indexed[3]] = value
        elif inner is not None:
            held = record.setdefault(inner[1], {})
            if isinstance(held, dict) and value not in ("", None):
                held[inner[2]] = value
        elif name in record and (name in LISTS or name == "shipping"):
            held = record[name] if isinstance(record[name], list) else [record[name]]
            record[name] = [*held, _value("", value)]
        elif name:
            record[name] = _value(name, value)
    return record | {name: [rows[index] for index in sorted(rows)] for name, rows in folded.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return [value] if name in ("image", "video", "shipping") else value
    text = str(value or "").strip()
    if name in STRUCTURED and text[:1] in ("[", "{") and text:
        try:
            return read_json(text)
        except ValueError:
            text = text if name not in LISTS else text.strip("[]").replace("'", "")
    if name in LISTS and name not in ("image", "video") and text:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
