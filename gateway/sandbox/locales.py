"""Texts for end users in other languages than English.

Only `error_user_title` and `error_user_msg` follow `locale` (graph-api.md section 12); a language that is not here,
or a text that nobody translated, stays English.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.sandbox.errors import SESSION_MESSAGE, SESSION_TITLE

_ORDER = "Order Cannot Be Acknowledged"
_ORDER_TEXT = "Order cannot be acknowledged."
_TEXTS: Mapping[str, Mapping[str, str]] = {
    "de": {
        SESSION_TITLE: "Sitzung abgelaufen",
        SESSION_MESSAGE: "Deine Sitzung ist beendet. Bitte melde dich erneut an.",
        _ORDER: "Bestellung kann nicht bestätigt werden",
        _ORDER_TEXT: "Die Bestellung kann nicht bestätigt werden.",
    },
    "fr": {
        SESSION_TITLE: "Session expirée",
        SESSION_MESSAGE: "Votre session est terminée. Veuillez vous reconnecter.",
        _ORDER: "Commande impossible à confirmer",
        _ORDER_TEXT: "La commande ne peut pas être confirmée.",
    },
    "es": {
        SESSION_TITLE: "La sesión caducó",
        SESSION_MESSAGE: "Tu sesión ha terminado. Vuelve a iniciar sesión.",
        _ORDER: "No se puede confirmar el pedido",
        _ORDER_TEXT: "No se puede confirmar el pedido.",
    },
}


def translated(text: str, locale: str) -> str:
    """*text* in the language of a locale such as `de_DE`, or as it is."""
    language = locale.replace("-", "_").partition("_")[0].lower()
    return _TEXTS.get(language, {}).get(text, text)
