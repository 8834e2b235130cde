"""Tokens at rest: sealed by the newest key, opened by any, and a wrong key says so."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.vault import Vault, VaultError

OLD, NEW = Vault.new_key(), Vault.new_key()
TOKEN = "EAAGm0PX4ZCpsBAtoken"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_again(text: str) -> None:
    vault = Vault(OLD)

    sealed = vault.seal(text)

    assert vault.open(sealed) == text


def test_a_sealed_token_shows_nothing_and_never_looks_the_same() -> None:
    vault = Vault(OLD)

    first, second = vault.seal(TOKEN), vault.seal(TOKEN)

    assert TOKEN not in first
    assert first != second


def test_the_old_key_still_opens_and_the_new_one_seals() -> None:
    sealed_before = Vault(OLD).seal(TOKEN)
    both = Vault(f"{NEW}, {OLD}")

    assert both.open(sealed_before) == TOKEN
    assert Fernet(NEW).decrypt(both.seal(TOKEN)).decode() == TOKEN


def test_after_rotation_the_old_key_can_go() -> None:
    sealed_before = Vault(OLD).seal(TOKEN)

    rotated = Vault(f"{NEW},{OLD}").rotate(sealed_before)

    assert Vault(NEW).open(rotated) == TOKEN
    with pytest.raises(VaultError):
        Vault(OLD).open(rotated)


@pytest.mark.parametrize("use", [Vault.open, Vault.rotate])
@pytest.mark.parametrize("sealed", [Vault(OLD).seal(TOKEN), "", "plain text", "gAAAAé"])
def test_what_no_key_opens_is_a_clear_error(use: object, sealed: str) -> None:
    assert callable(use)

    with pytest.raises(VaultError, match="GATEWAY_ENCRYPTION_KEYS") as refused:
        use(Vault(NEW), sealed)

    assert TOKEN not in str(refused.value)


def test_a_changed_byte_is_noticed() -> None:
    sealed = Vault(OLD).seal(TOKEN)
    middle = len(sealed) // 2

    with pytest.raises(VaultError):
        Vault(OLD).open(sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :])


@pytest.mark.parametrize(
    "keys",
    ["", "  ", ",", "secret", f"{OLD},oops", OLD[:-4], "é" * 32],
    ids=["nothing", "blanks", "a comma", "a word", "a key and a word", "a cut key", "no ASCII"],
)
def test_bad_keys_are_a_clear_error_that_does_not_repeat_them(keys: str) -> None:
    with pytest.raises(VaultError, match="GATEWAY_ENCRYPTION_KEYS") as refused:
        Vault(keys)

    assert "commerce-gateway keys encryption-key" in str(refused.value)
    assert not any(key.strip() and key.strip() in str(refused.value) for key in keys.split(","))
