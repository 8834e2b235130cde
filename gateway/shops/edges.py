"""Commerce-account edges of the Graph API: read what a shop is made of.

Source: Commerce Platform > CommerceMerchantSettings (fields ``cta``, ``merchant_page``; edge ``product_catalogs``).
"""

from __future__ import annotations

from gateway.graph.client import GraphSession
from gateway.shops.models import CheckoutType, MetaShop

SHOP_FIELDS = "id,display_name,cta,merchant_page{id,name},product_catalogs.limit(2){id,name}"


async def fetch_shop(graph: GraphSession, commerce_account_id: str) -> MetaShop:
    """The commerce account, its Page and its first catalog."""
    payload = await graph.get(commerce_account_id, fields=SHOP_FIELDS)
    catalogs = payload.get("product_catalogs", {}).get("data", [])
    page = payload.get("merchant_page") or {}
    cta = payload.get("cta")
    return MetaShop(
        meta_id=str(payload["id"]),
        name=payload.get("display_name") or page.get("name") or str(payload["id"]),
        checkout=CheckoutType.parse(cta),
        raw_cta=cta,
        page_id=page.get("id"),
        catalog_id=catalogs[0]["id"] if catalogs else None,
    )
