"""What the client makes of a wire that fails, over real HTTP."""

from __future__ import annotations

import socket
import traceback

import pytest

from gateway.graph import GraphSession
from gateway.graph.errors import (
    GraphError,
    GraphRejected,
    GraphThrottled,
    GraphTransient,
    GraphUnclear,
    GraphUnreachable,
    TokenInvalid,
)

from .conftest import SECRET, TOKEN, Rig
from .scripted import CUT, EMPTY, HTML, RESET, STALL, TRUNCATED, Answer, Script, refuses, says

UNREADABLE = {
    "html": HTML,
    "empty": EMPTY,
    "truncated json": TRUNCATED,
    "a number": Answer(b"42"),
    "a redirect": Answer(b"", 302, {"location": "https://elsewhere.example/"}),
    "reset": RESET,
    "cut short": CUT,
}


# Not spelled out in the call, since a traceback quotes the test's own line.
PRIVATE = {"input_token": "EAAanothertoken", "email": "buyer@example.com"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_write_without_a_readable_answer_is_unclear_and_not_sent_again(
    session: GraphSession, meta: Script, fault: Answer
) -> None:
    meta.always = fault

    with pytest.raises(GraphUnclear) as caught:
        await session.post("9/refunds", {"amount": 1})

    assert caught.value.code == "META_OUTCOME_UNKNOWN"
    assert not caught.value.retryable
    assert len(meta.asked) == 1


@pytest.mark.parametrize("fault", [RESET, CUT, HTML], ids=["reset", "cut short", "html"])
async def test_a_delete_is_sent_once_even_when_the_connection_breaks(
    session: GraphSession, meta: Script, fault: Answer
) -> None:
    meta.then(says({"success": True}))
    meta.always = fault

    await session.delete("8")
    with pytest.raises(GraphUnclear):
        await session.delete("9")

    assert [asked.path for asked in meta.asked] == ["v25.0/8", "v25.0/9"]


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_read_is_tried_again_until_it_is_answered(
    session: GraphSession, meta: Script, rig: Rig, fault: Answer
) -> None:
    meta.then(fault, fault, says({"id": "9"}))

    assert await session.get("9") == {"id": "9"}
    assert meta.unused == 0


async def test_a_read_gives_up_after_five_tries_with_growing_waits(
    session: GraphSession, meta: Script, rig: Rig
) -> None:
    meta.always = HTML

    with pytest.raises(GraphUnclear) as caught:
        await session.get("9")

    assert caught.value.http_status == 503
    assert caught.value.retryable
    assert len(meta.asked) == 5
    assert rig.slept == [1, 2, 4, 8]


@pytest.mark.parametrize("write", [False, True])
async def test_a_body_that_stalls_ends_in_a_time_out(rig: Rig, meta: Script, write: bool) -> None:
    session = rig.session(read_timeout_s=0.05, read_tries=2)
    meta.always = STALL

    with pytest.raises(GraphUnclear, match="in time"):
        await (session.post("9", {}) if write else session.get("9"))

    assert len(meta.asked) == (1 if write else 2)


async def test_no_connection_means_nothing_was_sent_and_even_a_write_is_tried_again(rig: Rig) -> None:
    session = rig.session(base_url=f"http://127.0.0.1:{free_port()}")

    for call in (session.post("9", {"a": 1}), session.delete("9"), session.get("9")):
        with pytest.raises(GraphUnreachable):
            await call

    assert rig.slept == [1, 2, 4, 8] * 2 + [1, 2]  # the budget of ten retries is spent


async def test_a_host_without_an_address_is_unreachable(rig: Rig) -> None:
    session = rig.session(base_url="http://nowhere.invalid", read_tries=1)

    with pytest.raises(GraphUnreachable):
        await session.post("9", {})


async def test_a_keyed_write_is_sent_again_with_the_very_same_body(session: GraphSession, meta: Script) -> None:
    meta.then(HTML, RESET, refuses(2, status=500), says({"success": True}))

    await session.post("9/refunds", {"idempotency_key": "k1"}, repeatable=True)

    assert len(meta.asked) == 4
    assert len({asked.body for asked in meta.asked}) == 1


async def test_a_refusal_is_not_asked_for_again_under_the_same_key(session: GraphSession, meta: Script) -> None:
    """Meta repeats a stored refusal; another try needs a new key, which is its owner's to make."""
    meta.always = refuses(100, 2361081)

    with pytest.raises(GraphRejected):
        await session.post("9/refunds", {"idempotency_key": "k1"}, repeatable=True)

    assert len(meta.asked) == 1


async def test_a_write_without_a_key_is_not_sent_again_when_meta_is_unwell(session: GraphSession, meta: Script) -> None:
    meta.always = refuses(2, status=500)

    with pytest.raises(GraphTransient):
        await session.post("9/refunds", {})

    assert len(meta.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuses(190, 463), TokenInvalid),
        (refuses(190, 463, status=200), TokenInvalid),
        (refuses(100), GraphRejected),
        (refuses(4, status=403, is_transient=True), GraphThrottled),
        (says({"success": False}), GraphRejected),
    ],
    ids=["token", "token in a 200", "parameter", "quota that calls itself transient", "success: false"],
)
async def test_a_refused_read_is_not_tried_again(
    session: GraphSession, meta: Script, answer: Answer, kind: type[GraphError]
) -> None:
    meta.always = answer

    with pytest.raises(kind):
        await session.get("9")

    assert len(meta.asked) == 1


async def test_a_quota_that_is_back_in_seconds_is_waited_for(session: GraphSession, meta: Script, rig: Rig) -> None:
    busy = refuses(4)
    busy.headers = {"Retry-After": "3"}
    meta.then(busy, says({"id": "9"}))

    await session.get("9")

    assert rig.slept == [4]


async def test_json_is_read_whatever_the_content_type(session: GraphSession, meta: Script) -> None:
    meta.then(Answer(b'{"id":"9"}', content_type="text/javascript; charset=UTF-8"))

    assert await session.get("9") == {"id": "9"}


async def test_an_error_status_with_an_answer_in_the_body_is_no_answer(session: GraphSession, meta: Script) -> None:
    meta.then(says({"id": "9"}, 404))

    with pytest.raises(GraphUnclear):
        await session.post("9", {})


async def test_usage_headers_of_all_32_objects_can_be_read(rig: Rig, meta: Script) -> None:
    graph = rig.graph()
    entry = b'{"type":"pages","call_count":97,"total_cputime":23,"total_time":23,"estimated_time_to_regain_access":0}'
    # Four kinds each: more than the 8 KB for a line that HTTP clients allow by default.
    entries = ",".join([entry.decode()] * 4)
    header = "{" + ",".join(f'"1102003004{i:05}":[{entries}]' for i in range(32)) + "}"
    meta.then(says({"id": "9"}, x_business_use_case_usage=header))

    await graph.session(TOKEN).get("9")

    assert len(graph.usage.all()) == 32


@pytest.mark.parametrize("fault", [HTML, RESET, STALL, refuses(190, message=f"Malformed access token {TOKEN}")])
async def test_nothing_secret_is_in_an_error_or_its_traceback(rig: Rig, meta: Script, fault: Answer) -> None:
    session = rig.session(read_timeout_s=0.05, read_tries=1)
    meta.always = fault

    with pytest.raises(GraphError) as caught:
        await session.get("9", params=PRIVATE)

    text = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    for secret in (TOKEN, SECRET, "appsecret_proof=", *PRIVATE.values()):
        assert secret not in text
