"""What a server event has to look like.  One bad event refuses the whole request, and nothing of it is kept.

Source: signals.md sections 4 to 6, 9 and 15.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from gateway.sandbox.errors import GraphError
from gateway.sandbox.money import CURRENCIES
from gateway.sandbox.params import read_json

DAY = 86_400
OLDEST, OLDEST_IN_STORE = 7 * DAY, 62 * DAY
EARLY = 60
SOURCES = (
    "website email app phone_call chat physical_store system_generated business_messaging other"
).split()  # fmt: skip
HASHED = "em ph fn ln db ge ct st zp country external_id f5first f5last fi dobd dobm doby".split()
PLAIN = (
    "client_ip_address client_user_agent fbc fbp subscription_id fb_login_id lead_id page_id page_scoped_user_id "
    "ctwa_clid ig_account_id ig_sid anon_id madid"
).split()
DELIVERY = ("in_store", "curbside", "home_delivery")
CONTENT_TYPES = ("product", "product_group")
WEAK = (
    frozenset("ct country st zp ge client_user_agent".split()),
    frozenset(("db", "client_user_agent")),
    frozenset(("fn", "ge")),
    frozenset(("ln", "ge")),
)
"""Identifiers that, with nothing else, do not tell one person from another."""
_DIGEST = re.compile(r"[a-f0-9]{32}|[a-f0-9]{64}")
_CLICK = re.compile(r"fb\.\d+\.\d+\..+")


def _refusal(message: str, subcode: int = 2804019, title: str = "Server-side API parameter error") -> GraphError:
    return GraphError(100, "Invalid parameter", subcode, transient=False, title=title, user_message=message)


def _missing(path: str) -> GraphError:
    return _refusal(f"The parameter {path} is required.")


def _wrong(path: str, what: str) -> GraphError:
    return _refusal(f"The parameter {path} {what}.")


def check_event(event: Any, position: int, now: float, strict: bool) -> tuple[dict[str, Any], list[str]]:
    """The event with its nested texts read, and warnings.

    Raises:
        GraphError: it is refused, and with it the request.
    """
    path = f"$['data'][{position}]"
    if not isinstance(event, dict):
        raise _wrong(path, "must be an object")
    name = event.get("event_name")
    if not isinstance(name, str) or not name.strip():
        raise _missing(f"{path}['event_name']")
    source, warnings = _source(event, path, strict)
    at = _time(event, path, source, now)
    user = _user(event, path)
    known, more = _identifiers(user, path)
    warnings += more
    if not known or any(set(known) <= weak for weak in WEAK):
        raise _refusal(
            f"The event at {path} has not enough customer information to be matched to a person.",
            2804050,
            "Not Enough Customer Information",
        )
    if source == "website":
        _website(event, user, path)
    if source == "business_messaging" and not event.get("messaging_channel"):
        raise _missing(f"{path}['messaging_channel']")
    _processing(event, path)
    custom = _custom(event, name, path)
    return dict(event) | {"event_time": at, "user_data": user, "custom_data": custom, "identifiers": known}, warnings


def _source(event: Mapping[str, Any], path: str, strict: bool) -> tuple[str | None, list[str]]:
    source = event.get("action_source")
    if source in (None, ""):
        if strict:
            raise _missing(f"{path}['action_source']")
        return None, [f"The parameter {path}['action_source'] is missing; it is required for attribution."]
    if source not in SOURCES:
        raise _wrong(f"{path}['action_source']", f"must be one of {', '.join(SOURCES)}")
    return str(source), []


def _time(event: Mapping[str, Any], path: str, source: str | None, now: float) -> int:
    given = event.get("event_time")
    if given in (None, ""):
        raise _missing(f"{path}['event_time']")
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdecimal():
        raise _wrong(f"{path}['event_time']", "must be a Unix time in seconds")
    at = int(text)
    if at > now + EARLY:
        raise _wrong(f"{path}['event_time']", "must not be in the future")
    if at < int(now) - (OLDEST_IN_STORE if source == "physical_store" else OLDEST):
        raise _refusal(
            f"The event at {path} is too old: events may be sent up to 7 days after they happened, "
            "and 62 days for a physical store.",
            2804003,
            "Event Timestamp Too Old",
        )
    return at


def _nested(value: Any) -> Any:
    """Some senders put lists and objects in as JSON text."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return read_json(value)
        except ValueError:
            return value
    return value


def _user(event: Mapping[str, Any], path: str) -> dict[str, Any]:
    user = _nested(event.get("user_data"))
    if user in (None, "", {}, []):
        raise _missing(f"{path}['user_data']")
    if not isinstance(user, dict):
        raise _wrong(f"{path}['user_data']", "must be an object")
    return user


def _identifiers(user: Mapping[str, Any], path: str) -> tuple[list[str], list[str]]:
    """Names of usable identifiers, and warnings about the others."""
    known, warnings = [], []
    for key, value in user.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in values):
            raise _wrong(f"{path}['user_data']['{key}']", "must be a string or a list of strings")
        texts = [str(one) for one in values if str(one)]
        if not texts or key not in (*HASHED, *PLAIN):
            continue
        complaint = _complaint(key, texts)
        if complaint is not None:
            warnings.append(f"The parameter {path}['user_data']['{key}'] {complaint}.")
        if complaint is None or key in HASHED:
            known.append(key)
    return known, warnings


def _complaint(key: str, texts: list[str]) -> str | None:
    if key in HASHED and key != "external_id":
        return None if all(_DIGEST.fullmatch(text) for text in texts) else "has to be hashed with SHA-256"
    if key in ("fbc", "fbp"):
        return None if all(_CLICK.fullmatch(text) for text in texts) else "has not the form fb.index.time.value"
    if key == "client_ip_address":
        return None if all(_is_address(text) for text in texts) else "is no IP address"
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _website(event: Mapping[str, Any], user: Mapping[str, Any], path: str) -> None:
    if not event.get("event_source_url"):
        raise _missing(f"{path}['event_source_url']")
    if not user.get("client_user_agent"):
        raise _missing(f"{path}['user_data']['client_user_agent']")


def _processing(event: Mapping[str, Any], path: str) -> None:
    options = _nested(event.get("data_processing_options"))
    if options is None:
        return
    if not isinstance(options, list) or any(option != "LDU" for option in options):
        raise _wrong(f"{path}['data_processing_options']", 'must be ["LDU"] or []')
    country, state = (event.get(f"data_processing_options_{part}") for part in ("country", "state"))
    if country is not None and state is None:
        raise _missing(f"{path}['data_processing_options_state']")


def _custom(event: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    custom = _nested(event.get("custom_data"))
    where = f"{path}['custom_data']"
    if custom in (None, "", []):
        custom = {}
    if not isinstance(custom, dict):
        raise _wrong(where, "must be an object")
    custom = {key: _nested(value) for key, value in custom.items()}
    if name == "Purchase":
        for key in ("value", "currency"):
            if custom.get(key) in (None, ""):
                raise _missing(f"{where}['{key}']")
    _amounts(custom, where)
    if custom.get("content_type") not in (None, "", *CONTENT_TYPES):
        raise _wrong(f"{where}['content_type']", f"must be one of {', '.join(CONTENT_TYPES)}")
    _contents(custom, where)
    return custom


def _amounts(custom: Mapping[str, Any], where: str) -> None:
    for key in ("value", "predicted_ltv", "net_revenue"):
        if custom.get(key) in (None, ""):
            continue
        try:
            finite = math.isfinite(float(custom[key]))
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise _wrong(f"{where}['{key}']", "must be a number")
    currency = custom.get("currency")
    if currency not in (None, "") and str(currency).upper() not in CURRENCIES:
        raise _wrong(f"{where}['currency']", "must be an ISO 4217 currency code")


def _contents(custom: Mapping[str, Any], where: str) -> None:
    contents = custom.get("contents")
    rows = contents if isinstance(contents, list) else [] if contents in (None, "") else None
    if rows is None:
        raise _wrong(f"{where}['contents']", "must be a list")
    for index, row in enumerate(rows):
        here = f"{where}['contents'][{index}]"
        if not isinstance(row, dict):
            raise _wrong(here, "must be an object")
        for key in ("id", "quantity"):
            if row.get(key) in (None, ""):
                raise _missing(f"{here}['{key}']")
        if row.get("delivery_category") not in (None, "", *DELIVERY):
            raise _wrong(f"{here}['delivery_category']", f"must be one of {', '.join(DELIVERY)}")


def content_ids(custom: Mapping[str, Any]) -> list[str]:
    """The catalog ids an event names, in either of its two places."""
    named = custom.get("content_ids")
    found = [str(one) for one in named] if isinstance(named, list) else [str(named)] if named else []
    rows = custom.get("contents")
    found += [str(row["id"]) for row in rows or [] if isinstance(row, dict) and "id" in row]
    return list(dict.fromkeys(found))
