"""Catalog mutations: desired state, which succeeds when it is committed here and tells how far Meta is."""

from __future__ import annotations

import asyncio
import io
import shutil
import tempfile
from collections.abc import Sequence
from typing import Annotated, Any, BinaryIO, cast

import strawberry
from starlette.datastructures import UploadFile
from strawberry.file_uploads import Upload

from gateway.access.models import Scope
from gateway.api.enums import expose
from gateway.api.errors import user_errors
from gateway.api.mutations import Payload, mutation
from gateway.api.scalars import MoneyInput
from gateway.catalog.feeds import FeedFormat, FeedOptions
from gateway.catalog.models import AgeGroup, Availability, Condition, Gender, ItemStatus
from gateway.catalog.service import WriteResult
from gateway.catalog.types import CatalogImport, Product
from gateway.catalog.writing import ItemWrite
from gateway.commands.store import check_key
from gateway.context import Context
from gateway.errors import InvalidInput
from gateway.kit.ids import key_of

KEY = "Repeats of a request with the same key and input get the first outcome; other input under it is refused."
DRY = "Only check: nothing is written, and `products` stays empty."


@strawberry.input(description="From when to when a sale price holds.")
class SalePriceWindowInput:
    starts_at: str = strawberry.field(description="ISO 8601 with an offset, such as `2026-11-01T00:00+01:00`.")
    ends_at: str = strawberry.field(description="ISO 8601 with an offset.")


@strawberry.input(description="A variant attribute that has no field of its own.")
class VariantAttributeInput:
    name: str = strawberry.field(description="Its name, such as `Volume`.")
    value: str = strawberry.field(description="Its value, such as `350 ml`.")


def _maybe(description: str) -> Any:
    return strawberry.field(default=strawberry.UNSET, description=description)


@strawberry.input(
    description="One item. For an item that exists, what is left out stays as it is, and null clears a field. A new "
    "item needs title, description, availability, price, link, imageLink and one of brand, gtin and mpn."
)
class ProductInput:
    retailer_id: str = strawberry.field(description="The seller's own id, 1 to 100 characters, for ever.")
    title: str | None = _maybe("Up to 100 characters, the same for all variants.")
    description: str | None = _maybe("Plain text, up to 5,000 characters.")
    price: MoneyInput | None = _maybe("The regular price, above zero.")
    sale_price: MoneyInput | None = _maybe("A reduced price, below `price`; null ends the sale.")
    sale_price_window: SalePriceWindowInput | None = _maybe("When the sale price holds.")
    availability: Availability | None = _maybe("Whether it can be bought.")
    quantity: int | None = _maybe("Units for sale; 0 turns an item in stock into one that is out of stock.")
    condition: Condition | None = _maybe("What state the goods are in; NEW by default.")
    status: ItemStatus | None = _maybe("Whether it is shown; ACTIVE by default.")
    link: str | None = _maybe("Its page on the seller's site, http(s).")
    image_link: str | None = _maybe("Its main picture: JPEG or PNG, at least 500 x 500 pixels.")
    additional_image_links: list[str] | None = _maybe("Up to 20 more pictures.")
    brand: str | None = _maybe("The brand, up to 100 characters.")
    gtin: str | None = _maybe("The global trade item number, digits only.")
    mpn: str | None = _maybe("The manufacturer's part number.")
    group_id: str | None = _maybe("What the variants of one product have in common.")
    color: str | None = _maybe("The colour, in words.")
    size: str | None = _maybe("The size; needed for clothing and shoes.")
    material: str | None = _maybe("The material.")
    pattern: str | None = _maybe("The pattern.")
    gender: Gender | None = _maybe("Whom it is made for.")
    age_group: AgeGroup | None = _maybe("The age it is made for.")
    variant_attributes: list[VariantAttributeInput] | None = _maybe("Variant attributes without a field of their own.")
    google_product_category: str | None = _maybe("Google's category, by name or number.")
    product_type: str | None = _maybe("The seller's own category path.")
    custom_labels: list[str] | None = _maybe("Up to five labels of the seller's own.")

    def to_model(self, index: int) -> ItemWrite:
        values: dict[str, object] = {}
        for name, key in _NAMES.items():
            value = getattr(self, name)
            if value is not strawberry.UNSET:
                values[key] = _plain(value)
        return ItemWrite(self.retailer_id, values, index=index)


_NAMES = {
    "title": "title",
    "description": "description",
    "price": "price",
    "sale_price": "salePrice",
    "sale_price_window": "salePriceWindow",
    "availability": "availability",
    "quantity": "quantity",
    "condition": "condition",
    "status": "status",
    "link": "link",
    "image_link": "imageLink",
    "additional_image_links": "additionalImageLinks",
    "brand": "brand",
    "gtin": "gtin",
    "mpn": "mpn",
    "group_id": "itemGroupId",
    "color": "color",
    "size": "size",
    "material": "material",
    "pattern": "pattern",
    "gender": "gender",
    "age_group": "ageGroup",
    "variant_attributes": "variantAttributes",
    "google_product_category": "googleProductCategory",
    "product_type": "productType",
    "custom_labels": "customLabels",
}


def _plain(value: Any) -> Any:
    match value:
        case MoneyInput():
            return value.text()
        case SalePriceWindowInput():
            return {"startsAt": value.starts_at, "endsAt": value.ends_at}
        case [VariantAttributeInput(), *_]:
            return {pair.name: pair.value for pair in value}
        case _:
            return value


@strawberry.input(description="Items to make or change.")
class ProductsUpsertInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop whose catalog is written.")
    products: list[ProductInput] = strawberry.field(description="Up to 1,000 items, each id once.")
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)
    dry_run: bool = strawberry.field(default=False, description=DRY)


@strawberry.input(description="Items to remove.")
class ProductsDeleteInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop whose catalog is written.")
    retailer_ids: list[str] = strawberry.field(description="Up to 1,000 ids.")
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)
    dry_run: bool = strawberry.field(default=False, description=DRY)


@strawberry.input(description="The stock of one item.")
class InventoryInput:
    retailer_id: str = strawberry.field(description="The item.")
    quantity: int = strawberry.field(description="Units for sale, from 0 on.")
    availability: Availability | None = _maybe("By default it follows the quantity.")


@strawberry.input(description="Stock to set.")
class InventorySetInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop whose catalog is written.")
    items: list[InventoryInput] = strawberry.field(description="Up to 1,000 items, each id once.")
    idempotency_key: str = strawberry.field(description=KEY)
    dry_run: bool = strawberry.field(default=False, description=DRY)


@strawberry.input(description="The price of one item.")
class PriceInput:
    retailer_id: str = strawberry.field(description="The item.")
    price: MoneyInput = strawberry.field(description="The regular price, above zero.")
    sale_price: MoneyInput | None = _maybe("A reduced price, below `price`; null ends the sale.")
    sale_price_window: SalePriceWindowInput | None = _maybe("When the sale price holds; null: no limits.")


@strawberry.input(description="Prices to set.")
class PricesSetInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop whose catalog is written.")
    items: list[PriceInput] = strawberry.field(description="Up to 1,000 items, each id once.")
    idempotency_key: str = strawberry.field(description=KEY)
    dry_run: bool = strawberry.field(default=False, description=DRY)


@strawberry.type(description="How many items a write touched.")
class WriteCounts:
    created: int = strawberry.field(description="Items that are new.")
    updated: int = strawberry.field(description="Items that changed.")
    unchanged: int = strawberry.field(description="Items that were so already; they cost no call at Meta.")
    deleted: int = strawberry.field(description="Items that were removed.")
    refused: int = strawberry.field(description="Items that were not taken; see `userErrors`.")


@strawberry.type(description="What became of items that were written.")
class ProductsPayload(Payload):
    products: list[Product] = strawberry.field(
        default_factory=list, description="The items that were taken, in the order of the input, as they are now."
    )
    counts: WriteCounts | None = strawberry.field(default=None, description="How many items were touched.")


@strawberry.type(description="What became of items that were to be removed.")
class ProductsDeletePayload(Payload):
    counts: WriteCounts | None = strawberry.field(default=None, description="How many items were touched.")


expose(
    FeedFormat,
    "What a product file is.",
    SHOPIFY_CSV="Shopify's product export.",
    META_CSV="A Meta or Google product feed with commas, or whatever separates it.",
    META_TSV="A Meta or Google product feed with tabs.",
    META_XML="A Meta or Google product feed as RSS 2.0 or Atom.",
    JSONL="One JSON object per line, under the names of `ProductInput` or of Meta's feeds.",
)


@strawberry.input(description="A product file to import: `file` as a multipart upload, or `content` for a small one.")
class CatalogImportRunInput:
    shop_id: strawberry.ID = strawberry.field(description="The shop whose catalog is written.")
    file: Upload | None = strawberry.field(
        default=None, description="The file, by the GraphQL multipart request specification."
    )
    content: str | None = strawberry.field(default=None, description="The file's text, for small ones.")
    source: str | None = strawberry.field(default=None, description="A name for the report; the file's by default.")
    format: FeedFormat | None = strawberry.field(default=None, description="Found out by itself when left out.")
    currency: str | None = strawberry.field(
        default=None, description="ISO 4217; completes prices that have none. A Shopify file needs it."
    )
    link_template: str | None = strawberry.field(
        default=None,
        description="Makes product links: `https://shop.example.com/products/{handle}`. A Shopify file needs it.",
    )


@strawberry.type(description="What became of an import, or how far it is when it takes longer than a few seconds.")
class CatalogImportPayload(Payload):
    catalog_import: CatalogImport | None = strawberry.field(
        default=None, description="The import; read it again with `node` while it is RUNNING."
    )


async def _payload(context: Context, result: WriteResult) -> ProductsPayload:
    rows = await context.items.load_many(result.item_ids)
    return ProductsPayload(
        products=[Product.of(row) for row in rows if row is not None],
        counts=WriteCounts(**result.counts),
        user_errors=user_errors(result.refused),
    )


@strawberry.type
class CatalogMutation:
    @mutation(
        ProductsPayload,
        Scope.CATALOG_WRITE,
        "Make or change items. Each item that cannot be taken is refused with its field and remedy; the others are "
        "committed, and workers bring them to Meta.",
    )
    async def products_upsert(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[ProductsUpsertInput, strawberry.argument(description="What to write.")],
    ) -> ProductsPayload | None:
        writes = [product.to_model(index) for index, product in enumerate(input.products)]
        result = await info.context.services.catalog.upsert(
            info.context.caller,
            key_of(input.shop_id, "Shop"),
            writes,
            key=input.idempotency_key,
            dry_run=input.dry_run,
        )
        return await _payload(info.context, result)

    @mutation(
        ProductsDeletePayload,
        Scope.CATALOG_WRITE,
        "Remove items: here at once, at Meta with the next delta. Prefer OUT_OF_STOCK for what may come back.",
    )
    async def products_delete(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[ProductsDeleteInput, strawberry.argument(description="What to remove.")],
    ) -> ProductsDeletePayload | None:
        result = await info.context.services.catalog.delete(
            info.context.caller,
            key_of(input.shop_id, "Shop"),
            input.retailer_ids,
            key=input.idempotency_key,
            dry_run=input.dry_run,
        )
        return ProductsDeletePayload(counts=WriteCounts(**result.counts), user_errors=user_errors(result.refused))

    @mutation(
        ProductsPayload, Scope.CATALOG_WRITE, "Set the stock of items that exist; sent to Meta at once, as a patch."
    )
    async def inventory_set(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[InventorySetInput, strawberry.argument(description="What to set.")],
    ) -> ProductsPayload | None:
        writes: list[ItemWrite] = []
        for index, item in enumerate(input.items):
            values: dict[str, object] = {"quantity": item.quantity}
            if item.availability is not strawberry.UNSET:
                values["availability"] = item.availability
            writes.append(ItemWrite(item.retailer_id, values, index=index))
        return await _set(info.context, input, "inventorySet", writes)

    @mutation(
        ProductsPayload, Scope.CATALOG_WRITE, "Set the prices of items that exist; sent to Meta at once, as a patch."
    )
    async def prices_set(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[PricesSetInput, strawberry.argument(description="What to set.")],
    ) -> ProductsPayload | None:
        writes: list[ItemWrite] = []
        for index, item in enumerate(input.items):
            values: dict[str, object] = {"price": _plain(item.price)}
            if item.sale_price is not strawberry.UNSET:
                values["salePrice"] = _plain(item.sale_price)
            if item.sale_price_window is not strawberry.UNSET:
                values["salePriceWindow"] = _plain(item.sale_price_window)
            writes.append(ItemWrite(item.retailer_id, values, index=index))
        return await _set(info.context, input, "pricesSet", writes)

    @mutation(
        CatalogImportPayload,
        Scope.CATALOG_WRITE,
        "Import a product file. Rows that cannot be taken are reported with line and remedy; the others are written.",
    )
    async def catalog_import_run(
        self,
        info: strawberry.Info[Context, None],
        input: Annotated[CatalogImportRunInput, strawberry.argument(description="The file and how to read it.")],
    ) -> CatalogImportPayload | None:
        options = FeedOptions(format=input.format, currency=input.currency, link_template=input.link_template)
        stream, name = await _opened(input)
        done = await info.context.services.imports.start(
            info.context.caller, key_of(input.shop_id, "Shop"), stream, options, input.source or name
        )
        return CatalogImportPayload(catalog_import=CatalogImport.of(done))


async def _set(
    context: Context, input: InventorySetInput | PricesSetInput, mutation_name: str, writes: Sequence[ItemWrite]
) -> ProductsPayload:
    check_key(input.idempotency_key)
    result = await context.services.catalog.upsert(
        context.caller,
        key_of(input.shop_id, "Shop"),
        writes,
        key=input.idempotency_key,
        mutation=mutation_name,
        mode="update",
        dry_run=input.dry_run,
    )
    return await _payload(context, result)


async def _opened(input: CatalogImportRunInput) -> tuple[BinaryIO, str]:
    """The file as a stream of our own, which lives longer than the request.

    Raises:
        InvalidInput: neither or both of file and content.
    """
    if (input.file is None) == (input.content is None):
        raise InvalidInput(
            "an import takes one of file and content", field=("file",), fix="Send the file as a multipart upload."
        )
    if input.content is not None:
        return io.BytesIO(input.content.encode()), "content"
    upload = cast(UploadFile, input.file)
    stream = await asyncio.to_thread(_copied, upload.file)
    await upload.close()
    return stream, upload.filename or "upload"


def _copied(source: BinaryIO) -> BinaryIO:
    # The server closes its own copy when the request ends, and the import may go on after that.
    target = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the import)
    shutil.copyfileobj(source, target, 1 << 20)
    target.seek(0)
    return cast(BinaryIO, target)
