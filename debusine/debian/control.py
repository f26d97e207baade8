"""Control files: .dsc and .changes as plain values, and the files that they list."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from debian.deb822 import Changes, Deb822, Dsc

from debusine.debian.errors import MissingFile, UnreadablePackage, WrongFile

#: Bytes; no real .dsc or .changes comes near.
LARGEST = 16 << 20

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@frozen(kw_only=True)
class Listed:
    """A file that a .dsc or .changes lists."""

    name: str
    #: Bytes.
    size: int
    #: None: the listing does not tell.
    sha256: str | None


def read_dsc(path: Path) -> dict[str, Any]:
    """The fields of a .dsc, signed or not; ``Files``, ``Checksums-*`` and ``Package-List`` are lists of objects."""
    return _required(path, plain(Dsc(_text(path))), "Source", "Version", "Files")


def read_changes(path: Path) -> dict[str, Any]:
    """The fields of a .changes, signed or not; ``Files`` and ``Checksums-*`` are lists of objects."""
    return _required(path, plain(Changes(_text(path))), "Source", "Version", "Architecture", "Files")


def listed_files(path: Path, fields: Mapping[str, Any]) -> list[Listed]:
    """The files that the fields of a .dsc or .changes list, in their order; names with directories are refused."""
    hashes = {item.get("name"): item.get("sha256") for item in _items(path, fields, "Checksums-Sha256")}
    return [_listed(path, item, hashes.get(item.get("name"))) for item in _items(path, fields, "Files")]


def beside(path: Path, files: Sequence[Listed]) -> dict[str, Path]:
    """A listing and all files that it lists, by name; ``MissingFile``."""
    found = {file.name: path.parent / file.name for file in files}
    for name, place in found.items():
        if not place.is_file():
            raise MissingFile(path, name)
    return {path.name: path, **found}


def check_contents(path: Path, files: Sequence[Listed]) -> None:
    """Compare the files beside a listing with the sizes and hashes that it tells; ``WrongFile``."""
    for file in files:
        check_content(path, file)


def check_content(path: Path, file: Listed) -> None:
    """Compare one file beside a listing with what it tells."""
    place = path.parent / file.name
    size = place.stat().st_size
    if size != file.size:
        raise WrongFile(path, file.name, f"it has {size} bytes instead of {file.size}")
    if file.sha256 is None:
        return
    with place.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256.lower():
            raise WrongFile(path, file.name, "its SHA-256 differs")


def source_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Name and version of the source, from ``Source: name (version)`` or the package itself."""
    name, _, version = str(fields.get("Source") or fields["Package"]).partition(" ")
    return name, version.strip().strip("()") or str(fields["Version"])


def plain(fields: Deb822) -> dict[str, Any]:
    """Fields as strings and lists of objects, with nothing of python-debian in them."""
    return {str(key): _plain_value(value) for key, value in fields.items()}


def _plain_value(value: object) -> Any:
    if isinstance(value, list):
        return [{str(key): str(inner) for key, inner in item.items()} for item in value]
    return str(value)


def _text(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise UnreadablePackage(path, f"it is larger than {LARGEST >> 20} MiB")
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise UnreadablePackage(path, f"it is not UTF-8 ({error.reason} at byte {error.start})") from error
    if b"\0" in content:
        raise UnreadablePackage(path, "it has a NUL byte")
    return content


def _required(path: Path, fields: dict[str, Any], *names: str) -> dict[str, Any]:
    missing = [name for name in names if not fields.get(name)]
    if missing:
        raise UnreadablePackage(path, f"it has no field {' and no '.join(missing)}")
    return fields


def _items(path: Path, fields: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    items = fields.get(name, [])
    if not isinstance(items, list):
        raise UnreadablePackage(path, f"its field {name} is not a list of files")
    return items


def _listed(path: Path, item: Mapping[str, str], sha256: str | None) -> Listed:
    name, size = item.get("name", ""), item.get("size", "")
    if not name or name in {".", ".."} or "/" in name:
        raise UnreadablePackage(path, f"it lists {name!r}, which is not the name of a file")
    if not size.isdecimal():
        raise UnreadablePackage(path, f"it lists {name} with the size {size!r}")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UnreadablePackage(path, f"it lists {name} with the SHA-256 {sha256!r}")
    return Listed(name=name, size=int(size), sha256=sha256)
