"""A digest tells payloads apart by what they hold, never by how they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.digest import digest_of

payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé"), inner, max_size=4),
    max_leaves=12,
)


def turned(payload: Any) -> Any:
    """The same payload, with the keys of every mapping the other way round."""
    if isinstance(payload, dict):
        return {key: turned(payload[key]) for key in reversed(payload)}
    return [turned(entry) for entry in payload] if isinstance(payload, list) else payload


@given(payloads)
def test_the_order_of_keys_does_not_matter(payload: Any) -> None:
    assert digest_of(turned(payload)) == digest_of(payload)


@given(payloads, payloads)
def test_other_payloads_have_other_digests(one: Any, other: Any) -> None:
    # JSON knows true from 1, Python's == does not.
    same = repr(sorted_keys(one)) == repr(sorted_keys(other))

    assert (digest_of(one) == digest_of(other)) == same


def sorted_keys(payload: Any) -> Any:
    if isinstance(payload, dict):
        return [(key, sorted_keys(payload[key])) for key in sorted(payload)]
    return tuple(sorted_keys(entry) for entry in payload) if isinstance(payload, list) else payload


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), ({"a": None}, {}), ({"a": 1}, {"a": "1"}), ({"a": [1]}, {"a": 1}), ("", None), (1, True)],
)
def test_small_differences_count(one: Any, other: Any) -> None:
    assert digest_of(one) != digest_of(other)


def test_decimals_are_told_apart_by_every_digit() -> None:
    assert digest_of({"price": Decimal("0.1")}) != digest_of({"price": Decimal("0.10000000000000000001")})


def test_a_digest_is_the_same_in_another_process() -> None:
    payload = {"b": [1, None, "é"], "a": {"d": True, "c": "x"}}
    code = f"from gateway.kit.digest import digest_of; print(digest_of({payload!r}), end='')"

    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )

    assert elsewhere.stdout.decode() == digest_of(payload)
    assert len(digest_of(payload)) == 64
