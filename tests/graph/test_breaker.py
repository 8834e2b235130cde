"""What does not answer is left alone for a moment."""

from __future__ import annotations

import pytest

from gateway.graph.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, Breaker
from gateway.graph.errors import CircuitOpen, GraphError, GraphRejected, GraphTransient, GraphUnclear, GraphUnreachable
from gateway.kit.clock import ManualClock

KEY = ("token", "GET", "/{id}/commerce_orders")
OTHER = ("token", "GET", "/{id}/items")


def fail(breaker: Breaker, times: int, error: GraphError | None = None) -> None:
    for _ in range(times):
        breaker.check(KEY)
        breaker.note(KEY, error or GraphTransient("down"))


@pytest.mark.parametrize("error", [GraphTransient("m"), GraphUnreachable("m"), GraphUnclear("m")])
def test_calls_in_a_row_without_an_answer_open_it(error: GraphError) -> None:
    breaker = Breaker(ManualClock())

    fail(breaker, FAILURES, error)

    with pytest.raises(CircuitOpen) as caught:
        breaker.check(KEY)
    assert caught.value.retry_after_s == FIRST_PAUSE_S + 1
    breaker.check(OTHER)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(ManualClock())
    fail(breaker, FAILURES - 1)

    breaker.note(KEY, None)
    fail(breaker, FAILURES - 1)

    breaker.check(KEY)


def test_a_refusal_is_an_answer() -> None:
    breaker = Breaker(ManualClock())

    fail(breaker, FAILURES * 3, GraphRejected("no"))

    breaker.check(KEY)


def test_after_the_pause_one_call_goes_through_and_decides() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    fail(breaker, FAILURES)
    clock.advance(FIRST_PAUSE_S + 1)

    breaker.check(KEY)
    with pytest.raises(CircuitOpen):
        breaker.check(KEY)

    breaker.note(KEY, None)
    breaker.check(KEY)
    breaker.check(KEY)


def test_the_pauses_grow_up_to_five_minutes() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    fail(breaker, FAILURES)
    pauses = []
    for _ in range(6):
        with pytest.raises(CircuitOpen) as caught:
            breaker.check(KEY)
        assert caught.value.retry_after_s is not None
        pauses.append(caught.value.retry_after_s - 1)
        clock.advance(caught.value.retry_after_s)
        fail(breaker, 1)

    assert pauses == [30, 60, 120, 240, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
