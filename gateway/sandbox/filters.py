"""The rule language of product sets and product searches, as conditions on the items table.

Source: catalog.md section 8.4.  Matching ignores case, except for seller ids, which differ by case and are looked up
by index.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox.errors import invalid
from gateway.sandbox.item_fields import FROM_SINGLE
from gateway.sandbox.params import read_json

Condition = tuple[str, list[Any]]

LARGEST = 500 * 1024
_TEXTS = (
    "age_group availability brand color condition description gender material pattern product_type size "
    "custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 name category "
    "retailer_product_group_id vendor_id url image_url"
).split()
_NUMBERS = "custom_number_0 custom_number_1 custom_number_2 custom_number_3 custom_number_4 inventory".split()
_EXACT = {"retailer_id": "retailer_id", "product_item_id": "id", "product_group_id": "group_id", "id": "id"}
_LIST_OPERATORS = ("is_any", "is_not_any")
_NUMBER_OPERATORS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_OPERATORS = ("eq", "neq", "contains", "not_contains", "starts_with", *_LIST_OPERATORS, *_NUMBER_OPERATORS)


def _path(name: str) -> str:
    return f"json_extract(doc, '$.{FROM_SINGLE.get(name, name)}')"


def _hundredths(name: str) -> str:
    price = f"json_extract(doc, '$.{name}')"
    return f"CAST(ROUND(100 * CAST(substr({price}, 1, instr({price}, ' ') - 1) AS REAL)) AS INTEGER)"


def read_rule(source: Any) -> dict[str, Any]:
    """A rule out of JSON text or native JSON; an empty one matches every item."""
    if source in (None, "", "{}", "null", []):
        return {}
    rule = source
    if isinstance(source, str):
        if len(source) > LARGEST:
            raise invalid("Param filter must not be larger than 500 KiB")
        try:
            rule = read_json(source)
        except ValueError:
            raise invalid("Param filter must be a valid JSON rule") from None
    if not isinstance(rule, dict):
        raise invalid("Param filter must be a JSON-encoded rule object")
    return rule


def condition(rule: dict[str, Any], now: float) -> Condition:
    """The rule as SQL over the columns of `items`.

    Raises:
        GraphError: an unknown field or operator, or a value of the wrong shape.
    """
    parts: list[Condition] = []
    for key, value in rule.items():
        if key in ("and", "or"):
            if not isinstance(value, list) or not all(isinstance(inner, dict) for inner in value):
                raise invalid(f"Param filter: {key} must hold a list of rules")
            inner = [condition(part, now) for part in value]
            joined = f" {key.upper()} ".join(f"({sql})" for sql, _ in inner) or "1"
            parts.append((joined, [argument for _, arguments in inner for argument in arguments]))
        else:
            parts.append(_leaf(key, value, now))
    if not parts:
        return "1", []
    return " AND ".join(f"({sql})" for sql, _ in parts), [one for _, arguments in parts for one in arguments]


def names_few(rule: dict[str, Any]) -> bool:
    """Whether the rule picks items by their seller ids, so that looking those up beats walking the catalog."""
    tests = rule.get("retailer_id")
    if isinstance(tests, dict) and any(operator.removeprefix("i_") in ("eq", "is_any") for operator in tests):
        return True
    inner = rule.get("and")
    return isinstance(inner, list) and any(isinstance(part, dict) and names_few(part) for part in inner)


def _leaf(name: str, tests: Any, now: float) -> Condition:
    if not isinstance(tests, dict) or not tests:
        raise invalid(f"Param filter: {name} needs an operator")
    parts = [_test(name, operator.removeprefix("i_"), value, now) for operator, value in tests.items()]
    return " AND ".join(sql for sql, _ in parts), [one for _, arguments in parts for one in arguments]


def _test(name: str, operator: str, value: Any, now: float) -> Condition:
    if operator not in _OPERATORS:
        raise invalid(f"Param filter: unknown operator {operator}")
    if name in ("internal_label", "tags"):
        return _label(operator, value)
    expression, exact = _expression(name, now)
    if operator in _LIST_OPERATORS:
        values = value if isinstance(value, list) else [value]
        negation = "NOT " if operator == "is_not_any" else ""
        if exact:
            return (
                f"{expression} {negation}IN (SELECT value FROM json_each(?))",
                [json.dumps([str(one) for one in values])],
            )
        folded = json.dumps([str(one).lower() for one in values])
        return f"LOWER(COALESCE({expression}, '')) {negation}IN (SELECT value FROM json_each(?))", [folded]
    if operator in _NUMBER_OPERATORS:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise invalid(f"Param filter: {operator} needs a number") from None
        return f"CAST({expression} AS REAL) {_NUMBER_OPERATORS[operator]} ?", [number]
    if isinstance(value, (dict, list)):
        raise invalid(f"Param filter: {operator} needs a single value")
    text = "true" if value is True else "false" if value is False else str(value)
    if operator in ("eq", "neq"):
        sign = "=" if operator == "eq" else "<>"
        if exact:
            return f"{expression} {sign} ?", [text]
        return f"LOWER(COALESCE({expression}, '')) {sign} ?", [text.lower()]
    found = f"instr(LOWER(COALESCE({expression}, '')), ?)"
    sign = {"contains": "> 0", "not_contains": "= 0", "starts_with": "= 1"}[operator]
    return f"{found} {sign}", [text.lower()]


def _expression(name: str, now: float) -> tuple[str, bool]:
    """SQL for a field, and whether it is compared exactly."""
    if name in _EXACT:
        return _EXACT[name], True
    if name in ("price_amount", "sale_price_amount"):
        return _hundredths(name.removesuffix("_amount")), False
    if name == "currency":
        return "substr(json_extract(doc, '$.price'), instr(json_extract(doc, '$.price'), ' ') + 1)", False
    if name == "review_status":
        return f"CASE WHEN reviewed_at <= {float(now)!r} THEN verdict ELSE 'pending' END", False
    if name == "visibility":
        archived = "CASE json_extract(doc, '$.status') WHEN 'archived' THEN 'hidden' ELSE 'published' END"
        return f"COALESCE(json_extract(doc, '$.visibility'), {archived})", False
    if name.lower() in _TEXTS or name in _NUMBERS:
        return _path(name.lower()), False
    raise invalid(f"Param filter: unknown field {name}")


def _label(operator: str, value: Any) -> Condition:
    values = json.dumps([str(one).lower() for one in (value if isinstance(value, list) else [value])])
    labels = "json_each(COALESCE(json_extract(doc, '$.internal_label'), '[]'))"
    inside = f"EXISTS (SELECT 1 FROM {labels} AS label WHERE label.value IN (SELECT value FROM json_each(?)))"
    return (f"NOT {inside}" if operator in ("neq", "is_not_any", "not_contains") else inside), [values]
