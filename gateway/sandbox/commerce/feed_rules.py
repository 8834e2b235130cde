"""Rules that put a feed's columns right while its file is read.

Source: catalog.md section 9.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.usage import MANAGEMENT
from gateway.sandbox.world import World

RULE = "43"
"""First digits of the ids of rules."""
MAPPING, VALUES, CASE, FALLBACK, REGEX = TYPES = (
    "mapping_rule",
    "value_mapping_rule",
    "letter_case_rule",
    "fallback_rule",
    "regex_replace_rule",
)
CASES = ("capitalize_first", "capitalize_all", "to_upper", "to_lower")
MOST_PAIRS, LONGEST_VALUE = 10, 20


def load_rule(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "feed_rule")
    return None if doc is None else Node("ProductFeedRule", node_id, doc, doc["catalog"], doc["catalog"])


def _of_feed(call: Call, node: Node, given: Params, window: Window) -> Rows:
    found = [load_rule(call.world, doc["id"]) for doc in call.world.nodes_of("feed_rule", node.id)]
    return listed([rule for rule in found if rule is not None], window)


def _checked(kind: str, given: Any) -> dict[str, str]:
    """The parameters of a rule.

    Raises:
        GraphError: they do not fit its type.
    """
    if given is None:
        raise missing_parameter("params")
    if not isinstance(given, dict) or not all(isinstance(value, (str, int)) for value in given.values()):
        raise invalid("Param params must be a map of texts")
    found = {str(name): str(value) for name, value in given.items()}
    if kind == MAPPING and not found.get("map_from"):
        raise invalid("Param params[map_from] is required for a mapping_rule")
    if kind == CASE and found.get("type") not in CASES:
        raise invalid(f"Param params[type] must be one of {{{', '.join(CASES)}}}")
    if kind == VALUES:
        if not found or len(found) > MOST_PAIRS:
            raise invalid(f"Param params must have 1 to {MOST_PAIRS} pairs")
        if any(len(text) > LONGEST_VALUE for pair in found.items() for text in pair):
            raise invalid(f"Param params: every value may have at most {LONGEST_VALUE} characters")
    if kind == FALLBACK and not found.get("fallback_value"):
        raise invalid("Param params[fallback_value] is required for a fallback_rule")
    return found


def _create(call: Call, node: Node) -> dict[str, Any]:
    attribute = params.required_text(call.params, "attribute")
    kinds = params.choices(call.params, "rule_type", TYPES)
    if not kinds:
        raise missing_parameter("rule_type")
    if kinds[0] == REGEX:
        # Nobody documents its parameters, and one bad pattern could stop every world of the process.
        raise invalid("Rules of the type regex_replace_rule are not available in the sandbox")
    given = _checked(kinds[0], params.structure(call.params, "params"))
    rule = call.world.new_id(RULE)
    doc = {"attribute": attribute, "rule_type": kinds[0], "params": given, "catalog": node.asset}
    call.world.add_node(rule, "feed_rule", node.id, doc)
    return {"id": rule}


def _update(call: Call, node: Node) -> dict[str, Any]:
    given = _checked(node.doc["rule_type"], params.structure(call.params, "params"))
    call.world.change_node(node.id, params=given)
    return {"success": True}


def _delete(call: Call, node: Node) -> dict[str, Any]:
    call.world.drop_node(node.id)
    return {"success": True}


def _pairs(call: Call, node: Node, given: Params) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in node.doc["params"].items()]


def apply(rules: Iterable[Mapping[str, Any]], fields: dict[str, Any]) -> dict[str, Any]:
    """A row as the rules leave it, in the order in which they were made."""
    for rule in rules:
        name, given = rule["attribute"], rule["params"]
        value = fields.get(name)
        match rule["rule_type"]:
            case "mapping_rule" if given["map_from"] in fields:
                fields[name] = fields[given["map_from"]]
            case "value_mapping_rule" if str(value) in given:
                fields[name] = given[str(value)]
            case "letter_case_rule" if isinstance(value, str):
                fields[name] = _cased(value, given["type"])
            case "fallback_rule" if value in (None, "", []):
                fields[name] = given["fallback_value"]
            case _:
                pass
    return fields


def _cased(value: str, kind: str) -> str:
    match kind:
        case "to_upper":
            return value.upper()
        case "to_lower":
            return value.lower()
        case "capitalize_all":
            return " ".join(word[:1].upper() + word[1:].lower() for word in value.split(" "))
        case _:
            return value[:1].upper() + value[1:].lower()


def install(schema: Schema) -> None:
    rule = NodeType(
        "ProductFeedRule",
        load_rule,
        doc_fields("attribute rule_type") | {"params": _pairs},
        ("attribute", "rule_type", "params"),
        MANAGEMENT,
        SCOPE,
    )
    schema.add_type(RULE, rule)
    schema.add(
        Edge("ProductFeed", "rules", "ProductFeedRule", _of_feed, scope=SCOPE),
        Write("POST", "ProductFeed", "rules", _create, ("attribute", "rule_type", "params"), SCOPE),
        Write("POST", "ProductFeedRule", "", _update, ("params",), SCOPE),
        Write("DELETE", "ProductFeedRule", "", _delete, (), SCOPE),
    )
