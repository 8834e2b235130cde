"""Commands and dispatches: what we mean to do at Meta, and the calls that do it.

A *command* is an intent on one object, committed with the state change behind it, before anything is sent.  A
*dispatch* is one Graph call that carries one command or many.  The states are kept apart on purpose: a dispatch that
failed may be followed by another one for the same command; a command's end is told to the client once.

    command:   REQUESTED -> SENT -> CONFIRMED | FAILED | UNKNOWN
    dispatch:  WAITING -> SENDING -> DONE | FAILED
                             |-> AWAITING (Meta gave a handle; polled to its end) -> DONE | FAILED
                             |-> HELD (sent, no readable answer) -> SENDING again under the same key, or UNKNOWN
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.errors import GatewayError, Upstream


class CommandState(StrEnum):
    """How far a command has come."""

    REQUESTED = "REQUESTED"
    SENT = "SENT"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class DispatchState(StrEnum):
    """How far one Graph call has come."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    HELD = "HELD"
    AWAITING = "AWAITING"
    DONE = "DONE"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


OPEN = (DispatchState.WAITING, DispatchState.SENDING, DispatchState.HELD, DispatchState.AWAITING)


@dataclass(frozen=True, slots=True)
class Command:
    """An intent and what came of it."""

    id: str
    shop_id: str
    kind: str
    target_id: str
    payload: dict[str, Any]
    client_key: str | None
    state: CommandState
    outcome: dict[str, Any] | None
    error: dict[str, Any] | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    attempts: int
    dispatch_id: str | None

    @property
    def is_finished(self) -> bool:
        return self.state in (CommandState.CONFIRMED, CommandState.FAILED, CommandState.UNKNOWN)


class IdempotencyConflict(GatewayError):
    """The client key was used before, with another payload."""

    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the idempotency key {key!r} was used before with another payload",
            field=("idempotencyKey",),
            fix="Use a new key for a new intent; repeat a key only with the same input.",
        )
        self.key = key


class CommandFailed(GatewayError):
    """Meta refused what a command wanted, or its outcome will never be known."""

    def __init__(self, command: Command, field: tuple[str, ...] = ()) -> None:
        document = command.error or {}
        upstream = document.get("upstream")
        super().__init__(
            document.get("message", "the outcome of this command is not known"),
            field=field,
            fix=document.get("fix"),
            upstream=None
            if upstream is None
            else Upstream(upstream["code"], upstream["subcode"], upstream["traceId"], upstream["message"]),
        )
        self.code = document.get("code", "META_OUTCOME_UNKNOWN")
        self.retryable = bool(document.get("retryable", False))
        self.command_id = command.id


def error_document(error: GatewayError) -> dict[str, Any]:
    """*error* as it is kept with a command, an item or a run, and shown later."""
    upstream = error.upstream
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "fix": error.fix,
        "upstream": None
        if upstream is None
        else {
            "code": upstream.code,
            "subcode": upstream.subcode,
            "traceId": upstream.trace_id,
            "message": upstream.message,
        },
    }


class Recalled(GatewayError):
    """An error that the first use of a client key met, told again."""


def kept_error(error: GatewayError) -> dict[str, Any]:
    """*error* as it is kept with a client key."""
    return {**error_document(error), "field": list(error.field), "retryAfter": error.retry_after_s}


def recalled(document: dict[str, Any]) -> GatewayError:
    """The error behind ``kept_error``."""
    error = Recalled(
        document["message"],
        field=tuple(document["field"]),
        fix=document["fix"],
        retry_after_s=document["retryAfter"],
    )
    error.code = document["code"]
    error.retryable = document["retryable"]
    return error
