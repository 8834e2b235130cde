"""Paging, multi-get and batch requests against scripted answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from gateway.graph import BatchCall, GraphPage, GraphSession, metered
from gateway.graph.auth import appsecret_proof
from gateway.graph.errors import (
    GraphNotFound,
    GraphPagingStuck,
    GraphRejected,
    GraphThrottled,
    GraphTooMuchData,
    GraphUnclear,
    PermissionMissing,
    TokenInvalid,
)

from .conftest import SECRET, Rig
from .scripted import HTML, RESET, Answer, Asked, Script, refuses, says

TOO_MUCH = refuses(1, message="Please reduce the amount of data you're asking for, then retry your request", status=500)


def page(*ids: str, after: str | None = None, more: bool = True, **extra: Any) -> Answer:
    body: dict[str, Any] = {"data": [{"id": one} for one in ids], **extra}
    if after is not None:
        body["paging"] = {"cursors": {"before": "b", "after": after}}
        if more:
            body["paging"]["next"] = f"https://elsewhere.invalid/v25.0/9/x?access_token=EAAleak&after={after}"
    return says(body)


async def read(session: GraphSession, **more: Any) -> list[GraphPage]:
    return [one async for one in session.pages("9/commerce_orders", **more)]


async def test_a_list_goes_on_over_short_and_empty_pages_until_there_is_no_next(
    session: GraphSession, meta: Script
) -> None:
    meta.then(page("1", "2", after="c1"), page(after="c2"), page("3", after="c3"), page("4", after="c4", more=False))

    pages = await read(session, fields="id", params={"state": "CREATED"}, limit=2)

    assert [[row["id"] for row in one.data] for one in pages] == [["1", "2"], [], ["3"], ["4"]]
    assert [one.after for one in pages] == ["c1", "c2", "c3", None]
    assert [asked.query.get("after") for asked in meta.asked] == [None, "c1", "c2", "c3"]
    assert {(asked.query["state"], asked.query["limit"], asked.query["fields"]) for asked in meta.asked} == {
        ("CREATED", "2", "id")
    }
    assert all("appsecret_proof" in asked.query for asked in meta.asked)


async def test_an_empty_list_is_one_empty_page(session: GraphSession, meta: Script) -> None:
    meta.then(says({"data": []}))

    assert await read(session) == [GraphPage([], None)]


async def test_the_summary_is_handed_on(session: GraphSession, meta: Script) -> None:
    meta.then(page("1", after="c", more=False, summary={"total_count": 1}))

    [only] = await read(session, params={"summary": True})

    assert only.summary == {"total_count": 1}
    assert meta.asked[0].query["summary"] == "true"


async def test_pages_are_asked_for_as_they_are_consumed(session: GraphSession, meta: Script) -> None:
    meta.then(page("1", after="c1"), page("2", after="c2"))

    async for _ in session.pages("9/x"):
        break

    assert len(meta.asked) == 1


async def test_a_cursor_that_repeats_is_an_error_and_not_a_loop(session: GraphSession, meta: Script) -> None:
    meta.then(page("1", after="c1"), page("2", after="c2"))
    meta.always = page("1", after="c1")

    with pytest.raises(GraphPagingStuck) as caught:
        await read(session)

    assert isinstance(caught.value, GraphRejected)
    assert len(meta.asked) == 3


async def test_a_list_longer_than_allowed_is_an_error_and_not_a_short_list(session: GraphSession, meta: Script) -> None:
    meta.then(page("1", after="c1"), page("2", after="c2"))

    with pytest.raises(GraphPagingStuck):
        await read(session, max_pages=2)


async def test_a_list_paged_by_offset_goes_on_without_following_the_address(
    session: GraphSession, meta: Script
) -> None:
    following = "https://elsewhere.invalid/9/x?access_token=EAAleak&offset=25&limit=25"
    meta.then(says({"data": [{"id": "1"}], "paging": {"next": following}}), says({"data": []}))

    await read(session)

    assert meta.asked[1].query["offset"] == "25"
    assert "access_token" not in meta.asked[1].query


async def test_a_page_that_is_too_much_is_asked_for_at_half_its_size(session: GraphSession, meta: Script) -> None:
    meta.then(TOO_MUCH, TOO_MUCH, page("1", after="c1"), page("2", after="c2", more=False))

    await read(session, limit=8)

    assert [asked.query["limit"] for asked in meta.asked] == ["8", "4", "2", "2"]


async def test_a_single_row_that_is_too_much_is_an_error(session: GraphSession, meta: Script) -> None:
    meta.always = TOO_MUCH

    with pytest.raises(GraphTooMuchData):
        await read(session, limit=2)

    assert len(meta.asked) == 2


def answer_ids(known: set[str]) -> Any:
    """A multi-get that fails for one unknown id, and batches that answer each id by itself."""

    def answer(asked: Asked) -> Answer:
        if "ids" in asked.query:
            ids = asked.query["ids"].split(",")
            if missing := [one for one in ids if one not in known]:
                return refuses(803, status=404, message=f"(#803) do not exist: {','.join(missing)}")
            return says({one: {"id": one} for one in ids})
        return says([slot_for(op["relative_url"].split("?")[0]) for op in asked.batch])

    def slot_for(one: str) -> dict[str, Any]:
        if one in known:
            return slot({"id": one})
        return slot({"error": {"message": "gone", "code": 100, "error_subcode": 33}}, 400)

    return answer


def slot(body: Any, code: int = 200) -> dict[str, Any]:
    return {"code": code, "body": orjson.dumps(body).decode()}


async def test_many_objects_are_read_fifty_a_call_each_id_once(session: GraphSession, meta: Script) -> None:
    ids = [str(number) for number in range(120)]
    meta.always = answer_ids(set(ids))

    found = await session.get_many([*ids, "5", "6"], fields="id")

    assert list(found) == ids
    assert sorted(len(asked.query["ids"].split(",")) for asked in meta.asked) == [20, 50, 50]


@pytest.mark.parametrize("unknown", [{"7"}, {"0", "49"}, {str(n) for n in range(50)}], ids=["one", "two", "all"])
async def test_unknown_ids_are_absent_at_the_price_of_one_more_request(
    session: GraphSession, meta: Script, unknown: set[str]
) -> None:
    ids = [str(number) for number in range(50)]
    meta.always = answer_ids(set(ids) - unknown)

    found = await session.get_many(ids)

    assert set(found) == set(ids) - unknown
    assert len(meta.asked) == 2


async def test_one_unknown_id_costs_one_call(session: GraphSession, meta: Script) -> None:
    meta.always = answer_ids(set())

    assert await session.get_many(["7"]) == {}
    assert len(meta.asked) == 1


async def test_nothing_asked_is_no_call(session: GraphSession, meta: Script) -> None:
    assert await session.get_many([]) == {}
    assert await session.get_many(["", "1,2"]) == {}
    assert await session.batch([]) == []
    assert meta.asked == []


async def test_other_errors_of_a_multi_get_are_raised(session: GraphSession, meta: Script) -> None:
    meta.then(refuses(190))
    with pytest.raises(TokenInvalid):
        await session.get_many(["1", "2"])

    gone = slot({"error": {"message": "gone", "code": 100, "error_subcode": 33}}, 400)
    meta.then(refuses(803), says([gone, slot({"error": {"message": "no", "code": 10}}, 403)]))
    with pytest.raises(PermissionMissing):
        await session.get_many(["1", "2"])


async def test_a_batch_answers_each_call_in_order(session: GraphSession, meta: Script) -> None:
    meta.then(says([slot({"id": "1"}), slot({"error": {"message": "m", "code": 200}}, 403), slot({"success": True})]))

    first, second, third = await session.batch(
        [
            BatchCall("get", "1", {"fields": "id,items{id}"}),
            BatchCall("GET", "2"),
            BatchCall("POST", "3", {"name": "é b", "items": [1]}),
        ]
    )

    assert first.unwrap() == {"id": "1"}
    assert isinstance(second.error, PermissionMissing)
    assert third.value == {"success": True}
    [asked] = meta.asked
    assert asked.path == "v25.0/"
    assert asked.form["include_headers"] == "false"
    assert "appsecret_proof" in asked.form
    get, _, post = asked.batch
    assert get["method"] == "GET"
    assert get["relative_url"] == "1?fields=id%2Citems%7Bid%7D"
    assert parse_qs(post["body"]) == {"name": ["é b"], "items": ["[1]"]}
    assert post["relative_url"] == "3"


async def test_a_call_in_anothers_name_carries_its_own_token_and_proof(session: GraphSession, meta: Script) -> None:
    meta.then(says([slot({"error": {"message": "Malformed access token EAApage", "code": 190}}, 400)]))
    call = BatchCall("GET", "1", token="EAApage")

    [result] = await session.batch([call])

    [operation] = meta.asked[0].batch
    query = parse_qs(operation["relative_url"].partition("?")[2])
    assert query == {"access_token": ["EAApage"], "appsecret_proof": [appsecret_proof("EAApage", SECRET)]}
    assert "EAApage" not in repr(call) + str(result.error)


async def test_references_to_other_calls_keep_their_braces(session: GraphSession, meta: Script) -> None:
    meta.then(says([None, slot({"id": "1"}), slot({})]))

    made, read_back, _ = await session.batch(
        [
            BatchCall("POST", "9/product_sets", {"name": "{a}"}, name="mk"),
            BatchCall("GET", "{result=mk:$.id}", {"fields": "id"}),
            BatchCall("GET", "", {"ids": "{result=mk:$.data.*.id}"}),
        ]
    )

    operations = meta.asked[0].batch
    assert operations[0]["body"] == "name=%7Ba%7D"
    assert operations[1]["relative_url"] == "{result=mk:$.id}?fields=id"
    assert operations[2]["relative_url"] == "?ids={result=mk:$.data.*.id}"
    assert (made.value, made.error) == (None, None)
    assert read_back.value == {"id": "1"}


async def test_a_null_slot_is_unclear_for_a_write_and_tried_again_for_a_read(
    session: GraphSession, meta: Script, rig: Rig
) -> None:
    meta.then(says([None, None, slot({"id": "3"})]), says([slot({"id": "1"})]))

    with metered() as meter:
        first, second, third = await session.batch(
            [BatchCall("GET", "1"), BatchCall("POST", "2", {}), BatchCall("GET", "3")]
        )

    assert (first.value, third.value) == ({"id": "1"}, {"id": "3"})
    assert isinstance(second.error, GraphUnclear)
    assert not second.error.retryable
    assert [len(asked.batch) for asked in meta.asked] == [3, 1]
    assert (meter.http_calls, meter.graph_calls) == (2, 4)
    assert rig.slept == [1]


async def test_a_named_call_that_is_not_left_out_must_have_an_answer(session: GraphSession, meta: Script) -> None:
    meta.then(says([None]))

    [result] = await session.batch([BatchCall("POST", "1", {}, name="a", omit_response_on_success=False)])

    assert isinstance(result.error, GraphUnclear)


async def test_reads_that_go_on_failing_are_given_up(session: GraphSession, meta: Script) -> None:
    meta.always = says([None])

    [result] = await session.batch([BatchCall("GET", "1")])

    assert isinstance(result.error, GraphUnclear)
    assert len(meta.asked) == 5


@pytest.mark.parametrize("body", ["[]", "<html>", "", "null"])
async def test_a_slot_that_cannot_be_read_is_unclear(session: GraphSession, meta: Script, body: str) -> None:
    meta.always = says([{"code": 200, "body": body}])

    [result] = await session.batch([BatchCall("POST", "1", {})])

    assert isinstance(result.error, GraphUnclear)


async def test_an_answer_that_is_too_short_leaves_the_rest_unclear(session: GraphSession, meta: Script) -> None:
    meta.then(says([slot({"id": "1"})]))

    first, second = await session.batch([BatchCall("POST", "1", {}), BatchCall("POST", "2", {}, name="n")])

    assert first.value == {"id": "1"}
    assert isinstance(second.error, GraphUnclear)


@pytest.mark.parametrize(("fault", "kind"), [(refuses(4), GraphThrottled), (HTML, GraphUnclear), (RESET, GraphUnclear)])
async def test_a_batch_with_a_write_that_fails_as_a_whole_is_sent_once(
    session: GraphSession, meta: Script, fault: Answer, kind: type[Exception]
) -> None:
    meta.always = fault

    results = await session.batch([BatchCall("GET", "1"), BatchCall("POST", "2", {})])

    assert [type(result.error) for result in results] == [kind, kind]
    assert len(meta.asked) == 1


async def test_a_batch_of_reads_that_fails_as_a_whole_is_tried_again(session: GraphSession, meta: Script) -> None:
    meta.then(HTML, says([slot({"id": "1"})]))

    [result] = await session.batch([BatchCall("GET", "1")])

    assert result.value == {"id": "1"}


async def test_more_than_fifty_calls_travel_in_several_requests(session: GraphSession, meta: Script) -> None:
    meta.always = lambda asked: says([slot({"id": op["relative_url"]}) for op in asked.batch])

    results = await session.batch([BatchCall("GET", str(number)) for number in range(101)])

    assert [result.unwrap()["id"] for result in results] == [str(number) for number in range(101)]
    assert sorted(len(asked.batch) for asked in meta.asked) == [1, 50, 50]


async def test_calls_that_refer_to_each_other_are_not_torn_apart(session: GraphSession) -> None:
    calls = [BatchCall("POST", "1", {}, name="a"), *(BatchCall("GET", str(number)) for number in range(50))]

    with pytest.raises(ValueError, match="50"):
        await session.batch(calls)


async def test_what_a_call_asks_for_may_be_missing(session: GraphSession, meta: Script) -> None:
    gone = slot({"error": {"message": "gone", "code": 803}}, 404)
    meta.then(says([gone]))

    [result] = await session.batch([BatchCall("GET", "1")])

    with pytest.raises(GraphNotFound):
        result.unwrap()
