"""The contract with clients: the file is fresh, everything is described, every root field is guarded."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema
from graphql.type import GraphQLNamedType

from gateway.schema import sdl

ROOT = Path(__file__).parent.parent
SDL = sdl()
SCHEMA = build_schema(SDL)
TYPES = {name: type_ for name, type_ in SCHEMA.type_map.items() if not name.startswith("__")}
BUILT_IN = {"Boolean", "Float", "ID", "Int", "String"}
# `viewer` needs a key and no scope; `node` and `nodes` need the scope of what they find.
OPEN = {"viewer", "node", "nodes"}


def test_the_schema_file_is_fresh() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == SDL, "run `make schema`"


@pytest.mark.parametrize("name", sorted(set(TYPES) - BUILT_IN - {"Query", "Mutation"}))
def test_everything_public_is_described(name: str) -> None:
    type_: GraphQLNamedType = TYPES[name]
    assert type_.description, f"{name} has no description"
    if isinstance(type_, GraphQLEnumType):
        for value_name, value in type_.values.items():
            assert value.description, f"{name}.{value_name} has no description"


@pytest.mark.parametrize("name", sorted(set(TYPES) - BUILT_IN))
def test_every_field_and_argument_is_described(name: str) -> None:
    type_ = TYPES[name]
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for field_name, field in type_.fields.items():
            assert field.description, f"{name}.{field_name} has no description"
            for argument_name, argument in field.args.items():
                assert argument.description, f"{name}.{field_name}({argument_name}:) has no description"
    if isinstance(type_, GraphQLInputObjectType):
        for field_name, input_field in type_.fields.items():
            assert input_field.description, f"{name}.{field_name} has no description"


@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_every_root_field_needs_a_scope(root: str) -> None:
    type_ = SCHEMA.type_map[root]
    assert isinstance(type_, GraphQLObjectType)
    for name, field in type_.fields.items():
        if name in OPEN:
            continue
        assert field.ast_node is not None
        directives = {directive.name.value for directive in field.ast_node.directives}
        assert "requiresScope" in directives, f"{root}.{name} is open to everybody"


def test_root_query_fields_are_nullable() -> None:
    """One failing field must not null the whole answer."""
    query = SCHEMA.query_type
    assert query is not None
    for name, field in query.fields.items():
        if name != "nodes":
            assert not str(field.type).endswith("!"), f"Query.{name} is non-null"


def test_every_mutation_has_one_input_and_a_payload() -> None:
    mutation = SCHEMA.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        assert list(field.args) == ["input"], name
        payload = SCHEMA.type_map[str(field.type).rstrip("!")]
        assert isinstance(payload, GraphQLObjectType)
        assert "userErrors" in payload.fields, f"{name} has no userErrors"
