"""Meta's error codes in one table: which error a code and subcode is, and what the seller must do about it.

Source: Graph API > Handle errors, Rate limiting; Commerce Platform > order management errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.graph.tree import (
    GraphError,
    GraphNotFound,
    GraphRejected,
    GraphThrottled,
    GraphTransient,
    PermissionMissing,
    TokenInvalid,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what an error with this code (or these codes) and subcode is."""

    codes: range | None
    """None: whatever the code; the subcode alone decides."""
    subcode: int | None
    error: type[GraphError]
    fix: str | None = None
    retryable: bool | None = None
    bucket: str | None = None


def _one(code: int) -> range:
    return range(code, code + 1)


def _token(subcode: int, fix: str) -> Rule:
    return Rule(_one(190), subcode, TokenInvalid, fix)


def _throttled(first: int, bucket: str, fix: str | None = None, last: int | None = None) -> Rule:
    return Rule(range(first, (last or first) + 1), None, GraphThrottled, fix, bucket=bucket)


def _order(subcode: int, fix: str, retryable: bool = False) -> Rule:
    return Rule(None, subcode, GraphRejected, fix, retryable)


_RECONNECT = "Reconnect the shop: "

RULES: tuple[Rule, ...] = (
    # Tokens
    _token(452, _RECONNECT + "the token no longer matches its session."),
    _token(458, _RECONNECT + "the app was removed from the business."),
    _token(459, "The person behind the token must log in at facebook.com and pass the security check."),
    _token(460, _RECONNECT + "the password of the person behind the token has changed."),
    _token(463, _RECONNECT + "its access token has expired."),
    _token(464, "The person behind the token must confirm the account at facebook.com."),
    _token(465, _RECONNECT + "the system user was deleted or belongs to another business."),
    _token(467, _RECONNECT + "its access token was revoked."),
    _token(492, "Give the person behind the Page token a role on that Page, then reconnect the shop."),
    Rule(_one(190), None, TokenInvalid),
    Rule(_one(102), None, TokenInvalid),
    Rule(_one(104), None, TokenInvalid, "Connect the shop: the call carried no access token."),
    # Permissions
    Rule(_one(3), None, PermissionMissing, "Have the app granted this capability in Meta's app review."),
    Rule(_one(10), None, PermissionMissing),
    Rule(_one(294), None, PermissionMissing, "Grant the app ads_management or catalog_management, then reconnect."),
    Rule(range(200, 300), None, PermissionMissing),
    # Quotas
    _throttled(4, "app"),
    _throttled(17, "user"),
    _throttled(32, "page"),
    _throttled(341, "app"),
    Rule(_one(613), 1996, GraphThrottled, "Spread the calls evenly: Meta saw a sudden burst.", bucket="custom"),
    _throttled(613, "custom"),
    _throttled(80000, "ads_insights"),
    _throttled(80001, "page"),
    _throttled(80002, "instagram"),
    _throttled(80003, "custom_audience"),
    _throttled(80004, "ads_management"),
    _throttled(80005, "leadgen"),
    _throttled(80006, "messenger"),
    _throttled(80007, "whatsapp", last=80008),
    _throttled(80009, "catalog"),
    _throttled(80014, "catalog_batch"),
    _throttled(80000, "business", last=80014),
    # Objects
    Rule(_one(100), 33, GraphNotFound),
    Rule(_one(803), None, GraphNotFound),
    # Meta's own trouble
    Rule(_one(1), None, GraphTransient),
    Rule(_one(2), None, GraphTransient),
    # Order writes: the number stands in the subcode, and was also seen as the code itself
    _order(1818015, "The order has been shipped and charged: refund it instead."),
    _order(1818048, "The order is cancelled already."),
    _order(1818049, "The order is cancelled already."),
    _order(1818050, "The order is shipped already: refund it instead of cancelling."),
    _order(1818105, "A cancelled order cannot be refunded."),
    _order(1818107, "The order has not been charged: there is nothing to refund."),
    _order(1818111, "A cancelled order cannot be shipped."),
    _order(1818214, "The order is shipped, cancelled or refunded already: read it again."),
    _order(1818215, "These items are shipped, cancelled or refunded already: read the order again."),
    _order(2361003, "Leave this order id out: it is none of this shop's orders."),
    _order(2361009, "Only an order in state CREATED can be acknowledged."),
    _order(2361050, "Another change of this order is under way: send one change at a time.", retryable=True),
    _order(2361076, "The buyer has not been charged yet: refund again in a few minutes.", retryable=True),
    _order(2361081, "An earlier change of this order is not finished: try again shortly.", retryable=True),
    _order(2361084, "Give a valid postal code of the place the parcel is shipped from."),
    _order(2361086, "Lower the tax amount: Meta considers it too high."),
    _order(2361091, "The tax to refund exceeds the tax that was charged for this item."),
    _order(2361126, "Another app manages this shop's orders: ask Meta to have it removed."),
    _order(2361357, "Put at least one item into the shipment."),
    _order(2382322, "Put at least one item into the shipment."),
    _order(2382021, "Name items of this order by their own retailer id."),
    _order(2382324, "Name items of this order by their own retailer id."),
    _order(2382022, "The shipping refund exceeds what is left of the shipping charge."),
    _order(2382326, "The shipping refund exceeds what is left of the shipping charge."),
    _order(2382023, "The refund of an item exceeds what was charged for it."),
    _order(2382030, "Refund an amount above zero."),
    _order(2382325, "Refund an amount above zero."),
    _order(2382045, "This tracking number is already on the order: use another one."),
    _order(2382052, "The commerce account is disabled: see Commerce Manager."),
    _order(2382319, "The item has been refunded already."),
    _order(2382323, "The item has been refunded already."),
    # Other refusals that have a remedy of their own
    Rule(_one(12), None, GraphRejected, "This endpoint was retired: update the gateway."),
    Rule(_one(33), None, GraphRejected, "Install the app for this business again: the installation is gone."),
    Rule(_one(100), None, GraphRejected),
    Rule(_one(368), None, GraphRejected, "Blocked for policy reasons: wait some hours, and check Account Quality."),
    Rule(_one(506), None, GraphRejected, "The same content was sent just before: change it, or leave it."),
    Rule(_one(801), None, GraphRejected),
    Rule(_one(1609005), None, GraphRejected, "Meta could not read the linked page: make it public."),
    Rule(_one(2200), None, GraphRejected, "The webhook address did not confirm: check that it is public over HTTPS."),
    Rule(_one(2500), None, GraphRejected),
    Rule(_one(2635), None, GraphRejected, "Set a newer Graph API version: the configured one was withdrawn."),
)

_EXACT: dict[tuple[int | None, int | None], Rule] = {}
_RANGES: list[Rule] = []
for _rule in RULES:
    if _rule.codes is None:
        _EXACT[None, _rule.subcode] = _rule
    elif len(_rule.codes) == 1:
        _EXACT[_rule.codes[0], _rule.subcode] = _rule
    else:
        _RANGES.append(_rule)


def find_rule(code: int | None, subcode: int | None) -> Rule | None:
    """The row for Meta's numbers; a known subcode decides before its code."""
    if subcode is not None:
        rule = _EXACT.get((code, subcode)) or _EXACT.get((None, subcode))
        if rule is not None:
            return rule
    if code is None:
        return None
    rule = _EXACT.get((code, None)) or _EXACT.get((None, code))
    return rule or next((entry for entry in _RANGES if entry.codes is not None and code in entry.codes), None)
