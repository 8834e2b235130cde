"""Ids: unique, sortable by time inside, opaque outside."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.ids import BadNodeId, key_of, new_id, node_id, parse_node_id

# Keys may hold colons (a catalog's id and a retailer id); type names are GraphQL names.
type_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def millisecond(key: str) -> int:
    return int(key, 16) >> 80


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    key = new_id()
    after = time.time_ns() // 1_000_000

    made = uuid.UUID(key)

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.hex == key
    assert before <= millisecond(key) <= after


def test_ids_never_repeat_and_grow_with_time() -> None:
    made = [new_id() for _ in range(2000)]

    assert len(set(made)) == len(made)
    stamps = [millisecond(key) for key in made]
    assert stamps == sorted(stamps)


@given(type_names, keys)
def test_a_node_id_leads_back_to_its_row(type_name: str, key: str) -> None:
    text = node_id(type_name, key)

    assert parse_node_id(text) == (type_name, key)
    assert key_of(text, type_name) == key


@given(type_names, keys)
def test_a_node_id_can_stand_in_a_url(type_name: str, key: str) -> None:
    assert set(node_id(type_name, key)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_id_of_another_type_is_refused_and_says_which() -> None:
    with pytest.raises(BadNodeId, match="id of a Shop, not of a Product"):
        key_of(node_id("Shop", "1"), "Product")


@pytest.mark.parametrize(
    "text",
    ["", "=", "a", "é", "not an id", "12345", "Shop:1", "U2hvcA", "OjE", "U2hvcDo", "_____w", "\ud800", "\x00"],
    ids=repr,
)
def test_what_is_no_node_id_is_refused(text: str) -> None:
    with pytest.raises(BadNodeId):
        parse_node_id(text)


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        type_name, key = parse_node_id(text)
    except BadNodeId:
        return
    assert type_name
    assert key


@pytest.mark.parametrize("change", ["{}!!", "{}=", "{}====", "!{}", "{}\n"])
def test_a_row_has_exactly_one_node_id(change: str) -> None:
    with pytest.raises(BadNodeId):
        parse_node_id(change.format(node_id("Shop", "abcd")))
