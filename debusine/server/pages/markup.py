"""Markup: HTML made of elements, in which every text is escaped unless it is HTML already."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content: TypeAlias = str | Html


def element(tag: str, *content: Content, **attributes: str) -> Html:
    """An element; ``class_`` is the attribute ``class``."""
    named = "".join(f' {name.rstrip("_")}="{escape(value)}"' for name, value in attributes.items())
    return Html(f"<{tag}{named}>{joined(content)}</{tag}>")


def joined(content: Iterable[Content]) -> Html:
    """One piece of HTML of several, each text in it escaped."""
    return Html("".join(piece if isinstance(piece, Html) else escape(piece) for piece in content))


def link(target: str, *content: Content) -> Html:
    """A link."""
    return element("a", *content, href=target)


def facts(rows: Iterable[tuple[str, Content | None]]) -> Html:
    """A list of terms and what they are; those that are None are left out."""
    pairs = ((element("dt", term), element("dd", value)) for term, value in rows if value is not None)
    return element("dl", *(part for pair in pairs for part in pair))


def table(headings: Iterable[str], rows: Iterable[Iterable[Content]]) -> Html:
    """A table, which scrolls by itself when it is too wide."""
    head = element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings)))
    body = element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows))
    return element("div", element("table", head, body), class_="wide", tabindex="0")
