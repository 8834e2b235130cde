"""The commands of operators: keys, shops and catalogs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.access.models import ALL_SCOPES, Caller, Scope
from gateway.console import AsJson, err, out, print_json, print_rows, with_services
from gateway.importer import import_over_http, import_straight
from gateway.kit.ids import key_of, node_id
from gateway.kit.vault import Vault
from gateway.settings import Settings

keys = typer.Typer(no_args_is_help=True, help="API keys, and the key that tokens are encrypted with.")
shops = typer.Typer(no_args_is_help=True, help="Linked shops.")
catalog = typer.Typer(no_args_is_help=True, help="Catalogs.")


# --- keys ----------------------------------------------------------------------------------------------------------


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Name it after the app that will use it.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; all by default.")] = None,
    shop: Annotated[list[str] | None, typer.Option(help="Id of a shop it is granted; every shop by default.")] = None,
    json: AsJson = False,
) -> None:
    """Make an API key; its secret is shown this once."""
    granted = [key_of(entry, "Shop") for entry in shop] if shop else None
    key, secret = with_services(
        lambda services: services.access.create_key(Caller.system(), name, scope or ALL_SCOPES, granted)
    )
    if json:
        print_json({"id": node_id("ApiKey", key.id), "name": key.name, "secret": secret})
    else:
        out.print(f"[bold]{secret}[/]", soft_wrap=True)


@keys.command("list")
def keys_list(json: AsJson = False) -> None:
    """List API keys, without their secrets."""
    found = with_services(lambda services: services.access.list_keys(Caller.system()))
    rows = [
        {
            "id": node_id("ApiKey", key.id),
            "name": key.name,
            "hint": key.hint,
            "scopes": [scope.value for scope in key.scopes],
            "shops": None if key.shops is None else [node_id("Shop", entry) for entry in key.shops],
            "revoked": key.revoked_at is not None,
        }
        for key in found
    ]
    print_rows(rows, json)


@keys.command("revoke")
def keys_revoke(id: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Make an API key useless."""
    key = with_services(lambda services: services.access.revoke_key(Caller.system(), key_of(id, "ApiKey")))
    out.print(f"{key.name} is revoked")


@keys.command("encryption-key")
def keys_encryption_key() -> None:
    """Print a fresh key for GATEWAY_ENCRYPTION_KEYS."""
    sys.stdout.write(Vault.new_key() + "\n")


@keys.command("rotate-encryption")
def keys_rotate_encryption() -> None:
    """Seal all stored tokens under the first of GATEWAY_ENCRYPTION_KEYS."""
    count = with_services(lambda services: services.shops.rotate_tokens())
    out.print(f"{count} tokens are sealed under the newest key")


# --- shops ---------------------------------------------------------------------------------------------------------


@shops.command("link")
def shops_link(
    commerce_account: Annotated[str, typer.Argument(help="Meta's id of the commerce account.")],
    token: Annotated[
        str | None,
        typer.Option(envvar="GATEWAY_SHOP_TOKEN", help="The shop's token. Left out, it is read from standard input."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Link a shop, or renew its token."""
    secret = token or (sys.stdin.readline() if not sys.stdin.isatty() else typer.prompt("token", hide_input=True))
    shop = with_services(lambda services: services.shops.link(Caller.system(), commerce_account, secret.strip()))
    print_rows([_shop_row(shop)], json)


@shops.command("list")
def shops_list(json: AsJson = False) -> None:
    """List linked shops."""
    found = with_services(lambda services: services.shops.all(Caller.system()))
    print_rows([_shop_row(shop) for shop in found], json)


def _shop_row(shop: Any) -> dict[str, Any]:
    return {
        "id": node_id("Shop", shop.id),
        "name": shop.name,
        "metaId": shop.meta_id,
        "catalogId": shop.catalog_id,
        "checkout": shop.checkout.value,
    }


# --- catalog -------------------------------------------------------------------------------------------------------


@catalog.command("import")
def catalog_import(
    file: Annotated[Path, typer.Argument(help="Shopify CSV, Meta or Google feed (CSV, TSV, XML), or JSONL.")],
    shop: Annotated[str, typer.Option("--shop", help="Id of the shop whose catalog is written.")],
    currency: Annotated[str | None, typer.Option(help="ISO 4217; completes prices that have none.")] = None,
    link_template: Annotated[
        str | None, typer.Option(help="Makes product links: https://shop.example.com/products/{handle}")
    ] = None,
    format: Annotated[str | None, typer.Option(help="shopify_csv, meta_csv, meta_tsv, meta_xml or jsonl.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of a gateway's /graphql, to work through it and not the database.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="GATEWAY_API_KEY", help="The key for --url.")] = None,
    json: AsJson = False,
) -> None:
    """Import a product file. Exits with 0 when every row was taken, 2 when some were refused, 1 when none could be."""
    if url is not None and not api_key:
        raise typer.BadParameter("--url needs --api-key (or GATEWAY_API_KEY)")
    work = (
        import_over_http(file, shop, url, api_key or "", currency, link_template, format)
        if url is not None
        else import_straight(Settings(), file, shop, currency, link_template, format, None if json else err)
    )
    report = asyncio.run(work)
    if json:
        print_json(report.document())
    else:
        report.print_to(out)
    raise typer.Exit(report.exit_code)
