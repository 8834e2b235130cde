"""Rules that every Graph call shares: versions, tokens, proofs, encodings, errors, headers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.sandbox import SandboxSettings, create_app
from tests.sandbox.conftest import SECRET, SandboxWorld, SandboxWorlds, new_item, proof

APP = f"{SandboxSettings().app_id}|{SECRET}"


@pytest.mark.parametrize(
    ("asked", "served"),
    [("v26.0", "v26.0"), ("v23.0", "v23.0"), ("v19.0", "v23.0"), ("v2.8", "v23.0"), ("", "v23.0")],
)
async def test_old_and_missing_versions_are_served_by_the_oldest(
    sandbox_world: SandboxWorld, asked: str, served: str
) -> None:
    token = sandbox_world.token
    answer = await sandbox_world.http.get(
        f"/{asked}/me" if asked else "/me", params={"access_token": token, "appsecret_proof": proof(token)}
    )

    assert answer.status_code == 200
    assert answer.headers["facebook-api-version"] == served


@pytest.mark.parametrize("version", ["v99.0", "v1"])
async def test_a_version_that_never_was_is_an_unknown_path(sandbox_http: httpx.AsyncClient, version: str) -> None:
    answer = await sandbox_http.get(f"/{version}/me")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 2500
    assert answer.json()["error"]["message"] == f"Unknown path components: /{version}/me"


async def test_trailing_and_doubled_slashes_are_forgiven(sandbox_world: SandboxWorld) -> None:
    plain = await sandbox_world.get(sandbox_world.catalog)

    assert await sandbox_world.get(f"{sandbox_world.catalog}/") == plain
    several = await sandbox_world.get("/", ids=sandbox_world.catalog)
    doubled = await sandbox_world.http.get(
        "/v25.0//",
        params={
            "ids": sandbox_world.catalog,
            "access_token": sandbox_world.token,
            "appsecret_proof": proof(sandbox_world.token),
        },
    )
    assert several == doubled.json() == {sandbox_world.catalog: plain}


async def test_no_token_is_104_and_a_foreign_one_190(sandbox_http: httpx.AsyncClient) -> None:
    none = (await sandbox_http.get("/v25.0/me")).json()["error"]
    foreign = await sandbox_http.get("/v25.0/me", params={"access_token": "EAAnobody"})

    assert (none["code"], none["message"]) == (104, "An access token is required to request this resource.")
    assert foreign.json()["error"]["code"] == 190
    assert "invalid_token" in foreign.headers["www-authenticate"]


async def test_the_token_may_come_in_query_body_or_header(sandbox_world: SandboxWorld) -> None:
    token, http = sandbox_world.token, sandbox_world.http
    signed = {"appsecret_proof": proof(token)}
    form = {"access_token": token, "method": "get", **signed}

    answers = [
        await http.get("/v25.0/me", params={"access_token": token, **signed}),
        await http.post("/v25.0/me", data=form),
        await http.get("/v25.0/me", params=signed, headers={"Authorization": f"Bearer {token}"}),
        await http.get("/v25.0/me", params=signed, headers={"Authorization": f"OAuth {token}"}),
    ]

    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].json()["name"] == "Sandbox system user"


async def test_the_proof_is_required_and_checked_per_token(sandbox_world: SandboxWorld) -> None:
    token, page_token = sandbox_world.token, sandbox_world.shop["accessToken"]

    async def error(**params: str) -> dict[str, Any]:
        answer = await sandbox_world.http.get("/v25.0/me", params={"access_token": token} | params)
        found: dict[str, Any] = answer.json()["error"]
        return found

    missing, wrong = await error(), await error(appsecret_proof=proof(page_token))

    assert missing["message"] == "API calls from the server require an appsecret_proof argument"
    assert wrong["message"] == "Invalid appsecret_proof provided in the API argument"
    assert {missing["type"], wrong["type"]} == {"GraphMethodException"}


async def test_a_wrong_proof_fails_even_where_none_is_required() -> None:
    app = create_app(SandboxSettings(require_proof=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://graph.test") as http:
        token = (await http.post("/_sandbox/worlds")).json()["accessToken"]

        without = await http.get("/v25.0/me", params={"access_token": token})
        wrong = await http.get("/v25.0/me", params={"access_token": token, "appsecret_proof": "0" * 64})

    assert (without.status_code, wrong.status_code) == (200, 400)


async def test_strict_mode_names_the_parameter_nobody_knows() -> None:
    app = create_app(SandboxSettings(require_proof=False, strict_params=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://graph.test") as http:
        world = (await http.post("/_sandbox/worlds")).json()
        path = f"/v25.0/{world['shops'][0]['metaId']}/commerce_orders"

        known = await http.get(path, params={"access_token": world["accessToken"], "state": "CREATED"})
        unknown = await http.get(path, params={"access_token": world["accessToken"], "states": "CREATED"})

    assert known.status_code == 200
    assert unknown.json()["error"]["message"] == "(#100) Unknown parameter states"


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda body: {"json": body}, id="json"),
        pytest.param(lambda body: {"data": body | {"metadata": json.dumps(body["metadata"])}}, id="form-json-text"),
        pytest.param(
            lambda body: {"data": {"name": body["name"], "metadata[description]": body["metadata"]["description"]}},
            id="php-brackets",
        ),
        pytest.param(
            lambda body: {"files": {"name": (None, body["name"]), "metadata": (None, json.dumps(body["metadata"]))}},
            id="multipart",
        ),
        pytest.param(
            lambda body: {"params": {"name": body["name"], "metadata": json.dumps(body["metadata"])}}, id="query"
        ),
    ],
)
async def test_every_encoding_means_the_same(sandbox_world: SandboxWorld, encode: Any) -> None:
    body = {"name": "Mügs / cups", "metadata": {"description": "All mugs"}}
    answer = await sandbox_world.send("POST", f"{sandbox_world.catalog}/product_sets", **encode(body))

    saved = await sandbox_world.get(answer.json()["id"], fields="name,latest_metadata{description}")

    assert saved["name"] == "Mügs / cups"
    assert saved["latest_metadata"] == {"description": "All mugs"}


async def test_answers_escape_slashes_and_everything_beyond_ascii(sandbox_world: SandboxWorld) -> None:
    made = await sandbox_world.post(f"{sandbox_world.catalog}/product_sets", name="Mügs / cups")

    raw = (await sandbox_world.send("GET", made["id"])).content

    assert b"M\\u00fcgs \\/ cups" in raw


@pytest.mark.parametrize(
    ("path", "code", "subcode"),
    [
        ("1400000000000000", 100, 33),
        ("123", 100, 33),
        ("nobody", 803, None),
        ("me/nothing", 2500, None),
        ("me/accounts/more", 2500, None),
    ],
)
async def test_what_is_not_there(sandbox_world: SandboxWorld, path: str, code: int, subcode: int | None) -> None:
    error = await sandbox_world.refused("GET", path)

    assert (error["code"], error.get("error_subcode")) == (code, subcode)


async def test_a_write_to_an_unknown_edge_is_unsupported(sandbox_world: SandboxWorld) -> None:
    error = await sandbox_world.refused("POST", f"{sandbox_world.catalog}/nothing")

    assert (error["code"], error["error_subcode"], error["type"]) == (100, 33, "GraphMethodException")
    assert error["message"].startswith("Unsupported post request.")


async def test_another_world_is_invisible(sandbox_worlds: SandboxWorlds) -> None:
    mine, theirs = await sandbox_worlds.make(), await sandbox_worlds.make()

    one = await mine.refused("GET", theirs.catalog)
    several = await mine.refused("GET", "", params={"ids": f"{mine.catalog},{theirs.catalog}"})

    assert (one["code"], one["error_subcode"]) == (100, 33)
    assert several["code"] == 803
    assert several["message"].endswith(theirs.catalog)


async def test_ids_may_be_asked_for_one_edge(sandbox_world: SandboxWorld) -> None:
    accounts = [shop["metaId"] for shop in sandbox_world.card["shops"]]

    answer = await sandbox_world.get("product_catalogs", ids=",".join(accounts), fields="id")

    assert {account: rows["data"][0]["id"] for account, rows in answer.items()} == {
        shop["metaId"]: shop["catalogId"] for shop in sandbox_world.card["shops"]
    }


async def test_more_than_fifty_ids_are_refused(sandbox_world: SandboxWorld) -> None:
    error = await sandbox_world.refused("GET", "", params={"ids": ",".join(str(n) for n in range(51))})

    assert error["code"] == 100


async def test_an_unchanged_answer_is_not_sent_again(sandbox_world: SandboxWorld) -> None:
    first = await sandbox_world.send("GET", sandbox_world.catalog)
    second = await sandbox_world.send("GET", sandbox_world.catalog, headers={"If-None-Match": first.headers["etag"]})
    await sandbox_world.post(sandbox_world.catalog, name="New name")
    third = await sandbox_world.send("GET", sandbox_world.catalog, headers={"If-None-Match": first.headers["etag"]})

    assert (second.status_code, second.content) == (304, b"")
    assert third.json()["name"] == "New name"


async def test_metadata_lists_fields_and_connections(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.get(sandbox_world.catalog, metadata=1)

    assert answer["metadata"]["type"] == "productcatalog"
    assert "products" in answer["metadata"]["connections"]


async def test_traces_never_repeat(sandbox_world: SandboxWorld) -> None:
    errors = [await sandbox_world.refused("GET", "123") for _ in range(20)]

    assert len({error["fbtrace_id"] for error in errors}) == 20


async def test_tokens_are_introspected_exchanged_and_listed(sandbox_world: SandboxWorld) -> None:
    http = sandbox_world.http
    short = (await sandbox_world.control("POST", "tokens", json={"kind": "USER", "expiresIn": 3600}))["accessToken"]
    client = {"client_id": SandboxSettings().app_id, "client_secret": SECRET}
    exchange = client | {"grant_type": "fb_exchange_token", "fb_exchange_token": short}

    long = (await http.get("/v25.0/oauth/access_token", params=exchange)).json()
    app = (await http.get("/v25.0/oauth/access_token", params=client | {"grant_type": "client_credentials"})).json()
    seen = (await http.get("/v25.0/debug_token", params={"input_token": short, "access_token": APP})).json()["data"]
    pages = (await sandbox_world.get("me/accounts"))["data"]

    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_184_000)
    assert app == {"access_token": APP, "token_type": "bearer"}
    assert (seen["type"], seen["is_valid"], seen["app_id"]) == ("USER", True, SandboxSettings().app_id)
    assert {page["access_token"] for page in pages} == {shop["accessToken"] for shop in sandbox_world.card["shops"]}


async def test_a_login_code_works_once_and_for_its_redirect(sandbox_world: SandboxWorld) -> None:
    code = (await sandbox_world.control("POST", "codes", json={"redirectUri": "https://x.example/back"}))["code"]
    client = {"client_id": SandboxSettings().app_id, "client_secret": SECRET, "code": code}

    async def redeem(uri: str) -> dict[str, Any]:
        answer = await sandbox_world.http.get("/v25.0/oauth/access_token", params=client | {"redirect_uri": uri})
        found: dict[str, Any] = answer.json()
        return found

    wrong = await redeem("https://y.example/")
    right = await redeem("https://x.example/back")
    again = await redeem("https://x.example/back")

    assert wrong["error"]["error_subcode"] == 36008
    assert (await sandbox_world.get("me", right["access_token"]))["name"] == "Sandbox user"
    assert again["error"]["error_subcode"] == 36009


@pytest.mark.parametrize("subcode", [458, 460, 463, 467, 492])
async def test_a_revoked_token_says_why(sandbox_world: SandboxWorld, subcode: int) -> None:
    token = sandbox_world.shop["accessToken"]
    await sandbox_world.control("POST", "tokens/revoke", json={"token": token, "subcode": subcode})

    error = await sandbox_world.refused("GET", "me", token)
    seen = await sandbox_world.get("debug_token", input_token=token)

    assert (error["code"], error["error_subcode"], error["type"]) == (190, subcode, "OAuthException")
    assert seen["data"]["is_valid"] is False
    assert seen["data"]["error"]["subcode"] == subcode


async def test_a_token_runs_out_with_the_virtual_clock(sandbox_world: SandboxWorld) -> None:
    token = (await sandbox_world.control("POST", "tokens", json={"kind": "USER", "expiresIn": 60}))["accessToken"]
    before = await sandbox_world.get("me", token)
    await sandbox_world.advance(61)

    error = await sandbox_world.refused("GET", "me", token)

    assert before["name"] == "Sandbox user"
    assert error["error_subcode"] == 463
    assert "Session has expired on" in error["message"]


async def test_a_scope_that_is_missing_is_200_and_forbidden(sandbox_world: SandboxWorld) -> None:
    body = {"kind": "SYSTEM_USER", "scopes": ["business_management"]}
    token = (await sandbox_world.control("POST", "tokens", json=body))["accessToken"]

    error = await sandbox_world.refused("GET", f"{sandbox_world.catalog}/products", token)

    assert (error["code"], error["status"]) == (200, 403)
    assert "catalog_management" in error["message"]


async def test_an_app_token_is_nobody(sandbox_world: SandboxWorld) -> None:
    answer = await sandbox_world.http.get("/v25.0/me", params={"access_token": APP, "input_token": sandbox_world.token})

    assert answer.json()["error"]["code"] == 2500


async def test_the_log_keeps_no_secrets(sandbox_world: SandboxWorld) -> None:
    await sandbox_world.write_items(new_item("mug"))
    inner = f"me?access_token={sandbox_world.token}"
    await sandbox_world.send("POST", "", data={"batch": json.dumps([{"method": "GET", "relative_url": inner}])})

    logged = json.dumps(await sandbox_world.calls())

    assert "items_batch" in logged
    for secret in (sandbox_world.token, proof(sandbox_world.token), SECRET):
        assert secret not in logged


async def test_control_calls_are_neither_logged_nor_open_to_strangers(sandbox_world: SandboxWorld) -> None:
    stranger = await sandbox_world.http.get("/_sandbox/calls", headers={"Authorization": "Bearer EAAnobody"})
    health = await sandbox_world.http.get("/_sandbox/health")

    assert stranger.status_code == 401
    assert health.json() == {"status": "ok"}
    assert await sandbox_world.calls() == []


async def test_reset_brings_back_ids_tokens_and_orders(sandbox_world: SandboxWorld) -> None:
    orders = f"{sandbox_world.cms}/commerce_orders"
    before = await sandbox_world.get(orders, fields="id,items{retailer_id,quantity}")
    await sandbox_world.write_items(new_item("mug"))
    for row in before["data"]:
        await sandbox_world.control("POST", f"orders/{row['id']}", json={"cancel": True})

    card = await sandbox_world.control("POST", "reset")

    assert card == sandbox_world.card
    assert await sandbox_world.get(orders, fields="id,items{retailer_id,quantity}") == before


async def test_a_world_on_disk_outlives_its_process(tmp_path: Any) -> None:
    settings = SandboxSettings(data_dir=tmp_path, require_proof=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(settings)), base_url="http://a.test") as http:
        card = (await http.post("/_sandbox/worlds", json={"clock": {"kind": "frozen"}})).json()
        auth = {"Authorization": f"Bearer {card['accessToken']}"}
        await http.post("/_sandbox/clock/advance", json={"seconds": 3600}, headers=auth)
        clock = (await http.get("/_sandbox/clock", headers=auth)).json()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(settings)), base_url="http://b.test") as http:
        again = (await http.get("/_sandbox/world", headers=auth)).json()
        other = (await http.post("/_sandbox/worlds")).json()

        assert again == card
        assert (await http.get("/_sandbox/clock", headers=auth)).json() == clock
        assert other["businessId"] != card["businessId"]
