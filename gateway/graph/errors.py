"""What came of a call that has no answer to give: the typed error for Meta's error envelope.

Errors are told apart by code and subcode, never by text or HTTP status, with one exception: code 1 means both "try
again" and "you asked for too much", and only its text says which.  The classes stand in `tree.py`, the codes in
`table.py`; both are to be had from here.
Source: Graph API > Handle errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.graph.table import RULES, Rule, find_rule
from gateway.graph.tree import (
    CircuitOpen,
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
)
from gateway.graph.usage import retry_after_s, throttle_wait_s

__all__ = [
    "RULES",
    "CircuitOpen",
    "GraphError",
    "GraphNotFound",
    "GraphPagingStuck",
    "GraphRejected",
    "GraphThrottled",
    "GraphTooMuchData",
    "GraphTransient",
    "GraphUnclear",
    "GraphUnreachable",
    "PermissionMissing",
    "Rule",
    "TokenInvalid",
    "error_from_envelope",
    "find_rule",
    "scrub",
    "throttle_wait_s",
]

_TOO_MUCH = re.compile("reduce the amount of data", re.IGNORECASE)
_SECRET = re.compile(
    r"EAA[A-Za-z0-9_-]{8,}|((?:access_token|appsecret_proof|client_secret|input_token|code)=)[^&\s\"']+", re.IGNORECASE
)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """*text* without the given secrets and without whatever looks like a token."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _SECRET.sub(lambda match: f"{match.group(1) or ''}***", text)


def error_from_envelope(
    body: Mapping[str, Any], *, status: int, headers: Mapping[str, str], secrets: Iterable[str] = ()
) -> GraphError:
    """The typed error for an answer that has an ``error`` key.

    *headers* are read for the wait of a used-up quota; *secrets* are kept out of the error's texts.
    """
    raw = body.get("error")
    envelope: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {"message": raw}
    hidden = tuple(secrets)

    def text(key: str) -> str | None:
        value = envelope.get(key)
        return scrub(value, hidden) if isinstance(value, str) and value else None

    code, subcode = _int(envelope.get("code")), _int(envelope.get("error_subcode"))
    message = text("message") or "Meta refused the call without saying why"
    flag = envelope.get("is_transient")
    transient = flag if isinstance(flag, bool) else None
    rule = find_rule(code, subcode)
    kind, fix, retryable = _kind(rule, code, message, transient, status)
    # A remedy for 429 without a code we know: some quota, most likely the app's.
    bucket = (rule.bucket if rule else None) or kind.bucket
    wait_s = throttle_wait_s(headers, bucket) if bucket else retry_after_s(headers)
    return kind(
        message,
        graph_code=code,
        subcode=subcode,
        trace_id=text("fbtrace_id") or headers.get("x-fb-trace-id"),
        http_status=status,
        user_title=text("error_user_title"),
        user_message=text("error_user_msg"),
        transient=transient,
        retryable=retryable,
        retry_after_s=wait_s,
        fix=fix,
        data=_error_data(envelope.get("error_data")),
        bucket=bucket,
    )


def _kind(
    rule: Rule | None, code: int | None, message: str, transient: bool | None, status: int
) -> tuple[type[GraphError], str | None, bool | None]:
    if code == 1 and _TOO_MUCH.search(message):
        return GraphTooMuchData, None, None
    if rule is not None:
        # A quota's error says is_transient too, and must not be retried like an outage; a plain refusal that
        # says so is one.
        by_subcode = rule.codes is None
        if transient and rule.error is GraphRejected and not by_subcode:
            return GraphTransient, None, None
        return rule.error, rule.fix, rule.retryable
    if status == 429:
        return GraphThrottled, None, None
    if transient or status >= 500:
        return GraphTransient, None, None
    return GraphRejected, None, None


def _int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value) else None


def _error_data(value: Any) -> Mapping[str, Any]:
    """``error_data`` is an object, or the text of one."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, Mapping) else {}
