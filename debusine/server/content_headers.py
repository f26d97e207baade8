"""Headers of what is served from artifacts: safe types, names that survive, tags for caches."""

import re
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote

#: Types that no browser runs; everything else is served as the last of them, text as the first.
SAFE_TYPES = (
    "text/plain",
    "text/markdown",
    "application/json",
    "application/gzip",
    "application/x-xz",
    "application/x-tar",
    "application/x-bzip2",
    "application/zstd",
    "application/vnd.debian.binary-package",
    "application/octet-stream",
)
#: Those in which the characters of ASCII are what they are everywhere: in others (UTF-7) harmless text may be a script.
_CHARSET = re.compile(
    r"charset=\"?(utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|euc-(?:jp|kr)|gb18030|big5)\"?(?![\w-])",
    re.ASCII | re.IGNORECASE,
)
#: What some reader of the header takes for the end of the name, or for a code; the exact name follows in another form.
_UNSAFE_IN_QUOTES = re.compile(r"[^A-Za-z0-9 !#$&()+,.:=@\[\]^_`{}~-]", re.ASCII)


def safe_content_type(declared: str | None) -> str:
    """The type under which a file is served, whatever its uploader says of it."""
    name, _, parameters = (declared or "").partition(";")
    name = name.strip().lower()
    if not name.startswith("text/"):
        return name if name in SAFE_TYPES else "application/octet-stream"
    charset = _CHARSET.search(parameters)
    safe = name if name in SAFE_TYPES else "text/plain"
    return f"{safe}; charset={charset[1].lower()}" if charset else safe


def attachment(name: str) -> str:
    """A ``Content-Disposition`` by RFC 6266: the name in ASCII, and exactly if that is not the same."""
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{exact}'


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(moment, usegmt=True)
