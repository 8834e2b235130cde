"""Encryption at rest for tokens: Fernet with key rotation.

The first key encrypts, all of them decrypt; so a new key is put in front and old texts are re-encrypted at leisure
(``rotate``).  Source: cryptography > Fernet > MultiFernet.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """The keys are no keys, or none of them opens the text."""


class Vault:
    """Seals and opens short texts."""

    def __init__(self, keys: str) -> None:
        """*keys*: Fernet keys, newest first, separated by commas."""
        try:
            fernets = [Fernet(key.strip().encode()) for key in keys.split(",") if key.strip()]
        except ValueError as exc:
            raise VaultError(
                "GATEWAY_ENCRYPTION_KEYS holds something that is no Fernet key; make one with "
                "`commerce-gateway keys encryption-key`"
            ) from exc
        if not fernets:
            raise VaultError("GATEWAY_ENCRYPTION_KEYS is empty; make a key with `commerce-gateway keys encryption-key`")
        self._fernet = MultiFernet(fernets)

    @staticmethod
    def new_key() -> str:
        return Fernet.generate_key().decode()

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text behind *sealed*.

        Raises:
            VaultError: none of the keys opens it.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as exc:
            raise VaultError("none of GATEWAY_ENCRYPTION_KEYS opens a stored token; put the old key back") from exc

    def rotate(self, sealed: str) -> str:
        """The same text under the newest key."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken as exc:
            raise VaultError("none of GATEWAY_ENCRYPTION_KEYS opens a stored token; put the old key back") from exc
