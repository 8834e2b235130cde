"""The Graph surface: one module per family of endpoints, each adding its entries to the schema.

A new family is a module with an `install(schema)` and one line here.
"""

from gateway.sandbox.commerce import accounts, catalogs, groups, identity, oauth, orders, product_sets, products
from gateway.sandbox.schema import Schema

FAMILIES = (oauth, identity, accounts, catalogs, products, groups, product_sets, orders)


def build_schema() -> Schema:
    schema = Schema()
    for family in FAMILIES:
        family.install(schema)
    return schema
