"""Products in the schema: fields resolve lazily over the item's document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import strawberry

from gateway.api.enums import expose
from gateway.api.errors import ErrorCode, error_code
from gateway.api.node import Node
from gateway.api.scalars import Long, Money
from gateway.catalog.explain import Link, Step, StepState, explain
from gateway.catalog.importing import CatalogImport as ImportModel
from gateway.catalog.importing import ImportState, Refusal
from gateway.catalog.models import AgeGroup, Availability, Condition, Gender, ItemState, ItemStatus
from gateway.catalog.store import ItemRow
from gateway.commands.types import Failure
from gateway.kit.ids import node_id

expose(
    Availability,
    "Whether an item can be bought.",
    IN_STOCK="Can be bought and ships at once.",
    OUT_OF_STOCK="Shown as sold out, and not advertised.",
    AVAILABLE_FOR_ORDER="Can be bought and ships later.",
    PREORDER="Can be ordered before it comes out.",
    DISCONTINUED="Will not come back.",
)
expose(Condition, "What state the goods are in.", NEW="New.", REFURBISHED="Refurbished.", USED="Used.")
expose(
    ItemStatus,
    "Whether an item is shown.",
    ACTIVE="Shown wherever it is allowed.",
    ARCHIVED="Hidden everywhere, without losing what Meta has learnt about it.",
)
expose(Gender, "Whom an item is made for.", FEMALE="Women.", MALE="Men.", UNISEX="Everybody.")
expose(
    AgeGroup,
    "The age an item is made for.",
    NEWBORN="Up to 3 months.",
    INFANT="3 to 12 months.",
    TODDLER="1 to 5 years.",
    KIDS="5 to 13 years.",
    TEEN="13 to 18 years.",
    ADULT="Grown-ups.",
    ALL_AGES="Every age.",
)
expose(
    ItemState,
    "Where the newest version of an item stands on its way to Meta.",
    PENDING="Waits to be sent.",
    SENT="Sent; Meta has not given a receipt yet.",
    ACCEPTED="Meta gave a receipt and is working on it. Not live yet.",
    CONFIRMED="Meta finished it without an error.",
    REJECTED="Meta refused it; see `syncError`.",
)
expose(
    Step,
    "A link of an item's way to Meta.",
    SOURCE="The write that made or changed it here.",
    VALIDATION="The check against Meta's own field rules.",
    QUEUE="The lane that sends it.",
    BATCH="The call that carries it.",
    META="Meta's own work on it.",
)
expose(
    StepState,
    "How an item stands in a link.",
    PASSED="It is through.",
    WAITING="It is in this link now.",
    BROKEN="It stopped here; see `fix`.",
)
expose(
    ImportState,
    "How far an import has come.",
    RUNNING="Rows are being read and written.",
    FINISHED="The whole file was read.",
    FAILED="The file could not be read to its end; see `error`. Rows before that are in.",
    INTERRUPTED="The process that ran it is gone. Send the same file again: rows that are in cost nothing.",
)


def _field(name: str, description: str, of: Callable[[Any], Any] | None = None) -> Any:
    """A field whose value lives under *name* in the stored document."""

    def resolve(root: Any) -> Any:
        value = root.row.document.get(name)
        return value if of is None or value is None else of(value)

    return strawberry.field(resolver=resolve, description=description)


@strawberry.type(description="From when to when a sale price holds.")
class SalePriceWindow:
    starts_at: datetime = strawberry.field(description="First moment of the sale.")
    ends_at: datetime = strawberry.field(description="Last moment of the sale.")

    @classmethod
    def of(cls, document: dict[str, str]) -> SalePriceWindow:
        return cls(
            starts_at=datetime.fromisoformat(document["startsAt"]), ends_at=datetime.fromisoformat(document["endsAt"])
        )


@strawberry.type(description="A variant attribute that has no field of its own.")
class VariantAttribute:
    name: str = strawberry.field(description="Its name, such as `Volume`.")
    value: str = strawberry.field(description="Its value, such as `350 ml`.")


@strawberry.type(description="One link of an item's way to Meta.")
class ExplainStep:
    step: Step = strawberry.field(description="Which link.")
    state: StepState = strawberry.field(description="How the item stands in it.")
    detail: str = strawberry.field(description="What is known about it.")
    since: datetime | None = strawberry.field(description="Since when.")
    fix: str | None = strawberry.field(description="What to do, where something can be done.")

    @classmethod
    def of(cls, link: Link) -> ExplainStep:
        return cls(step=link.step, state=link.state, detail=link.detail, since=link.since, fix=link.fix)


@strawberry.type(description="Why an item is live or not.")
class ProductExplanation:
    live: bool = strawberry.field(description="Whether the newest version is confirmed by Meta.")
    first_broken: ExplainStep | None = strawberry.field(
        description="The first link that is broken; null when none is (it may still be waiting)."
    )
    steps: list[ExplainStep] = strawberry.field(description="The links in order, up to the one where the item is now.")


@strawberry.type(description="The versions of an item: ours, and what Meta has of it.")
class ProductVersions:
    desired: Long = strawberry.field(description="The newest version here.")
    sent: Long = strawberry.field(description="The newest that was sent; 0 for none.")
    accepted: Long = strawberry.field(description="The newest that Meta gave a receipt for; 0 for none.")
    confirmed: Long = strawberry.field(description="The newest that Meta finished; 0 for none.")


@strawberry.type(
    description="An item of a catalog, one per variant. This is desired state: what the shop wants Meta to show; "
    "`syncState` says how far Meta is."
)
class Product(Node):
    row: strawberry.Private[ItemRow]

    @classmethod
    def of(cls, row: ItemRow) -> Product:
        return cls(key=row.id, row=row)

    @strawberry.field(description="The seller's own id of the item, unique in its catalog.")
    def retailer_id(self) -> str:
        return self.row.retailer_id

    @strawberry.field(description="Meta's id of the catalog that the item belongs to.")
    def catalog_meta_id(self) -> str:
        return self.row.catalog_id

    title: str = _field("title", "The name that buyers see, the same for all variants of a product.")
    description: str = _field("description", "What the item is, as plain text.")
    price: Money = _field("price", "The regular price.", Money.of)
    sale_price: Money | None = _field("salePrice", "The reduced price, if there is one.", Money.of)
    sale_price_window: SalePriceWindow | None = _field(
        "salePriceWindow", "When the sale price holds; null: as long as there is one.", SalePriceWindow.of
    )
    availability: Availability = _field("availability", "Whether it can be bought.", Availability)
    quantity: int | None = _field("quantity", "Units for sale; null when stock is not counted.")
    condition: Condition = _field("condition", "What state the goods are in.", Condition)
    status: ItemStatus = _field("status", "Whether it is shown.", ItemStatus)
    link: str = _field("link", "Its page on the seller's site.")
    image_link: str = _field("imageLink", "Its main picture.")
    brand: str | None = _field("brand", "The brand.")
    gtin: str | None = _field("gtin", "The global trade item number (UPC, EAN, ISBN...).")
    mpn: str | None = _field("mpn", "The manufacturer's part number.")
    group_id: str | None = _field("itemGroupId", "What the variants of one product have in common.")
    color: str | None = _field("color", "The colour, in words.")
    size: str | None = _field("size", "The size.")
    material: str | None = _field("material", "The material.")
    pattern: str | None = _field("pattern", "The pattern.")
    gender: Gender | None = _field("gender", "Whom it is made for.", Gender)
    age_group: AgeGroup | None = _field("ageGroup", "The age it is made for.", AgeGroup)
    google_product_category: str | None = _field("googleProductCategory", "Google's category, by name or number.")
    product_type: str | None = _field("productType", "The seller's own category path.")

    @strawberry.field(description="More pictures.")
    def additional_image_links(self) -> list[str]:
        return list(self.row.document.get("additionalImageLinks", []))

    @strawberry.field(description="The seller's own labels, up to five.")
    def custom_labels(self) -> list[str]:
        return list(self.row.document.get("customLabels", []))

    @strawberry.field(description="Variant attributes that have no field of their own.")
    def variant_attributes(self) -> list[VariantAttribute]:
        pairs = self.row.document.get("variantAttributes", {})
        return [VariantAttribute(name=name, value=value) for name, value in pairs.items()]

    @strawberry.field(description="All items of this item's group, itself included; only itself when it has no group.")
    async def variants(self, info: strawberry.Info) -> list[Product]:
        if self.row.group_id is None:
            return [self]
        rows = await info.context.groups.load((self.row.catalog_id, self.row.group_id))
        return [Product.of(row) for row in rows]

    @strawberry.field(description="Where the newest version stands on its way to Meta.")
    def sync_state(self) -> ItemState:
        return ItemState(self.row.state)

    @strawberry.field(description="Why Meta refused the newest version; null when it did not.")
    def sync_error(self) -> Failure | None:
        return Failure.of(self.row.error)

    @strawberry.field(description="What Meta remarked about the item without refusing it.")
    def sync_warnings(self) -> list[str]:
        return list(self.row.warnings)

    @strawberry.field(description="The versions of the item here and at Meta.")
    def versions(self) -> ProductVersions:
        row = self.row
        return ProductVersions(
            desired=Long(row.desired_version),
            sent=Long(row.sent_version),
            accepted=Long(row.accepted_version),
            confirmed=Long(row.confirmed_version),
        )

    @strawberry.field(description="Why the item is live or not, link by link.")
    def explain(self) -> ProductExplanation:
        steps = [ExplainStep.of(link) for link in explain(self.row)]
        return ProductExplanation(
            live=self.row.state == ItemState.CONFIRMED,
            first_broken=next((step for step in steps if step.state is StepState.BROKEN), None),
            steps=steps,
        )

    @strawberry.field(description="When it was last changed here.")
    def changed_at(self) -> datetime:
        return self.row.changed_at

    @strawberry.field(description="When Meta last confirmed it.")
    def confirmed_at(self) -> datetime | None:
        return self.row.confirmed_at


@strawberry.type(description="A row of a file that was not taken.")
class ImportRefusal:
    line: int | None = strawberry.field(description="The line in the file where the row starts, from 1.")
    retailer_id: str | None = strawberry.field(description="The item, where the row could be read so far.")
    code: ErrorCode = strawberry.field(description="What is wrong.")
    field: str | None = strawberry.field(description="The field or column that it is about.")
    message: str = strawberry.field(description="The same in words.")
    fix: str | None = strawberry.field(description="What to change in the file.")

    @classmethod
    def of(cls, refusal: Refusal) -> ImportRefusal:
        return cls(
            line=refusal.line,
            retailer_id=refusal.retailer_id,
            code=error_code(refusal.code),
            field=refusal.field,
            message=refusal.message,
            fix=refusal.fix,
        )


@strawberry.type(description="An import of a product file, and its report.")
class CatalogImport(Node):
    model: strawberry.Private[ImportModel]

    @classmethod
    def of(cls, model: ImportModel) -> CatalogImport:
        return cls(key=model.id, model=model)

    @strawberry.field(description="The shop whose catalog it writes.")
    def shop_id(self) -> strawberry.ID:
        return strawberry.ID(node_id("Shop", self.model.shop_id))

    @strawberry.field(description="The name of the file.")
    def source(self) -> str:
        return self.model.source

    @strawberry.field(description="How far it has come.")
    def state(self) -> ImportState:
        return self.model.state

    @strawberry.field(description="Rows read so far.")
    def rows(self) -> int:
        return self.model.counts.get("rows", 0)

    @strawberry.field(description="Items that are new.")
    def created(self) -> int:
        return self.model.counts.get("created", 0)

    @strawberry.field(description="Items that changed.")
    def updated(self) -> int:
        return self.model.counts.get("updated", 0)

    @strawberry.field(description="Items about which the file says nothing new; they cost no call at Meta.")
    def unchanged(self) -> int:
        return self.model.counts.get("unchanged", 0)

    @strawberry.field(description="Rows that were not taken.")
    def refused(self) -> int:
        return self.model.counts.get("refused", 0)

    @strawberry.field(description="Those rows with line, reason and remedy; the first 1,000 reasons.")
    def refusals(self) -> list[ImportRefusal]:
        return [ImportRefusal.of(refusal) for refusal in self.model.refused]

    @strawberry.field(description="What ended it early, if something did.")
    def error(self) -> Failure | None:
        return Failure.of(self.model.error)

    @strawberry.field(description="When it began.")
    def started_at(self) -> datetime:
        return self.model.started_at

    @strawberry.field(description="When it ended.")
    def finished_at(self) -> datetime | None:
        return self.model.finished_at
