"""Nothing secret gets into a log: by its type, by its key, by the look of the text."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.kit.log import HIDDEN, configure_logging, redact, redact_text

META_TOKEN = "EAAGm0PX4ZCpsBA-Kq_9tokenOfAShop"
OUR_KEY = "mcg_Zk3v9Q-b_2hV8aXw"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where events go during a test; the configuration of everybody else comes back afterwards."""
    before, root, handlers = structlog.get_config(), logging.getLogger(), list(logging.getLogger().handlers)
    yield io.StringIO()
    structlog.configure(**before)
    root.handlers[:] = handlers


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# --- by text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [META_TOKEN, OUR_KEY])
@pytest.mark.parametrize("text", ["{}", "token {} was refused", "a={}&b=1", '{{"t": "{}"}}', "({})", "x\n{}\ny"])
def test_tokens_and_keys_are_found_anywhere_in_a_text(text: str, secret: str) -> None:
    assert redact_text(text.format(secret)) == text.format(HIDDEN)


@pytest.mark.parametrize("parameter", ["access_token", "appsecret_proof", "client_secret", "code"])
def test_secret_parameters_of_a_url_lose_their_value_only(parameter: str) -> None:
    url = f"https://graph.example.com/v25.0/me?fields=id&{parameter}=12%7Cab.c-d&limit=5"

    assert redact_text(url) == f"https://graph.example.com/v25.0/me?fields=id&{parameter}={HIDDEN}&limit=5"


@given(st.text("ABCxyz019_-", min_size=8, max_size=200), st.text(" .,:;/?&=\"'", min_size=1), st.text(" .,:;/?&=\"'"))
def test_no_token_survives_whatever_stands_around_it(tail: str, before: str, after: str) -> None:
    for secret in (f"EAA{tail}", f"mcg_{tail}"):
        assert secret not in redact_text(f"{before}{secret}{after}{secret}")


@pytest.mark.parametrize("text", ["", "order 123 was paid", "SEAT EAA", "12.50 USD", "https://x.example/?page=2"])
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert redact_text(text) == text


# --- by key and by type --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    """accessToken access_token app_secret appsecret_proof password Authorization api_key apiKey Cookie X-Hub-Signature
    email e-mail buyer phone shipping_address""".split(),
)
@pytest.mark.parametrize("value", ["plain", 7, ["plain"], {"inner": "plain"}])
def test_a_key_that_names_a_secret_hides_whatever_it_holds(key: str, value: Any) -> None:
    assert redact({"outer": [{key: value}]}) == {"outer": [{key: HIDDEN}]}


def test_an_absent_secret_is_shown_as_absent() -> None:
    assert redact({"token": None}) == {"token": None}


def test_a_secret_type_is_hidden_under_any_key() -> None:
    assert redact({"note": SecretStr("plain"), "more": (SecretStr("plain"), 1)}) == {
        "note": HIDDEN,
        "more": [HIDDEN, 1],
    }


def test_an_exception_is_told_without_its_secrets() -> None:
    assert redact(ValueError(f"refused {META_TOKEN}")) == f"ValueError: refused {HIDDEN}"


def test_the_value_itself_is_left_alone() -> None:
    value = {"token": "plain", "list": [META_TOKEN]}

    redact(value)

    assert value == {"token": "plain", "list": [META_TOKEN]}


# --- through the whole chain ---------------------------------------------------------------------------------------


def test_events_are_json_lines_with_time_level_and_facts(stream: io.StringIO) -> None:
    configure_logging(json=True, stream=stream)

    structlog.get_logger("test").info("an order came in", order_id="17", count=2)

    [event] = events(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "an order came in", "level": "info", "order_id": "17", "count": 2}


def test_what_the_context_adds_is_redacted_too(stream: io.StringIO) -> None:
    configure_logging(json=True, stream=stream)

    with structlog.contextvars.bound_contextvars(trace="t1", authorization=f"Bearer {OUR_KEY}"):
        structlog.get_logger().warning(f"refused {OUR_KEY}", shop={"url": f"/me?access_token={META_TOKEN}"})

    [event] = events(stream)
    assert event["event"] == f"refused {HIDDEN}"
    assert event["authorization"] == HIDDEN
    assert event["shop"] == {"url": f"/me?access_token={HIDDEN}"}
    assert event["trace"] == "t1"


def test_a_traceback_keeps_its_lines_and_loses_its_secrets(stream: io.StringIO) -> None:
    configure_logging(json=True, stream=stream)

    try:
        try:
            raise ConnectionError(f"GET /me?access_token={META_TOKEN}&limit=5")
        except ConnectionError as exc:
            raise RuntimeError(f"the key {OUR_KEY} was no help") from exc
    except RuntimeError:
        structlog.get_logger().exception("failed")

    written = stream.getvalue()
    assert META_TOKEN not in written
    assert OUR_KEY not in written
    assert "Traceback (most recent call last)" in written
    assert "test_a_traceback_keeps_its_lines" in written
    assert f"RuntimeError: the key {HIDDEN} was no help" in written
    assert f"ConnectionError: GET /me?access_token={HIDDEN}&limit=5" in written


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    configure_logging(json=True, level=logging.WARNING, stream=stream)

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [event["event"] for event in events(stream)] == ["loud"]


@pytest.mark.parametrize("value", [b"EAAB12345678901234", httpx.URL("https://x.example/me?access_token=abcdefgh1234")])
def test_other_objects_are_redacted_as_they_will_be_shown(value: Any) -> None:
    shown = str(redact(value))

    assert HIDDEN in shown
    assert "EAAB12345678901234" not in shown
    assert "abcdefgh1234" not in shown


def test_an_error_code_is_no_secret() -> None:
    assert redact_text("error_code=190 subcode=467") == "error_code=190 subcode=467"


def test_a_token_that_is_a_key_is_hidden() -> None:
    assert redact({"EAAB12345678901234": 1}) == {HIDDEN: 1}


def test_the_loggers_of_libraries_are_redacted_too(stream: io.StringIO) -> None:
    configure_logging(json=True, stream=stream)

    logging.getLogger("httpx").warning("GET https://x.example/me?access_token=%s failed", META_TOKEN)

    assert HIDDEN in stream.getvalue()
    assert META_TOKEN not in stream.getvalue()


def test_people_get_plain_text_when_it_is_no_terminal(stream: io.StringIO) -> None:
    configure_logging(json=False, stream=stream)

    structlog.get_logger().info("started", token="plain")

    assert "started" in stream.getvalue()
    assert "plain" not in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()
