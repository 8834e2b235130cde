"""RSS 2.0 and Atom, and XML that means harm."""

import pytest

from gateway.catalog.feeds import FeedFormat, FeedUnreadable, RefusedRow


def rss(*items: str) -> str:
    body = "\n".join(f"<item>{item}</item>" for item in items)
    root = '<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0">'
    return f'<?xml version="1.0"?>\n{root}<channel>\n{body}\n</channel></rss>'


def test_an_rss_item_is_read(open_feed):
    feed = open_feed(
        rss(
            "<g:id>A</g:id><title>Mug &amp; more</title><link>https://s.example/?a=1&amp;b=2</link>"
            "<description><![CDATA[A <b>mug</b>]]></description><g:price>5.00 EUR</g:price>"
            "<g:image_link>https://c.example/1</g:image_link>"
            "<g:additional_image_link>https://c.example/2</g:additional_image_link>"
            "<additional_image_link>https://c.example/3</additional_image_link>"
            "<g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping><g:brand/>"
        ),
    )
    [row] = feed

    assert feed.format is FeedFormat.META_XML
    assert (row.line, row.item, row.retailer_id) == (3, 1, "A")
    assert row.values == {
        "title": "Mug & more",
        "link": "https://s.example/?a=1&b=2",
        "description": "A <b>mug</b>",
        "price": "5.00 EUR",
        "imageLink": "https://c.example/1",
        "additionalImageLinks": ["https://c.example/2", "https://c.example/3"],
        "brand": "",
    }
    assert feed.unknown_columns == ["g:shipping"]


def test_an_atom_entry_is_read(read):
    [row] = read(
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:goog="http://base.google.com/ns/1.0"><title>Shop</title>'
        "<entry><id>tag:shop.example,2026:1</id><goog:id>A</goog:id><title>Mug</title><summary>A mug</summary>"
        '<link rel="self" href="https://s.example/feed"/><link href="https://s.example/mug"/></entry></feed>'
    )

    assert row.retailer_id == "A"
    assert row.values == {"title": "Mug", "description": "A mug", "link": "https://s.example/mug"}


def test_fields_of_other_vocabularies_are_not_taken_for_ours(read):
    [row] = read(rss('<id>A</id><media:title>No</media:title><atom:link href="https://no.example"/><title>Mug</title>'))

    assert row.values == {"title": "Mug"}


def test_nested_pictures_and_markup_inside_a_text_are_read(read):
    [row] = read(
        rss(
            "<id>A</id><description>A <b>blue</b> mug</description><image><url>https://c.example/1</url><tag>x</tag></image>"
        )
    )

    assert row.values == {
        "description": "A blue mug",
        "imageLink": "https://c.example/1",
        "additionalImageLinks": "",
    }


def test_items_on_one_line_are_told_apart_by_number(read):
    rows = read("<rss><channel><item><id>A</id></item><item><id>B</id></item><item><id>A</id></item></channel></rss>")

    assert [(row.line, row.item) for row in rows] == [(1, 1), (1, 2), (1, 3)]
    assert rows[2].code == "DUPLICATE_RETAILER_ID"


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "windows-1252", "utf-8"])
def test_the_declared_encoding_is_used(read, encoding):
    text = rss("<id>A</id><title>Müller</title>").replace('"1.0"?', f'"1.0" encoding="{encoding}"?', 1)

    [row] = read(text.encode(encoding))

    assert row.values == {"title": "Müller"}


def test_bytes_and_control_characters_cost_one_item(read):
    text = rss("<id>A</id><title>M\x0bg</title>", "<id>B</id><title>M?g</title>", "<id>C</id>").encode()

    rows = read(text.replace(b"?g", b"\xfcg"))

    assert [getattr(row, "code", row.retailer_id) for row in rows] == ["INVALID_ENCODING", "INVALID_ENCODING", "C"]


def test_white_space_before_the_declaration_does_no_harm(read):
    assert len(read("\n " + rss("<id>A</id>"))) == 1


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<rss><channel><item><id>&b;</id></item></channel></rss>"
)
OUTSIDE = (
    '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    "<rss><channel><item><id>A</id><title>&x;</title></item></channel></rss>"
)


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, '<!DOCTYPE rss SYSTEM "https://x.example/a.dtd"><rss/>'])
def test_a_document_type_is_refused(read, text):
    with pytest.raises(FeedUnreadable, match="document type"):
        read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<rss>" + "<a>" * 100_000, "deep"),
        ("<rss>" + "".join(f"<a{n}/>" for n in range(30_000)), "different names"),
        ("<rss><!--" + "x" * 400_000 + "--></rss>", "tag or comment"),
        ('<rss a="' + "x" * 400_000 + '"/>', "tag or comment"),
        ("<products><product><id>A</id></product></products>", "neither RSS nor Atom"),
        ("<rss><channel></channel></rss>", "no items"),
        ("<rss><channel><item><id>A</id>", "not well-formed"),
        ("<rss><channel><item><id>&nbsp;</id></item>", "not well-formed"),
        ("<", "not well-formed"),
    ],
)
def test_xml_that_gives_nothing_is_refused_with_the_reason(read, text, reason):
    with pytest.raises(FeedUnreadable, match=reason):
        read(text, max_line_bytes=10_000)


def test_after_a_fault_what_came_before_it_stays(read):
    row, refused = read("<rss><channel>\n<item><id>A</id></item>\n<item><id>B</id><title>Salt & pepper</title></item>")

    assert row.retailer_id == "A"
    assert isinstance(refused, RefusedRow)
    assert (refused.line, refused.code) == (3, "MALFORMED_FILE")
    assert "&amp;" in refused.fix


def test_an_over_long_item_is_refused_and_not_held(read):
    rows = read(
        rss("<id>A</id><title>" + "x" * 5000 + "</title>", "<id>B</id>" + "<id/>" * 500, "<id>C</id>"),
        max_line_bytes=1000,
    )

    assert [getattr(row, "code", row.retailer_id) for row in rows] == ["ROW_TOO_LONG", "ROW_TOO_LONG", "C"]
