"""Parameters of a Graph call: one flat namespace, filled by five encodings.

Source: graph-api.md section 6.  A value may come as native JSON, JSON text, a comma list, PHP brackets, or wrapped
in literal quotes; `null` and `[]` mean "not given".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.errors import invalid, missing_parameter

Params = dict[str, Any]

PLATFORM = frozenset(
    "access_token appsecret_proof appsecret_time fields limit after before since until offset summary method batch "
    "include_headers metadata debug locale pretty format callback suppress_http_code date_format ids".split()
)
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def read_json(source: str | bytes) -> Any:
    """JSON without what no text column can hold: halves of surrogate pairs become replacement characters.

    Raises:
        ValueError: it is no JSON, or nested beyond reason.
    """
    try:
        value = json.loads(source, parse_constant=_no_number)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    text = source if isinstance(source, str) else source.decode("utf-8", "replace")
    return _mended(value) if "\\ud" in text.lower() else value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    return value


def merge(pairs: Iterable[tuple[str, Any]]) -> Params:
    """Name-value pairs as parameters, with PHP brackets folded into objects and lists."""
    params: Params = {}
    trees: dict[str, dict[str, Any]] = {}
    for name, value in pairs:
        match = _BRACKETED.fullmatch(name)
        if match is None:
            params[name] = value
            continue
        keys = re.findall(r"\[([^\[\]]*)\]", match[2])
        node = trees.setdefault(match[1], {})
        for key in keys[:-1]:
            node = node.setdefault(key or str(len(node)), {})
            if not isinstance(node, dict):
                raise invalid(f"Invalid parameter {name}")
        node[keys[-1] or str(len(node))] = value
    return params | {name: _listed(tree) for name, tree in trees.items()}


def _listed(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(key.isdecimal() for key in tree):
        return [_listed(tree[key]) for key in sorted(tree, key=int)]
    return {key: _listed(value) for key, value in tree.items()}


def unquoted(value: Any) -> Any:
    """Documentation samples wrap values in literal quotes: one pair is taken off."""
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def given(params: Mapping[str, Any], name: str) -> bool:
    value = params.get(name)
    return not (value is None or (isinstance(value, list) and not value) or value in ("null", "[]", ""))


def text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(unquoted(value))


def required_text(params: Mapping[str, Any], name: str) -> str:
    value = text(params, name)
    if value is None or value in ("", "null"):
        raise missing_parameter(name)
    return value


def boolean(params: Mapping[str, Any], name: str, default: bool) -> bool:
    value = params.get(name)
    if isinstance(value, bool):
        return value
    if not given(params, name):
        return default
    word = str(unquoted(value)).lower()
    if word not in _TRUE + _FALSE:
        raise invalid(f"Param {name} must be a boolean")
    return word in _TRUE


def integer(params: Mapping[str, Any], name: str) -> int | None:
    if not given(params, name):
        return None
    value = unquoted(params[name])
    try:
        return int(str(value))
    except ValueError:
        raise invalid(f"Param {name} must be an integer") from None


def structure(params: Mapping[str, Any], name: str) -> Any:
    """A nested value: native, or JSON text of it; None when not given."""
    if not given(params, name):
        return None
    value = params[name]
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except ValueError:
        raise invalid(f"Param {name} must be valid JSON") from None


def objects(params: Mapping[str, Any], name: str) -> list[dict[str, Any]] | None:
    value = structure(params, name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise invalid(f"Param {name} must be an array.")
    return value


def words(params: Mapping[str, Any], name: str) -> list[str]:
    """A list of plain values: native, JSON text, or separated by commas."""
    if not given(params, name):
        return []
    value = params[name]
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = structure(params, name)
    if isinstance(value, list):
        return [str(word).strip() for word in value]
    return [word.strip() for word in str(unquoted(value)).split(",") if word.strip()]


def choices(params: Mapping[str, Any], name: str, allowed: Iterable[str]) -> list[str]:
    """Enum values, compared without case and returned in the spelling of *allowed*."""
    known = {word.lower(): word for word in allowed}
    found = []
    for word in words(params, name):
        if word.lower() not in known:
            raise invalid(f'Param {name} must be one of {{{", ".join(known.values())}}} - got "{word}".')
        found.append(known[word.lower()])
    return found


def moment(params: Mapping[str, Any], name: str) -> float | None:
    """A time as Unix seconds, ISO 8601, or a plain date."""
    value = text(params, name)
    if value is None or value == "":
        return None
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(f"Param {name} must be a valid timestamp") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
