"""HTML to plain text for descriptions: Meta wants no markup in them (Catalog > Product fields, description).

One pass, no backtracking, and no more read than the result can hold, because the HTML comes from anywhere.
"""

from __future__ import annotations

import html
import re

MAX_TAGS = 50_000
_BREAKS = frozenset(
    "p br div li ul ol tr table h1 h2 h3 h4 h5 h6 section article header footer blockquote hr pre".split()
)
_UNSEEN = ("script", "style", "template", "head", "title")
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,20})")
_GAP = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n\s*")


def plain_text(markup: str, limit: int) -> str:
    """The text of *markup*, at most *limit* characters; a longer one ends at a word and with an ellipsis."""
    parts: list[str] = []
    room = 4 * limit  # entities and white space shrink
    position, end, tags = 0, len(markup), 0
    while position < end and room > 0 and tags < MAX_TAGS:
        tags += 1
        start = markup.find("<", position)
        if start < 0:
            start = end
        parts.append(markup[position : min(start, position + room)])
        room -= start - position
        if start == end:
            break
        position = _after_tag(markup, start, parts)
    text = html.unescape("".join(parts)).replace("\u00a0", " ")
    text = _LINES.sub("\n", _GAP.sub(" ", text)).strip()
    return text if len(text) <= limit else _cut(text, limit)


def _after_tag(markup: str, start: int, parts: list[str]) -> int:
    """Where the text goes on after what begins at *start* with ``<``."""
    if markup.startswith("<!--", start):
        close = markup.find("-->", start + 4)
        return len(markup) if close < 0 else close + 3
    name = _TAG_NAME.match(markup, start)
    if name is None and not markup.startswith(("<!", "<?"), start):
        parts.append("<")  # "sizes < 40" is text
        return start + 1
    close = markup.find(">", start)
    if close < 0:
        return len(markup)
    tag = name[1].lower() if name is not None else ""
    if tag in _BREAKS:
        parts.append("\n")
    if tag in _UNSEEN and markup[start + 1] != "/":
        # Their text is not shown; it ends at their own end tag, in any case of letters.
        ending = re.compile(rf"</{tag}", re.IGNORECASE).search(markup, close)
        return len(markup) if ending is None else ending.start()
    return close + 1


def _cut(text: str, limit: int) -> str:
    kept = text[: limit - 1]
    space = kept.rfind(" ", limit // 2)
    return (kept[:space] if space > 0 else kept).rstrip() + "…"
