"""Installations of the business extension: what a seller chose in the dialog, kept under the partner's own id.

Source: shops.md sections 2.2, 3.1, 3.4 and 4.2.  Installing, changing and uninstalling each send `fbe_install`, and
the newer `business_integration_*` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

from gateway.sandbox import hooks, ids, signals, tokens
from gateway.sandbox.money import CURRENCIES
from gateway.sandbox.storage import one
from gateway.sandbox.tokens import Token
from gateway.sandbox.world import World

VERTICALS = (
    "ECOMMERCE APPOINTMENTS RESERVATIONS FOOD_AND_DRINK CREATIVE ADS_TARGETING LEAD_ADS MEASUREMENT_AND_OPTIMIZATION"
).split()
CHANNELS = "DEFAULT COMMERCE COMMERCE_OFFSITE ECOMMERCE FEED SIGNALS".split()
SWITCHED = "catalog_feed_scheduled ig_cta ig_shopping messenger_menu page_card page_cta page_post page_shop".split()
CONFIG_KEYS = frozenset(
    [
        *SWITCHED,
        *"business catalogs external_client fb_shops messenger_chat messenger_chats pixels thread_intent".split(),
    ]
)


class BadExtras(ValueError):
    """The `extras` of a dialog that Meta would not open a set-up for."""


@dataclass(frozen=True)
class Setup:
    external_id: str
    domain: str | None
    channel: str
    pixel_id: str | None
    config: dict[str, Any]


def read_extras(text: str) -> Setup:
    """The set-up that a partner asks for.

    Raises:
        BadExtras: no JSON, or a required value that is missing or unknown.
    """
    try:
        extras = json.loads(text)
        setup, config = extras["setup"], extras.get("business_config") or {}
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise BadExtras("extras must be a JSON object with setup") from exc
    if not isinstance(setup, dict) or not isinstance(config, dict):
        raise BadExtras("extras must be a JSON object with setup")
    for name in ("external_business_id", "timezone", "currency", "business_vertical"):
        if not isinstance(setup.get(name), str) or not setup[name]:
            raise BadExtras(f"setup.{name} is required")
    if setup["timezone"] not in available_timezones():
        raise BadExtras("setup.timezone must be the name of a time zone, such as Europe/Dublin")
    if setup["currency"] not in CURRENCIES:
        raise BadExtras("setup.currency must be an ISO 4217 code")
    if setup["business_vertical"] not in VERTICALS:
        raise BadExtras(f"setup.business_vertical must be one of {', '.join(VERTICALS)}")
    channel = str(setup.get("channel") or "DEFAULT")
    if channel not in CHANNELS:
        raise BadExtras(f"setup.channel must be one of {', '.join(CHANNELS)}")
    if channel.startswith("COMMERCE") and not setup.get("domain"):
        raise BadExtras(f"setup.domain is required for {channel}")
    if not isinstance(extras.get("repeat"), bool):
        raise BadExtras("repeat must be true or false")
    wrong = config_problem(config)
    if wrong is not None:
        raise BadExtras(wrong)
    return Setup(setup["external_business_id"], setup.get("domain"), channel, setup.get("pixel_id"), config)


def config_problem(config: Mapping[str, Any]) -> str | None:
    for name, value in config.items():
        if name not in CONFIG_KEYS:
            return f"business_config.{name} is not a feature"
        if name in SWITCHED and not (isinstance(value, dict) and isinstance(value.get("enabled"), bool)):
            return f"business_config.{name}.enabled must be true or false"
    return None


def find(world: World, external_id: str) -> dict[str, Any] | None:
    """The installation with its `user_id`, or None."""
    row = one(world.db, "SELECT * FROM installs WHERE external_id = ?", external_id)
    return None if row is None else json.loads(row["doc"]) | {"user_id": row["user_id"]}


def keep(world: World, setup: Setup, page_id: str, token: Token) -> dict[str, Any]:
    """Install, or replace the installation of the same partner id; whoever listens is told."""
    old = find(world, setup.external_id)
    page = world.find_node(page_id, "page")
    account = None if page is None else world.find_node(page["account"], "account")
    assert page is not None
    pixel_id = _pixel(world, setup, page, account)
    integration = old["commerce_partner_integration_id"] if old else world.new_id(ids.INTEGRATION)
    instances = old["instances"] if old else world.new_ids(ids.FEATURE, 3)
    doc: dict[str, Any] = {
        "business_manager_id": world.business_id,
        "commerce_merchant_settings_id": None if account is None else account["id"],
        "commerce_partner_integration_id": integration,
        "onsite_eligible": account is not None and account["cta"] == "ONSITE_CHECKOUT",
        "pixel_id": pixel_id,
        "profiles": [page_id],
        "ad_account_id": "0",
        "catalog_id": None if account is None else account["catalog"],
        "pages": [page_id],
        "instagram_profiles": [user["id"] for user in world.nodes_of("ig_user", page_id)],
        "ig_shop": {"status": "NOT_SUBMITTED"},
        "token_type": "User",
        "instances": instances,
        "config": (old["config"] if old else {}) | setup.config,
        "installed_at": old["installed_at"] if old else int(world.now()),
        "store": old.get("store", {}) if old else {},
    }
    sql = "INSERT OR REPLACE INTO installs VALUES (?, ?, ?, ?)"
    world.db.execute(sql, (setup.external_id, token.user_id, world.now(), json.dumps(doc)))
    told = {"access_token": token.value, "token_type": "User", "install_time": doc["installed_at"]}
    _tell(world, "update" if old else "install", setup.external_id, doc, token.user_id, told)
    return doc


def _pixel(world: World, setup: Setup, page: Mapping[str, Any], account: Mapping[str, Any] | None) -> str:
    """The pixel asked for, else that of the shop, else a new one."""
    found = world.nodes_of(signals.KIND, world.business_id)
    for doc in found:
        if setup.pixel_id is not None and doc["id"] == setup.pixel_id:
            return str(doc["id"])
    for doc in found:
        if account is not None and doc.get("account") == account["id"]:
            return str(doc["id"])
    return signals.add_pixel(world, f"{page['name']} pixel", account=None if account is None else account["id"])


def change(world: World, external_id: str, config: Mapping[str, Any]) -> None:
    """Switch features of an installation."""
    doc = find(world, external_id)
    assert doc is not None
    user_id = doc.pop("user_id")
    doc["config"] |= config
    world.db.execute("UPDATE installs SET doc = ? WHERE external_id = ?", (json.dumps(doc), external_id))
    alive = [token for token in tokens.of_user(world, user_id) if tokens.trouble(token, world.now()) is None]
    told = {"access_token": alive[0].value, "token_type": "User"} if alive else {}
    _tell(world, "update", external_id, doc, user_id, told | {"install_time": doc["installed_at"]})


def note(world: World, external_id: str, sent: Mapping[str, Any]) -> None:
    """Remember what a store reports about itself."""
    row = one(world.db, "SELECT doc FROM installs WHERE external_id = ?", external_id)
    assert row is not None
    doc = json.loads(row["doc"])
    doc["store"] = doc.get("store", {}) | sent
    world.db.execute("UPDATE installs SET doc = ? WHERE external_id = ?", (json.dumps(doc), external_id))


def behind(world: World, integration_id: str) -> str | None:
    """The partner id of the installation that a partner integration belongs to."""
    sql = "SELECT external_id FROM installs WHERE json_extract(doc, '$.commerce_partner_integration_id') = ?"
    row = one(world.db, sql, integration_id)
    return None if row is None else row["external_id"]


def remove(world: World, external_id: str) -> None:
    """Uninstall: the permission is gone, the shop stays."""
    doc = find(world, external_id)
    assert doc is not None
    world.db.execute("DELETE FROM installs WHERE external_id = ?", (external_id,))
    _tell(world, "uninstall", external_id, doc, doc["user_id"], {})


def _tell(
    world: World, what: str, external_id: str, doc: Mapping[str, Any], user_id: str, told: Mapping[str, Any]
) -> None:
    """The events of a change; an uninstall comes without token and without Pages."""
    value: dict[str, Any] = {"business_id": external_id}
    names = ["business_manager_id", "ad_account_id", "catalog_id", "pixel_id", "commerce_merchant_settings_id"]
    if what != "uninstall":
        names += ["pages", "profiles", "instagram_profiles"]
        value |= told
        value["installed_features"] = features(doc)
    value |= {name: doc[name] for name in names}
    hooks.emit(world, "user", user_id, "fbe_install", value)
    short = {"business_manager_id": doc["business_manager_id"], "tp_config_id": doc["commerce_partner_integration_id"]}
    hooks.emit(world, "application", world.settings.app_id, f"business_integration_{what}", short)


def features(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`installed_features`: each feature with the assets it works on."""
    pixel, catalog, shop = doc["instances"]
    page = {"page_id": doc["pages"][0], "pixel_id": doc["pixel_id"]}
    more = {"onsite_eligible": doc["onsite_eligible"]}
    found = [_feature(pixel, "pixel", page, more)]
    if doc["catalog_id"] is not None:
        found.append(_feature(catalog, "catalog", page | {"catalog_id": doc["catalog_id"]}, more))
        assets = {
            "catalog_id": doc["catalog_id"],
            "commerce_merchant_settings_id": doc["commerce_merchant_settings_id"],
            "page_id": doc["pages"][0],
        }
        found.append(_feature(shop, "fb_shop", assets, more))
    return found


def _feature(instance: str, kind: str, assets: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    named = {"feature_instance_id": instance, "feature_type": kind}
    return {**named, "connected_assets": dict(assets), "additional_info": dict(more)}


def card(doc: Mapping[str, Any]) -> dict[str, Any]:
    """An installation as `fbe_installs` shows it; assets that were not chosen are left out."""
    hidden = ("instances", "config", "installed_at", "user_id", "store")
    shown = {name: value for name, value in doc.items() if name not in hidden and value is not None}
    return shown | {"installed_features": features(doc)}


def configuration(doc: Mapping[str, Any], business_name: str) -> dict[str, Any]:
    """An installation as `fbe_business` shows it: features with instances in plural, the others as switches."""
    pixel, catalog, shop = doc["instances"]
    has_shop = doc["catalog_id"] is not None
    config = doc["config"]
    shown: dict[str, Any] = {"business": config.get("business") or {"name": business_name}}
    shown["catalogs"] = [{"feature_instance_id": catalog, "enabled": True}] if has_shop else []
    shown["fb_shops"] = [{"feature_instance_id": shop, "enabled": True}] if has_shop else []
    shown["pixels"] = [{"feature_instance_id": pixel, "enabled": True}]
    for name in (*SWITCHED, "thread_intent"):
        shown[name] = config.get(name) or {"enabled": False}
    return shown
