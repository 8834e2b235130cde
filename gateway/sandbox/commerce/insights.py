"""Organic insights of a Page, an Instagram account and a post.

Source: signals.md section 13, engagement.md section 6.  The numbers follow from the world's seed, so they never change
between two reads; metrics that Meta retired are refused in every version.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox import params
from gateway.sandbox.clock import iso_node
from gateway.sandbox.commerce.instagram import READ
from gateway.sandbox.commerce.messaging import need_page_token
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Schema

DAY = 86_400
LONGEST_RANGE, HISTORY = 90, 730
_REACTIONS = "anger haha like love sorry wow".split()
PAGE_METRICS = (
    "page_media_view page_total_media_view_unique page_post_engagements page_follows page_daily_follows_unique "
    "page_daily_unfollows_unique page_views_total page_video_views"
).split() + [f"page_actions_post_reactions_{name}_total" for name in _REACTIONS]
PERIODS = {"day": 1, "week": 7, "days_28": 28, "month": 30, "lifetime": 0, "total_over_range": 0}
ACCOUNT_METRICS = (
    "accounts_engaged comments content_views engaged_audience_demographics follower_count follower_demographics "
    "follows_and_unfollows likes online_followers profile_links_taps profile_views quotes reach "
    "reached_audience_demographics replies reposts saves shares total_interactions views website_clicks"
).split()
METRIC_TYPES = ("default", "time_series", "total_value")
BREAKDOWNS = "age city contact_button_type country follow_type gender media_product_type".split()
MEDIA_METRICS = (
    "reach likes comments saved shares views total_interactions clips_replays_count content_views crossposted_views "
    "facebook_views follows ig_reels_avg_watch_time ig_reels_video_view_total_time navigation profile_activity "
    "profile_visits reels_skip_rate replies reposts"
).split()


def _metrics(given: Params, known: list[str]) -> list[str]:
    metrics = params.words(given, "metric")
    if not metrics or any(metric not in known for metric in metrics):
        raise invalid("The value must be a valid insights metric")
    return metrics


def _number(call: Call, *parts: Any) -> int:
    text = " ".join(str(part) for part in (call.world.config.seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") % 500


def _days(call: Call, given: Params) -> list[int]:
    """The days asked for, as numbers; the last two unless asked otherwise.  A day ends at 07:00 UTC."""
    until = params.moment(given, "until") or call.now
    since = params.moment(given, "since")
    since = until - 2 * DAY if since is None else since
    if since > until:
        raise invalid("Param since must not be later than until")
    if until > call.now + DAY or since < call.now - HISTORY * DAY:
        raise invalid(f"Insights are kept for {HISTORY} days, and not known in advance")
    if until - since > LONGEST_RANGE * DAY:
        raise invalid(f"There cannot be more than {LONGEST_RANGE} days between since and until")
    return list(range(int(since // DAY), int(until // DAY)))


def _ends(day: int) -> str:
    return iso_node((day + 1) * DAY + 7 * 3600)


def _row(node: Node, metric: str, period: str) -> dict[str, Any]:
    title = metric.replace("_", " ").capitalize()
    return {
        "name": metric,
        "period": period,
        "title": title,
        "description": f"{title} of this object.",
        "id": f"{node.id}/insights/{metric}/{period}",
    }


def _of_page(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    need_page_token(call)
    metrics = _metrics(given, PAGE_METRICS)
    periods = params.choices(given, "period", PERIODS) or ["day"]
    days = _days(call, given)
    rows = []
    for metric in metrics:
        for period in periods:
            span = PERIODS[period]
            if span:
                sums = [(sum(_number(call, node.id, metric, day - n) for n in range(span)), day) for day in days]
                values: list[dict[str, Any]] = [{"value": value, "end_time": _ends(day)} for value, day in sums]
            else:
                values = [{"value": sum(_number(call, node.id, metric, day) for day in days)}]
            rows.append(_row(node, metric, period) | {"values": values})
    return rows


def _of_account(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    metrics = _metrics(given, ACCOUNT_METRICS)
    kind = (params.choices(given, "metric_type", METRIC_TYPES) or ["default"])[0]
    breakdowns = params.choices(given, "breakdown", BREAKDOWNS)
    if breakdowns and kind != "total_value":
        raise invalid("A breakdown needs metric_type=total_value")
    days = _days(call, given)
    rows = []
    for metric in metrics:
        row = _row(node, metric, "day")
        if kind != "total_value":
            values = [{"value": _number(call, node.id, metric, day), "end_time": _ends(day)} for day in days]
            rows.append(row | {"values": values})
            continue
        total = sum(_number(call, node.id, metric, day) for day in days)
        shown: dict[str, Any] = {"value": total}
        if breakdowns == ["media_product_type"]:
            posts = total * 2 // 3
            results = [
                {"dimension_values": [name], "value": value}
                for name, value in (("POST", posts), ("REEL", total - posts))
            ]
            shown["breakdowns"] = [{"dimension_keys": breakdowns, "results": results}]
        rows.append(row | {"total_value": shown})
    return rows


def _of_media(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    day = datetime.fromtimestamp(node.doc["at"], UTC).date()
    return [
        _row(node, metric, "lifetime") | {"values": [{"value": _number(call, node.id, metric, day)}]}
        for metric in _metrics(given, MEDIA_METRICS)
    ]


def _ratings(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """Page reviews went away in every version."""
    raise GraphError(12, "(#12) This endpoint has been deprecated.")


def install(schema: Schema) -> None:
    asked = ("metric", "period", "metric_type", "breakdown", "timeframe", "date_preset")
    schema.add(
        PlainEdge("Page", "insights", _of_page, asked, READ),
        PlainEdge("IGUser", "insights", _of_account, asked, READ),
        PlainEdge("IGMedia", "insights", _of_media, asked, READ),
        PlainEdge("Page", "ratings", _ratings),
    )
