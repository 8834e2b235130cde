"""How errors look in the schema: typed ``userErrors`` for what a client can act on, coded errors for the rest.

A domain error raised inside a mutation becomes a ``userErrors`` entry here, once, for the whole schema.  Access errors
stay at the top level, and so does everything that is not a ``GatewayError``: that is a fault of ours, logged in full
under a trace id and masked outside.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError
from strawberry.extensions import FieldExtension

from gateway.errors import Forbidden, GatewayError
from gateway.kit.ids import BadNodeId, new_id

log = structlog.get_logger("gateway.api")

CODES = {
    "CAPABILITY_MISSING": "The shop cannot do this, by what it is.",
    "CIRCUIT_OPEN": "Meta did not answer several calls in a row and is left alone for a moment.",
    "CONFLICT": "The request contradicts what is there already.",
    "CURRENCY_MISMATCH": "Two amounts that belong together are in different currencies.",
    "DUPLICATE_RETAILER_ID": "The same retailer id stands twice in one request or file.",
    "FEED_UNREADABLE": "The file cannot be read at all.",
    "FORBIDDEN": "The key lacks a scope.",
    "IDEMPOTENCY_CONFLICT": "The idempotency key was used before with other input.",
    "INTERNAL": "A fault of the gateway; quote the trace id.",
    "INVALID_ID": "The id is not in the form that ids of this kind have.",
    "INVALID_INPUT": "The input cannot be taken as it is.",
    "INVALID_PRICE": "The price is no amount above zero with a dot and a currency.",
    "INVALID_QUANTITY": "The quantity is no whole number from zero on.",
    "INVALID_ENCODING": "The bytes are no text in the file's encoding.",
    "INVALID_REQUEST": "The GraphQL request itself is wrong.",
    "MALFORMED_FILE": "The rest of the file cannot be read.",
    "MALFORMED_ROW": "The row of a file cannot be read.",
    "ROW_TOO_LONG": "The row of a file is longer than Meta takes.",
    "INVALID_URL": "The address is no http(s) address.",
    "INVALID_VALUE": "The value is none of those that are allowed.",
    "META_OBJECT_NOT_FOUND": "Meta does not know the object, or does not show it to this shop's token.",
    "META_OUTCOME_UNKNOWN": "Meta never said what became of the call.",
    "META_REJECTED": "Meta refused the call.",
    "META_REJECTED_ITEM": "Meta refused the item.",
    "META_UNAVAILABLE": "Meta has a fault of its own at the moment.",
    "META_UNREACHABLE": "Meta could not be reached.",
    "MISSING_FIELD": "A required field has no value.",
    "NOT_FOUND": "No such object for this caller.",
    "NO_CATALOG": "The shop has no catalog at Meta.",
    "ORDER_HELD_BY_META": "Meta is still checking the order.",
    "ORDER_NOT_ACKNOWLEDGEABLE": "The order has passed the point where it can be acknowledged.",
    "ORDER_REFERENCE_TAKEN": "The order carries another merchant reference already.",
    "PERMISSION_MISSING": "The shop's token lacks a permission at Meta.",
    "PRODUCT_NOT_FOUND": "The catalog has no item with this retailer id.",
    "SALE_PRICE_NOT_LOWER": "The sale price is not below the price.",
    "SHOP_NOT_LINKABLE": "The token does not lead to a commerce account that can be run.",
    "THROTTLED": "Meta's quota is used up for the moment.",
    "TOKEN_INVALID": "The shop's token is dead; link the shop again.",
    "TOO_LONG": "The value is longer than allowed.",
    "TOO_MUCH_DATA": "Meta found the call too large.",
    "UNAUTHENTICATED": "There is no valid key with the request.",
    "UNAVAILABLE": "Not possible at the moment; try again.",
    "UNKNOWN": "A code that this version of the schema does not know.",
    "UNKNOWN_FIELD": "There is no such field.",
}
ErrorCode = StrEnum("ErrorCode", {code: code for code in CODES})  # type: ignore[misc]
_exposed = strawberry.enum(ErrorCode, description="What went wrong; stable across releases, new codes may come.")
for _value in _exposed.__strawberry_definition__.values:  # type: ignore[attr-defined]
    _value.description = CODES[_value.name]


def error_code(code: str) -> ErrorCode:
    """*code* as the schema knows it."""
    return ErrorCode(code) if code in CODES else ErrorCode("UNKNOWN")


@strawberry.type(description="What Meta said, for talks with Meta's support.")
class UpstreamError:
    code: int | None = strawberry.field(description="Meta's error code.")
    subcode: int | None = strawberry.field(description="Meta's error subcode.")
    trace_id: str | None = strawberry.field(description="Meta's trace id (`fbtrace_id`).")
    message: str | None = strawberry.field(description="Meta's own words.")

    @classmethod
    def of(cls, document: dict[str, Any] | None) -> UpstreamError | None:
        if document is None:
            return None
        return cls(
            code=document["code"],
            subcode=document["subcode"],
            trace_id=document["traceId"],
            message=document["message"],
        )


@strawberry.interface(description="Something that a client can act on: what went wrong, where, and what to do next.")
class UserError:
    code: ErrorCode = strawberry.field(description="What went wrong.")
    message: str = strawberry.field(description="The same in words, safe to show.")
    field: list[str] = strawberry.field(
        description="The path in the input that the error is about; empty when it is about the whole request."
    )
    retryable: bool = strawberry.field(description="Whether the same request may succeed later, unchanged.")
    retry_after: int | None = strawberry.field(description="Seconds to wait before that, when known.")
    fix: str | None = strawberry.field(description="What to do next.")
    upstream: UpstreamError | None = strawberry.field(description="What Meta said, when the error came from there.")


@strawberry.type(description="An error without facts of its own beyond those of `UserError`.")
class RequestError(UserError):
    pass


@strawberry.type(description="One item was not taken; the other items of the request were.")
class ItemError(UserError):
    retailer_id: str | None = strawberry.field(description="The item that was refused.")


@strawberry.type(description="A command that came to nothing.")
class CommandError(UserError):
    command_id: strawberry.ID = strawberry.field(description="The command; read it with `node`.")


USER_ERRORS = (RequestError, ItemError, CommandError)


def user_error(error: GatewayError) -> UserError:
    """The schema's form of a domain error, with its facts."""
    from gateway.catalog.errors import ItemRefused
    from gateway.commands.models import CommandFailed
    from gateway.kit.ids import node_id

    upstream = error.upstream
    common: dict[str, Any] = {
        "code": error_code(error.code),
        "message": error.message,
        "field": list(error.field),
        "retryable": error.retryable,
        "retry_after": error.retry_after_s,
        "fix": error.fix,
        "upstream": None
        if upstream is None
        else UpstreamError(
            code=upstream.code, subcode=upstream.subcode, trace_id=upstream.trace_id, message=upstream.message
        ),
    }
    if isinstance(error, ItemRefused):
        return ItemError(**common, retailer_id=error.retailer_id)
    if isinstance(error, CommandFailed):
        return CommandError(**common, command_id=strawberry.ID(node_id("Command", error.command_id)))
    return RequestError(**common)


def user_errors(errors: Sequence[GatewayError]) -> list[UserError]:
    return [user_error(error) for error in errors]


class AsUserErrors(FieldExtension):
    """Turns a domain error raised by a mutation into its payload's ``userErrors``."""

    def __init__(self, payload: type[Any]) -> None:
        self._payload = payload

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        try:
            result = next_(source, info, **kwargs)
            return await result if inspect.isawaitable(result) else result
        except Forbidden:
            raise
        except BadNodeId as exc:
            error = GatewayError(str(exc), fix="Use an id that this API gave you.")
            error.code = "INVALID_ID"
            return self._payload(user_errors=[user_error(error)])
        except GatewayError as exc:
            return self._payload(user_errors=[user_error(exc)])


def extensions_of(error: GatewayError) -> dict[str, Any]:
    """What a top-level error carries."""
    found: dict[str, Any] = {"code": error.code, "retryable": error.retryable}
    if error.fix:
        found["fix"] = error.fix
    if error.retry_after_s is not None:
        found["retryAfter"] = error.retry_after_s
    if error.field:
        found["field"] = list(error.field)
    return found


def present(error: GraphQLError) -> GraphQLError:
    """*error* as the outside may see it: coded when it is the client's or Meta's, masked when it is ours."""
    original = error.original_error
    if isinstance(original, GatewayError):
        error.extensions = {**(error.extensions or {}), **extensions_of(original)}
        return error
    if isinstance(original, BadNodeId):
        error.extensions = {"code": "INVALID_ID", "retryable": False, "fix": "Use an id that this API gave you."}
        return error
    if original is None or isinstance(original, GraphQLError):
        error.extensions = {"code": "INVALID_REQUEST", "retryable": False, **(error.extensions or {})}
        return error
    trace_id = new_id()
    log.error("a resolver met a fault of ours", trace=trace_id, path=error.path, exc_info=original)
    return GraphQLError(
        "the gateway met a fault of its own",
        nodes=error.nodes,
        path=error.path,
        extensions={"code": "INTERNAL", "retryable": True, "traceId": trace_id},
    )
