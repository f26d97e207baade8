"""The frame of every page, and the headers that let it do nothing but be read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import orjson
from aiohttp import web

from debusine.server.pages.markup import Content, Html, element, joined, link

STYLESHEET = "/static/debusine.css"
STYLES = files("debusine.server.pages").joinpath("debusine.css").read_text(encoding="utf-8")

#: Bytes of JSON that a page shows.
MOST = 64 << 10

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-cache",
}


def page(title: str, *content: Content) -> web.Response:
    """A whole page."""
    head = joined(
        (
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            element("title", title if title == "debusine" else f"{title} - debusine"),
            Html(f'<link rel="stylesheet" href="{STYLESHEET}">'),
        )
    )
    body = (element("header", link("/", "debusine")), element("main", element("h1", title), *content))
    html = element("html", element("head", head), element("body", *body), lang="en")
    return web.Response(text=f"<!doctype html>\n{html}\n", content_type="text/html", headers=HEADERS)


async def stylesheet(_request: web.Request) -> web.Response:
    """The one style sheet of all pages."""
    return web.Response(text=STYLES, content_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


def moment(value: datetime | None) -> Html | None:
    """A moment, in UTC."""
    if value is None:
        return None
    text = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return element("time", text, datetime=value.isoformat())


def data(value: Mapping[str, Any] | None) -> Html | None:
    """JSON as it is, as far as somebody would read it."""
    if not value:
        return None
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    if len(text) <= MOST:
        return element("pre", text.decode())
    shown = element("pre", text[:MOST].decode(errors="ignore"))
    return joined((shown, element("p", f"… and {size(len(text) - MOST)} more; the API has all of it.")))


def size(number: int) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:,.4g} {unit}"
        number = number / 1024  # type: ignore[assignment]
    return f"{number:,.4g} GiB"
