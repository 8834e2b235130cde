"""The error table row by row, and the reading of envelopes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import GatewayError, Upstream
from gateway.graph.errors import (
    RULES,
    GraphError,
    GraphNotFound,
    GraphPagingStuck,
    GraphRejected,
    GraphThrottled,
    GraphTooMuchData,
    GraphTransient,
    GraphUnclear,
    GraphUnreachable,
    PermissionMissing,
    TokenInvalid,
    error_from_envelope,
    find_rule,
    scrub,
)


def read(
    code: Any = None, subcode: Any = None, *, status: int = 400, headers: dict[str, str] | None = None, **more: Any
) -> GraphError:
    envelope = {"message": "m", "type": "OAuthException", "code": code, "error_subcode": subcode, **more}
    return error_from_envelope(
        {"error": {key: value for key, value in envelope.items() if value is not None}},
        status=status,
        headers=headers or {},
    )


TABLE = [
    *((190, subcode, TokenInvalid) for subcode in (None, 452, 458, 459, 460, 463, 464, 465, 467, 492, 999)),
    (102, None, TokenInvalid),
    (104, None, TokenInvalid),
    *((code, None, PermissionMissing) for code in (3, 10, 200, 230, 294, 299)),
    (300, None, GraphRejected),
    (100, 33, GraphNotFound),
    (803, None, GraphNotFound),
    (33, None, GraphRejected),
    *((code, None, GraphRejected) for code in (12, 100, 368, 506, 801, 1609005, 2200, 2500, 2635, 10800, -1, None)),
    (100, 2388001, GraphRejected),
    *((code, None, GraphTransient) for code in (1, 2)),
    *((100, subcode, GraphRejected) for subcode in (1818015, 2361003, 2361050, 2361081, 2382045, 2382319)),
    (1, 2361081, GraphRejected),
    (2361081, None, GraphRejected),
]


@pytest.mark.parametrize(("code", "subcode", "kind"), TABLE)
def test_codes_and_subcodes_decide(code: int | None, subcode: int | None, kind: type[GraphError]) -> None:
    error = read(code, subcode)

    assert type(error) is kind
    assert (error.graph_code, error.subcode) == (code, subcode)
    assert error.fix


@pytest.mark.parametrize(
    ("code", "bucket"),
    [
        (4, "app"),
        (17, "user"),
        (32, "page"),
        (341, "app"),
        (613, "custom"),
        (80000, "ads_insights"),
        (80001, "page"),
        (80002, "instagram"),
        (80003, "custom_audience"),
        (80004, "ads_management"),
        (80005, "leadgen"),
        (80006, "messenger"),
        (80007, "whatsapp"),
        (80008, "whatsapp"),
        (80009, "catalog"),
        (80010, "business"),
        (80014, "catalog_batch"),
    ],
)
def test_a_used_up_quota_names_its_bucket_even_when_it_calls_itself_transient(code: int, bucket: str) -> None:
    error = read(code, status=403, is_transient=True)

    assert type(error) is GraphThrottled
    assert error.bucket == bucket
    assert error.retryable
    assert error.retry_after_s is None


@pytest.mark.parametrize("subcode", [2361050, 2361076, 2361081])
def test_an_order_that_is_busy_is_worth_another_try(subcode: int) -> None:
    assert read(100, subcode).retryable
    assert read(subcode).retryable
    assert not read(100, 2361009).retryable


def test_every_row_can_be_found_and_says_what_to_do() -> None:
    for rule in RULES:
        code = rule.codes[0] if rule.codes else None
        found = find_rule(code, rule.subcode)
        assert found is not None
        assert found.error is rule.error
        assert (rule.fix or rule.error.default_fix).endswith(".")


def test_every_leaf_has_a_code_of_its_own() -> None:
    leaves = [
        TokenInvalid,
        PermissionMissing,
        GraphThrottled,
        GraphNotFound,
        GraphRejected,
        GraphPagingStuck,
        GraphTooMuchData,
        GraphTransient,
        GraphUnreachable,
        GraphUnclear,
    ]

    assert len({leaf.code for leaf in leaves}) == len(leaves)
    assert all(issubclass(leaf, GatewayError) for leaf in leaves)


def test_too_much_data_is_told_from_an_outage_by_its_text() -> None:
    text = "Please reduce the amount of data you're asking for, then retry your request"

    assert type(read(1, message=text)) is GraphTooMuchData
    assert type(read(2, message=text)) is GraphTransient


def test_a_refusal_that_says_it_is_transient_is_an_outage_unless_its_number_is_known() -> None:
    assert type(read(100, is_transient=True)) is GraphTransient
    assert type(read(-1, is_transient=True)) is GraphTransient
    assert type(read(99, status=500)) is GraphTransient
    assert type(read(190, is_transient=True)) is TokenInvalid
    assert type(read(100, 2382045, is_transient=True)) is GraphRejected


def test_a_429_without_a_known_code_is_a_quota() -> None:
    error = read(99, status=429, headers={"retry-after": "7"})

    assert type(error) is GraphThrottled
    assert error.retry_after_s == 7


def test_the_wait_comes_from_the_headers_in_seconds() -> None:
    usage = '{"9":[{"type":"catalog_batch","call_count":100,"estimated_time_to_regain_access":3}]}'

    assert read(80014, headers={"x-business-use-case-usage": usage}).retry_after_s == 180


def test_everything_that_meta_says_is_kept() -> None:
    error = read(
        100,
        2382045,
        is_transient=False,
        message="Invalid parameter",
        error_user_title="Duplicate",
        error_user_msg="Already there.",
        error_data='{"blame_field_specs": [["tracking"]]}',
        fbtrace_id="Atrace",
    )

    assert (error.user_title, error.user_message, error.transient) == ("Duplicate", "Already there.", False)
    assert error.data == {"blame_field_specs": [["tracking"]]}
    assert error.upstream == Upstream(100, 2382045, "Atrace", "Invalid parameter")
    assert str(error) == "Invalid parameter"


@pytest.mark.parametrize("data", [None, "not json", "[1]", 5, [1], {"a": 1}])
def test_error_data_of_any_kind_is_survived(data: Any) -> None:
    assert read(100, error_data=data).data == (data if isinstance(data, dict) else {})


@pytest.mark.parametrize("envelope", ["text", ["list"], {"code": "100"}, {"code": True}, {"message": 5}, 1])
def test_an_odd_envelope_is_still_an_error(envelope: Any) -> None:
    error = error_from_envelope({"error": envelope}, status=400, headers={})

    assert type(error) is GraphRejected
    assert error.message


def test_the_trace_id_may_stand_in_the_header_only() -> None:
    assert read(100, headers={"x-fb-trace-id": "Ahead"}).trace_id == "Ahead"


def test_texts_are_scrubbed_of_tokens() -> None:
    text = "Malformed EAAabcdefgh123 at /x?access_token=abc&appsecret_proof=def&a=1 of s3cr3t"

    assert scrub(text, ["s3cr3t", ""]) == "Malformed *** at /x?access_token=***&appsecret_proof=***&a=1 of ***"
