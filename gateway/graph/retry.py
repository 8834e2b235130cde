"""Whether a failed call is sent again, and when: pure functions, so that no test has to sleep.

A read may be sent again.  A write only when nothing was sent at all, or when it carries a key by which Meta knows
it again.  Refusals and void tokens are never retried, and a used-up quota only when the wait is a matter of seconds:
calling on while throttled lengthens the block.
Source: Graph API > Handle errors, Rate limiting; Commerce Platform > best practices.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.graph.errors import GraphError, GraphThrottled, GraphTransient, GraphUnclear, GraphUnreachable
from gateway.kit.clock import Clock

BASE_S = 1.0
FACTOR = 2.0
CAP_S = 60.0
LONGEST_THROTTLE_S = 5
"""A quota that is back sooner is waited for; a longer wait belongs to the owner of the bucket."""


def delay_before_retry(error: GraphError, attempt: int, *, random: Callable[[], float]) -> float | None:
    """Seconds to wait after the failed *attempt* (1 for the first); None: do not try again.

    Full jitter: anywhere between nothing and the backoff, so that callers who failed together do not return
    together.  A wait that Meta asks for is kept, and jitter comes on top.
    """
    if isinstance(error, GraphThrottled):
        if error.retry_after_s is None or error.retry_after_s > LONGEST_THROTTLE_S:
            return None
    elif not isinstance(error, GraphTransient | GraphUnreachable | GraphUnclear):
        return None
    asked_s = error.retry_after_s or 0
    if asked_s > CAP_S:
        return None
    # min() before the power: FACTOR ** 1100 is no float.
    backoff_s = min(CAP_S, BASE_S * FACTOR ** min(attempt - 1, 16))
    return asked_s + random() * backoff_s


def may_send_again(error: GraphError, *, write: bool, repeatable: bool) -> bool:
    """Whether sending the same call once more could do no harm."""
    return not write or repeatable or isinstance(error, GraphUnreachable)


class RetryBudget:
    """Allows retries as a share of the calls in a window of time, so that a dead Meta is not hammered by us all."""

    def __init__(self, clock: Clock, *, share: float = 0.2, minimum: int = 10, window_s: float = 60) -> None:
        self._clock = clock
        self._share = share
        self._minimum = minimum
        self._window_s = window_s
        self._window = -1
        self._calls = 0
        self._retries = 0

    def count_call(self) -> None:
        """A call was made (its first sending)."""
        self._turn()
        self._calls += 1

    def take(self) -> bool:
        """Claim one retry; false when the window's share is spent."""
        self._turn()
        if self._retries >= max(self._minimum, self._share * self._calls):
            return False
        self._retries += 1
        return True

    def _turn(self) -> None:
        window = int(self._clock.now().timestamp() // self._window_s)
        if window != self._window:
            self._window, self._calls, self._retries = window, 0, 0
