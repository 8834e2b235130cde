"""What can go wrong with an item."""

from __future__ import annotations

from gateway.catalog.models import FieldProblem
from gateway.errors import InvalidInput


class ItemRefused(InvalidInput):
    """One item of a request was not taken; the others were."""

    code = "ITEM_REFUSED"

    def __init__(
        self, retailer_id: str | None, problem: FieldProblem, *, index: int | None = None, line: int | None = None
    ) -> None:
        path: tuple[str, ...] = () if index is None else ("items", str(index))
        super().__init__(problem.message, field=(*path, problem.field), fix=problem.fix)
        self.code = problem.code
        self.retailer_id = retailer_id
        self.line = line
        self.index = index


class NoCatalog(InvalidInput):
    """The shop has no catalog, so there is nowhere to put an item."""

    code = "NO_CATALOG"

    def __init__(self, shop_name: str) -> None:
        super().__init__(
            f"the shop {shop_name} has no catalog at Meta",
            field=("shopId",),
            fix="Connect a catalog to the commerce account in Commerce Manager, then link the shop again.",
        )
