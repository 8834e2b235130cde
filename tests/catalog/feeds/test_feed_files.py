"""Files as they come: encodings, wrong names, wrong contents."""

import codecs
import io

import pytest

from gateway.catalog.feeds import FeedFormat, FeedOptions, FeedUnreadable, read_feed

TABLE = "id,title\nA,Müller’s mug\nB,Cup\n"


@pytest.mark.parametrize(
    "data",
    [
        TABLE.encode(),
        codecs.BOM_UTF8 + TABLE.encode(),
        TABLE.encode("utf-16"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"),
        TABLE.encode("utf-16-le"),
        TABLE.encode("utf-16-be"),
        TABLE.encode("utf-32"),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
    ],
)
def test_encodings_and_line_ends_are_found_out(read, data):
    assert [(row.line, row.retailer_id, row.values["title"]) for row in read(data)] == [
        (2, "A", "Müller’s mug"),
        (3, "B", "Cup"),
    ]


def test_bytes_that_are_no_text_cost_one_row(read):
    rows = read(b"id,title\nA,Mug\nB,M\xfcller\nC,Cup\n")

    assert [row.retailer_id for row in rows] == ["A", None, "C"]
    assert (rows[1].line, rows[1].code, rows[1].field) == (3, "INVALID_ENCODING", "title")
    assert "UTF-8" in rows[1].fix


def test_bytes_that_are_no_text_do_no_harm_in_a_column_that_is_not_read(read):
    [row] = read(b"id,title,tags\nA,Mug,gr\xfcn\n")

    assert row.values == {"title": "Mug"}


def test_latin_1_is_read_when_it_is_named(read):
    [row] = read(b"id,title\nB,M\xfcller\n", encoding="latin-1")

    assert row.values == {"title": "Müller"}


@pytest.mark.parametrize("encoding", ["zlib", "rot13", "nonsense", "utf-7", "idna", "a\x00b"])
def test_an_encoding_that_is_none_is_refused(read, encoding):
    with pytest.raises(FeedUnreadable) as caught:
        read(TABLE, encoding=encoding)

    assert caught.value.field == ("encoding",)


@pytest.mark.parametrize("data", [b"", b" \r\n\n ", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_an_empty_file_is_told_so(read, data):
    with pytest.raises(FeedUnreadable, match="empty"):
        read(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04\x14\x00", "Excel"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\n<html lang='en'>", "web page"),
        (b'[{"id": "A"}]', "JSON array"),
        (b"\x00\x01\x02\x03" * 500, "column"),
    ],
)
def test_a_file_that_is_no_feed_is_named_for_what_it_is(read, data, what):
    with pytest.raises(FeedUnreadable, match=what):
        read(data)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        ("<rss><channel><item><id>A</id></item></channel></rss>", FeedFormat.META_CSV),
        ('{"id": "A"}\n', FeedFormat.META_XML),
        (TABLE, FeedFormat.JSONL),
        ("Handle,Title,Variant Price\nmug,Mug,5\n", FeedFormat.META_CSV),
    ],
)
def test_a_file_of_another_format_than_named_is_refused(read, data, format):
    with pytest.raises(FeedUnreadable) as caught:
        read(data, format=format)

    assert caught.value.field == ("format",)


def test_a_csv_that_is_named_a_tsv_is_read_all_the_same(open_feed):
    feed = open_feed(TABLE, format=FeedFormat.META_TSV)

    assert feed.format is FeedFormat.META_CSV
    assert len(list(feed)) == 2


def test_a_currency_that_is_none_is_refused(read):
    with pytest.raises(FeedUnreadable) as caught:
        read(TABLE, currency="EURO")

    assert caught.value.field == ("currency",)


def test_the_stream_stays_open_and_may_hand_out_little_at_a_time():
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size if size is not None and size >= 0 else 7))

    stream = Slow(TABLE.encode())

    assert len(list(read_feed(stream, FeedOptions()))) == 2
    assert not stream.closed
