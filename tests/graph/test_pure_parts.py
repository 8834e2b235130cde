"""Retry decisions, usage headers and the field grammar, without any wire."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.graph.errors import (
    GraphError,
    GraphNotFound,
    GraphRejected,
    GraphThrottled,
    GraphTooMuchData,
    GraphTransient,
    GraphUnclear,
    GraphUnreachable,
    PermissionMissing,
    TokenInvalid,
)
from gateway.graph.fields import F, Field, FieldSyntaxError, FieldTree, parse_fields, print_fields
from gateway.graph.meter import without_ids
from gateway.graph.retry import RetryBudget, delay_before_retry, may_send_again
from gateway.graph.usage import Usage, UsageBook, parse_usage, throttle_wait_s
from gateway.kit.clock import ManualClock

FOR_THE_MOMENT = [GraphTransient("m"), GraphUnreachable("m"), GraphUnclear("m")]
FOR_GOOD = [
    GraphRejected("m"),
    GraphRejected("m", subcode=2361081),
    GraphNotFound("m"),
    TokenInvalid("m"),
    PermissionMissing("m"),
    GraphTooMuchData("m"),
    GraphThrottled("m"),
    GraphThrottled("m", retry_after_s=6),
    GraphTransient("m", retry_after_s=600),
]


@pytest.mark.parametrize("error", FOR_THE_MOMENT, ids=lambda error: type(error).__name__)
def test_waits_double_up_to_a_minute_and_jitter_takes_from_them(error: GraphError) -> None:
    assert [delay_before_retry(error, n, random=lambda: 1.0) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert delay_before_retry(error, 3, random=lambda: 0.25) == 1
    assert delay_before_retry(error, 9999, random=lambda: 1.0) == 60


@pytest.mark.parametrize("error", FOR_GOOD, ids=lambda error: f"{type(error).__name__}-{error.retry_after_s}")
def test_some_failures_are_not_retried_here(error: GraphError) -> None:
    assert delay_before_retry(error, 1, random=lambda: 0.0) is None


def test_a_wait_that_meta_asks_for_is_kept() -> None:
    assert delay_before_retry(GraphThrottled("m", retry_after_s=5), 1, random=lambda: 0.5) == 5.5
    assert delay_before_retry(GraphTransient("m", retry_after_s=30), 1, random=lambda: 0.0) == 30


def test_a_write_is_sent_again_only_if_it_never_left_or_carries_a_key() -> None:
    for error in FOR_THE_MOMENT:
        unsent = isinstance(error, GraphUnreachable)
        assert may_send_again(error, write=True, repeatable=False) is unsent
        assert may_send_again(error, write=True, repeatable=True)
        assert may_send_again(error, write=False, repeatable=False)


def test_retries_are_a_share_of_the_calls_and_come_back_with_time() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock, share=0.2, minimum=10, window_s=60)

    assert sum(budget.take() for _ in range(50)) == 10
    for _ in range(100):
        budget.count_call()
    assert sum(budget.take() for _ in range(50)) == 10  # 20 of 100
    clock.advance(60)
    assert sum(budget.take() for _ in range(50)) == 10


BUSINESS = (
    '{"501":[{"type":"pages","call_count":97,"total_cputime":23,"total_time":99,"estimated_time_to_regain_access":0}],'
    '"504":[{"type":"catalog_batch","call_count":100,"estimated_time_to_regain_access":2},'
    '{"type":"catalog_management","call_count":5,"estimated_time_to_regain_access":7}]}'
)


def test_all_usage_headers_are_read() -> None:
    headers = {
        "x-app-usage": '{"call_count":28,"total_cputime":25,"total_time":31}',
        "x-page-usage": '{"call_count":85,"total_cputime":56,"total_time":60}',
        "x-ad-account-usage": '{"acc_id_util_pct":100,"reset_time_duration":100}',
        "x-business-use-case-usage": BUSINESS,
    }

    assert parse_usage(headers, app_id="77") == [
        Usage("77", "app", 31, 0),
        Usage("", "page", 85, 0),
        Usage("", "ad_account", 100, 100),
        Usage("501", "pages", 99, 0),
        Usage("504", "catalog_batch", 100, 120),
        Usage("504", "catalog_management", 5, 420),
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"1":5}', '{"1":[5]}', '{"1":null}'])
def test_headers_that_cannot_be_read_say_nothing(text: str) -> None:
    names = ("x-business-use-case-usage", "x-app-usage", "x-ad-account-usage")
    found = parse_usage(dict.fromkeys(names, text))

    assert all(usage.percent == 0 and usage.wait_s == 0 for usage in found)


@pytest.mark.parametrize(
    ("bucket", "wait_s"), [("catalog_batch", 120), ("catalog", 420), ("page", None), ("app", 420), ("unheard_of", 420)]
)
def test_the_buckets_own_entry_says_the_wait_and_else_the_longest(bucket: str, wait_s: int | None) -> None:
    assert throttle_wait_s({"x-business-use-case-usage": BUSINESS}, bucket) == wait_s


def test_retry_after_goes_before_everything() -> None:
    headers = {"x-business-use-case-usage": BUSINESS, "retry-after": "9"}

    assert throttle_wait_s(headers, "catalog_batch") == 9
    assert throttle_wait_s({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "app") is None


def test_the_book_keeps_the_newest_and_forgets_the_longest_unseen() -> None:
    clock = ManualClock()
    book = UsageBook(capacity=2)

    book.record([Usage("1", "pages", 90, 0), Usage("2", "pages", 10, 0)], clock.now())
    later = clock.advance(5)
    book.record([Usage("1", "pages", 20, 0), Usage("1", "pages", 30, 60), Usage("3", "pages", 1, 0)], later)

    newest = book.newest("1", "pages")
    assert newest is not None
    assert (newest.usage.percent, newest.usage.wait_s, newest.at) == (30, 60, later)
    assert book.newest("2", "pages") is None
    assert [seen.usage.object_id for seen in book.all()] == ["1", "3"]
    assert later - clock.now() == timedelta(0)


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
arguments = st.recursive(
    st.text(st.characters(exclude_characters="()", codec="utf-8"), max_size=8),
    lambda inner: st.tuples(inner, inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
    max_leaves=3,
)
modifiers = st.lists(st.tuples(names.filter(lambda name: name != "fields"), arguments), max_size=3).map(tuple)
trees = st.recursive(
    st.builds(Field, names, modifiers),
    lambda below: st.builds(Field, names, modifiers, st.lists(below, max_size=3).map(tuple)),
    max_leaves=12,
)


@given(st.lists(trees, max_size=4).map(lambda fields: FieldTree(tuple(fields))))
def test_what_is_printed_reads_back_the_same(tree: FieldTree) -> None:
    text = print_fields(tree)

    assert parse_fields(text) == tree
    assert print_fields(parse_fields(text)) == text


def test_trees_are_written_in_python() -> None:
    tree = F(
        "id",
        "picture.width(100).height(100).as(small)",
        items=F("id", "quantity").with_(limit=25).with_(limit=10, after="abc"),
        commerce_orders=F("id").with_(state=("CREATED", "IN_PROGRESS"), summary=True),
        checkout_config=F().with_(country_code="KR", as_="config"),
    )

    assert str(tree) == (
        "id,picture.width(100).height(100).as(small),items.limit(10).after(abc){id,quantity},"
        "commerce_orders.state(CREATED,IN_PROGRESS).summary(true){id},checkout_config.country_code(KR).as(config)"
    )
    assert parse_fields(str(tree)) == tree


def test_white_space_and_the_older_spelling_are_understood() -> None:
    assert str(parse_fields(" id , buyer{ name,\n email } , items.fields(id, price).limit(2)")) == (
        "id,buyer{name,email},items.limit(2){id,price}"
    )
    assert str(parse_fields("  ")) == ""


@pytest.mark.parametrize(
    "text", [",", "a,", "a{", "a{}", "a}", "a.b", "a.b(", "a.(x)", "a b", "a{b},,c", "a.b(x))", "a-b", "{a}"]
)
def test_what_is_no_list_of_fields_is_refused(text: str) -> None:
    with pytest.raises(FieldSyntaxError):
        parse_fields(text)


@pytest.mark.parametrize(
    "tree",
    [
        FieldTree((Field("a b"),)),
        FieldTree((Field("a", (("limit", ")"),)),)),
        FieldTree((Field("a", (("limit", "(("),)),)),
        FieldTree((Field("a", (("fields", "b"),)),)),
        F("a").with_(limit=1),
    ],
)
def test_what_could_not_be_read_back_is_not_printed(tree: FieldTree) -> None:
    with pytest.raises(FieldSyntaxError):
        print_fields(tree)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("", "/"),
        ("900/commerce_orders", "/{id}/commerce_orders"),
        ("act_900/x", "/{id}/x"),
        ("catalog:12:YS1i", "/{id}"),
        ("upload:MTph", "/{id}"),
        ("me/accounts", "/me/accounts"),
        ("oauth/access_token", "/oauth/access_token"),
    ],
)
def test_the_log_of_a_meter_says_what_was_called_and_not_whose(path: str, pattern: str) -> None:
    assert without_ids(path) == pattern
