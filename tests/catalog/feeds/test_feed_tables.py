"""Meta and Google feeds as CSV and TSV."""

import pytest

from gateway.catalog.cleaning import clean
from gateway.catalog.feeds import FeedFormat, FeedRow, FeedUnreadable, RefusedRow

HEADER = "id,title,description,availability,condition,price,link,image_link,brand\n"
MUG = "MUG-1,Mug,A mug,in stock,new,12.50 EUR,https://shop.example/mug,https://cdn.example/mug.jpg,Kiln\n"


def test_a_row_comes_out_under_our_names(read):
    [row] = read(HEADER + MUG)

    assert row == FeedRow(
        2,
        "MUG-1",
        {
            "title": "Mug",
            "description": "A mug",
            "availability": "in stock",
            "condition": "new",
            "price": "12.50 EUR",
            "link": "https://shop.example/mug",
            "imageLink": "https://cdn.example/mug.jpg",
            "brand": "Kiln",
        },
    )
    assert clean(row.values)[1] == []


def test_googles_spellings_are_known(read):
    [row] = read(
        "g:id\tG:Title\timage link\tcolour\tage group\tg:availability\nA\tMug\thttps://c.example/a\tred\tadult\tout_of_stock\n"
    )

    assert row.retailer_id == "A"
    assert row.values == {
        "title": "Mug",
        "imageLink": "https://c.example/a",
        "color": "red",
        "ageGroup": "adult",
        "availability": "out_of_stock",
    }


def test_our_own_names_are_known_too(read):
    [row] = read("retailerId,salePrice,googleProductCategory,itemGroupId\nA,9.00 EUR,2169,G\n")

    assert row.retailer_id == "A"
    assert row.values == {"salePrice": "9.00 EUR", "googleProductCategory": "2169", "itemGroupId": "G"}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_found_out(open_feed, separator):
    feed = open_feed(separator.join(["id", "title", "price"]) + "\n" + separator.join(["A", "Mug", "1.00 EUR"]) + "\n")

    assert [row.values for row in feed] == [{"title": "Mug", "price": "1.00 EUR"}]
    assert feed.format is (FeedFormat.META_TSV if separator == "\t" else FeedFormat.META_CSV)


def test_an_empty_cell_clears_and_an_absent_column_says_nothing(read):
    [row] = read("id,title,brand\nA,Mug,\n")

    assert row.values == {"title": "Mug", "brand": ""}


def test_more_pictures_come_from_a_list_from_repeated_columns_and_from_numbered_ones(read):
    [row] = read(
        "id,additional_image_link,additional_image_link,additional_image_link_3\n"
        'A,"https://c.example/w_5,h_5/1.jpg, https://c.example/2.jpg",https://c.example/3.jpg,https://c.example/2.jpg\n'
    )

    assert row.values == {
        "additionalImageLinks": [
            "https://c.example/w_5,h_5/1.jpg",
            "https://c.example/2.jpg",
            "https://c.example/3.jpg",
        ]
    }


def test_flattened_and_nested_pictures_are_the_main_one_and_the_others(read):
    expected = {"imageLink": "https://c.example/1", "additionalImageLinks": ["https://c.example/2"]}

    [flat] = read("id,image[0].url,image[1].url,image[0].tag[0]\nA,https://c.example/1,https://c.example/2,front\n")
    [nested] = read(
        'id,image,image_link\nA,"[{""url"":""https://c.example/1""},{""url"":""https://c.example/2""}]",https://c.example/9\n'
    )

    assert flat.values == nested.values == expected


def test_labels_are_one_list(read):
    [row, cleared] = read("id,custom_label_0,custom_label_2\nA,summer,new\nB,,\n")

    assert row.values == {"customLabels": ["summer", "", "new"]}
    assert cleared.values == {"customLabels": ""}


def test_variant_attributes_window_and_quantity_are_passed_on(read):
    window = "2026-11-01T00:00+01:00/2026-11-30T23:59+01:00"
    [row] = read(
        "id,additional_variant_attribute,sale_price_effective_date,sale_price,quantity_to_sell_on_facebook,inventory\n"
        f'A,"Volume:350 ml,Finish:Gloss",{window},8.00 EUR,,7\n'
    )

    document, problems = clean(row.values)

    assert problems == []
    assert document["variantAttributes"] == {"Finish": "Gloss", "Volume": "350 ml"}
    assert document["salePriceWindow"]["startsAt"] == "2026-10-31T23:00+00:00"
    assert document["quantity"] == 7


def test_a_price_without_a_currency_takes_the_given_one(read):
    [row] = read("id,price,sale_price\nA,12.50,10 USD\n", currency="eur")

    assert row.values == {"price": "12.50 EUR", "salePrice": "10 USD"}


@pytest.mark.parametrize("price", ["12,50", "-1", "12.50", "free", "1.234.567,00 EUR"])
def test_a_bad_price_reaches_the_rules_untouched_and_is_refused_there(read, price):
    [row] = read(f'id;price\nA;"{price}"\n')

    assert row.values["price"] == price
    assert [problem.code for problem in clean(row.values)[1]] == ["INVALID_PRICE"]


def test_a_sale_price_of_nothing_ends_the_sale(read):
    rows = read("id,sale_price\nA,0\nB,0.00 EUR\nC,\n")

    assert [row.values for row in rows] == [{"salePrice": ""}] * 3


def test_old_visibility_is_read_as_status(read):
    rows = read("id,visibility\nA,published\nB,hidden\nC,staging\n")

    assert [row.values["status"] for row in rows] == ["active", "archived", "archived"]


def test_unknown_columns_are_told_once(open_feed):
    feed = open_feed("id,title,shipping,video[0].url,shipping\nA,Mug,DE::Standard:4.90 EUR,https://c.example/v,\n")

    assert [row.values for row in feed] == [{"title": "Mug"}]
    assert feed.unknown_columns == ["shipping", "video[0].url"]


def test_lines_are_counted_as_an_editor_counts_them(read):
    rows = read('id,title\r\n\r\nA,"two\r\nlines"\r\nB,Mug\r\n,,\r\nC,Cup')

    assert [(row.line, row.retailer_id, row.values["title"]) for row in rows] == [
        (3, "A", "two\r\nlines"),
        (5, "B", "Mug"),
        (7, "C", "Cup"),
    ]


def test_metas_template_has_comments_before_the_header(read):
    rows = read('# Required | A unique id,"# Required | A title, short"\nid,title\nA,Mug\n')

    assert [(row.line, row.retailer_id) for row in rows] == [(3, "A")]


def test_a_repeated_id_is_refused_and_the_first_line_is_named(read):
    first, second = read("id,title\nA,Mug\nA,Cup\n")

    assert first.values == {"title": "Mug"}
    assert (second.line, second.retailer_id, second.code) == (3, "A", "DUPLICATE_RETAILER_ID")
    assert "line 2" in second.message


def test_ids_that_differ_in_case_are_different(read):
    assert [row.retailer_id for row in read("id\nA\na\n")] == ["A", "a"]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", "MISSING_FIELD"),
        ("x" * 101, "TOO_LONG"),
        ("A\x07", "INVALID_ID"),
        ("=1+1", "INVALID_ID"),
        ("@SUM(A1)", "INVALID_ID"),
        ("-5", "INVALID_ID"),
        ("+5", "INVALID_ID"),
        ("'0012", "INVALID_ID"),
    ],
)
def test_a_bad_id_is_refused_with_a_remedy(read, cell, code):
    [refused] = read(f"id,title\n{cell},Mug\n")

    assert isinstance(refused, RefusedRow)
    assert (refused.line, refused.code, refused.field) == (2, code, "retailerId")
    assert refused.fix


def test_a_formula_in_a_text_is_kept_and_never_reckoned(read):
    [row] = read('id,title,description\nA,=1+1,"=HYPERLINK(""x"")"\n')

    assert row.values == {"title": "=1+1", "description": '=HYPERLINK("x")'}


def test_an_unclosed_quote_costs_one_row(read):
    refused, *rows = read('id,title\nA,"Mug\nB,Cup\nC,"Jug"\nD,Pot\n')

    assert (refused.line, refused.code) == (2, "MALFORMED_ROW")
    assert [(row.line, row.retailer_id) for row in rows] == [(3, "B"), (4, "C"), (5, "D")]


def test_an_unclosed_quote_at_the_end_costs_one_row(read):
    refused, row = read('id,title\nA,"Mug\nB,Cup\n')

    assert (refused.line, refused.code) == (2, "MALFORMED_ROW")
    assert (row.line, row.retailer_id) == (3, "B")


def test_a_row_with_too_many_cells_is_refused(read):
    refused, row = read("id,title\nA,Mug, blue\nB,Cup,,\n")

    assert (refused.line, refused.code) == (2, "MALFORMED_ROW")
    assert row.retailer_id == "B"


def test_missing_cells_say_nothing(read):
    row, _ = read("id,title,brand\nA,Mug\nB,Cup,Kiln\n")

    assert row.values == {"title": "Mug"}


def test_a_last_row_that_was_cut_off_is_refused(read):
    _, refused = read("id,title,brand\nA,Mug,Kiln\nB,Cu")

    assert (refused.line, refused.code) == (3, "MALFORMED_ROW")


def test_an_over_long_line_is_refused_and_passed_over(read):
    refused, row = read("id,title\nA," + "x" * 3000 + "\nB,Cup\n", max_line_bytes=1000)

    assert (refused.line, refused.code) == (2, "ROW_TOO_LONG")
    assert (row.line, row.retailer_id) == (3, "B")


def test_the_limit_is_one_of_bytes(read):
    row, refused = read("id,title\nA," + "x" * 60 + "\nB," + "é" * 60 + "\n", max_line_bytes=100)

    assert row.retailer_id == "A"
    assert refused.code == "ROW_TOO_LONG"


def test_a_record_of_many_lines_is_bounded_and_its_other_lines_are_read(read):
    rows = read('id,title\nA,"open\n' + "".join(f"B{n},{'x' * 80}\n" for n in range(50)), max_line_bytes=1000)

    assert rows[0].code == "ROW_TOO_LONG"
    assert [row.retailer_id for row in rows[1:]] == [f"B{n}" for n in range(50)]


def test_a_cell_may_be_longer_than_pythons_own_limit(read):
    [row] = read('id,description\nA,"' + "x" * 200_000 + '"\n')

    assert len(row.values["description"]) == 200_000


def test_without_an_id_column_nothing_can_be_read(read):
    with pytest.raises(FeedUnreadable) as caught:
        read("sku,title\nA,Mug\n")

    assert caught.value.field == ("id",)
    assert "sku, title" in caught.value.message
    assert caught.value.fix


def test_a_header_without_rows_is_no_feed(read):
    with pytest.raises(FeedUnreadable):
        read(HEADER)
