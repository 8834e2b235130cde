"""API keys: made once, recognised until revoked, and never a way to more than one has."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import sqlalchemy as sa

from gateway.access.models import ALL_SCOPES, Caller, Scope
from gateway.access.service import PREFIX, AccessService
from gateway.db import Database
from gateway.errors import Forbidden, InvalidInput, NotFound
from gateway.kit.clock import ManualClock

SYSTEM = Caller.system()

on_both_databases = pytest.mark.parametrize("db", ["sqlite", "postgresql"], indirect=True)


def limited(*shops: str, scopes: Collection[Scope] = ALL_SCOPES) -> Caller:
    """A caller that is granted these shops only."""
    return Caller("limited", "limited", frozenset(scopes), frozenset(shops))


async def names(access: AccessService, caller: Caller = SYSTEM) -> list[str]:
    return [key.name for key in await access.list_keys(caller)]


# --- making and recognising ----------------------------------------------------------------------------------------


@on_both_databases
async def test_a_key_is_recognised_as_what_it_was_made(access: AccessService) -> None:
    key, secret = await access.create_key(SYSTEM, "  the app ", {Scope.ORDERS_READ, Scope.SHOPS_READ}, ["s2", "s1"])

    caller = await access.authenticate(secret)

    assert caller == Caller(
        key.id, "the app", frozenset({Scope.ORDERS_READ, Scope.SHOPS_READ}), frozenset({"s1", "s2"})
    )
    assert secret.startswith(key.hint)
    assert len(key.hint) < 12


@on_both_databases
async def test_a_key_for_every_shop_is_told_from_a_key_for_none(access: AccessService) -> None:
    _, every = await access.create_key(SYSTEM, "every", {Scope.SHOPS_READ}, None)
    _, none = await access.create_key(SYSTEM, "none", {Scope.SHOPS_READ}, [])

    callers = [await access.authenticate(secret) for secret in (every, none)]

    assert [caller.may_see("s1") for caller in callers if caller] == [True, False]


async def test_no_two_keys_are_alike(access: AccessService) -> None:
    made = [(await access.create_key(SYSTEM, "same name", {Scope.SHOPS_READ}, None))[1] for _ in range(5)]

    assert len(set(made)) == 5
    assert all(len(secret) >= len(PREFIX) + 43 for secret in made)  # 32 bytes


async def test_an_unknown_key_is_nobody(access: AccessService) -> None:
    _, secret = await access.create_key(SYSTEM, "app", {Scope.SHOPS_READ}, None)

    near = [secret[:-1], secret + "x", secret.swapcase(), secret.removeprefix(PREFIX), f" {secret}"]
    for other in (*near, "", PREFIX, "mcg_é", "%", "mcg_%"):
        assert await access.authenticate(other) is None


async def test_the_id_and_the_hash_of_a_key_open_nothing(access: AccessService, db: Database) -> None:
    key, _ = await access.create_key(SYSTEM, "app", {Scope.SHOPS_READ}, None)
    digest = await db.read(lambda session: session.execute(sa.text("SELECT hash FROM api_keys")).scalar_one())

    for text in (key.id, key.hint, digest, PREFIX + key.id, PREFIX + digest):
        assert await access.authenticate(text) is None


async def test_a_key_needs_a_name_and_a_scope(access: AccessService) -> None:
    with pytest.raises(InvalidInput) as unnamed:
        await access.create_key(SYSTEM, "  ", {Scope.SHOPS_READ}, None)
    with pytest.raises(InvalidInput) as powerless:
        await access.create_key(SYSTEM, "app", set(), None)

    assert (unnamed.value.field, powerless.value.field) == (("name",), ("scopes",))
    assert await names(access) == []


@on_both_databases
async def test_the_secret_is_nowhere_in_the_database(access: AccessService, db: Database) -> None:
    _, secret = await access.create_key(SYSTEM, "app", ALL_SCOPES, ["s1"])

    with db.engine.connect() as connection:
        dump = [
            connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            for table in sa.inspect(db.engine).get_table_names()
        ]
    stored = repr(dump)

    assert "'app'" in stored
    random = secret.removeprefix(PREFIX)
    # Not even a piece of it that would spare somebody the guessing; the hint shows six characters.
    assert not any(random[start : start + 7] in stored for start in range(len(random) - 6))


# --- revoking ------------------------------------------------------------------------------------------------------


async def test_a_revoked_key_is_nobody_from_then_on(access: AccessService, clock: ManualClock) -> None:
    key, secret = await access.create_key(SYSTEM, "app", {Scope.SHOPS_READ}, None)
    _, other = await access.create_key(SYSTEM, "other", {Scope.SHOPS_READ}, None)

    revoked = await access.revoke_key(SYSTEM, key.id)

    assert revoked.revoked_at == clock.now()
    assert await access.authenticate(secret) is None
    assert await access.authenticate(other) is not None


async def test_revoking_twice_keeps_the_first_time(access: AccessService, clock: ManualClock) -> None:
    key, _ = await access.create_key(SYSTEM, "app", {Scope.SHOPS_READ}, None)
    first = await access.revoke_key(SYSTEM, key.id)
    clock.advance(60)

    assert await access.revoke_key(SYSTEM, key.id) == first


async def test_keys_are_listed_newest_first_and_revoked_ones_stay_listed(
    access: AccessService, clock: ManualClock
) -> None:
    for name in ("first", "second", "third"):
        key, _ = await access.create_key(SYSTEM, name, {Scope.SHOPS_READ}, None)
        clock.advance(1)
    await access.revoke_key(SYSTEM, key.id)

    listed = await access.list_keys(SYSTEM)

    assert [(key.name, key.revoked_at is not None) for key in listed] == [
        ("third", True),
        ("second", False),
        ("first", False),
    ]


# --- no way up -----------------------------------------------------------------------------------------------------


async def test_a_key_without_the_scope_can_do_nothing_with_keys(access: AccessService) -> None:
    key, _ = await access.create_key(SYSTEM, "app", {Scope.SHOPS_READ}, None)
    reader = Caller("r", "reader", ALL_SCOPES - {Scope.KEYS_WRITE}, None)

    with pytest.raises(Forbidden):
        await access.create_key(reader, "mine", {Scope.SHOPS_READ}, None)
    with pytest.raises(Forbidden):
        await access.revoke_key(reader, key.id)
    with pytest.raises(Forbidden):
        await access.list_keys(reader)

    [kept] = await access.list_keys(SYSTEM)
    assert kept == key


async def test_no_scope_is_granted_that_the_caller_lacks(access: AccessService) -> None:
    caller = Caller("c", "c", frozenset({Scope.KEYS_WRITE, Scope.SHOPS_READ}), None)

    with pytest.raises(Forbidden, match="orders:write") as refused:
        await access.create_key(caller, "more", {Scope.SHOPS_READ, Scope.ORDERS_WRITE}, None)
    await access.create_key(caller, "as much", caller.scopes, None)

    assert refused.value.field == ("scopes",)
    assert await names(access) == ["as much"]


@pytest.mark.parametrize("shops", [None, ["s2"], ["s1", "s2"]])
async def test_no_shop_is_granted_that_the_caller_lacks(access: AccessService, shops: list[str] | None) -> None:
    # A shop that exists and one that does not look the same, so the answer is "not found".
    with pytest.raises(NotFound) as refused:
        await access.create_key(limited("s1"), "more", {Scope.SHOPS_READ}, shops)

    assert refused.value.field == ("shopIds",)
    assert await names(access) == []


async def test_a_limited_key_passes_on_what_it_has(access: AccessService) -> None:
    _, secret = await access.create_key(limited("s1", "s2"), "less", {Scope.SHOPS_READ}, ["s2"])

    caller = await access.authenticate(secret)

    assert caller is not None
    assert caller.shops == frozenset({"s2"})


@on_both_databases
async def test_a_limited_key_neither_sees_nor_revokes_wider_keys(access: AccessService) -> None:
    shops = {"every": None, "both": ["s1", "s2"], "foreign": ["s2"], "own": ["s1"]}
    made = {name: await access.create_key(SYSTEM, name, {Scope.SHOPS_READ}, granted) for name, granted in shops.items()}
    caller = limited("s1")

    assert await names(access, caller) == ["own"]
    for name in ("every", "both", "foreign"):
        key, secret = made[name]
        with pytest.raises(NotFound) as refused:
            await access.revoke_key(caller, key.id)
        with pytest.raises(NotFound, match=f"^{refused.value}$"):
            await access.revoke_key(caller, "0" * 32)  # one that does not exist looks the same
        assert await access.authenticate(secret) is not None

    await access.revoke_key(caller, made["own"][0].id)
    assert await access.authenticate(made["own"][1]) is None
