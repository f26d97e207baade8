"""Content types: what a file is, by its name and its first bytes."""

import codecs
from pathlib import Path

_BY_SUFFIX = {
    ".buildinfo": "text/plain; charset=utf-8",
    ".changes": "text/plain; charset=utf-8",
    ".dsc": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".deb": "application/vnd.debian.binary-package",
    ".ddeb": "application/vnd.debian.binary-package",
    ".udeb": "application/vnd.debian.binary-package",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".tar": "application/x-tar",
}
#: Bytes of a file that are looked at.
BEGINNING = 1 << 13


def content_type(source: Path) -> str:
    """The content type of a local file."""
    return _BY_SUFFIX.get(source.suffix.lower()) or _by_content(source)


def _by_content(source: Path) -> str:
    with source.open("rb") as stream:
        beginning = stream.read(BEGINNING)
    if not beginning or b"\0" in beginning:
        return "application/octet-stream"
    if beginning.isascii():
        return "text/plain; charset=us-ascii"
    return "text/plain; charset=utf-8" if _is_utf8(beginning) else "application/octet-stream"


def _is_utf8(beginning: bytes) -> bool:
    try:
        # Not final: the last character may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(beginning, final=False)
    except UnicodeDecodeError:
        return False
    return True
