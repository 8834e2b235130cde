"""Utility templates: what replaces the retired message tags, after a review.

Source: engagement.md section 2.3.  How a template is sent is documented nowhere we know, so it is not simulated.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.sandbox import conversations, params
from gateway.sandbox.commerce.messaging import SCOPE, need_page_token
from gateway.sandbox.errors import invalid, missing_parameter
from gateway.sandbox.paging import listed
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Edge, Node, NodeType, Rows, Schema, Window, Write, doc_fields
from gateway.sandbox.usage import PAGES
from gateway.sandbox.world import World

TYPE = "MessengerBusinessTemplate"
APPROVED, PENDING = "APPROVED", "PENDING"
STATUSES = (APPROVED, PENDING, "REJECTED", "PAUSED", "DISABLED")
FORMATS = ("NAMED", "POSITIONAL")
_NAME = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")


def load_template(world: World, node_id: str) -> Node | None:
    doc = world.find_node(node_id, "template")
    return None if doc is None else Node(TYPE, node_id, doc, doc["owner"], doc["owner"])


def _status(call: Call, doc: Any) -> str:
    return APPROVED if call.now - doc["created"] >= call.world.config.review_seconds else PENDING


def _listed(call: Call, node: Node, given: Params, window: Window) -> Rows:
    need_page_token(call)
    name, wanted = params.text(given, "name"), params.choices(given, "status", STATUSES)
    found = [load_template(call.world, doc["id"]) for doc in call.world.nodes_of("template", node.id)]
    return listed(
        [
            template
            for template in found
            if template is not None
            and (not name or template.doc["name"] == name)
            and (not wanted or _status(call, template.doc) in wanted)
        ],
        window,
    )


def _create(call: Call, node: Node) -> dict[str, Any]:
    need_page_token(call)
    name, language = params.required_text(call.params, "name"), params.required_text(call.params, "language")
    if not params.choices(call.params, "category", ("UTILITY",)):
        raise missing_parameter("category")
    if not _NAME.fullmatch(name) or not _LANGUAGE.fullmatch(language):
        raise invalid("The name takes small letters, digits and underscores, the language a code such as en_US")
    for other in call.world.nodes_of("template", node.id):
        if (other["name"], other["language"]) == (name, language):
            raise invalid("There is a template with this name and language already")
    doc = {
        "name": name,
        "language": language,
        "category": "UTILITY",
        "components": params.objects(call.params, "components") or [],
        "parameter_format": (params.choices(call.params, "parameter_format", FORMATS) or ["POSITIONAL"])[0],
    }
    template = call.world.new_id(conversations.TEMPLATE)
    call.world.add_node(template, "template", node.id, doc)
    return {"id": template, "status": PENDING, "category": "UTILITY"}


def install(schema: Schema) -> None:
    fields = doc_fields("name language category components parameter_format") | {
        "status": lambda call, node, given: _status(call, node.doc)
    }
    defaults = ("name", "status", "category", "language", "components")
    schema.add_type(conversations.TEMPLATE, NodeType(TYPE, load_template, fields, defaults, PAGES, SCOPE))
    sent = ("name", "language", "category", "components", "parameter_format", "library_template_name")
    schema.add(
        Edge("Page", "message_templates", TYPE, _listed, ("name", "status"), scope=SCOPE),
        Write("POST", "Page", "message_templates", _create, sent, SCOPE),
    )
