"""What can go wrong with a shop."""

from __future__ import annotations

from gateway.errors import GatewayError


class ShopNotLinkable(GatewayError):
    """The token works but does not lead to a commerce account that can be run."""

    code = "SHOP_NOT_LINKABLE"


class CapabilityMissing(GatewayError):
    """The shop cannot do this, by what it is; ``fix`` says how it could."""

    code = "CAPABILITY_MISSING"
