"""A shop: one commerce account at Meta, its Page, its catalog, and the token that speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CheckoutType(StrEnum):
    """Where buyers pay.  Since 4 September 2025 almost every shop sends them to the seller's own site."""

    ONSITE_CHECKOUT = "ONSITE_CHECKOUT"
    OFFSITE_IAB_CHECKOUT = "OFFSITE_IAB_CHECKOUT"
    OFFSITE_LINK = "OFFSITE_LINK"
    CONTACT_MERCHANT = "CONTACT_MERCHANT"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def parse(cls, raw: str | None) -> CheckoutType:
        return cls(raw) if raw is not None and raw in cls.__members__ else cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class MetaShop:
    """What Meta tells of a commerce account when it is linked."""

    meta_id: str
    name: str
    checkout: CheckoutType
    raw_cta: str | None
    page_id: str | None
    catalog_id: str | None


@dataclass(frozen=True, slots=True)
class Shop:
    """A linked shop; the token stays in the store."""

    id: str
    name: str
    meta_id: str
    page_id: str | None
    catalog_id: str | None
    checkout: CheckoutType
    raw_cta: str | None
    linked_at: datetime

    @property
    def has_orders(self) -> bool:
        """Only shops with onsite checkout have orders to manage (Order Management API, availability)."""
        return self.checkout is CheckoutType.ONSITE_CHECKOUT
